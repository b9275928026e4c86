"""Connections that are kept, waited for, and never more than the spec allows."""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import MySQLdb
import psycopg
import pytest
import sqlalchemy as sa
from helpers import (
    SECRET,
    access,
    account,
    begin,
    endpoint,
    finished,
    mysql,
    mysql_rows,
    one,
    role,
    rows,
    spec,
    wait_for,
)

from cutover import report
from cutover.dialects import mysql as source_side
from cutover.dialects import pools
from cutover.dialects import postgresql as target_side
from cutover.dialects.endpoint import Endpoint, Pool
from cutover.errors import PreflightError, TransientError
from cutover.local.servers import Server
from cutover.run import NotStartedError, run_migration
from cutover.spec import MigrationSpec
from cutover.steps import prove
from cutover.steps.context import endpoints

QUICK = Pool(min=1, max=4, acquire=20_000, idle=300)
TABLES = [f"shelf{number}" for number in range(6)]
# Each table takes its reader more than half a second, so that workers are seen side by side.
SLOWLY = {"extraction": {"filtering": {"rowFilters": dict.fromkeys(TABLES, "SLEEP(0.002) = 0")}}}
WORKERS = 4


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    yield
    pools.close()


@pytest.fixture
def library(source_db: Server) -> Server:
    """A source of several tables."""
    for name in TABLES:
        mysql(source_db, f"CREATE TABLE {name} (id INT PRIMARY KEY, title VARCHAR(100), KEY by_title (title))")
        mysql(source_db, f"INSERT INTO {name} SELECT seq, 'x' FROM seq_1_to_300")
    return source_db


def pooled(server: Server, pool: Pool = QUICK, **changes: Any) -> Endpoint:
    return endpoint(server, pool=pool, **changes)


def on_target(server: Server) -> set[int]:
    """The server processes that serve the target's database."""
    query = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND application_name = 'cutover'"
    return {pid for (pid,) in rows(replace(server, name="postgres"), query, server.name)}


def on_source(server: Server) -> set[int]:
    """The connections to the source's database."""
    query = f"SELECT id FROM information_schema.processlist WHERE db = '{server.name}'"
    return {number for (number,) in mysql_rows(replace(server, name="information_schema"), query)}


@dataclass
class Most:
    """How many connections to either side were seen at once."""

    source: int = 0
    target: int = 0
    problems: list[BaseException] = field(default_factory=list)


@contextmanager
def watched(source: Server, target: Server) -> Iterator[Most]:
    """Count connections while the block runs; one that is ending is listed for a moment, and not counted."""
    most, ended = Most(), threading.Event()

    def watch() -> None:
        before: tuple[set[int], set[int]] = set(), set()
        try:
            while not ended.wait(0.05):
                now = on_source(source), on_target(target)
                most.source = max(most.source, len(now[0] & before[0]))
                most.target = max(most.target, len(now[1] & before[1]))
                before = now
        except BaseException as error:
            most.problems.append(error)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        ended.set()
        watcher.join()
    assert not most.problems


def written(pool: dict[str, int]) -> MigrationSpec:
    """A slow migration that keeps to a pool, where there is one, and would have WORKERS without it."""
    return spec(
        strategy={"types": {"data": {"bulk": {"parallelWorkers": WORKERS}}}},
        data=SLOWLY,
        schema={"database": {"source": {"pool": pool}, "target": {"pool": pool}}} if pool else {},
    )


