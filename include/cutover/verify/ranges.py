"""The ranges of the source's columns: what they hold at least, at most, how often NULL.

One query asks all columns of a table. Only those are asked whose values pass unchanged and are numbers, days or moments
on both sides: no text of theirs would be sorted alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from cutover.dialects import mysql, mysql_types
from cutover.dialects.endpoint import Endpoint
from cutover.dialects.postgresql import literal
from cutover.route import ColumnRoute, TableRoute
from cutover.verify.scans import Measure, name

_INTEGERS = ("tinyint", "smallint", "mediumint", "int", "integer", "bigint", "year")
_DECIMALS = ("decimal", "numeric", "dec", "fixed")
# What a column of the source may be in the target, by what it is there.
_ALIKE = {
    **dict.fromkeys(_INTEGERS, ("int16", "int32", "int64", "uint64", "float64", "decimal")),
    **dict.fromkeys(_DECIMALS, ("decimal",)),
    **dict.fromkeys(("float", "double"), ("float32", "float64")),
    "date": ("date32",),
    **dict.fromkeys(("datetime", "timestamp"), ("timestamp", "timestamptz")),
}


@dataclass(frozen=True)
class Range:
    """What a column of the source holds.

    Attributes:
        column: its name in the target.
        type: its type there.
        least: the least value as text that the type takes; None where the source has none but NULL.
        greatest: the greatest value, likewise.
        nulls: how many NULL it has.
        exact: whether the target must have just the same; else it may have less, for rows stay behind.
    """

    column: str
    type: str
    least: str | None
    greatest: str | None
    nulls: int
    exact: bool

    @property
    def expectation(self) -> str:
        """What must hold, in words."""
        values = "no value" if self.least is None else f"{self.least} to {self.greatest}"
        if self.exact:
            return f"expect {values} and {self.nulls} NULL, as in the source"
        return f"expect no more than {values} and {self.nulls} NULL, as in the source"

    @property
    def measure(self) -> Measure:
        """What a pass over the target's table measures."""
        column = name(self.column)
        least, greatest, nulls = f"min({column})", f"max({column})", f"count(*) - count({column})"
        found = f"concat('found ', coalesce({least} || ' to ' || {greatest}, 'no value'), ', ', {nulls}, ' NULL')"
        if self.least is None or self.greatest is None:
            broken, same = f"{column} IS NOT NULL", f"count({column}) = 0"
        else:
            first, last = (f"CAST({literal(edge)} AS {self.type})" for edge in (self.least, self.greatest))
            broken = f"({column} < {first} OR {column} > {last})"
            within = f"coalesce({least} >= {first} AND {greatest} <= {last}, true)"
            same = f"coalesce({least} = {first} AND {greatest} = {last}, false)" if self.exact else within
        holds = f"({same} AND {nulls} {'=' if self.exact else '<='} {self.nulls})"
        broken += "" if self.nulls else f" OR {column} IS NULL"
        return Measure(self.column, broken, f"CAST({column} AS text)", holds=holds, found=found)


def measurable(route: TableRoute) -> tuple[ColumnRoute, ...]:
    """Return the columns whose range can be compared."""
    if route.function is not None or route.merge:
        return ()
    return tuple(column for column in route.columns if _passes(route, column))


def _passes(route: TableRoute, column: ColumnRoute) -> bool:
    placed = route.places is not None and column.target in (route.places.latitude, route.places.longitude)
    changed = column.values or column.default is not None or column.rewritten or column.no_date is not None
    if placed or changed or column.computed is not None or column.added is not None:
        return False
    alike = _ALIKE.get(mysql_types.parse(column.source_type).base, ())
    return column.arrow.split("(")[0] in alike


@dataclass(frozen=True)
class Wanted:
    """Columns of a table whose ranges are asked for; ``exact`` as of :class:`Range`."""

    route: TableRoute
    columns: tuple[ColumnRoute, ...]
    exact: bool


def profile(source: Endpoint, tables: Iterable[Wanted]) -> Iterator[tuple[Range, ...]]:
    """Ask the source for ranges over the rows that travel, in one query for each table.

    Raises:
        TransientError: the connection failed or was lost.
        PreflightError: the server refused a statement.
    """
    with mysql.client(source) as connection, closing(connection.cursor()) as cursor:
        for each in tables:
            if not each.columns:
                yield ()
                continue
            cursor.execute(_question(each))
            rows, *found = cursor.fetchone()
            parts = zip(each.columns, found[::3], found[1::3], found[2::3], strict=True)
            yield tuple(
                Range(c.target, c.target_type, _text(least), _text(greatest), rows - count, each.exact)
                for c, least, greatest, count in parts
            )


def _question(wanted: Wanted) -> str:
    asked = [("COUNT(*)", "n")]
    for number, column in enumerate(wanted.columns):
        # What is read as text, for the fast reader's sake, would be sorted as text.
        read = mysql.quoted(column.source) if column.wire == "string" else column.read
        asked += [(f"{word}({read})", f"{word}{number}") for word in ("MIN", "MAX", "COUNT")]
    route = wanted.route
    return mysql.select(route.source, asked, route.condition, recursive=route.sample is not None)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
