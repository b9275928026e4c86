"""Partitions: MySQL's ways of cutting a table in PostgreSQL's, where rows and keys allow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from cutover.dialects import postgresql
from cutover.route import ColumnRoute
from cutover.schema.model import Partitioning, Table
from cutover.schema.names import fits, marked
from cutover.schema.rewrite.scope import UntranslatableError
from cutover.schema.target import Findings, TargetPartition, TargetPartitioning, TargetTable

_MAXVALUE = "MAXVALUE"
# Day 1 of TO_DAYS is 0000-01-01, 365 days before Python's first (MySQL manual, TO_DAYS).
_DAYS_BEFORE_PYTHON = 365


def partition(table: TargetTable, source: Table, taken: set[str], findings: Findings) -> TargetTable:
    """Return the table with its partitions; one that cannot be cut alike is a plain table, and a loss says why.

    Args:
        table: the table to build.
        source: what it was.
        taken: names of relations; those of the partitions are added.
        findings: losses and notes are added here.
    """
    wanted = source.partitioning
    if wanted is None:
        return table
    where = f"partitioning of {source.name}"
    try:
        made = _translate(table, source, wanted, taken)
    except UntranslatableError as error:
        findings.lose(where, f"the table is whole: {error.construct}")
        return table
    except (ValueError, OverflowError):
        findings.lose(where, f"the table is whole: a bound of {wanted.by} is none that PostgreSQL could have")
        return table
    if wanted.subpartitioned:
        findings.note(where, f"its partitions are not cut again by {wanted.subpartitioned}")
    if "HASH" in wanted.method or "KEY" in wanted.method:
        findings.note(where, "rows are dealt out by PostgreSQL's own hash, to other partitions than before")
    return replace(table, partitioning=made)


def _translate(table: TargetTable, source: Table, wanted: Partitioning, taken: set[str]) -> TargetPartitioning:
    method = wanted.method.removeprefix("LINEAR ").removesuffix(" COLUMNS")
    routes = {route.source.lower(): route for route in table.route.columns}
    columns, convert = _cut_by(wanted, source, routes)
    if any(route.values or route.rewritten or route.computed is not None for route in columns):
        raise UntranslatableError("a column that it cuts by has other values in the target")
    if method in ("RANGE", "LIST") and any(route.ignores_case for route in columns):
        raise UntranslatableError("it cuts by text that ignores case, which PostgreSQL puts elsewhere")
    bounds = {"RANGE": _ranges, "LIST": _lists, "HASH": _hashes, "KEY": _hashes}.get(method)
    if bounds is None:
        raise UntranslatableError(f"{wanted.method} has no counterpart")
    names = ", ".join(postgresql.quoted(route.target) for route in columns)
    made = []
    for part, bound in zip(wanted.partitions, bounds(wanted, columns, convert), strict=True):
        made.append(TargetPartition(_name(table.name, part.name, taken), bound))
    # NULL is in MySQL's lowest range, and in none of PostgreSQL's; a date that is none becomes NULL.
    listed = any("NULL" in part.bound for part in made)
    if method in ("RANGE", "LIST") and not listed and any(_may_be_null(route, table) for route in columns):
        made.append(TargetPartition(_name(table.name, "null", taken), "DEFAULT"))
    return TargetPartitioning(f"{'HASH' if method == 'KEY' else method} ({names})", tuple(made))


def _name(table: str, part: str, taken: set[str]) -> str:
    name = f"{table}_{part}"
    if not fits(name) or name in taken:
        name = marked(name, f"{table}.{part}")
    taken.add(name)
    return name


def _may_be_null(route: ColumnRoute, table: TargetTable) -> bool:
    return route.nullable and route.target not in table.route.key


def _cut_by(
    wanted: Partitioning, source: Table, routes: dict[str, ColumnRoute]
) -> tuple[list[ColumnRoute], Callable[[str], str]]:
    """Return the columns it cuts by, and what makes a bound of theirs from a bound of the source."""
    if not wanted.by:  # KEY () cuts by the primary key
        return [routes[name.lower()] for name in source.primary_key], str
    try:
        parsed = sqlglot.parse_one(f"SELECT {wanted.by}", read="mysql").expressions
    except SqlglotError:
        raise UntranslatableError(f"{wanted.method} ({wanted.by})") from None
    named = [routes.get(column.name.lower()) for item in parsed for column in item.find_all(exp.Column)]
    columns = [route for route in named if route is not None]
    if not columns or len(columns) < len(named):
        raise UntranslatableError(f"{wanted.by} needs a column that stays behind")
    if all(isinstance(item, exp.Column) for item in parsed):
        return columns, str
    if "HASH" in wanted.method:
        return list(dict.fromkeys(columns)), str
    found = _monotonic(wanted.by.split("(")[0].strip(" `").upper()) if len(columns) == 1 else None
    if found is None or wanted.method != "RANGE" or len(parsed) > 1:
        raise UntranslatableError(f"PostgreSQL's keys forbid cutting by an expression, {wanted.by}")
    return columns, found


def _monotonic(function: str) -> Callable[[str], str] | None:
    """For functions that grow with the date they are given: f(x) < bound is x < what this returns."""
    return {
        "YEAR": lambda bound: f"'{max(int(bound), 1):04d}-01-01'",
        # What is below its first day are MySQL's zero dates.
        "TO_DAYS": lambda bound: f"'{date.fromordinal(max(int(bound) - _DAYS_BEFORE_PYTHON, 1))}'",
        "UNIX_TIMESTAMP": lambda bound: f"'{datetime.fromtimestamp(int(bound), UTC).isoformat()}'",
    }.get(function)


def _ranges(wanted: Partitioning, columns: Sequence[ColumnRoute], convert: Callable[[str], str]) -> Iterator[str]:
    low = ["MINVALUE"] * len(columns)
    for part in wanted.partitions:
        values = _split(part.values or "")
        high = [value if value.upper() == _MAXVALUE else convert(value) for value in values]
        yield f"FOR VALUES FROM ({', '.join(low)}) TO ({', '.join(map(_bound, high))})"
        low = [_bound(value) for value in high]


def _lists(wanted: Partitioning, columns: Sequence[ColumnRoute], convert: Callable[[str], str]) -> Iterator[str]:
    if len(columns) > 1:
        raise UntranslatableError("LIST cuts by one column in PostgreSQL")
    for part in wanted.partitions:
        yield f"FOR VALUES IN ({', '.join(_bound(convert(value)) for value in _split(part.values or ''))})"


def _hashes(wanted: Partitioning, columns: Sequence[ColumnRoute], convert: Callable[[str], str]) -> Iterator[str]:
    count = len(wanted.partitions)
    for position in range(count):
        yield f"FOR VALUES WITH (MODULUS {count}, REMAINDER {position})"


def _split(values: str) -> list[str]:
    """Take a list of literals apart as the server writes it."""
    try:
        items = sqlglot.parse_one(f"SELECT {values}", read="mysql").expressions
    except SqlglotError:
        raise UntranslatableError(f"the values {values}") from None
    return [item.name if isinstance(item, exp.Column) else str(item.sql(dialect="postgres")) for item in items]


def _bound(value: str) -> str:
    return value.upper() if value.upper() in (_MAXVALUE, "NULL") else value
