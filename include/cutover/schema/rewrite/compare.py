"""Comparisons: both sides become one kind of value first, as MySQL makes them, or there is no comparison."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from cutover.schema.rewrite.context import LETTER_BY_LETTER, Context
from cutover.schema.rewrite.moments import quoted_moment, time_literal
from cutover.schema.rewrite.scope import UntranslatableError
from cutover.schema.rewrite.value import (
    AND,
    ATOM,
    COMPARE,
    IS,
    MOMENTS,
    NOT,
    NUMBERS,
    OTHER,
    RANGE,
    Value,
    as_text,
    final,
    number,
    number_literal,
    string,
    text_literal,
    truth,
)

_QUOTIENT = "it compares a quotient with the digits that are shown of it, as MariaDB does and MySQL does not"
_NUMERAL = re.compile(r"-?\d+(\.\d+)?")
_COUNTED = NUMBERS | {"boolean", "bit"}


def compare(context: Context, operator: str, left: Value, right: Value) -> Value:
    """Return the condition that ``operator`` makes; it is one of = <> < <= > >= and <=>.

    Raises:
        UntranslatableError: the two sides are of kinds that MySQL compares in a way of its own.
    """
    if left.truth is not None and right.literal == "0" and operator in ("=", "<>", ">"):
        return truth(f"NOT {left.truth}", NOT) if operator == "=" else truth(left.truth, COMPARE)
    one, other = alike(context, left, right, ordered=operator in ("<", "<=", ">", ">="))
    if operator == "<=>":
        return truth(f"{one.at(OTHER)} IS NOT DISTINCT FROM {other.at(OTHER)}", IS)
    return truth(f"{one.at(RANGE)} {operator} {other.at(RANGE)}", COMPARE)


def between(context: Context, value: Value, low: Value, high: Value) -> Value:
    """Return the condition that a value lies between two others.

    Raises:
        UntranslatableError: they are of kinds that MySQL compares in a way of its own.
    """
    given = [side for side in (value, low, high) if side.kind != "null" and not (side.kind == "text" and side.literal)]
    # A text literal takes the kind of the value in the middle; as that value itself it has no one kind to take.
    unclear = value not in given and any(side.kind == "text" and side not in given for side in (low, high))
    if len({_group(side) for side in given}) > 1 or (unclear and given):
        # MySQL then compares all three in one common type.
        raise UntranslatableError("BETWEEN values of several kinds")
    first, bottom = alike(context, value, low, ordered=True)
    second, top = alike(context, value, high, ordered=True)
    if first.sql == second.sql:
        return truth(f"{first.at(OTHER)} BETWEEN {bottom.at(OTHER)} AND {top.at(OTHER)}", RANGE)
    return truth(f"{first.at(RANGE)} >= {bottom.at(RANGE)} AND {second.at(RANGE)} <= {top.at(RANGE)}", AND)


def member(context: Context, value: Value, items: Sequence[Value]) -> Value:
    """Return the condition that a value is one of several.

    Raises:
        UntranslatableError: they are of kinds that MySQL compares in a way of its own.
    """
    if len({_group(item) for item in items if item.kind != "null"}) > 1:
        # MySQL then compares all of them in one common type, for constants at least.
        raise UntranslatableError("IN over values of several kinds")
    pairs = [alike(context, value, item, ordered=False) for item in items]
    if len({one.sql for one, _ in pairs}) > 1:
        raise UntranslatableError("IN over values of several kinds")
    listed = ", ".join(item.sql for _, item in pairs)
    return truth(f"{pairs[0][0].at(OTHER)} IN ({listed})", RANGE)


def alike(context: Context, left: Value, right: Value, ordered: bool) -> tuple[Value, Value]:
    """Return both sides as PostgreSQL compares them with the result that MySQL has.

    Raises:
        UntranslatableError: they are of kinds that MySQL compares in a way of its own.
    """
    if "null" in (left.kind, right.kind):
        return left, right
    if left.kind in _COUNTED and right.kind in _COUNTED:
        return _numbers(context, left, right)
    if left.kind == "text" and left.literal is not None and right.kind != "text":
        other, one = alike(context, right, left, ordered)
        return one, other
    kinds = (left.kind, right.kind)
    if right.kind == "text" and right.literal is not None:
        made = _with_literal(left, right, ordered)
    elif (left.kind in MOMENTS and right.kind in MOMENTS) or (
        left.kind == right.kind and left.kind in ("text", "interval", "uuid", "binary", "set")
    ):
        made = left, right
    elif set(kinds) <= {"text", "enum", "set"}:
        made = as_text(left), as_text(right)
    else:
        raise UntranslatableError(f"{_word(left)} compared with {_word(right)}")
    _note(context, left, right, *made)
    return made


def _note(context: Context, *values: Value) -> None:
    if any(value.ignores_case and value.kind in ("text", "enum", "set") for value in values):
        context.note(LETTER_BY_LETTER)


def _word(value: Value) -> str:
    return {"enum": "ENUM", "set": "SET", "json": "JSON"}.get(value.kind, value.kind)


def _group(value: Value) -> str:
    if value.kind in _COUNTED:
        return "number"
    return "moment" if value.kind in MOMENTS else value.kind


def _numbers(context: Context, left: Value, right: Value) -> tuple[Value, Value]:
    if left.kind == right.kind == "boolean":
        return left, right
    if left.kind == "boolean" and right.zero_or_one:
        return left, truth("TRUE" if right.literal == "1" else "FALSE", ATOM)
    if right.kind == "boolean" and left.zero_or_one:
        return truth("TRUE" if left.literal == "1" else "FALSE", ATOM), right
    return (
        left if left.literal is not None and left.kind != "bit" else _operand(context, left),
        right if right.literal is not None and right.kind != "bit" else _operand(context, right),
    )


def _operand(context: Context, value: Value) -> Value:
    made = number(value)
    if made.loose:
        context.note(_QUOTIENT)
    return final(made)


def _with_literal(value: Value, literal: Value, ordered: bool) -> tuple[Value, Value]:
    written = literal.literal or ""
    if value.kind == "text":
        return value, literal
    if value.kind in NUMBERS:
        if not _NUMERAL.fullmatch(written):
            raise UntranslatableError(f"a number compared with the text {written!r}")
        return value, number_literal(written)
    if value.kind in MOMENTS:
        return value, quoted_moment(literal, value)
    if value.kind == "interval":
        return value, text_literal(time_literal(written))
    if value.kind == "enum":
        # An enum type of the target orders its labels by place; MySQL compares them with a text as texts.
        return (as_text(value) if ordered else value), literal
    if value.kind == "set":
        if ordered:
            return as_text(value), literal
        return value, replace(literal, sql=array(written), kind="set")
    if value.kind == "binary":
        return value, Value(bytes_literal(written), "binary")
    if value.kind == "uuid" and not ordered:
        return value, literal
    raise UntranslatableError(f"{_word(value)} compared with text")


def array(written: str) -> str:
    """Return the text of a set as an array of its members."""
    if not written:
        return "'{}'::text[]"
    return f"ARRAY[{', '.join(string(part) for part in written.split(','))}]::text[]"


def bytes_literal(written: str) -> str:
    """Return the bytes of a text literal."""
    return rf"'\x{written.encode().hex()}'::bytea"