@pytest.mark.parametrize(
    "pool",
    [
        {"max": 2},
        pytest.param({"min": 0, "max": 3, "idle": 100}, marks=pytest.mark.slow),
        pytest.param({}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_run_holds_no_more_connections_than_the_pool_has(
    library: Server, target_db: Server, pool: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in access(library, target_db).items():
        monkeypatch.setenv(name, value)
    migration = written(pool)
    with watched(library, target_db) as most:
        done = run_migration(begin(*endpoints(migration), migration, workers=None))
    assert done.status == report.COMPLETED
    expected = pool.get("max", WORKERS)
    assert (most.source, most.target) == (expected, expected)


@pytest.mark.slow
def test_the_workers_parameter_does_not_pass_the_pool(library: Server, target_db: Server) -> None:
    pool = Pool(0, 2)
    with watched(library, target_db) as most:
        done = run_migration(begin(pooled(library, pool), pooled(target_db, pool), spec(data=SLOWLY), workers=WORKERS))
    assert done.status == report.COMPLETED
    assert (most.source, most.target) == (2, 2)


@pytest.mark.slow
def test_servers_that_give_no_more_than_max_are_enough(library: Server, target_db: Server) -> None:
    grants = (f"GRANT CREATE ON DATABASE {target_db.name} TO {{role}}", "GRANT CREATE ON SCHEMA public TO {role}")
    limit = f"GRANT SELECT, TRIGGER, EVENT, EXECUTE ON {library.name}.* TO {{account}} WITH MAX_USER_CONNECTIONS 2"
    with role(target_db, *grants, options="LOGIN CONNECTION LIMIT 2") as owner, account(library, limit) as reader:
        ends = (
            pooled(replace(library, user=reader, password=SECRET), Pool(2, 2)),
            pooled(replace(target_db, user=owner, password=SECRET), Pool(2, 2)),
        )
        assert run_migration(begin(*ends, spec(data=SLOWLY), workers=WORKERS)).status == report.COMPLETED
        pools.close()


TARGET_WAYS: dict[str, Callable[[Endpoint, Path], object]] = {
    "kept": lambda target, _: _number(target),
    "not kept": lambda target, _: _number(target.keeping_none()),
    "inspector": lambda target, _: _inspected(target),
    "ADBC": lambda target, _: list(target_side.read(target, "SELECT 1")),
    "pg_dump": lambda target, folder: target_side.dump(target, ["public"], folder / "dump"),
}
SOURCE_WAYS: dict[str, Callable[[Endpoint], object]] = {
    "kept": lambda source: _asked(source, "SELECT 1"),
    "not kept": lambda source: _asked(source.keeping_none(), "SELECT 1"),
    "connectorx": lambda source: list(source_side.read(source, "SELECT 1 AS one", 10)),
}


def _number(target: Endpoint, **settings: Any) -> int:
    with target_side.session(target, **settings) as connection:
        return connection.info.backend_pid


def _inspected(target: Endpoint) -> str:
    with target_side.transaction(target) as connection:
        return str(connection.execute(sa.text("SHOW timezone")).scalar_one())


def _asked(source: Endpoint, query: str) -> Any:
    with source_side.session(source) as connection:
        return connection.execute(sa.text(query)).scalar_one()


@contextmanager
def full_target(server: Server) -> Iterator[tuple[Server, psycopg.Connection]]:
    """The target as a role that may have one connection and has it."""
    with role(server, options="LOGIN CONNECTION LIMIT 1") as user:
        limited = replace(server, user=user, password=SECRET)
        with psycopg.connect(limited.url()) as taken:
            yield limited, taken
        pools.close()


@contextmanager
def full_source(server: Server) -> Iterator[tuple[Server, Any]]:
    """The source as an account that may have one connection and has it."""
    with account(server, f"GRANT SELECT ON {server.name}.* TO {{account}} WITH MAX_USER_CONNECTIONS 1") as user:
        limited = replace(server, user=user, password=SECRET)
        taken = MySQLdb.connect(host=server.host, port=server.port, user=user, password=SECRET)
        yield limited, taken
        pools.close()
        if taken.open:
            taken.close()


def noting(patch: pytest.MonkeyPatch, module: Any) -> threading.Event:
    """Return what is set when a server has said that it is full."""
    refused, real = threading.Event(), module.full

    def full(error: BaseException) -> bool:
        found: bool = real(error)
        if found:
            refused.set()
        return found

    patch.setattr(module, "full", full)
    return refused


@pytest.mark.parametrize("way", TARGET_WAYS)
def test_a_full_target_is_waited_for(
    target_db: Server, way: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refused = noting(monkeypatch, target_side)
    with full_target(target_db) as (limited, taken), ThreadPoolExecutor(1) as threads:
        waits = threads.submit(TARGET_WAYS[way], pooled(limited), tmp_path)
        wait_for(refused.is_set, "the target has refused")
        assert not waits.done()
        taken.close()
        waits.result()


@pytest.mark.parametrize("way", SOURCE_WAYS)
def test_a_full_source_is_waited_for(source_db: Server, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = noting(monkeypatch, source_side)
    with full_source(source_db) as (limited, taken), ThreadPoolExecutor(1) as threads:
        waits = threads.submit(SOURCE_WAYS[way], pooled(limited))
        wait_for(refused.is_set, "the source has refused")
        assert not waits.done()
        taken.close()
        waits.result()


@pytest.mark.parametrize("way", TARGET_WAYS)
def test_a_target_that_stays_full_is_given_up_in_time(target_db: Server, way: str, tmp_path: Path) -> None:
    with full_target(target_db) as (limited, _):
        started = time.monotonic()
        with pytest.raises(TransientError) as caught:
            TARGET_WAYS[way](pooled(limited, replace(QUICK, acquire=400)), tmp_path)
        assert 0.4 <= time.monotonic() - started < 10
    said = str(caught.value)
    assert f"@{target_db.host}:{target_db.port}/{target_db.name}: no connection was to be had in 0." in said
    assert "too many connections for role" in said
    assert SECRET not in said


@pytest.mark.parametrize("way", SOURCE_WAYS)
def test_a_source_that_stays_full_is_given_up_in_time(source_db: Server, way: str) -> None:
    with full_source(source_db) as (limited, _):
        started = time.monotonic()
        with pytest.raises(TransientError) as caught:
            SOURCE_WAYS[way](pooled(limited, replace(QUICK, acquire=400)))
        assert 0.4 <= time.monotonic() - started < 10
    said = str(caught.value)
    assert f"@{source_db.host}:{source_db.port}/{source_db.name}: no connection was to be had in 0." in said
    assert "max_user_connections" in said
    assert SECRET not in said


def test_without_a_pool_a_full_server_is_an_error_at_once(target_db: Server) -> None:
    with full_target(target_db) as (limited, _), pytest.raises(TransientError, match="too many connections for role"):
        _number(endpoint(limited))


def test_a_pool_that_has_none_free_is_given_up_in_time(target_db: Server) -> None:
    target = pooled(target_db, Pool(min=0, max=1, acquire=300))
    with target_side.session(target), pytest.raises(TransientError) as caught:
        _number(target)
    assert f"{target}: all 1 connections of the pool were in use for 0.3 s" in str(caught.value)


def test_the_reason_for_a_refused_connection_is_told(source_db: Server, target_db: Server) -> None:
    with pytest.raises(NotStartedError) as caught:
        run_migration(begin(pooled(source_db, password="wrong"), pooled(target_db, password="wrong")))
    said = str(caught.value)
    assert "the server refused the login; check the user and password" in said
    assert "password authentication failed" in said
    with pytest.raises(PreflightError, match="does not exist"):
        _number(pooled(target_db, database="nowhere"))


def test_sessions_of_the_target_use_one_connection_and_start_clean(target_db: Server) -> None:
    target = pooled(target_db)
    with target_side.session(target, search_path="pg_catalog", statement_timeout=5000, lock_timeout=4000) as first:
        number = first.info.backend_pid
        first.execute("SELECT set_config('work_mem', '64kB', false), pg_advisory_lock(7)")
        first.execute("CREATE TEMP TABLE left_over (id int)")
        first.execute("PREPARE leftover AS SELECT 1")
    with target_side.session(target) as second:
        assert second.info.backend_pid == number
        names = ("search_path", "statement_timeout", "lock_timeout", "TimeZone")
        assert [second.execute("SELECT current_setting(%s)", (name,)).fetchone() for name in names] == [
            ('"$user", public',),
            ("0",),
            ("0",),
            ("UTC",),
        ]
        assert second.execute("SELECT current_setting('work_mem') <> '64kB'").fetchone() == (True,)
        assert second.execute("SELECT to_regclass('pg_temp.left_over')").fetchone() == (None,)
        assert second.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)
        assert second.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone() == (0,)
    assert _inspected(target) == "UTC"


def test_what_a_session_does_is_committed_and_what_fails_is_not(target_db: Server) -> None:
    target = pooled(target_db)
    with target_side.session(target) as connection:
        connection.execute("CREATE TABLE kept (id int)")
    with contextlib.suppress(RuntimeError), target_side.session(target) as connection:
        connection.execute("CREATE TABLE dropped (id int)")
        raise RuntimeError
    with target_side.session(target) as connection:
        found = connection.execute("SELECT to_regclass('kept') IS NULL, to_regclass('dropped') IS NULL").fetchone()
    assert found == (False, True)


def test_sessions_of_the_source_use_one_connection_and_start_clean(source_db: Server) -> None:
    source = pooled(source_db)
    with source_side.session(source) as first:
        number = first.execute(sa.text("SELECT CONNECTION_ID()")).scalar_one()
        for statement in ("SET @leftover = 1", "SET time_zone = '+05:00'", "SET sql_mode = 'ANSI_QUOTES'"):
            first.execute(sa.text(statement))
        first.execute(sa.text("CREATE TEMPORARY TABLE left_over (id INT)"))
    with source_side.session(source) as second:
        query = "SELECT CONNECTION_ID(), @leftover, @@time_zone, @@sql_mode, @@character_set_client"
        assert second.execute(sa.text(query)).one() == (number, None, "+00:00", "NO_ENGINE_SUBSTITUTION", "utf8mb4")
        with pytest.raises(sa.exc.ProgrammingError, match="doesn't exist"):
            second.execute(sa.text("SELECT * FROM left_over"))


def test_a_connection_that_ended_meanwhile_is_replaced_unnoticed(source_db: Server, target_db: Server) -> None:
    source, target = pooled(source_db), pooled(target_db)
    number, process = _asked(source, "SELECT CONNECTION_ID()"), _number(target)
    mysql(source_db, f"KILL {number}")
    one(target_db, "SELECT pg_terminate_backend(%s)", process)
    wait_for(lambda: process not in on_target(target_db), "the server process has ended")
    wait_for(lambda: number not in on_source(source_db), "the source's connection has ended")
    assert _asked(source, "SELECT CONNECTION_ID()") != number
    assert _number(target) != process
    # The inspector, for which SQLAlchemy borrows, from the same pool.
    one(target_db, "SELECT pg_terminate_backend(%s)", _number(target))
    assert _inspected(target) == "UTC"


def test_a_connection_that_ends_in_use_fails_its_session_alone(target_db: Server) -> None:
    target = pooled(target_db)

    def cut_off() -> None:
        with target_side.session(target) as connection:
            one(target_db, "SELECT pg_terminate_backend(%s)", connection.info.backend_pid)
            connection.execute("SELECT 1")

    with pytest.raises(TransientError):
        cut_off()
    assert _number(target)


@pytest.mark.parametrize("side", ["source", "target"])
def test_min_connections_are_opened_and_stay_and_others_are_closed_when_idle(
    source_db: Server, target_db: Server, side: str
) -> None:
    pool = Pool(min=2, max=5, idle=400)

    def count() -> int:
        return len(on_source(source_db) if side == "source" else on_target(target_db))

    def hold(connections: int) -> None:
        with ExitStack() as stack:
            for _ in range(connections):
                if side == "source":
                    stack.enter_context(source_side.session(pooled(source_db, pool)))
                else:
                    stack.enter_context(target_side.session(pooled(target_db, pool)))
            assert count() >= connections

    hold(1)
    wait_for(lambda: count() == 2, "a second connection is opened")
    hold(5)
    assert count() == 5
    wait_for(lambda: count() <= 2, "idle connections are closed")
    watched_until = time.monotonic() + 3 * pool.idle / 1000
    while time.monotonic() < watched_until:
        assert count() == 2
    pools.close()
    wait_for(lambda: count() == 0, "the pool is closed")


def test_a_connection_is_closed_when_it_was_idle_and_not_before(target_db: Server) -> None:
    target = pooled(target_db, Pool(min=0, max=2, idle=1500))
    number, returned = _number(target), time.monotonic()
    wait_for(lambda: number not in on_target(target_db), "the idle connection is closed")
    assert time.monotonic() - returned >= 1.4
    assert _number(target) != number


def _in_child(target: Endpoint, found: Any) -> None:
    found.put((_number(target), _number(target)))


def test_a_forked_child_has_connections_of_its_own(target_db: Server) -> None:
    target = pooled(target_db, Pool(min=1, max=2))
    mine = _number(target)
    forked = multiprocessing.get_context("fork")
    found = forked.SimpleQueue()
    child = forked.Process(target=_in_child, args=(target, found))
    child.start()
    theirs, again = found.get()
    child.join()
    assert child.exitcode == 0
    assert theirs == again != mine
    assert _number(target) == mine


def test_expectations_that_get_too_few_connections_may_be_tried_again(shop: Server, target_db: Server) -> None:
    run = finished(begin(shop, target_db))
    grants = (f"GRANT USAGE ON SCHEMA {run.shadow} TO {{role}}", "GRANT pg_read_all_data TO {role}")
    with role(target_db, *grants, options="LOGIN CONNECTION LIMIT 1") as user:
        run.target = pooled(replace(target_db, user=user, password=SECRET), replace(QUICK, acquire=400))
        with pytest.raises(TransientError, match=r"no connection was to be had in 0\.\d s"):
            prove.validate_expectations(run)


def test_a_piece_that_works_beside_others_keeps_none(source_db: Server, target_db: Server) -> None:
    run = begin(pooled(source_db), pooled(target_db))
    _asked(run.source, "SELECT 1")
    _number(run.target)
    piece = run.beside_others()
    wait_for(lambda: not on_target(target_db) and not on_source(source_db), "what was kept is closed")
    _asked(piece.source, "SELECT 1")
    _number(piece.target)
    wait_for(lambda: not on_target(target_db) and not on_source(source_db), "nothing is kept")
