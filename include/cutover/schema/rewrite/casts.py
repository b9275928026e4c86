"""CAST and CONVERT, and how a value is stored in a column of another kind."""

from __future__ import annotations

import re
from dataclasses import replace

from sqlglot import exp

from cutover.schema.rewrite.choices import unless_null
from cutover.schema.rewrite.compare import array, bytes_literal
from cutover.schema.rewrite.context import Context
from cutover.schema.rewrite.moments import as_date, as_interval, as_moment, as_timestamp, quoted_moment, time_literal
from cutover.schema.rewrite.scope import Attribute, UntranslatableError
from cutover.schema.rewrite.value import (
    ATOM,
    MOMENTS,
    NULL,
    NUMBERS,
    OTHER,
    Value,
    as_text,
    condition,
    double,
    final,
    fraction,
    integer,
    number,
    number_literal,
    of_attribute,
    text,
    wide,
)

_NUMERAL = re.compile(r"\s*([-+]?\d+(?:\.\d+)?)\s*")
_LEADING = re.compile(r" *(-?[0-9]+)")
_CHARACTER_SETS = ("utf8", "utf8mb3", "utf8mb4")
_TWO_TO_64 = 18446744073709551616
_TIE = "a float that lies between two numbers may become the other one"


def cast(context: Context, value: Value, to: exp.DataType) -> Value:
    """Return CAST(value AS to).

    Raises:
        UntranslatableError: MySQL reads the value in a way of its own, or the type is not one of its casts.
    """
    sizes = [int(size.name) for size in to.expressions]
    kind = to.this
    if kind == exp.DType.BIGINT:
        return _signed(value)
    if kind == exp.DType.UBIGINT:
        return _unsigned(value)
    if kind in (exp.DType.CHAR, exp.DType.NCHAR, exp.DType.VARCHAR, exp.DType.CHARACTER_SET):
        return _characters(value, to, sizes)
    if kind == exp.DType.DECIMAL:
        return _decimal(context, value, *(sizes or [10]))
    if kind in (exp.DType.DOUBLE, exp.DType.FLOAT):
        if kind == exp.DType.FLOAT or sizes:
            raise UntranslatableError("CAST to FLOAT")
        return Value(double(_read(value)), "float", type="double precision")
    if kind == exp.DType.DATE:
        return as_date(value)
    if kind in (exp.DType.DATETIME, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ):
        return _timestamp(value, sizes[0] if sizes else None, kind)
    if kind == exp.DType.TIME:
        return _time(value, sizes[0] if sizes else None)
    if kind == exp.DType.JSON and value.kind in ("text", "json"):
        return value if value.kind == "json" else Value(f"{value.cast_ready}::json", "json", type="json")
    if kind == exp.DType.BINARY and not sizes:
        # Bytes compare as letters do one by one.
        return value if value.kind == "binary" else replace(as_text(value), ignores_case=False)
    raise UntranslatableError(f"CAST({value.kind} AS {to.sql(dialect='mysql')})")


def collate(value: Value, collation: str) -> Value:
    """Return a text that another collation is to compare; only the regard to case remains of it."""
    lowered = collation.lower()
    if lowered == "binary" or lowered.endswith(("_bin", "_cs", "_as_cs")):
        return replace(as_text(value), ignores_case=False)
    if lowered.endswith("_ci"):
        return replace(as_text(value), ignores_case=True)
    raise UntranslatableError(f"COLLATE {collation}")


def _read(value: Value) -> Value:
    """A text literal that is a number and nothing else is that number."""
    if value.kind != "text":
        return number(value)
    found = _NUMERAL.fullmatch(value.literal or "")
    if found is None:
        raise UntranslatableError("CAST of text to a number")
    return number_literal(found[1].removeprefix("+"))


def _signed(value: Value) -> Value:
    if value.kind in ("text", "enum"):
        return _leading(as_text(value))
    made = final(number(value))
    if made.kind == "null":
        return integer("NULL::bigint", type_="bigint")
    if made.type == "bigint" and made.literal is None:
        return made
    return integer(f"{made.cast_ready}::bigint", type_="bigint")


def _leading(value: Value) -> Value:
    """MySQL reads the whole number that a text begins with; without one it is zero."""
    if value.literal is not None:
        found = _LEADING.match(value.literal)
        return integer(f"{number_literal(found[1] if found else '0').cast_ready}::bigint", type_="bigint")
    number_ = f"COALESCE(substring({value.sql} from '^ *([-+]?[0-9]+)'), '0')::bigint"
    return integer(unless_null([value], number_), type_="bigint")


