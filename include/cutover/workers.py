"""Worker processes that do the pieces of a step side by side.

They are forked from a server that has no threads of its own: forking the run's process could copy a
lock that one of its threads holds. This module is light, so that the server can be started first thing.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver
from typing import Any, TypeVar

from cutover.errors import TransientError

_CONTEXT = multiprocessing.get_context("forkserver")
_PRELOADED = ["cutover.run", "connectorx", "adbc_driver_postgresql.dbapi", "pandas", "pgpq"]
_Piece = TypeVar("_Piece")
# How long until what failed for a passing reason is tried again: a server that is started anew takes seconds.
RETRY_SECONDS = 5.0


def warm_up() -> None:
    """Start the server that workers are forked from; it loads Arrow and the drivers meanwhile."""
    # The reader of each chunk has threads of its own, and what one of them gave back no other would use: a worker grew
    # with its chunks (glibc manual, Memory Allocation Tunables; malloc takes it from the environment, once).
    os.environ.setdefault("MALLOC_ARENA_MAX", "2")
    _CONTEXT.set_forkserver_preload(_PRELOADED)
    forkserver.ensure_running()


def on_workers(
    work: Callable[[_Piece], None],
    pieces: Iterable[_Piece],
    workers: int,
    attempts: int,
    retrying: Callable[[int, int, Exception], None],
) -> None:
    """Do every piece in worker processes; what fails for a passing reason is tried again.

    Args:
        work: what to do with a piece; it must pickle.
        pieces: what to do it with.
        workers: how many at once.
        attempts: how often a piece is tried.
        retrying: told the attempt, how many pieces failed in it and the last cause.

    Raises:
        TransientError: a piece failed at every attempt.
        CutoverError: as ``work`` raises.
    """
    warm_up()
    waiting = list(pieces)
    problem: Exception | None = None
    for attempt in range(1, attempts + 1):
        if isinstance(problem, TransientError):
            time.sleep(RETRY_SECONDS)
        failed: list[_Piece] = []
        with ProcessPoolExecutor(
            min(workers, len(waiting)) or 1, mp_context=_CONTEXT, initializer=_begin, initargs=(os.getpid(), work)
        ) as pool:
            futures = {pool.submit(_do, piece): piece for piece in waiting}
            for future in as_completed(futures):
                try:
                    future.result()
                except (TransientError, BrokenProcessPool) as error:
                    failed.append(futures[future])
                    problem = error
                except BaseException:
                    pool.shutdown(wait=True, cancel_futures=True)
                    raise
        if not failed:
            return
        waiting = failed
        assert problem is not None
        retrying(attempt, len(failed), problem)
    raise TransientError(f"gave up after {attempts} attempts: {problem}")


# What this worker does with its pieces: it may carry a whole plan, which is sent once and not with each piece.
_work: Callable[[Any], None]


def _begin(parent: int, work: Callable[[Any], None]) -> None:
    global _work
    _work = work
    _die_with(parent)


def _do(piece: object) -> None:
    _work(piece)


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
