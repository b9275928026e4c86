"""Every cell of a table or a view, compared."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg

from checker import source, target
from checker.finding import Finding
from checker.source import Column
from checker.types import family
from checker.values import SRID, ZERO_DATE, Odd, canonical, reading, reading_target

Row = tuple[Any, ...]
_SHOWN = 120


def compare_tables(
    mysql: Any, postgres: psycopg.Connection, table: source.Table, counterpart: target.Table
) -> Iterator[Finding]:
    """Compare the columns that both have, by key where there is one, otherwise as a multiset."""
    shared = [column for column in table.columns if column.name in counterpart.columns]
    if not shared:
        return
    theirs, odd = _of_source(mysql, table, shared)
    ours, odd_here = _of_target(postgres, counterpart, shared)
    for (name, kind), count in sorted((odd - odd_here).items()):
        told = {ZERO_DATE: "dates that are none are NULL", SRID: "geometries have lost their SRID"}[kind]
        yield Finding(kind, f"{table.name}.{name}", f"{count} {told}")
    places = [shared.index(column) for name in table.primary_key for column in shared if column.name == name]
    if places and _is_key(theirs, places) and {_key(r, places) for r in theirs} == {_key(r, places) for r in ours}:
        yield from _by_key(table.name, shared, places, theirs, ours)
    else:
        yield from _as_multisets(table.name, shared, theirs, ours)


def compare_view(
    mysql: Any, postgres: psycopg.Connection, view: source.View, counterpart: target.Table
) -> Iterator[Finding]:
    """Compare a view's rows as a multiset, without regard to the order of what GROUP_CONCAT joins."""
    theirs, _ = _of_source(mysql, view.table, view.table.columns)
    ours, _ = _of_target(postgres, counterpart, view.table.columns)
    if "group_concat(" in view.text.lower():
        # Without ORDER BY it promises none.
        theirs, ours = _without_order(theirs), _without_order(ours)
    if Counter(theirs) != Counter(ours):
        lost, extra = _difference(theirs, ours), _difference(ours, theirs)
        told = f"{len(lost)} rows of {len(theirs)} are not there"
        yield Finding(
            "view", view.table.name, f"{told}, such as {_shown((lost or extra)[0])} in place of {_first(extra)}"
        )


def _of_source(mysql: Any, table: source.Table, columns: Sequence[Column]) -> tuple[list[Row], Odd]:
    selected = ", ".join(reading(family(column), source.quoted(column.name)) for column in columns)
    return _canonical(source.fetch(mysql, f"SELECT {selected} FROM {source.quoted(table.name)}"), columns)


def _of_target(postgres: psycopg.Connection, table: target.Table, columns: Sequence[Column]) -> tuple[list[Row], Odd]:
    selected = ", ".join(
        reading_target(family(column), target.quoted(column.name), table.columns[column.name].type)
        for column in columns
    )
    return _canonical(target.fetch(postgres, f"SELECT {selected} FROM {table.name}"), columns)


def _canonical(rows: list[Row], columns: Sequence[Column]) -> tuple[list[Row], Odd]:
    odd: Odd = Counter()
    kinds = [(family(column), column.name) for column in columns]
    found = [
        tuple(canonical(kind, value, name, odd) for (kind, name), value in zip(kinds, row, strict=True)) for row in rows
    ]
    return found, odd


def _is_key(rows: list[Row], places: list[int]) -> bool:
    return len({_key(row, places) for row in rows}) == len(rows)


def _key(row: Row, places: list[int]) -> Row:
    return tuple(row[place] for place in places)


def _by_key(
    table: str, columns: list[Column], places: list[int], theirs: list[Row], ours: list[Row]
) -> Iterator[Finding]:
    if len(theirs) != len(ours):
        yield Finding("rows", table, f"{len(ours) - len(theirs)} rows more than in the source share a key")
    here = {_key(row, places): row for row in ours}
    for place, column in enumerate(columns):
        unlike = [row for row in theirs if row[place] != here[_key(row, places)][place]]
        if unlike:
            key = _key(unlike[0], places)
            pair = f"{_shown(unlike[0][place])} in the source, {_shown(here[key][place])} in the target"
            told = f"{len(unlike)} cells differ, the first at key {_shown(key)}: {pair}"
            yield Finding("cell", f"{table}.{column.name}", told)


def _as_multisets(table: str, columns: list[Column], theirs: list[Row], ours: list[Row]) -> Iterator[Finding]:
    lost, extra = _difference(theirs, ours), _difference(ours, theirs)
    if not lost and not extra:
        return
    changed = list(_changed_columns(columns, lost, extra)) if len(lost) == len(extra) else []
    for column, before, after in changed:
        pair = f"{_shown(before)} in the source, {_shown(after)} in the target"
        yield Finding("cell", f"{table}.{column.name}", f"{len(lost)} cells differ, such as {pair}")
    if not changed:
        if lost:
            yield Finding("rows", table, f"{len(lost)} rows are not there, such as {_shown(lost[0])}")
        if extra:
            yield Finding("rows", table, f"{len(extra)} rows are not in the source, such as {_shown(extra[0])}")


def _changed_columns(columns: list[Column], lost: list[Row], extra: list[Row]) -> Iterator[tuple[Column, Any, Any]]:
    """The columns whose values are others; where all have the same ones, the rows themselves are others."""
    for place, column in enumerate(columns):
        before, after = Counter(row[place] for row in lost), Counter(row[place] for row in extra)
        if before != after:
            yield column, next(iter(before - after)), next(iter(after - before))


def _difference(rows: list[Row], others: list[Row]) -> list[Row]:
    return list((Counter(rows) - Counter(others)).elements())


def _without_order(rows: list[Row]) -> list[Row]:
    def sort(value: Any) -> Any:
        return tuple(sorted(re.split(r"[,;:] ?", value))) if isinstance(value, str) else value

    return [_each(row, sort) for row in rows]


def _each(row: Row, change: Callable[[Any], Any]) -> Row:
    return tuple(change(value) for value in row)


def _first(rows: list[Row]) -> str:
    return _shown(rows[0]) if rows else "none"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + " ..."
