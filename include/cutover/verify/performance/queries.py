"""The application's queries, timed on both sides, with their plans."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from cutover.verify.performance import asking, plans
from cutover.verify.performance.asking import StatementError
from cutover.verify.performance.limits import Limits, Pair
from cutover.verify.performance.plans import Found, Scan
from cutover.verify.queries import Query

_CHANGES = "it changes or locks rows, and is never run"


@dataclass(frozen=True)
class Timed:
    """What a query took on both sides.

    Attributes:
        query: its name.
        times: the medians; None where one side did not answer.
        source_rows: rows that the source gave.
        target_rows: rows that the target gave.
        finds: the tables that the source reads by an index.
        scans: the tables that the target reads whole.
        used: the names of the target's indexes that it reads.
        plan: the target's plan in a few words.
        slower: why it counts as slower though there are no times: the target alone did not answer.
        unknown: why it was not compared.
        notes: what else could not be known.
    """

    query: str
    times: Pair | None = None
    source_rows: int | None = None
    target_rows: int | None = None
    finds: tuple[Found, ...] = ()
    scans: tuple[Scan, ...] = ()
    used: tuple[str, ...] = ()
    plan: str = ""
    slower: str = ""
    unknown: str = ""
    notes: tuple[str, ...] = ()


def measure(
    source: Any,
    target: psycopg.Connection,
    query: Query,
    statement: str | None,
    limits: Limits,
    parents: Mapping[str, str],
) -> Timed:
    """Run a query on both sides, once to warm up and then as often as the limits say.

    Args:
        source: a session that may only read (:func:`cutover.verify.performance.asking.reading`).
        target: a session that sees the schema (:func:`cutover.verify.preparing.looking`).
        query: the query.
        statement: what it is on the target; None where nothing is known that it takes.
        limits: how the sides are compared.
        parents: the table of each partition of the target.

    Raises:
        MySQLdb.Error, psycopg.Error: a connection was lost.
    """
    if query.tree is None:
        return Timed(query.name, unknown=query.construct)
    if not query.reads:
        return _planned(Timed(query.name, unknown=_CHANGES), target, statement, parents)
    if statement is None:
        why = query.construct or "its translation is refused"
        return Timed(query.name, unknown=f"the target takes no translation of it: {why}")
    known = _with_finds(Timed(query.name), source, query)
    try:
        before, rows = _times(lambda: asking.on_source(source, query.source), limits.runs)
        known = replace(known, source_rows=rows)
    except StatementError as error:
        return Timed(query.name, unknown=f"the source did not answer it: {error}")
    try:
        known = _with_plan(known, asking.plan_of_target(target, statement), parents)
        after, there = _times(lambda: asking.on_target(target, statement), limits.runs)
    except StatementError as error:
        return replace(known, slower=f"the target did not answer it: {error}")
    return replace(known, times=Pair.of(before, after), target_rows=there)


def _planned(known: Timed, target: psycopg.Connection, statement: str | None, parents: Mapping[str, str]) -> Timed:
    """Return the target's plan of a statement that is not run; the source explains none where it may only read."""
    if statement is None:
        return known
    try:
        return _with_plan(known, asking.plan_of_target(target, statement), parents)
    except StatementError as error:
        return replace(known, notes=(f"its plan in the target is not known: {error}",))


def _with_finds(timed: Timed, source: Any, query: Query) -> Timed:
    assert query.tree is not None
    try:
        found = plans.of_source(asking.plan_of_source(source, query.source), query.tree)
    except StatementError as error:
        return replace(timed, notes=(f"its plan in the source is not known: {error}",))
    return replace(timed, finds=tuple(found))


def _with_plan(timed: Timed, plan: Any, parents: Mapping[str, str]) -> Timed:
    return replace(
        timed,
        scans=tuple(plans.of_target(plan, parents)),
        used=tuple(sorted(plans.indexes_of(plan))),
        plan=plans.shape(plan),
    )


def _times(run: Callable[[], tuple[float, int]], runs: int) -> tuple[list[float], int]:
    """Return the milliseconds of each run after a first one, and how many rows there were."""
    _, rows = run()
    return [run()[0] for _ in range(runs)], rows
