"""Connections that are waited for, and never more than the spec allows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import MySQLdb
import psycopg
import pytest
from helpers import (
    SECRET,
    access,
    account,
    begin,
    endpoint,
    mysql,
    role,
    spec,
    wait_for,
)
from pooling import QUICK, asked, inspected, number_of, on_source, on_target, pooled

from cutover import report
from cutover.dialects import mysql as source_side
from cutover.dialects import pools, postgresql_programs
from cutover.dialects import postgresql as target_side
from cutover.dialects.endpoint import Endpoint, Pool
from cutover.errors import PreflightError, TransientError
from cutover.local.servers import Server
from cutover.run import NotStartedError, run_migration
from cutover.spec import MigrationSpec
from cutover.steps.context import endpoints

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
    "kept": lambda target, _: number_of(target),
    "not kept": lambda target, _: number_of(target.keeping_none()),
    "inspector": lambda target, _: inspected(target),
    "ADBC": lambda target, _: list(target_side.read(target, "SELECT 1")),
    "pg_dump": lambda target, folder: postgresql_programs.dump(target, folder / "dump", schemas=["public"]),
}
SOURCE_WAYS: dict[str, Callable[[Endpoint], object]] = {
    "kept": lambda source: asked(source, "SELECT 1"),
    "not kept": lambda source: asked(source.keeping_none(), "SELECT 1"),
    "connectorx": lambda source: list(source_side.read(source, "SELECT 1 AS one", 10)),
}


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
        number_of(endpoint(limited))


def test_a_pool_that_has_none_free_is_given_up_in_time(target_db: Server) -> None:
    target = pooled(target_db, Pool(min=0, max=1, acquire=300))
    with target_side.session(target), pytest.raises(TransientError) as caught:
        number_of(target)
    assert f"{target}: all 1 connections of the pool were in use for 0.3 s" in str(caught.value)


def test_the_reason_for_a_refused_connection_is_told(source_db: Server, target_db: Server) -> None:
    with pytest.raises(NotStartedError) as caught:
        run_migration(begin(pooled(source_db, password="wrong"), pooled(target_db, password="wrong")))
    said = str(caught.value)
    assert "the server refused the login; check the user and password" in said
    assert "password authentication failed" in said
    with pytest.raises(PreflightError, match="does not exist"):
        number_of(pooled(target_db, database="nowhere"))
