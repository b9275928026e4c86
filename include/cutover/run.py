"""Run a migration's steps one after the other, in this process, without Airflow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

from cutover import report as reporting
from cutover.dialects import pools
from cutover.errors import CutoverError, TransientError
from cutover.report import Report
from cutover.steps import (
    application,
    automatic,
    carry,
    check,
    follow,
    history,
    move,
    performance,
    prove,
    switch,
    versions,
    ways,
)
from cutover.steps.context import Run
from cutover.workers import RETRY_SECONDS, on_workers, warm_up

_Piece = TypeVar("_Piece")
_Done = TypeVar("_Done")

# What the command line exits with.
EXIT_COMPLETE, EXIT_ROLLED_BACK, EXIT_NOT_STARTED, EXIT_LOSSES = 0, 1, 2, 3


class NotStartedError(CutoverError):
    """The run ended before anything was changed; the message says why."""


def run_migration(run: Run) -> Report:
    """Run every step, or every step and the way back; the report says which.

    A run that was interrupted goes on: what it has done stays, and one that is complete is only reported.

    Args:
        run: a run that has been started.

    Raises:
        NotStartedError: something was not fit for the run, or it was taken back before; nothing was changed.
    """
    _refuse_taken_back(run)
    if run.ledger.last(run.id, "completed") is not None:
        return reporting.build(run.ledger, run.id)
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
            if not run.rolls_back:
                run.record("failed", changed_nothing=False)
                raise
            try:
                _patiently(run, automatic.rollback)
                _patiently(run, automatic.validate_rollback)
            except BaseException:
                run.record("failed", changed_nothing=False)
                raise
            if not isinstance(error, Exception):  # Ctrl-C: back first, then out
                raise
            return reporting.build(run.ledger, run.id)
    switch.complete(run)
    return reporting.build(run.ledger, run.id)


def _refuse_taken_back(run: Run) -> None:
    if history.taken_back(run.ledger, run.id):
        raise NotStartedError(f"run {run.id} was taken back; start a new one, without --run")
    if history.went_back(run):
        raise NotStartedError(f"run {run.id} is being taken back: cutover rollback {run.spec.name} --run {run.id}")


def _change(run: Run) -> None:
    # Where an earlier attempt has come as far, the live schema is what it made, and no more what the plan began from.
    if not _patiently(run, switch.in_place):
        _prepare(run)
    _patiently(run, switch.cutover)
    _patiently(run, switch.validate_cutover)
    _patiently(run, application.validate_endpoints)


def _prepare(run: Run) -> None:
    """Do every step before the exchange."""
    _patiently(run, ways.backup)
    _patiently(run, move.create_schema)
    side_by_side(run, partial(move.stream_chunk, run), run.plan.chunks)
    if run.plan.follows:
        _patiently(run, follow.catch_up)
    _patiently(run, move.finish_schema)
    if prove.compares_rows(run):
        side_by_side(run, partial(prove.validate_rows, run), range(len(run.plan.batches)))
    _patiently(run, prove.validate_views)
    _patiently(run, prove.validate_expectations)
    _patiently(run, application.validate_application)
    _patiently(run, performance.validate_performance)
    _patiently(run, versions.upgrade_schema)
    if run.spec.data.loading.strategy.upsert.enabled:
        _patiently(run, carry.carry_over)


def _patiently(run: Run, step: Callable[[Run], _Done]) -> _Done:
    """Do a step; where it fails for a passing reason it is tried again, as Airflow does.

    Raises:
        As the step does.
    """
    for attempt in range(1, _attempts(run)):
        try:
            return step(run)
        except TransientError as error:
            run.record("retrying", attempt=attempt, pieces=1, cause=str(error))
            time.sleep(RETRY_SECONDS)
    return step(run)


def _attempts(run: Run) -> int:
    bulk = run.spec.strategy.types.data.bulk
    return 1 + (bulk.max_retries if bulk.retry_on_failure else 0)


def side_by_side(run: Run, work: Callable[[_Piece], None], pieces: Iterable[_Piece]) -> None:
    """Do every piece in worker processes, as many as the run may have; what fails for a passing reason is tried again.

    Raises:
        TransientError: a piece failed at every attempt.
        CutoverError: as ``work`` raises.
    """
    wanted = run.params.workers or min(run.spec.extract_workers, run.spec.load_workers)
    # A worker holds one connection to each server; what this process keeps would come on top.
    pools.close()

    def retrying(attempt: int, failed: int, problem: Exception) -> None:
        run.record("retrying", attempt=attempt, pieces=failed, cause=str(problem))

    on_workers(
        work,
        pieces,
        run.source.at_most(run.target.at_most(wanted)),
        _attempts(run),
        retrying,
    )


def exit_code(report: Report) -> int:
    """Return what the command line exits with for a report."""
    return {
        reporting.COMPLETED: EXIT_COMPLETE,
        reporting.PLANNED: EXIT_COMPLETE,
        reporting.WITH_LOSSES: EXIT_LOSSES,
    }.get(report.status, EXIT_ROLLED_BACK)
