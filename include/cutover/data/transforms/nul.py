"""Take NUL characters out of text: PostgreSQL's text cannot hold them (manual, Character Types)."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from cutover.data.transforms.result import Outcome
from cutover.route import ColumnRoute


def applies(route: ColumnRoute) -> bool:
    """Text columns, before and after, may hold NUL; others cannot."""
    return route.wire in ("string", "json")


def apply(route: ColumnRoute, array: pa.Array) -> Outcome:
    """Remove every NUL and count the values that had one."""
    found = pc.match_substring(array, "\0")
    if not pc.any(found).as_py():
        return Outcome(array)
    return Outcome(pc.replace_substring(array, "\0", ""), altered=found, alteration="NUL characters removed")
