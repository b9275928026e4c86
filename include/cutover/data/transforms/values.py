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
    """Map each value; NULL stays NULL, a value that is not in the mapping refuses its row."""
    if not pa.types.is_string(array.type):
        array = pc.cast(array, pa.string())
    codes = pa.array([code for code, _ in route.values], pa.string())
    meanings = pa.array([meaning for _, meaning in route.values], arrow_type(route.arrow))
    positions = pc.index_in(array, codes)
    unknown = pc.and_(pc.is_valid(array), pc.is_null(positions))
    if not pc.any(unknown).as_py():
        return Outcome(meanings.take(positions))
    return Outcome(meanings.take(positions), unknown, f"{route.source} holds a value that valueMapping does not name")
