"""Run a migration's steps one after the other, in this process, without Airflow."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import forkserver

from cutover import report as reporting
from cutover.errors import (
    CutoverError,
    PreflightError,
    SpecError,
    TransientError,
    UnsupportedTypeError,
    WindowClosedError,
)
from cutover.report import Report
from cutover.route import Chunk
from cutover.steps import check, move, prove, switch
from cutover.steps.context import Run

# What the command line exits with.
EXIT_COMPLETE, EXIT_ROLLED_BACK, EXIT_NOT_STARTED, EXIT_LOSSES = 0, 1, 2, 3
# A server that has no threads of its own: forking this process could copy a lock that a thread holds.
_CONTEXT = multiprocessing.get_context("forkserver")
_BEFORE_CHANGES = (SpecError, PreflightError, UnsupportedTypeError, WindowClosedError, TransientError)


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
        _warm_up()
        check.preflight(run)
        check.make_plan(run)
    except _BEFORE_CHANGES as error:
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


def _warm_up() -> None:
    """Start the process that workers are forked from: it loads Arrow and the drivers while we look at the servers."""
    _CONTEXT.set_forkserver_preload(["cutover.run", "connectorx", "adbc_driver_postgresql.dbapi", "pandas"])
    forkserver.ensure_running()


def _die_with(parent: int) -> None:
    """End this worker when the run's process has died: a killed run must not leave workers behind."""

    def watch() -> None:
        while _alive(parent):
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


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
    workers = run.params.workers or min(run.spec.extract_workers, run.spec.load_workers)
    _on_workers(run, partial(move.stream_chunk, run), run.plan.chunks, workers)
    move.finish_schema(run)
    if prove.compares_rows(run):
        _on_workers(run, partial(prove.validate_rows, run), range(len(run.plan.batches)), workers)
    prove.validate_expectations(run)
    switch.cutover(run)
    switch.validate_cutover(run)


def _on_workers(
    run: Run,
    work: Callable[[Chunk], None] | Callable[[int], None],
    pieces: Sequence[Chunk] | Sequence[int],
    workers: int,
) -> None:
    """Do every piece in worker processes; what fails for a passing reason is tried again.

    Raises:
        TransientError: it failed as often as the spec allows.
        CutoverError: as ``work`` raises.
    """
    bulk = run.spec.strategy.types.data.bulk
    attempts = 1 + (bulk.max_retries if bulk.retry_on_failure else 0)
    waiting: list[Chunk] | list[int] = list(pieces)  # type: ignore[assignment]
    for attempt in range(1, attempts + 1):
        problem: Exception | None = None
        with ProcessPoolExecutor(
            min(workers, len(waiting)) or 1, mp_context=_CONTEXT, initializer=_die_with, initargs=(os.getpid(),)
        ) as pool:
            futures: dict[Future[None], Chunk | int] = {pool.submit(work, piece): piece for piece in waiting}  # type: ignore[arg-type]
            failed = []
            for future in as_completed(futures):
                try:
                    future.result()
                except (TransientError, BrokenProcessPool) as error:
                    failed.append(futures[future])
                    problem = error
                except BaseException:
                    pool.shutdown(wait=True, cancel_futures=True)
                    raise
        if problem is None:
            return
        waiting = failed  # type: ignore[assignment]
        run.record("retrying", attempt=attempt, pieces=len(waiting), cause=str(problem))
    raise TransientError(f"gave up after {attempts} attempts: {problem}")


def exit_code(report: Report) -> int:
    """Return what the command line exits with for a report."""
    return {
        reporting.COMPLETED: EXIT_COMPLETE,
        reporting.PLANNED: EXIT_COMPLETE,
        reporting.WITH_LOSSES: EXIT_LOSSES,
    }.get(report.status, EXIT_ROLLED_BACK)
