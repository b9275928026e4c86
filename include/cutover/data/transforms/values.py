"""Replace codes by what they mean, as the spec's valueMapping says."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from cutover.data.transforms.result import Outcome
from cutover.data.types import arrow_type
from cutover.route import ColumnRoute


def applies(route: ColumnRoute) -> bool:
    """Columns with a mapping."""
    return bool(route.values)


def apply(route: ColumnRoute, array: pa.Array) -> Outcome:
    """Map each value; NULL stays NULL, and of one that is not in the mapping becomes what the route says."""
    if not pa.types.is_string(array.type):
        array = pc.cast(array, pa.string())
    codes = pa.array([code for code, _ in route.values], pa.string())
    meanings = pa.array([meaning for _, meaning in route.values], arrow_type(route.arrow))
    positions = pc.index_in(array, codes)
    unknown = pc.and_(pc.is_valid(array), pc.is_null(positions))
    mapped = meanings.take(positions)
    what = "values that valueMapping does not name"
    if not pc.any(unknown).as_py():
        return Outcome(mapped)
    if route.unmapped == "keep":
        kept = pc.if_else(unknown, array, mapped)
        return Outcome(kept, altered_by_rule=True, altered=unknown, alteration=f"{what} were kept")
    if route.unmapped == "nullify":
        return Outcome(mapped, altered=unknown, alteration=f"{what} became NULL")
    if route.unmapped == "default":
        default = pa.scalar(route.unmapped_default, mapped.type)
        filled = pc.if_else(unknown, default, mapped)
        return Outcome(filled, altered=unknown, alteration=f"{what} became {route.unmapped_default}")
    return Outcome(mapped, unknown, f"{route.source} holds a value that valueMapping does not name")
