"""Connections that are kept and used again, and the wait for one where a server is full.

An endpoint without a pool gets plain connections. Those of one with a pool are kept in SQLAlchemy's
QueuePool, which every process makes for itself: a child has nothing of its parent's.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa

from cutover.dialects.endpoint import Endpoint, Pool
from cutover.errors import TransientError

_Connection = TypeVar("_Connection")
# Seconds between two tries for a connection.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
# How often in the time that a connection may be idle it is looked whether one was for longer.
_LOOKS = 4
_LONGEST_CONNECT = 10


@dataclass(frozen=True)
class Ways:
    """What of a database a pool has to be told.

    Attributes:
        start: makes a session as all of ours begin.
        renew: takes away whatever an earlier session left; fails where the connection has died meanwhile.
        full: whether an error says that the server has no connection left to give.
    """

    start: Callable[[Any], None]
    renew: Callable[[Any], None]
    full: Callable[[BaseException], bool]


def connect_timeout(endpoint: Endpoint) -> int:
    """Return the seconds that one try to connect may take."""
    pool = endpoint.pool
    return _LONGEST_CONNECT if pool is None else min(_LONGEST_CONNECT, -(-pool.acquire // 1000))


def patient(
    endpoint: Endpoint, connect: Callable[[], _Connection], full: Callable[[BaseException], bool]
) -> _Connection:
    """Return what ``connect`` makes; where the endpoint has a pool, a server that is full is asked again.

    Raises:
        TransientError: the server was full for as long as the pool's ``acquire`` allows.
        Exception: what ``connect`` raises for any other reason.
    """
    if endpoint.pool is None or isinstance(threading.current_thread(), _Keeper):
        return connect()
    started, pause = time.monotonic(), _FIRST_PAUSE
    while True:
        try:
            return connect()
        except Exception as error:
            if not full(error):
                raise
            left = started + endpoint.pool.acquire / 1000 - time.monotonic()
            if left <= 0:
                raise TransientError(
                    f"{endpoint}: no connection was to be had in {time.monotonic() - started:.1f} s (pool.acquire): "
                    f"{' '.join(str(error).split())}"
                ) from None
        time.sleep(min(pause, left))
        pause = min(pause * 2, _LONGEST_PAUSE)


def engine(endpoint: Endpoint, address: sa.URL, options: Mapping[str, Any], ways: Ways) -> sa.Engine:
    """Return an engine for the endpoint; where connections are kept, the one of this process.

    Args:
        endpoint: the database.
        address: its URL, with driver and password.
        options: what else the driver's connect takes.
        ways: what sessions need.
    """
    if endpoint.pool is None or not endpoint.keeps:
        made = sa.create_engine(address, connect_args=dict(options), poolclass=sa.NullPool)
        _ask_patiently(made, endpoint, ways)
        sa.event.listen(made, "connect", lambda connection, _record: ways.start(connection))
        return made
    key = os.getpid(), endpoint
    with _lock:
        if key not in _kept:
            _kept[key] = _Keeper(endpoint, endpoint.pool, address, options, ways)
        return _kept[key].engine


@contextmanager
def borrowed(endpoint: Endpoint, kept: sa.Engine) -> Iterator[Any]:
    """Lend one of the driver's connections; what is not committed when the block ends is rolled back.

    Raises:
        TransientError: all were in use for as long as the pool's ``acquire`` allows, or the server was full.
        Exception: what the driver raises when it cannot connect.
    """
    try:
        lent = kept.pool.connect()
    except sa.exc.TimeoutError:
        assert endpoint.pool is not None
        raise TransientError(
            f"{endpoint}: all {endpoint.pool.max} connections of the pool were in use for "
            f"{endpoint.pool.acquire / 1000:.1f} s (pool.acquire)"
        ) from None
    connection = lent.driver_connection
    try:
        yield connection
    finally:
        if getattr(connection, "closed", False):
            lent.invalidate()
        lent.close()


def close() -> None:
    """Close every connection that this process keeps and nobody uses; whoever asks next opens anew."""
    with _lock:
        gone = [_kept.pop(key) for key in list(_kept) if key[0] == os.getpid()]
    for keeper in gone:
        keeper.end()


def _ask_patiently(made: sa.Engine, endpoint: Endpoint, ways: Ways) -> None:
    @sa.event.listens_for(made, "do_connect")
    def _connect(dialect: Any, _record: object, arguments: Any, named: Any) -> Any:
        return patient(endpoint, lambda: dialect.connect(*arguments, **named), ways.full)


class _Keeper(threading.Thread):
    """Keeps the connections to one endpoint: as many as its pool's min, others until they were idle for too long.

    The thread begins after the first session: a login that is refused is not tried behind the caller's back.
    """

    def __init__(self, endpoint: Endpoint, pool: Pool, address: sa.URL, options: Mapping[str, Any], ways: Ways) -> None:
        super().__init__(name=f"connections to {endpoint}", daemon=True)
        self._pool = pool
        self._ways = ways
        self._idle: dict[Any, float] = {}
        self._busy: set[Any] = set()
        self._changing = threading.Lock()
        self._ended = threading.Event()
        self.engine = sa.create_engine(
            address,
            connect_args=dict(options),
            poolclass=sa.QueuePool,
            pool_size=pool.max,
            max_overflow=0,
            pool_timeout=pool.acquire / 1000,
            # The last one that was used is used next, so that the others become idle.
            pool_use_lifo=True,
        )
        _ask_patiently(self.engine, endpoint, ways)
        sa.event.listen(self.engine, "checkout", self._lend)
        sa.event.listen(self.engine, "checkin", self._take_back)

    def _lend(self, connection: Any, record: Any, _fairy: object) -> None:
        with self._changing:
            used = self._idle.pop(record, None) is not None
            self._busy.add(record)
        if used:
            try:
                self._ways.renew(connection)
            except self.engine.dialect.loaded_dbapi.Error as error:
                raise sa.exc.DisconnectionError from error
        self._ways.start(connection)

    def _take_back(self, connection: Any | None, record: Any) -> None:
        with self._changing:
            self._busy.discard(record)
            if connection is not None:
                self._idle[record] = time.monotonic()
            if self.ident is None and not self._ended.is_set():
                self.start()

    def run(self) -> None:
        while not self._ended.is_set():
            self._fill()
            self._close_idle()
            self._ended.wait(self._pool.idle / 1000 / _LOOKS)

    def _fill(self) -> None:
        """Open connections until there are as many as min; a server that has none to give is asked later."""
        held = []
        try:
            # Held until all are there: the pool lends those that it has first.
            while len(self._idle) + len(self._busy) < self._pool.min:
                held.append(self.engine.pool.connect())
        except (sa.exc.SQLAlchemyError, self.engine.dialect.loaded_dbapi.Error):
            pass
        finally:
            for lent in held:
                lent.close()

    def _close_idle(self) -> None:
        oldest = time.monotonic() - self._pool.idle / 1000
        with self._changing:
            spare = max(0, len(self._idle) + len(self._busy) - self._pool.min)
            stale = sorted((since, id(record), record) for record, since in self._idle.items() if since < oldest)
            for _, _, record in stale[:spare]:
                del self._idle[record]
                record.invalidate()

    def end(self) -> None:
        """Close what is idle and look after the rest no longer."""
        with self._changing:
            self._ended.set()
            running = self.ident is not None
        if running:
            self.join()
        self.engine.dispose()


_kept: dict[tuple[int, Endpoint], _Keeper] = {}
_lock = threading.Lock()
atexit.register(close)
