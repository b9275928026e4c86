"""The steps that prove the load: every cell compared, and the expectation suites run on the target."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from cutover.data.sync import binlog
from cutover.dialects import mysql_types
from cutover.errors import VerificationError
from cutover.schema.target import Evaluation, TargetSummary
from cutover.steps import expect, follow, switches, trial
from cutover.steps.context import Run
from cutover.steps.expect import Expected
from cutover.verify import expectations, rows, summaries, views
from cutover.verify.outcome import Outcome

_SHOWN = 20
# How often a batch is compared with a source that goes on changing.
RECHECKS = 4


def validate_rows(run: Run, number: int) -> None:
    """Compare every cell of a batch's chunks between source and shadow schema.

    Raises:
        VerificationError: with the differences by key and column.
        WindowClosedError: the window closed, or the run takes too long.
        TransientError: a server was lost.
    """
    if not compares_rows(run):
        return
    run = run.beside_others()
    with run.noting_failure("validate_rows"):
        attempts = RECHECKS if run.plan.follows else 1
        for attempt in range(attempts):
            found, count = _compared(run, number)
            if not count:
                return
            if attempt < attempts - 1:
                # The source goes on: what differs may be what has changed since, and is there once that is applied.
                follow.catch_up(run)
        raise VerificationError(f"{count} rows differ{_moved(run)}{_computed(run, found)}; the first:", found[:_SHOWN])


def _compared(run: Run, number: int) -> tuple[list[str], int]:
    """Compare a batch's chunks; return the differences that are shown, and how many there are."""
    found: list[str] = []
    count = 0
    sides = rows.Sides(run.source, run.target, run.shadow, run.shadow, run.batch_rows, run.staging)
    for chunk in run.plan.batches[number]:
        route = run.plan.route(chunk)
        piece = rows.compared_with(route, chunk)
        if piece is None:
            continue
        run.check_time()
        started = time.monotonic()
        result = rows.compare(sides, route, piece)
        shown = [str(difference) for difference in result.shown]
        run.record(
            "verified",
            chunk=chunk.name,
            table=chunk.table,
            rows=result.rows,
            lost=result.lost,
            extra=result.extra,
            changed=result.changed,
            seconds=round(time.monotonic() - started, 3),
            differences=shown,
        )
        count += result.differences
        found += shown
    return found, count


def _computed(run: Run, found: Sequence[str]) -> str:
    """Name the cure where a column differs that the target computes, or a row that a user's function made."""
    columns = [column for table in run.plan.tables for column in table.computed]
    differing = [c for c in columns if any(f"].{c.target}: " in line for line in found)]
    if any(column.added is None for column in differing):
        return " (a generated column: say generatedColumns: values to carry the source's values)"
    if differing:
        return " (a computed column: write it under derivedFields to load what the source makes of it)"
    for table in run.plan.tables:
        function = table.route.function
        if function is not None and any(line.startswith(f"{table.name}[") for line in found):
            return f" (function {function.call} must return the same whenever it is called with a row)"
    return ""


def compares_rows(run: Run) -> bool:
    """Whether the spec asks for every cell to be compared."""
    return switches.wanted(run) and switches.of(run).data_validation


def _moved(run: Run) -> str:
    """Say when the source was written to while the run went on: then it, not the load, may be the cause."""
    before = (run.finished("preflight") or {}).get("binlog")
    now = binlog.position(run.source)
    if before is None or before == now:
        return ""
    return f" (the source was written to during the run: its binary log went from {before} to {now})"


def validate_views(run: Run) -> None:
    """Compare what every view gives on both sides; what differs is told in the report, and fails nothing.

    Where the spec or the data keep rows of a table back, a view of it cannot give the same. The summaries are proven
    first, for these have to be right.

    Raises:
        VerificationError: a summary is not what its table's rows make.
    """
    validate_summaries(run)
    if not compares_rows(run) or not run.plan.views:
        return
    run = run.beside_others()
    with run.step("validate_views") as detail:
        finished = run.finished("finish_schema")
        kept_back = any(count["errors"] or count["by_rule"] for count in (finished or {}).get("tables", ()))
        if kept_back or any(table.route.changes_rows for table in run.plan.tables):
            detail["skipped"] = "rows of the tables are kept back or changed on purpose"
            return
        described = {view.name: view for view in run.plan.source.views}
        results = []
        for view in run.plan.views:
            run.check_time()
            result = views.compare_view(
                run.source, run.target, run.shadow, described[view.source], view, run.staging, run.batch_rows
            )
            results.append(asdict(result))
        detail["views"] = results


