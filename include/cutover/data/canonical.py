"""One text for each value, whichever of its spellings a server gives."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

# Zeros at the end of a fraction, and a point that nothing follows.
_ZEROS, _LEFT = r"^(-?[0-9]+)(?:\.0*|(\.[0-9]*[1-9])0*)$", r"\1\2"


def number(array: pa.Array) -> pa.StringArray:
    """Write numbers without an exponent or zeros at the end of a fraction; text must hold numbers.

    A float is written by its shortest decimal, as PostgreSQL does.
    """
    if pa.types.is_integer(array.type):
        return pc.cast(array, pa.string())
    if pa.types.is_floating(array.type):
        array = pc.cast(array, pa.string())
        array = pa.array([None if v is None else _digits(Decimal(v)) for v in array.to_pylist()], pa.string())
    elif not pa.types.is_string(array.type):
        array = pa.array([None if v is None else _digits(v) for v in array.to_pylist()], pa.string())
    return pc.replace_substring_regex(array, pattern=_ZEROS, replacement=_LEFT)


def _digits(value: Decimal) -> str:
    if not value.is_finite():
        return "NaN" if value.is_nan() else f"{value:f}"
    # PostgreSQL's numeric knows no zero below zero.
    return f"{value if value else abs(value):f}"


def widened(array: pa.DoubleArray) -> tuple[pa.DoubleArray, pa.BooleanArray]:
    """Bring a double that is the shortest decimal of a float to that float's own value; say which ones were brought.

    A tool that copies a FLOAT as text into a double precision makes 0.1 of it, and the float is 0.100000001490116.
    """
    narrow = pc.cast(array, pa.float32(), safe=False)
    exact = pc.cast(narrow, pa.float64())
    shortest = pc.cast(pc.cast(narrow, pa.string()), pa.float64())
    brought = pc.fill_null(pc.and_(pc.equal(array, shortest), pc.not_equal(array, exact)), False)
    return pc.if_else(brought, exact, array), brought


def document(array: pa.StringArray) -> pa.StringArray:
    """Write JSON with sorted keys and without white space; of a key that is there twice the last counts.

    These are the rules of jsonb (PostgreSQL manual, JSON Types). What is no JSON stays as it is.
    """
    return pa.array([None if v is None else _document(v) for v in array.to_pylist()], pa.string())


def _document(text: str) -> str:
    try:
        made = _written(json.loads(text, parse_float=Decimal, parse_int=Decimal))
        made.encode()
    except ValueError:  # no JSON, or half a letter, which no text can hold
        return text
    return made


def _written(value: object) -> str:
    if isinstance(value, dict):
        pairs = sorted(value.items())
        return "{" + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{_written(each)}" for key, each in pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    return _digits(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)


FORMS: dict[str, Callable[[pa.Array], pa.Array]] = {"number": number, "jsonb": document}
