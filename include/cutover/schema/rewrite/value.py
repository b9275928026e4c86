"""A piece of PostgreSQL's SQL with what is known of the value it makes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from cutover.schema.rewrite.scope import Attribute, Family, UntranslatableError

Kind = Family | Literal["null"]

# How tightly a piece binds, as in PostgreSQL's table of precedences; an operand that binds less gets parentheses.
OR, AND, NOT, IS, COMPARE, RANGE, OTHER, ADD, MULTIPLY, SIGN, ATOM = range(11)

NUMBERS = frozenset({"integer", "decimal", "float"})
MOMENTS = frozenset({"date", "timestamp", "timestamptz"})
_SIZE = re.compile(r"\((\d+)(?:\s*,\s*(\d+))?\)")
_SMALL_INTEGERS = frozenset({"smallint", "integer", "int", "int2", "int4"})


@dataclass(frozen=True)
class Value:
    """An expression of the target.

    Attributes:
        sql: the expression.
        kind: what kind of value it is; a bare NULL is ``null``.
        rank: how tightly its outermost operator binds.
        type: its PostgreSQL type where that is known.
        scale: how many digits after the point MySQL shows of a number.
        loose: whether the expression may have other digits than MySQL shows.
        kept: how many digits after the point MySQL keeps of a quotient that it counts on with.
        ignores_case: whether the source compares it without regard to case.
        literal: what a literal holds.
        logical: whether it is a truth value that MySQL has as 0 or 1.
        truth: the condition that it is not zero, where it has no number.
    """

    sql: str
    kind: Kind
    rank: int = ATOM
    type: str = ""
    scale: int | None = None
    loose: bool = False
    kept: int | None = None
    ignores_case: bool = False
    literal: str | None = None
    logical: bool = False
    truth: str | None = None

    def at(self, rank: int) -> str:
        """Return the SQL as an operand of something that binds like ``rank``, in parentheses if need be."""
        return self.sql if self.rank >= rank else f"({self.sql})"

    @property
    def cast_ready(self) -> str:
        """The SQL as ``::type`` may follow it."""
        return self.at(ATOM)

    @property
    def zero_or_one(self) -> bool:
        """Whether it is the literal 0 or 1, which MySQL also has for FALSE and TRUE."""
        return self.kind in ("integer", "bit") and self.literal in ("0", "1")


NULL = Value("NULL", "null")


def string(text: str) -> str:
    """Return the text as a literal that means the same whatever standard_conforming_strings says."""
    if "\0" in text:
        raise UntranslatableError("a text with a NUL character")
    body = text.replace("'", "''")
    if "\\" in text:
        return "E'" + body.replace("\\", "\\\\") + "'"
    return f"'{body}'"


def text(sql: str, *parts: Value, rank: int = ATOM) -> Value:
    """Return a text that is made of ``parts``; it ignores case where one of them does."""
    return Value(sql, "text", rank, ignores_case=any(part.ignores_case for part in parts))


def text_literal(written: str) -> Value:
    """Return a text literal."""
    return Value(string(written), "text", literal=written)


def integer(sql: str, rank: int = ATOM, type_: str = "integer") -> Value:
    """Return a whole number."""
    return Value(sql, "integer", rank, type_, scale=0)


def number_literal(written: str) -> Value:
    """Return a number as it is written; with an exponent it is a float, with a point a decimal."""
    if "e" in written.lower():
        return Value(f"{written}::double precision", "float", type="double precision", literal=written)
    if "." in written:
        rank = SIGN if written.startswith("-") else ATOM
        return Value(written, "decimal", rank, scale=len(written.partition(".")[2]), literal=written)
    type_ = "bigint" if abs(int(written)) > 2**31 - 1 else "integer"
    if abs(int(written)) > 2**63 - 1:
        return Value(written, "decimal", scale=0, literal=written)
    return Value(written, "integer", SIGN if written.startswith("-") else ATOM, type_, scale=0, literal=written)


def truth(sql: str, rank: int) -> Value:
    """Return a condition."""
    return Value(sql, "boolean", rank, "boolean", logical=True)


def of_attribute(attribute: Attribute, sql: str) -> Value:
    """Return what a column or variable holds."""
    type_ = attribute.type.lower()
    kind: Kind = attribute.family
    if kind == "set" and not type_.endswith("[]"):
        kind = "text"
    if kind == "bit" and type_.startswith(("bigint", "numeric")):
        kind = "integer"
    if kind == "integer" and type_.startswith("numeric"):
        kind = "decimal"
    size = _SIZE.search(type_)
    scale = None
    if kind == "integer":
        scale = 0
    elif kind == "decimal" and size:
        scale = int(size[2] or 0)
    return Value(sql, kind, type=attribute.type, scale=scale, ignores_case=attribute.ignores_case)


def fraction(value: Value) -> int:
    """Return how many digits of a second a moment holds."""
    size = _SIZE.search(value.type)
    if size:
        return int(size[1])
    return 0 if value.kind == "date" else 6


def final(value: Value) -> Value:
    """Return the value as MySQL shows or stores it: a quotient has four digits more than what is divided."""
    if not value.loose:
        return value
    if value.scale is None:
        raise UntranslatableError("digits of a number that is not known well enough")
    return replace(value, sql=f"round({value.sql}, {value.scale})", rank=ATOM, loose=False, kept=None)


def condition(value: Value) -> Value:
    """Return the value as a condition: a number is true where it is not zero.

    Raises:
        UntranslatableError: it is a text or a date.
    """
    if value.truth is not None:
        return truth(value.truth, COMPARE)
    if value.kind == "boolean":
        return value
    if value.kind == "null":
        return truth("NULL::boolean", ATOM)
    if value.literal is not None and value.kind == "integer":
        return truth("TRUE" if int(value.literal) else "FALSE", ATOM)
    if value.kind in NUMBERS:
        return truth(f"{value.at(OTHER)} <> 0", COMPARE)
    raise UntranslatableError(f"{value.kind} as a condition")


def number(value: Value) -> Value:
    """Return the value as a number; a truth value is 0 or 1.

    Raises:
        UntranslatableError: it is a text, a date or something else that MySQL would read a number from.
    """
    if value.truth is not None:
        raise UntranslatableError("FIND_IN_SET as a number on a set")
    if value.kind in NUMBERS or value.kind == "null":
        return value
    if value.kind == "boolean":
        return integer(f"{value.cast_ready}::int")
    if value.kind == "bit" and value.literal is not None:
        return number_literal(value.literal)
    raise UntranslatableError(f"{value.kind} as a number")


def whole(value: Value) -> Value:
    """Return the value as a whole number.

    Raises:
        UntranslatableError: it may have a fraction, which MySQL rounds.
    """
    made = number(value)
    if made.kind not in ("integer", "null"):
        raise UntranslatableError(f"{made.kind} where a whole number is meant")
    return made


def narrow(value: Value) -> str:
    """Return a whole number as PostgreSQL's functions take it: an integer of 32 bits."""
    made = whole(value)
    if made.literal is not None or made.type in _SMALL_INTEGERS:
        return made.sql
    return f"{made.cast_ready}::int"


