"""How long a login takes on both sides."""

from __future__ import annotations

import time
from collections.abc import Callable

from cutover.dialects import mysql, postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.verify.performance.limits import Pair


def connecting(source: Endpoint, target: Endpoint, runs: int) -> Pair:
    """Measure a login and SELECT 1 on both sides, each time with a new connection.

    Raises:
        TransientError: a server could not be reached.
    """
    here, there = source.keeping_none(), target.keeping_none()

    def ask_source() -> None:
        with mysql.client(here) as connection:
            connection.query("SELECT 1")
            connection.store_result()

    def ask_target() -> None:
        with postgresql.session(there) as connection:
            connection.execute("SELECT 1")

    return Pair.of(_times(ask_source, runs), _times(ask_target, runs))


def _times(ask: Callable[[], None], runs: int) -> list[float]:
    """Return the milliseconds of each run after a first one."""
    ask()
    found = []
    for _ in range(runs):
        started = time.perf_counter()
        ask()
        found.append((time.perf_counter() - started) * 1000)
    return found
