"""The steps that put the new tables in place."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from cutover.data import finish
from cutover.errors import DriftError, PreflightError, VerificationError
from cutover.rollback import swap
from cutover.schema import definitions, inspect_postgresql
from cutover.steps import carry, history, stillness, ways
from cutover.steps.context import Run
from cutover.steps.obstacles import brought_before, leaving_with


def in_place(run: Run) -> bool:
    """Whether the run's tables stand in the live schema.

    Raises:
        TransientError: the target could not be reached.
    """
    return swap.swapped(run.target, run.shadow)


def cutover(run: Run) -> None:
    """Exchange the live tables for the new ones in one transaction, and measure how long they were locked.

    Raises:
        DriftError: the live schema is not what the plan was made from.
        VerificationError: the source was written to since the run began.
        DataError: the application has meanwhile written what cannot stay beside the source's rows.
        TransientError: the lock was not to be had in time; nothing was changed.
    """
    with run.step("cutover") as detail:
        if not swap.swapped(run.target, run.shadow):
            changes = inspect_postgresql.inspect(run.target, run.live).changes_since(run.plan.target)
            if changes:
                raise DriftError("target", changes)
            detail["source_moved"] = stillness.refuse_moved_source(run)
        limit = run.spec.strategy.execution.modes.safe.max_downtime
        earlier = leaving_with(run, brought_before(run))
        settle = partial(carry.bring, run=run) if carry.carries(run, run.plan) else None
        done = swap.cut_over(run.target, run.live, run.shadow, run.plan.movables, earlier, limit, settle)
        if run.ledger.last(run.id, "cut_over") is None:
            run.record(
                "cut_over",
                tables=[table.name for table in run.plan.tables],
                brought=[[movable.kind, movable.name, movable.arguments] for movable in done.brought],
                gone=[f"{m.kind.lower()} {m.name}" for m in done.displaced if m not in done.brought],
                where=history.where(run),
                xid=done.xid,
                moment=done.moment.isoformat() if done.moment is not None else None,
                locked_ms=round(done.locked_ms, 1),
            )
        detail["locked_ms"] = round(done.locked_ms, 1)
        if done.way_back and run.spec.rollback.types.schema_.ddl_rollback.reverse_scripts:
            detail["way_back"] = str(_written(run, done.way_back))


def _written(run: Run, statements: Sequence[str]) -> Path:
    """Write the way back down, for psql."""
    path = run.folder / "scripts" / "rollback.sql"
    path.parent.mkdir(parents=True, exist_ok=True)
    told = (
        f"-- Puts the old tables back in place of those of run {run.id}, which stay in schema {run.shadow}.\n"
        "-- psql --no-psqlrc --set ON_ERROR_STOP=1 --single-transaction --file rollback.sql\n"
        f"-- Then, for what belongs to the run: cutover rollback {run.spec.name} --run {run.id}\n\n"
    )
    path.write_text(told + "".join(f"{statement};\n" for statement in statements))
    return path


def validate_cutover(run: Run) -> None:
    """Look at the live schema: every object is as it was verified, and every table has as many rows.

    Raises:
        VerificationError: with what differs.
    """
    with run.step("validate_cutover", guarded=False):
        ready = run.finished("upgrade_schema")
        if ready is None:
            raise PreflightError([f"run {run.id}: its upgrade_schema step has not ended"])
        wanted = definitions.from_rows(ready["schema"])
        live = definitions.within(definitions.of_schema(run.target, run.live), wanted)
        found = [str(difference) for difference in definitions.compare(wanted, live)]
        # A stream may have begun to move tables that follow their source, and the application those it writes to.
        moving = set(ready["rows"]) if run.plan.follows else set(carry.carries(run, run.plan))
        counted = {table: count for table, count in ready["rows"].items() if table not in moving}
        rows = finish.count_rows(run.target, run.live, list(counted))
        found += [
            f"{table}: {rows[table]} rows, {count} were verified"
            for table, count in counted.items()
            if table in rows and rows[table] != count
        ]
        if found:
            raise VerificationError("the live schema is not as it was verified:", found)


def complete(run: Run) -> None:
    """After success: drop what earlier runs kept and the staging files, and say that the run is complete.

    This run's shadow schema stays: it holds the old tables, for the way back.
    """
    if run.params.mode != "dry_run":
        with run.step("tidy", guarded=False) as detail:
            dropped, detail["kept"] = swap.drop_older(run.target, run.spec.name, run.shadow)
            detail["dropped"] = [*dropped, *ways.forget_older(run)]
            shutil.rmtree(run.staging, ignore_errors=True)
    run.record("completed")
