"""Ranges of a table in the order of some of its columns, as MySQL compares them and finds them by an index.

A value at an edge is text, in the form that the column's kind asks for, and is written here as a literal that means
the same under every sql_mode and charset.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

import sqlalchemy as sa

from cutover.dialects import mysql, mysql_types

Edge = Sequence[str]
_TIME = re.compile(r"-?\d{2,3}:\d\d:\d\d(?:\.\d+)?")
_PRINTED = re.compile(r"[0-9a-fA-F:.-]+")
_WORD = re.compile(r"\w+", re.ASCII)


class Ordered(Protocol):
    """A column whose order makes the ranges; see :class:`cutover.route.CutColumn`."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def kind(self) -> str:
        """How its values are written."""

    @property
    def collation(self) -> str | None:
        """What compares it, where it is text."""


def written(column: Ordered, type_: str) -> sa.ColumnElement[str]:
    """Return the expression that gives a column's value as an edge has it, NULL for a date that is none."""
    name = mysql.quoted(column.name)
    if column.kind in ("text", "bytes"):
        return sa.literal_column(f"HEX({name})")
    travel = mysql_types.travel(type_)
    assert travel is not None
    return sa.literal_column(f"CAST({travel.read.replace('{c}', name)} AS CHAR)")


def within(columns: Sequence[Ordered], lower: Edge | None, upper: Edge | None) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of ``lower <= row < upper``; None is open."""
    conditions = [] if lower is None else [*_beyond(columns, lower, ">="), *_first(columns, lower, ">=")]
    if upper is not None:
        conditions += [*_beyond(columns, upper, "<"), *_first(columns, upper, "<=")]
    return conditions


def after(columns: Sequence[Ordered], edge: Edge | None) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of a row that comes after an edge; None is before every row."""
    return [] if edge is None else [*_beyond(columns, edge, ">"), *_first(columns, edge, ">=")]


def _first(columns: Sequence[Ordered], edge: Edge, operator: str) -> list[sa.ColumnElement[bool]]:
    """Say of the first column what follows for it: a row of several columns is compared by an OR."""
    if len(columns) == 1:
        return []
    return [sa.column(columns[0].name).bool_op(operator)(literal(columns[0], edge[0]))]


def _beyond(columns: Sequence[Ordered], edge: Edge, operator: str) -> list[sa.ColumnElement[bool]]:
    """Compare a row with an edge; MySQL finds a range by this, and not by (a, b) >= (x, y).

    See the MySQL manual, Range Optimization of Row Constructor Expressions.
    """
    made: sa.ColumnElement[bool] | None = None
    for column, value in reversed(list(zip(columns, edge, strict=True))):
        here: sa.ColumnClause[object] = sa.column(column.name)
        wanted = literal(column, value)
        if made is None:
            made = here.bool_op(operator)(wanted)
        else:
            made = sa.or_(here.bool_op(operator[0])(wanted), sa.and_(here == wanted, made))
    return [] if made is None else [made]


def literal(column: Ordered, value: str) -> sa.ColumnElement[object]:
    """Return a value at an edge as SQL, in the column's own type, charset and collation.

    Raises:
        ValueError: the text is no value of the column's kind.
    """
    return sa.literal_column(_LITERALS[column.kind](column, value))


def _number(column: Ordered, value: str) -> str:
    return f"{Decimal(value):f}"


def _day(column: Ordered, value: str) -> str:
    return f"DATE'{date.fromisoformat(value).isoformat()}'"


def _moment(column: Ordered, value: str) -> str:
    return f"TIMESTAMP'{datetime.fromisoformat(value).isoformat(' ', 'microseconds')}'"


def _time(column: Ordered, value: str) -> str:
    return f"CAST('{_checked(_TIME, value)}' AS TIME(6))"


def _text(column: Ordered, value: str) -> str:
    collation = _checked(_WORD, column.collation or "")
    return f"_{collation.split('_')[0]} x'{bytes.fromhex(value).hex()}' COLLATE {collation}"


def _bytes(column: Ordered, value: str) -> str:
    return f"_binary x'{bytes.fromhex(value).hex()}'"


def _printed(column: Ordered, value: str) -> str:
    return f"CAST('{_checked(_PRINTED, value)}' AS {column.kind.upper()})"


def _checked(pattern: re.Pattern[str], text: str) -> str:
    if pattern.fullmatch(text) is None:
        raise ValueError(f"{text!r} cannot stand at an edge")
    return text


_LITERALS = {
    "number": _number,
    "day": _day,
    "moment": _moment,
    "time": _time,
    "text": _text,
    "bytes": _bytes,
    "uuid": _printed,
    "inet4": _printed,
    "inet6": _printed,
}
