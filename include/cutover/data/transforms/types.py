"""Bring a column to the exact Arrow type of its target column; what does not fit is refused."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from cutover.data.transforms.result import Outcome
from cutover.data.types import arrow_type, cast
from cutover.route import ColumnRoute

# COPY would end the load at the first text that is too long, and cut spaces off without a word.
_LENGTH = re.compile(r"(?:varchar|character varying)\s*\(\s*(\d+)\s*\)", re.IGNORECASE)


def applies(route: ColumnRoute) -> bool:
    """Every column."""
    return True


def apply(route: ColumnRoute, array: pa.Array) -> Outcome:
    """Cast without changing any value; rows whose value does not fit are refused."""
    refused = None
    try:
        fitting = cast(array, route.arrow)
    except pa.ArrowInvalid:
        fitting, refused = _one_by_one(array, route.arrow)
    length = _LENGTH.fullmatch(route.target_type)
    if length is not None:
        long = pc.fill_null(pc.greater(pc.utf8_length(fitting), int(length[1])), False)
        refused = long if refused is None else pc.or_(refused, long)
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
