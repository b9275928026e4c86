"""Arithmetic, bits and truth: what MySQL's operators are in PostgreSQL, with MySQL's widths and digits."""

from __future__ import annotations

from math import ceil

from cutover.schema.rewrite.context import Context
from cutover.schema.rewrite.scope import UntranslatableError
from cutover.schema.rewrite.value import (
    ADD,
    AND,
    ATOM,
    COMPARE,
    MULTIPLY,
    NOT,
    OR,
    OTHER,
    SIGN,
    Value,
    condition,
    counted,
    double,
    integer,
    number,
    number_literal,
    truth,
    whole,
    wide,
)

# MySQL keeps the digits after the point in words of nine, and gives a quotient four more (div_precision_increment).
_WORD = 9
_MORE = 4
_NEGATIVE_BITS = "bits of a negative number make a negative number, in the source a large positive one"


def sum_(operator: str, left: Value, right: Value) -> Value:
    """Return the sum or difference of two numbers."""
    one, other = _pair(left, right)
    sql = f"{one.at(ADD)} {operator} {other.at(ADD + 1)}"
    if one.kind == "float" or other.kind == "float":
        return Value(sql, "float", ADD, "double precision")
    if one.kind == other.kind == "integer":
        return integer(sql, ADD, "bigint")
    return Value(sql, "decimal", ADD, scale=_widest(one, other), loose=one.loose or other.loose)


def product(left: Value, right: Value) -> Value:
    """Return the product of two numbers."""
    one, other = _pair(left, right)
    sql = f"{one.at(MULTIPLY)} * {other.at(MULTIPLY + 1)}"
    if one.kind == "float" or other.kind == "float":
        return Value(sql, "float", MULTIPLY, "double precision")
    if one.kind == other.kind == "integer":
        return integer(sql, MULTIPLY, "bigint")
    scale = None if one.scale is None or other.scale is None else one.scale + other.scale
    return Value(sql, "decimal", MULTIPLY, scale=scale, loose=one.loose or other.loose)


def quotient(left: Value, right: Value, rounds: bool = False) -> Value:
    """Return what ``/`` makes: never a whole number, and NULL where the divisor is zero.

    It has more digits than the source shows, unless the source ``rounds`` it at once.
    """
    one, other = _pair(left, right)
    below = other.sql if other.literal is not None and float(other.literal) else f"NULLIF({other.sql}, 0)"
    if one.kind == "float" or other.kind == "float":
        return Value(f"{double(one)} / {below}", "float", MULTIPLY, "double precision")
    if one.scale is None or other.scale is None:
        raise UntranslatableError("division of a number whose digits are not known")
    above = one.at(MULTIPLY) if one.kind == "decimal" else f"{number(left).cast_ready}::numeric"
    if rounds:
        scale = one.scale + _MORE
        return Value(f"round({above} / {below}, {scale})", "decimal", scale=scale)
    words = [ceil(value.scale / _WORD) for value in (one, other) if value.scale is not None]
    unused = sum(words) * _WORD - one.scale - other.scale
    kept = ceil((sum(words) * _WORD + max(0, _MORE - unused)) / _WORD) * _WORD
    return Value(f"{above} / {below}", "decimal", MULTIPLY, scale=one.scale + _MORE, loose=True, kept=kept)


def whole_quotient(left: Value, right: Value) -> Value:
    """Return what DIV makes: the quotient without its fraction."""
    one, other = _pair(left, right)
    below = other.sql if other.literal is not None and float(other.literal) else f"NULLIF({other.sql}, 0)"
    if "float" in (one.kind, other.kind):
        raise UntranslatableError("DIV of floats")
    if one.kind == other.kind == "integer":
        return integer(f"{one.at(MULTIPLY)} / {below}", MULTIPLY, "bigint")
    return integer(f"div({one.sql}, {below})::bigint", type_="bigint")


def remainder(left: Value, right: Value) -> Value:
    """Return what MOD and % make."""
    one, other = _pair(left, right)
    below = other.at(SIGN) if other.literal is not None and float(other.literal) else f"NULLIF({other.sql}, 0)"
    if "float" in (one.kind, other.kind):
        raise UntranslatableError("MOD of floats")
    sql = f"{one.at(MULTIPLY)} % {below}"
    if one.kind == other.kind == "integer":
        return integer(sql, MULTIPLY, "bigint")
    return Value(sql, "decimal", MULTIPLY, scale=_widest(one, other), loose=one.loose or other.loose)


def negative(value: Value) -> Value:
    """Return the number with the other sign."""
    made = number(value)
    if made.kind == "null":
        return made
    if made.literal is not None and made.kind != "float" and not made.literal.startswith("-"):
        return number_literal(f"-{made.literal}")
    made = counted(made)
    return Value(f"-{made.at(SIGN + 1)}", made.kind, SIGN, made.type, made.scale, made.loose)


def bits(operator: str, context: Context, left: Value, right: Value) -> Value:
    """Return what an operator on bits makes."""
    one, other = (_bits(value) for value in (left, right))
    if operator in ("<<", ">>"):
        if other.literal is None or not 0 <= int(other.literal) < 63:
            raise UntranslatableError(f"{operator} by a number that is not known")
        context.note(_NEGATIVE_BITS)
        return integer(f"{one.at(OTHER)} {operator} {other.literal}", OTHER, "bigint")
    if operator != "&" or (one.literal is None and other.literal is None):
        context.note(_NEGATIVE_BITS)
    return integer(f"{one.at(OTHER + 1)} {operator} {other.at(OTHER + 1)}", OTHER, "bigint")


def all_bits_but(value: Value) -> Value:
    """Return ``~``, which is right where ``&`` follows: alone it is a number that only MySQL can hold."""
    made = _bits(value)
    return integer(f"~{made.at(ATOM)}", OTHER, "bigint")


def _bits(value: Value) -> Value:
    made = wide(whole(value))
    if made.kind == "null":
        return integer("NULL::bigint", type_="bigint")
    if made.literal is None:
        return made
    if int(made.literal) < 0:
        raise UntranslatableError("bits of a negative number")
    return Value(f"{made.sql}::bigint", "integer", type="bigint", scale=0, literal=made.literal)


def every(values: list[Value]) -> Value:
    """Return AND of conditions."""
    return truth(" AND ".join(condition(value).at(AND) for value in values), AND)


def some(values: list[Value]) -> Value:
    """Return OR of conditions."""
    return truth(" OR ".join(condition(value).at(OR) for value in values), OR)


def one_of_two(left: Value, right: Value) -> Value:
    """Return XOR of conditions, which is NULL where one of them is."""
    return truth(f"{condition(left).at(COMPARE + 1)} <> {condition(right).at(COMPARE + 1)}", COMPARE)


def no(value: Value) -> Value:
    """Return NOT of a condition."""
    return truth(f"NOT {condition(value).at(NOT)}", NOT)


def _pair(left: Value, right: Value) -> tuple[Value, Value]:
    one, other = counted(left), counted(right)
    if one.kind == "null":
        one = Value("NULL::bigint", "integer", type="bigint", scale=0)
    if other.kind == "null":
        other = Value("NULL::bigint", "integer", type="bigint", scale=0)
    return one, other


def _widest(one: Value, other: Value) -> int | None:
    return None if one.scale is None or other.scale is None else max(one.scale, other.scale)
