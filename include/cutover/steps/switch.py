"""The steps that put the new tables in place, and the ones that take them back."""

from __future__ import annotations

import shutil
from functools import partial

from cutover.data import finish, shadow
from cutover.dialects import postgresql
from cutover.errors import CutoverError, DriftError, PreflightError, RollbackError, TransientError, VerificationError
from cutover.rollback import swap
from cutover.schema import definitions, inspect_postgresql
from cutover.steps import carry, history, stillness
from cutover.steps.context import Run
from cutover.steps.move import record_rejects
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
                locked_ms=round(done.locked_ms, 1),
            )
        detail["locked_ms"] = round(done.locked_ms, 1)


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
            detail["dropped"], detail["kept"] = swap.drop_older(run.target, run.spec.name, run.shadow)
            shutil.rmtree(run.staging, ignore_errors=True)
    run.record("completed")


def rollback(run: Run) -> None:
    """Put the target back as it was before the run; a second call does nothing.

    Raises:
        RollbackError: with what is left, and how to finish by hand.
    """
    with run.step("rollback", guarded=False) as detail:
        planned = run.ledger.last(run.id, "planned")
        if planned is None:
            detail["nothing"] = "the run had changed nothing"
            return
        tables = [table.name for table in run.plan.tables]
        limit = run.spec.rollback.types.schema_.ddl_rollback.timeout
        _refuse_wrong_target(run)
        try:
            detail["swapped_back"] = swap.go_back(run.target, run.live, run.shadow, limit)
            # An earlier attempt may have died between the exchange and this event.
            told = run.ledger.last(run.id, "cut_over") is None or run.ledger.last(run.id, "went_back") is not None
            if detail["swapped_back"] or not told:
                run.record("went_back", tables=tables)
            record_rejects(run)
            shadow.drop(run.target, run.shadow, limit)
        except TransientError:
            raise
        except CutoverError as error:
            raise RollbackError(
                f"the way back failed: {error}. The live schema {run.live} "
                f"{'is back' if detail.get('swapped_back') else 'was not changed by this attempt'}; "
                f"schema {run.shadow} of {run.target} is left. "
                f"Remove the cause, then run: cutover rollback {run.spec.name} --run {run.id}"
            ) from error
        shutil.rmtree(run.staging, ignore_errors=True)
        run.record("rolled_back", tables=tables)


def _refuse_wrong_target(run: Run) -> None:
    """A run that was cut over has left its schema in the target; where it is not, this is another database."""
    placed = run.ledger.last(run.id, "cut_over")
    if placed is None or run.ledger.last(run.id, "rolled_back") is not None:
        return
    if run.ledger.last(run.id, "went_back") is not None and placed.detail["where"] == history.where(run):
        # An earlier attempt may have dropped it, and died before it could say so.
        return
    with postgresql.session(run.target) as connection:
        if not shadow.exists(connection, run.shadow):
            where = run.ledger.events(run.id, "run_started")[0].detail["target"]
            raise RollbackError(
                f"{run.target} has no schema {run.shadow}, which run {run.id} left in {where}. Either this is another "
                "database, or a later run has replaced the tables; nothing was changed"
            )


def validate_rollback(run: Run) -> None:
    """Make sure that the live schema is as it was planned from and that the shadow schema is gone.

    Raises:
        RollbackError: with what differs.
    """
    with run.step("validate_rollback", guarded=False):
        if run.ledger.last(run.id, "planned") is None:
            return
        left = left_over(run)
        if left:
            raise RollbackError(f"after the rollback the target is not as before the run: {'; '.join(left)}")


def left_over(run: Run) -> list[str]:
    """Return in what the live schema is not as it was before a run that was taken back.

    Raises:
        TransientError: the target could not be reached.
    """
    left = inspect_postgresql.inspect(run.target, run.live).changes_since(run.plan.target)
    with postgresql.session(run.target) as connection:
        if shadow.exists(connection, run.shadow):
            left.append(f"schema {run.shadow} is still there")
    return left


def unfit(run: Run) -> dict[str, tuple[str, ...]]:
    """Return what of the live schema the server itself does not vouch for: constraints, and indexes, which are slow.

    Raises:
        TransientError: the target could not be reached.
    """
    with postgresql.session(run.target) as connection:
        constraints = connection.execute(
            "SELECT c.relname, k.conname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid "
            "WHERE k.connamespace = to_regnamespace(quote_ident(%s)) AND NOT k.convalidated ORDER BY 1, 2",
            (run.live,),
        ).fetchall()
        indexes = connection.execute(
            "SELECT i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid "
            "WHERE i.relnamespace = to_regnamespace(quote_ident(%s)) AND NOT x.indisvalid ORDER BY 1",
            (run.live,),
        ).fetchall()
    before = {table.name for table in run.plan.target.tables} if run.ledger.last(run.id, "planned") else set()
    return {
        "constraint": tuple(f"{t}: constraint {name} is not validated" for t, name in constraints if t in before),
        "performance": tuple(
            f"index {name} is not valid; REINDEX INDEX {postgresql.quoted(name)}" for (name,) in indexes
        ),
    }
