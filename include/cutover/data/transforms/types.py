"""Bring a column to the exact Arrow type of its target column; what does not fit is refused."""

from __future__ import annotations

import pyarrow as pa

from cutover.data.transforms.result import Outcome
from cutover.data.types import arrow_type, cast
from cutover.route import ColumnRoute


def applies(route: ColumnRoute) -> bool:
    """Every column."""
    return True


def apply(route: ColumnRoute, array: pa.Array) -> Outcome:
    """Cast without changing any value; rows whose value does not fit are refused."""
    try:
        return Outcome(cast(array, route.arrow))
    except pa.ArrowInvalid:
        fitting, refused = _one_by_one(array, route.arrow)
        return Outcome(fitting, refused, f"{route.source} holds a value that does not fit {route.target_type}")


def _one_by_one(array: pa.Array, name: str) -> tuple[pa.Array, pa.BooleanArray]:
    """Halve until the values that do not fit stand alone."""
    try:
        return cast(array, name), pa.array([False] * len(array), pa.bool_())
    except pa.ArrowInvalid:
        if len(array) == 1:
            return pa.nulls(1, arrow_type(name)), pa.array([True])
    middle = len(array) // 2
    left, left_refused = _one_by_one(array.slice(0, middle), name)
    right, right_refused = _one_by_one(array.slice(middle), name)
    return pa.concat_arrays([left, right]), pa.concat_arrays([left_refused, right_refused])