def validate_summaries(run: Run) -> None:
    """Compare every cell of the summaries with what the source makes of its rows.

    Where other rows or values arrived than the source has, on purpose or for their sake, it is what the target makes of
    its own, which :func:`validate_rows` compares.

    Raises:
        VerificationError: with the first differences.
    """
    if not compares_rows(run) or not run.plan.summaries:
        return
    run = run.beside_others()
    with run.step("validate_summaries") as detail:
        changed = _changed(run)
        detail["summaries"] = []
        found: list[str] = []
        count = 0
        for summary in run.plan.summaries:
            run.check_time()
            own = {evaluation: why for evaluation in summary.evaluations if (why := _why_own(run, evaluation, changed))}
            result = summaries.compare_summary(
                run.source, run.target, run.shadow, summary, own, run.staging, run.batch_rows
            )
            detail["summaries"].append(asdict(result) | {"against": _against(summary, own)})
            found += result.shown
            count += result.differences
        if count:
            raise VerificationError(f"{count} rows of summaries differ{_moved(run)}; the first:", found)


def _changed(run: Run) -> set[tuple[str, str]]:
    """Return (table, column) of what has other values than in the source, and (table, "") where rows are missing."""
    finished = run.finished("finish_schema") or {}
    names = {table.name: table.route.source for table in run.plan.tables}
    counts = (count for count in finished.get("tables", ()) if count["errors"] or count["by_rule"])
    return {(names[count["table"]], "") for count in counts} | expect.changed_values(run)


def _why_own(run: Run, evaluation: Evaluation, changed: set[tuple[str, str]]) -> str:
    """Say why the source would not make the same of its rows; "" where it would."""
    route = run.plan.table(evaluation.table).route
    # Duplicates are counted where there were any.
    beside = replace(route, columns=(), duplicates=(), merge=False)
    if beside.changes_rows or (evaluation.table, "") in changed:
        return f"rows of {evaluation.table} stay behind"
    for column in map(route.column, evaluation.reads):
        by_rule = column.changes_rows
        # What stands for true or for a number in a text is the transform's to say.
        travel = mysql_types.travel(column.source_type)
        by_rule |= travel is None or (travel.arrow == "string" and column.arrow not in ("string", "citext"))
        if by_rule or (evaluation.table, column.target) in changed:
            return f"values of {evaluation.table}.{column.source} are changed"
    return ""


def _against(summary: TargetSummary, own: Mapping[Evaluation, str]) -> str:
    reasons = ", ".join(dict.fromkeys(own.values()))
    if not own:
        return "is what the source makes of its rows"
    some = "partly " if len(own) < len(summary.evaluations) else ""
    return f"is {some}what the target makes of its own rows, for {reasons}"


def validate_expectations(run: Run, schema: str | None = None) -> tuple[Outcome, ...]:
    """Run the generated and the user's own expectation suites on the shadow schema, and sort what failed.

    An expectation of the user's whose severity is below critical is reported when it fails, no more. Where another
    ``schema`` is named, the live one, the ledger is told nothing, and what failed is returned and not raised.

    Raises:
        VerificationError: with every critical expectation that failed; or the suites could not be run.
        SpecError: a suite of the user's cannot be read.
        TransientError: a server was lost.
    """
    run = run.beside_others()
    if schema is not None:
        told = expect.ask(run, schema) or Expected((), ("expectations: not asked, the spec switches them off",))
        return expectations.outcomes(told.results, told.unasked)
    with run.step("validate_expectations") as detail:
        asked = expect.ask(run)
        if asked is None:
            detail["skipped"] = "switched off"
            return expectations.outcomes(())
        results = asked.results
        detail["expectations"] = len(results)
        run.record("expectations", results=[asdict(result) for result in results], unasked=asked.unasked)
        sorted_out = expectations.outcomes(results, asked.unasked)
        for outcome in sorted_out:
            trial.told(run, outcome, "expectations", run.shadow, {})
        failed = [str(r) for r in results if not r.success and r.severity == expectations.CRITICAL]
        if failed:
            raise VerificationError(f"{len(failed)} of {len(results)} expectations failed:", failed[:_SHOWN])
        return sorted_out
