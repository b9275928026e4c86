"""The steps that take a run back, and forth again."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cutover.data import shadow
from cutover.dialects import postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.errors import CutoverError, PreflightError, RollbackError, TransientError
from cutover.ledger import Event
from cutover.rollback import losses
from cutover.rollback.losses import Loss
from cutover.rollback.registry import STRATEGIES
from cutover.rollback.whole import at
from cutover.schema import inspect_postgresql
from cutover.spec.rollback import Way
from cutover.steps import history, ways
from cutover.steps.context import Run
from cutover.steps.move import record_rejects


def rollback(run: Run, way: str | None = None, keep: bool = False) -> None:
    """Put the target back as it was before the run; a second call does nothing.

    A run that was not cut over has changed nothing that the application reads: its schema goes, and that is all.

    Args:
        run: the run.
        way: by which of the ways it has prepared; the spec's own where it is not given.
        keep: whether what is replaced stays, so that :func:`go_forth` can put it in place again.

    Raises:
        RollbackError: with what is left, and how to finish by hand.
        PreflightError: the run has not prepared that way.
        TransientError: a lock was not to be had, or the target was lost.
    """
    with run.step("rollback", guarded=False) as detail:
        if run.ledger.last(run.id, "planned") is None:
            detail["nothing"] = "the run had changed nothing"
            return
        if history.taken_back(run.ledger, run.id):
            detail["nothing"] = "the run has been taken back before"
            return
        _refuse_wrong_target(run)
        by = ways.chosen(run, way) if run.ledger.last(run.id, "cut_over") is not None else "ddl_rollback"
        detail["way"] = by
        # A database that is replaced holds what the run had nothing to do with, too.
        keep = keep or STRATEGIES[by].whole
        try:
            detail["went_back"] = _go_back(run, by)
            record_rejects(run)
            if not keep:
                for strategy in ways.strategies(run).values():
                    strategy.forget(ways.site(run))
        except CutoverError as error:
            raise _failed(run, error, detail.get("went_back", False)) from error
        shutil.rmtree(run.staging, ignore_errors=True)
        run.record("rolled_back", tables=[table.name for table in run.plan.tables], way=by, kept=keep)


def _go_back(run: Run, way: Way) -> bool:
    if history.went_back(run):
        # An earlier attempt may have thrown away what it replaced, and died before it could say so.
        return False
    here, taken = ways.site(run, way), ways.taken(run)
    strategy = STRATEGIES[way]
    if not strategy.is_back(here) and (problems := strategy.unusable(here, taken)):
        raise RollbackError(f"{way} cannot be: {'; '.join(problems)}")
    done = strategy.go_back(here, taken)
    # An earlier attempt may have died between the exchange and this event.
    if done or run.ledger.last(run.id, "cut_over") is not None:
        run.record("went_back", tables=[table.name for table in run.plan.tables], way=way)
    return done


def _is_back(run: Run, way: Way) -> bool:
    """Whether what was before a run that was cut over is live again, also where nobody could say so."""
    return history.went_back(run) or STRATEGIES[way].is_back(ways.site(run, way))


def _failed(run: Run, error: CutoverError, went_back: bool) -> CutoverError:
    stands = "is back" if went_back else "was not changed by this attempt"
    kind = TransientError if isinstance(error, TransientError) else RollbackError
    return kind(
        f"the way back failed: {error}. The live schema {run.live} {stands}; "
        f"schema {run.shadow} of {run.target} is left. "
        f"Remove the cause, then run: cutover rollback {run.spec.name} --run {run.id}"
    )


def go_forth(run: Run) -> None:
    """Put in place again what a way back has replaced: the way back of the way back. A second call does nothing.

    Raises:
        RollbackError: the run was not taken back, or what was replaced has not been kept; nothing was changed.
        TransientError: a lock was not to be had, or the target was lost.
    """
    with run.step("go_forth", guarded=False) as detail:
        back = run.ledger.last(run.id, "rolled_back")
        if back is None:
            raise RollbackError(f"run {run.id} was not taken back: there is nothing to put in place again")
        if not history.taken_back(run.ledger, run.id):
            detail["nothing"] = "the run's tables are in place"
            return
        later = history.standing(run)
        if later is not None:
            raise RollbackError(f"run {later} has put its tables in place since; take that back first")
        if not back.detail.get("kept", False):
            raise RollbackError(f"what run {run.id} had put in place was not kept when it was taken back")
        way: Way = back.detail["way"]
        try:
            detail["went_forth"] = STRATEGIES[way].go_forth(ways.site(run, way))
        except PreflightError as error:
            raise RollbackError(f"run {run.id} cannot be put in place again: {error}. Nothing was changed") from error
        run.record("went_forth", tables=[table.name for table in run.plan.tables], way=way)


def refuse(run: Run, way: str | None, moment: datetime | None = None) -> Way:
    """Refuse what nobody may take back by hand, or what could not be; return the way that it would go.

    What is back already, by an attempt that died, is never refused: it has only to be ended.

    Args:
        run: the run.
        way: one that it has prepared; the spec's own where it is not given.
        moment: what is to be gone back to, in place of the cutover.

    Raises:
        PreflightError: with every reason; nothing was changed.
        TransientError: the target could not be reached.
    """
    manual = run.spec.rollback.triggers.manual
    by, findings = ways.chosen(run, way), []
    placed = history.placed(run)
    begun = placed is not None and _is_back(run, by)
    if not manual.enabled and not begun:
        findings.append(f"rollback.triggers.manual.enabled of {run.spec.name} is false")
    if placed is not None and manual.rollback_window is not None and not begun:
        since = datetime.now(UTC) - placed
        if since > timedelta(milliseconds=manual.rollback_window):
            findings.append(
                f"the rollback window of {run.spec.name} is over: run {run.id} was cut over at "
                f"{placed:%Y-%m-%d %H:%M:%S} UTC, and rollbackWindow is {manual.rollback_window / 60_000:g} minutes"
            )
    if placed is not None and (later := history.standing(run)) not in (run.id, None):
        findings.append(f"run {later} has put its tables in place since; take that back first")
    if placed is not None and not begun:
        here = ways.site(run, by)
        findings += STRATEGIES[by].unusable(replace(here, moment=moment or here.moment), ways.taken(run))
    if findings:
        raise PreflightError(findings)
    return by


def lost(run: Run, way: Way) -> list[Loss]:
    """Return what a way back would lose: rows that were written since the cutover, or since the backup.

    Raises:
        TransientError: the target could not be reached.
    """
    return [] if _is_back(run, way) else _lost(run, way, run.target, run.live)


def lost_in_all(run: Run, way: Way) -> list[Loss]:
    """Return what a way back has lost, counted in what it has replaced and kept, where nobody writes any more.

    Raises:
        TransientError: the target could not be reached.
    """
    if STRATEGIES[way].whole:
        return _lost(run, way, at(run.target, ways.site(run).kept), run.live)
    return _lost(run, way, run.target, run.shadow)


def _lost(run: Run, way: Way, target: Endpoint, schema: str) -> list[Loss]:
    """Count where the run's tables are: in a schema of a database."""
    placed = run.ledger.last(run.id, "cut_over")
    if placed is None or placed.detail.get("xid") is None:
        return []
    then: Mapping[str, int] = (run.finished("upgrade_schema") or {}).get("rows", {})
    brought = {(schema, table.name): then.get(table.name) for table in run.plan.tables}
    found = losses.since(target, placed.detail["xid"], brought, known_as=run.live)
    before = ways.taken(run)
    if STRATEGIES[way].whole and "xid" in before:
        others = {table: None for table in _tables(run, target) if table not in brought}
        # The moment of the cutover is gone back to, unless another was asked for: that was after the backup.
        at_cutover = way == "point_in_time" and ways.site(run, way).moment == _moment(placed)
        found += losses.since(target, placed.detail["xid"] if at_cutover else before["xid"], others)
    return found


