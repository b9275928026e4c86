"""How a table is told which columns name its places, and which get their coordinates."""

from __future__ import annotations

from typing import Annotated, NotRequired

from pydantic import ConfigDict, Discriminator, Field, Tag, with_config
from typing_extensions import TypedDict

from cutover.spec.base import Many, Milliseconds, Name, Scalar


def _one_or_several(value: object) -> str:
    return "<several>" if isinstance(value, list | tuple) else "<one>"


From = Annotated[
    Annotated[Name, Tag("<one>")] | Annotated[Many[Name], Field(min_length=1, max_length=2), Tag("<several>")],
    Discriminator(_one_or_several),
]
"""The column with the place's name, or that and the one with its country."""

# In this form for the key that Python has as a word.
Geocoding = TypedDict(
    "Geocoding",
    {
        "from": From,
        "latitude": Name,
        "longitude": Name,
        "service": NotRequired[Name],
        "options": NotRequired[dict[Name, Scalar]],
        "delay": NotRequired[Milliseconds],
    },
)
with_config(ConfigDict(extra="forbid", strict=True))(Geocoding)


OFFLINE = "offline"
# What the free services allow (Nominatim's usage policy: one request a second at most).
DELAY = 1_000


def columns(written: Geocoding) -> tuple[str, ...]:
    """Return the columns that name a place: its own, and where there is one its country's."""
    named = written["from"]
    return (named,) if isinstance(named, str) else tuple(named)
