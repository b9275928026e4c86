"""How a user's own function is named: the module beside migration.yaml, the function, and the columns that it adds."""

from __future__ import annotations

from typing import Annotated, NotRequired

from pydantic import ConfigDict, Discriminator, Field, Tag, with_config
from typing_extensions import TypedDict

from cutover.spec.base import Name
from cutover.spec.expression import TypeName

FunctionName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*\.[A-Za-z_][A-Za-z0-9_]*$",
        description="module.function, the module a file beside migration.yaml",
    ),
]


@with_config(ConfigDict(extra="forbid", strict=True))
class FunctionCall(TypedDict):
    """A function, and the columns that it adds with their types."""

    call: FunctionName
    adds: NotRequired[Annotated[dict[Name, TypeName], Field(min_length=1)]]


def _text_or_table(value: object) -> str:
    return "<text>" if isinstance(value, str) else "<table>"


Function = Annotated[
    Annotated[FunctionName, Tag("<text>")] | Annotated[FunctionCall, Tag("<table>")],
    Discriminator(_text_or_table),
]
"""A function by its name alone, or with the columns that it adds."""


def whole(written: str | FunctionCall) -> FunctionCall:
    """Return a function however it is written as a table."""
    return {"call": written} if isinstance(written, str) else written