def _moment(placed: Event) -> datetime:
    return datetime.fromisoformat(placed.detail["moment"])


def _tables(run: Run, target: Endpoint) -> list[tuple[str, str]]:
    """Return the tables of the whole database that hold rows of somebody's; the run's own books are not among them."""
    query = (
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\\_%%' AND n.nspname <> 'information_schema' "
        "AND NOT (n.nspname = %s AND c.relname LIKE 'cutover\\_%%') ORDER BY 1, 2"
    )
    with postgresql.session(target) as connection:
        return connection.execute(query, (run.shadow,)).fetchall()


def _refuse_wrong_target(run: Run) -> None:
    """A run that was cut over has left its schema in the target; where it is not, this is another database."""
    placed = run.ledger.last(run.id, "cut_over")
    if placed is None or (history.went_back(run) and placed.detail["where"] == history.where(run)):
        # An earlier attempt may have dropped it, and died before it could say so.
        return
    with postgresql.session(run.target) as connection:
        if shadow.exists(connection, run.shadow):
            return
    if placed.detail["where"] == history.where(run) and any(s.whole for s in ways.strategies(run).values()):
        # The database that has it may have been exchanged already.
        return
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
    back = run.ledger.last(run.id, "rolled_back")
    if back is None or not back.detail.get("kept", False):
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


def told(found: list[Loss]) -> list[dict[str, Any]]:
    """Return losses as an event has them."""
    return [{"table": each.table, "written": each.written, "gone": each.gone, "told": str(each)} for each in found]