def _unsigned(value: Value) -> Value:
    made = _leading(as_text(value)) if value.kind in ("text", "enum") and value.literal is None else _read(value)
    if made.kind == "null":
        return integer("NULL::bigint", type_="bigint")
    if made.kind != "integer":
        raise UntranslatableError(f"CAST of {value.kind} to UNSIGNED")
    if made.literal is not None and int(made.literal) >= 0:
        return integer(f"{made.sql}::bigint", type_="bigint")
    # MySQL reads the bits of a negative number as a positive one.
    return Value(
        f"CASE WHEN {made.at(OTHER)} < 0 THEN {_TWO_TO_64} + {made.at(OTHER + 1)} ELSE {made.sql} END",
        "decimal",
        scale=0,
    )


def _characters(value: Value, to: exp.DataType, sizes: list[int]) -> Value:
    character_set = to.args.get("kind")
    if character_set is not None and character_set.name.lower() not in _CHARACTER_SETS:
        raise UntranslatableError(f"character set {character_set.name}")
    made = as_text(value)
    return text(f"left({made.sql}, {sizes[0]})", made) if sizes else made


def _decimal(context: Context, value: Value, precision: int, scale: int = 0) -> Value:
    made = _read(value)
    if made.kind == "float":
        context.note(_TIE)
    type_ = f"numeric({precision},{scale})"
    return Value(f"{made.cast_ready}::{type_}", "decimal", type=type_, scale=scale)


def _timestamp(value: Value, digits: int | None, kind: exp.DType) -> Value:
    made = as_timestamp(value)
    if kind == exp.DType.TIMESTAMPTZ and digits is None:
        return made
    _refuse_fewer(made, digits or 0)
    type_ = f"timestamp({digits or 0})"
    return made if made.type == type_ else Value(f"{made.cast_ready}::{type_}", "timestamp", type=type_)


def _refuse_fewer(value: Value, digits: int) -> None:
    """MySQL rounds a moment to fewer digits, MariaDB cuts it."""
    if fraction(value) > digits:
        raise UntranslatableError("a moment with fewer digits of a second than it has")


def _time(value: Value, digits: int | None) -> Value:
    if value.kind in MOMENTS:
        _refuse_fewer(value, digits or 0)
        type_ = f"interval({digits or 0})"
        return Value(f"{as_timestamp(value).cast_ready}::time({digits or 0})::interval", "interval", type=type_)
    made = as_interval(value)
    if digits or made.type != "interval(0)":
        raise UntranslatableError("CAST of a time to another number of digits")
    return made


def stored(context: Context, value: Value, target: Attribute) -> Value:
    """Return a value as a column or variable of the target takes it.

    Raises:
        UntranslatableError: MySQL would make something of it that is not known to be the same.
    """
    into = of_attribute(target, "")
    if value.kind == "null":
        return NULL
    if value.truth is not None:
        raise UntranslatableError("FIND_IN_SET as a number on a set")
    if into.kind == "boolean":
        if value.kind == "text":
            raise UntranslatableError("text stored as a truth value")
        return condition(number(value) if value.kind == "bit" else value)
    if into.kind in NUMBERS:
        return _stored_number(context, value, into)
    if into.kind == "text":
        return as_text(value)
    literal = value.literal if value.kind == "text" else None
    if into.kind in MOMENTS and (value.kind in MOMENTS or literal is not None):
        if into.kind != "date":
            _refuse_fewer(as_moment(value), fraction(into))
        return value if literal is None else quoted_moment(value, Value("", "timestamp"))
    if into.kind == "interval" and literal is not None:
        return replace(value, sql=f"'{time_literal(literal)}'")
    if into.kind == "set" and literal is not None:
        return Value(array(literal), "set")
    if into.kind == "binary" and literal is not None:
        return Value(bytes_literal(literal), "binary")
    if into.kind == "binary" and value.kind == "text":
        return Value(f"convert_to({value.sql}, 'UTF8')", "binary")
    if into.kind == value.kind or (literal is not None and into.kind in ("enum", "json", "uuid")):
        return value
    if into.kind in ("enum", "uuid", "json") and value.kind in ("text", "enum"):
        return Value(f"{as_text(value).cast_ready}::{target.type}", into.kind, ATOM, target.type)
    raise UntranslatableError(f"{value.kind} stored as {into.kind}")


def _stored_number(context: Context, value: Value, into: Value) -> Value:
    made = _read(value)
    if made.kind == "float" and into.kind != "float":
        context.note(_TIE)
    # A sum of small numbers is one of 64 bits in MySQL; PostgreSQL refuses what the column cannot hold.
    return wide(made) if made.type == "real" else made
