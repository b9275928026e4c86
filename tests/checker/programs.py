"""What stands beside the tables: views, triggers, routines, events, sequences and partitioning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import MySQLdb
import psycopg

from checker import source, target
from checker.cells import compare_view
from checker.finding import Finding
from checker.source import Source
from checker.target import Target, next_value


def compare(mysql: Any, postgres: psycopg.Connection, theirs: Source, ours: Target) -> Iterator[Finding]:
    """Say which of them are not in the target."""
    for table in theirs.tables:
        if table.partitioned and table.name in ours.tables and ours.tables[table.name].kind != "p":
            yield Finding("partitioning", table.name, "it is one table, without partitions")
        if table.versioned:
            # PostgreSQL has no history of its own; what stands in for one, no catalogue tells.
            yield Finding("history", table.name, "nothing keeps the rows as they were")
    for view in theirs.views:
        yield from _view(mysql, postgres, view, ours.views.get(view.table.name))
    for name in theirs.sequences:
        yield from _sequence(mysql, postgres, name, ours.sequences.get(name))
    for trigger in theirs.triggers:
        yield from _trigger(trigger, ours)
    for name, kind in theirs.routines:
        if (name, kind) not in ours.routines:
            yield Finding(kind, name, f"there is no such {kind}")
    for name in theirs.events:
        # PostgreSQL has no clock of its own; what calls a function from outside, no catalogue tells.
        yield Finding("event", name, "nothing in the target runs it")


def _view(mysql: Any, postgres: psycopg.Connection, view: source.View, found: target.Table | None) -> Iterator[Finding]:
    name = view.table.name
    if found is None:
        yield Finding("view", name, "there is no such view")
        return
    names = [column.name for column in view.table.columns]
    if names != list(found.columns):
        yield Finding("view", name, f"its columns are {', '.join(found.columns)}, not {', '.join(names)}")
        return
    if "nextval(" in view.text.lower():
        return  # Whoever reads it counts a sequence up.
    try:
        yield from compare_view(mysql, postgres, view, found)
    except MySQLdb.Error:
        return  # What the source itself cannot read, nobody can compare.


def _sequence(mysql: Any, postgres: psycopg.Connection, name: str, found: str | None) -> Iterator[Finding]:
    if found is None:
        yield Finding("sequence", name, "there is no such sequence")
        return
    columns = "next_not_cached_value, increment, minimum_value, maximum_value, cycle_option"
    ((cached, step, *bounds),) = source.fetch(mysql, f"SELECT {columns} FROM {source.quoted(name)}")
    following = next_value(postgres, found)
    if (following - cached) * step < 0:
        yield Finding("sequence", name, f"the next value is {following}, not {cached}")
    described = target.counting(postgres, found)
    if described != (step, *bounds):
        yield Finding("sequence", name, f"step, bounds and whether it begins again: {described}, not {step, *bounds}")


def _trigger(wanted: source.Trigger, ours: Target) -> Iterator[Finding]:
    found = [t for t in ours.triggers if t.name == wanted.name and t.table == wanted.table]
    if not found:
        yield Finding("trigger", wanted.name, f"{wanted.table} has no such trigger")
    elif not any(t.before == (wanted.timing == "BEFORE") and t.events == {wanted.event} for t in found):
        yield Finding("trigger", wanted.name, f"it does not fire {wanted.timing} {wanted.event}")
