"""What is expected of a run's tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cutover.errors import PreflightError
from cutover.schema.target import TargetTable
from cutover.steps import switches, versions
from cutover.steps.context import Run
from cutover.verify import expectations, ranges, suites
from cutover.verify.expectations import Result
from cutover.verify.ranges import Range, Wanted

# What versions beyond the source may change on purpose.
_OF_VERSIONS = frozenset({"types", "tables"})


@dataclass(frozen=True)
class Expected:
    """What became of a run's expectations; ``unasked`` says in words what was not asked, and why."""

    results: tuple[Result, ...]
    unasked: tuple[str, ...] = ()


def ask(run: Run, schema: str | None = None) -> Expected | None:
    """Run the generated suites and the user's own; None where the spec wants none.

    Args:
        run: the run.
        schema: the schema that holds the tables; the run's own shadow schema where none is given. In another one the
            application may have written since: the numbers of rows and the ranges are not asked then, and what is not
            as planned where versions were applied is a warning.

    Raises:
        PreflightError: the tables are not finished.
        SpecError: a suite of the user's cannot be read.
        TransientError: a server was lost.
        VerificationError: the suites could not be run.
    """
    kinds = switches.expected(run)
    if not switches.wanted(run):
        return None
    finished = run.finished("finish_schema")
    if finished is None:
        raise PreflightError([f"run {run.id}: its finish_schema step has not ended"])
    unasked = []
    if schema is not None:
        kept = kinds - switches.OF_THE_LOAD
        unasked += [f"{kind}: not asked of {schema}, which the application writes to" for kind in sorted(kinds - kept)]
        kinds = kept
    own, unnamed = _own_suites(run)
    unasked += unnamed
    measured: dict[str, tuple[Range, ...]] = {}
    if "ranges" in kinds:
        measured, unmeasured = _ranges(run, finished)
        unasked += unmeasured
    if not kinds and not own:
        return None
    open_ = {what for what, _ in finished["not_validated"]}
    results = expectations.validate(
        tuple(_without(open_, table) for table in run.plan.tables),
        run.target,
        schema or run.shadow,
        # What was loaded, less what was set aside.
        {str(c["table"]): c["rows_loaded"] - c["set_aside"] for c in finished["tables"]},
        # Columns, as table.column, whose NOT NULL was relaxed because zero dates became NULL.
        frozenset(finished["not_null_relaxed"]),
        own,
        run.folder / ("data_docs" if schema is None else "data_docs_live"),
        kinds,
        measured,
    )
    if schema is not None and versions.applied_live(run):
        results = [replace(r, severity="warning") if r.kind in _OF_VERSIONS else r for r in results]
    return Expected(tuple(results), tuple(unasked))


def _without(open_: set[str], table: TargetTable) -> TargetTable:
    """Leave out the constraints that hold for rows to come alone: those that are there need not keep them."""
    keys = (key for key in table.foreign_keys if f"foreign key {table.route.source}.{key.name}" not in open_)
    checks = (check for check in table.checks if table.in_source(check) not in open_)
    return replace(table, foreign_keys=tuple(keys), checks=tuple(checks))


def _own_suites(run: Run) -> tuple[list[suites.OwnExpectation], list[str]]:
    """Return the user's expectations, and what cannot be asked of them."""
    if run.suites is None:
        return [], []
    every = suites.read(run.suites, run.plan.tables, [table.name for table in run.plan.source.tables])
    unnamed = {table.name for table in run.plan.tables if not expectations.nameable(table)}
    files = dict.fromkeys((each.file.name, each.table) for each in every if each.table in unnamed)
    why = "its expectations were not run, Great Expectations cannot spell the names of"
    return [each for each in every if each.table not in unnamed], [f"{file}: {why} {table}" for file, table in files]


def _ranges(run: Run, finished: Mapping[str, Any]) -> tuple[dict[str, tuple[Range, ...]], list[str]]:
    """Ask the source what its columns hold; say of which it was not asked."""
    if run.plan.follows:
        return {}, ["ranges: not asked, for the source that is followed goes on changing"]
    kept_back = {count["table"] for count in finished["tables"] if count["errors"] or count["by_rule"]}
    altered = changed_values(run)
    wanted, unmeasured = [], []
    for route in (table.route for table in run.plan.tables):
        columns = ranges.measurable(route)
        changed = [column.target for column in columns if (route.source, column.target) in altered]
        unmeasured += [f"ranges of {route.target}.{name}: not asked, for values of it were changed" for name in changed]
        if route.function is not None or route.merge:
            why = "its rows pass a function" if route.function is not None else "its duplicates are merged"
            unmeasured.append(f"ranges of {route.target}: not asked, for {why}")
        exact = route.target not in kept_back and route.limit is None
        wanted.append(Wanted(route, tuple(c for c in columns if c.target not in changed), exact))
    found = {}
    for table, each in zip(run.plan.tables, ranges.profile(run.source, wanted), strict=True):
        found[table.name] = each
        run.check_time()
    return found, unmeasured


def changed_values(run: Run) -> set[tuple[str, str]]:
    """Return (table of the source, column of the target) of what the load gave other values than the source has."""
    loaded = (event.detail for event in run.ledger.events(run.id, "loaded"))
    return {(detail["table"], entry["column"]) for detail in loaded for entry in detail["altered"]}
