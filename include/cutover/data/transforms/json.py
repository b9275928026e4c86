"""Refuse JSON that the source takes and PostgreSQL does not."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.compute as pc

from cutover.data.transforms.result import Outcome
from cutover.route import ColumnRoute

# MariaDB's numbers may end in a point or have nothing between it and the exponent, and its escapes may be
# unknown ones (measured on 10.11). Text that has neither needs no closer look.
_SUSPECT = r"\d\.(?:\D|$)|\\[^\"\\/bfnrtu]"


def applies(route: ColumnRoute) -> bool:
    """Columns of JSON."""
    return route.arrow == "json"


def apply(route: ColumnRoute, array: pa.Array) -> Outcome:
    """Refuse what is not JSON to the letter of RFC 8259."""
    text = array.storage if isinstance(array.type, pa.BaseExtensionType) else array
    suspect = pc.fill_null(pc.match_substring_regex(text, _SUSPECT), False)
    if not pc.any(suspect).as_py():
        return Outcome(array)
    refused = [found and not _valid(value) for found, value in zip(suspect.to_pylist(), text.to_pylist(), strict=True)]
    return Outcome(array, pa.array(refused), f"{route.target} is JSON to the source alone")


def _valid(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