def double(value: Value) -> str:
    """Return a number as double precision, for the functions that MySQL counts with doubles."""
    made = number(value)
    return made.sql if made.type == "double precision" else f"{made.cast_ready}::double precision"


def wide(value: Value) -> Value:
    """Return a number as wide as MySQL counts with it: 64 bits, or double precision."""
    made = number(value)
    if made.kind == "integer" and made.literal is None and made.type != "bigint":
        return integer(f"{made.cast_ready}::bigint", type_="bigint")
    if made.kind == "float" and made.type != "double precision":
        return Value(f"{made.cast_ready}::double precision", "float", type="double precision")
    return made


def counted(value: Value) -> Value:
    """Return a number as an operand: MySQL counts on with a quotient that it has cut."""
    made = wide(value)
    if made.kept is None:
        return made
    return replace(made, sql=f"trunc({made.sql}, {made.kept})", rank=ATOM, kept=None)


def as_text(value: Value) -> Value:
    """Return the value as MySQL writes it as text.

    Raises:
        UntranslatableError: the two servers write it differently, as they do floats.
    """
    made = final(value)
    if made.kind == "text":
        return made
    if made.kind == "null":
        return text("NULL::text")
    if made.kind == "boolean" and made.logical:
        return text(f"{made.cast_ready}::int::text")
    if made.literal is not None and made.kind in ("integer", "decimal"):
        return text_literal(made.literal)
    if made.kind == "set":
        return text(f"array_to_string({made.sql}, ',')", made)
    if made.kind in ("integer", "enum", "uuid") or (made.kind == "decimal" and made.scale is not None):
        return text(f"{made.cast_ready}::text", made)
    if made.kind == "interval" and fraction(made) == 0:
        return text(f"{made.cast_ready}::text")
    if made.kind == "date":
        return text(f"to_char({made.sql}, 'YYYY-MM-DD')")
    if made.kind in MOMENTS:
        ending = {0: "", 3: ".MS", 6: ".US"}.get(fraction(made))
        if ending is not None:
            return text(f"to_char({made.sql}, 'YYYY-MM-DD HH24:MI:SS{ending}')")
    raise UntranslatableError(f"{made.kind} as text")


def shown(value: Value) -> Value:
    """Return the value as a query shows it: a truth value is 0 or 1 there."""
    if value.truth is not None:
        raise UntranslatableError("FIND_IN_SET as a number on a set")
    if value.kind == "boolean" and value.logical:
        return number(value)
    return final(value)
