"""Run a migration's steps one after the other, in this process, without Airflow."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

from cutover import report as reporting
from cutover.dialects import pools
from cutover.errors import CutoverError
from cutover.report import Report
from cutover.steps import carry, check, follow, move, prove, switch, versions
from cutover.steps.context import Run
from cutover.workers import on_workers, warm_up

_Piece = TypeVar("_Piece")

# What the command line exits with.
EXIT_COMPLETE, EXIT_ROLLED_BACK, EXIT_NOT_STARTED, EXIT_LOSSES = 0, 1, 2, 3


class NotStartedError(CutoverError):
    """The run ended before anything was changed; the message says why."""


def run_migration(run: Run) -> Report:
    """Run every step, or every step and the way back; the report says which.

    Args:
        run: a run that has been started.

    Raises:
        NotStartedError: something was not fit for the run; nothing was changed.
    """
    try:
        check.check_window(run)
        warm_up()
        check.preflight(run)
        check.make_plan(run)
    except CutoverError as error:
        run.record("failed", changed_nothing=True)
        raise NotStartedError(str(error)) from error
    if run.params.mode != "dry_run":
        try:
            _change(run)
        except BaseException as error:
            if not rolls_back(run):
                run.record("failed", changed_nothing=False)
                raise
            try:
                switch.rollback(run)
                switch.validate_rollback(run)
            except BaseException:
                run.record("failed", changed_nothing=False)
                raise
            if not isinstance(error, Exception):  # Ctrl-C: back first, then out
                raise
            return reporting.build(run.ledger, run.id)
    switch.complete(run)
    return reporting.build(run.ledger, run.id)


def rolls_back(run: Run) -> bool:
    """Whether a failed run takes itself back: unless one of the spec's three switches says no."""
    return (
        run.spec.strategy.execution.modes.safe.auto_rollback_on_error
        and run.spec.strategy.planning.scheduling.automated.auto_rollback
        and run.spec.rollback.triggers.automatic.enabled
    )


def _change(run: Run) -> None:
    move.backup(run)
    move.create_schema(run)
    _side_by_side(run, partial(move.stream_chunk, run), run.plan.chunks)
    if run.plan.follows:
        follow.catch_up(run)
    move.finish_schema(run)
    if prove.compares_rows(run):
        _side_by_side(run, partial(prove.validate_rows, run), range(len(run.plan.batches)))
    prove.validate_views(run)
    prove.validate_expectations(run)
    versions.upgrade_schema(run)
    if run.spec.data.loading.strategy.upsert.enabled:
        carry.carry_over(run)
    switch.cutover(run)
    switch.validate_cutover(run)


def _side_by_side(run: Run, work: Callable[[_Piece], None], pieces: Iterable[_Piece]) -> None:
    bulk = run.spec.strategy.types.data.bulk
    wanted = run.params.workers or min(run.spec.extract_workers, run.spec.load_workers)
    # A worker holds one connection to each server; what this process keeps would come on top.
    pools.close()

    def retrying(attempt: int, failed: int, problem: Exception) -> None:
        run.record("retrying", attempt=attempt, pieces=failed, cause=str(problem))

    on_workers(
        work,
        pieces,
        run.source.at_most(run.target.at_most(wanted)),
        1 + (bulk.max_retries if bulk.retry_on_failure else 0),
        retrying,
    )


def exit_code(report: Report) -> int:
    """Return what the command line exits with for a report."""
    return {
        reporting.COMPLETED: EXIT_COMPLETE,
        reporting.PLANNED: EXIT_COMPLETE,
        reporting.WITH_LOSSES: EXIT_LOSSES,
    }.get(report.status, EXIT_ROLLED_BACK)
