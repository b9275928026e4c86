"""Connections that a process keeps: clean for each session, replaced when they end, closed when idle."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from helpers import (
    SECRET,
    begin,
    finished,
    mysql,
    one,
    role,
    wait_for,
)
from pooling import QUICK, asked, inspected, number_of, on_source, on_target, pooled

from cutover.dialects import mysql as source_side
from cutover.dialects import pools
from cutover.dialects import postgresql as target_side
from cutover.dialects.endpoint import Endpoint, Pool
from cutover.errors import TransientError
from cutover.local.servers import Server
from cutover.steps import prove


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    yield
    pools.close()


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
    assert inspected(target) == "UTC"


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
    number, process = asked(source, "SELECT CONNECTION_ID()"), number_of(target)
    mysql(source_db, f"KILL {number}")
    one(target_db, "SELECT pg_terminate_backend(%s)", process)
    wait_for(lambda: process not in on_target(target_db), "the server process has ended")
    wait_for(lambda: number not in on_source(source_db), "the source's connection has ended")
    assert asked(source, "SELECT CONNECTION_ID()") != number
    assert number_of(target) != process
    # The inspector, for which SQLAlchemy borrows, from the same pool.
    one(target_db, "SELECT pg_terminate_backend(%s)", number_of(target))
    assert inspected(target) == "UTC"


def test_a_connection_that_ends_in_use_fails_its_session_alone(target_db: Server) -> None:
    target = pooled(target_db)

    def cut_off() -> None:
        with target_side.session(target) as connection:
            one(target_db, "SELECT pg_terminate_backend(%s)", connection.info.backend_pid)
            connection.execute("SELECT 1")

    with pytest.raises(TransientError):
        cut_off()
    assert number_of(target)


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
    number, returned = number_of(target), time.monotonic()
    wait_for(lambda: number not in on_target(target_db), "the idle connection is closed")
    assert time.monotonic() - returned >= 1.4
    assert number_of(target) != number


def _in_child(target: Endpoint, found: Any) -> None:
    found.put((number_of(target), number_of(target)))


def test_a_forked_child_has_connections_of_its_own(target_db: Server) -> None:
    target = pooled(target_db, Pool(min=1, max=2))
    mine = number_of(target)
    forked = multiprocessing.get_context("fork")
    found = forked.SimpleQueue()
    child = forked.Process(target=_in_child, args=(target, found))
    child.start()
    theirs, again = found.get()
    child.join()
    assert child.exitcode == 0
    assert theirs == again != mine
    assert number_of(target) == mine


def test_expectations_that_get_too_few_connections_may_be_tried_again(shop: Server, target_db: Server) -> None:
    run = finished(begin(shop, target_db))
    grants = (f"GRANT USAGE ON SCHEMA {run.shadow} TO {{role}}", "GRANT pg_read_all_data TO {role}")
    with role(target_db, *grants, options="LOGIN CONNECTION LIMIT 1") as user:
        run.target = pooled(replace(target_db, user=user, password=SECRET), replace(QUICK, acquire=400))
        with pytest.raises(TransientError, match=r"no connection was to be had in 0\.\d s"):
            prove.validate_expectations(run)


def test_a_piece_that_works_beside_others_keeps_none(source_db: Server, target_db: Server) -> None:
    run = begin(pooled(source_db), pooled(target_db))
    asked(run.source, "SELECT 1")
    number_of(run.target)
    piece = run.beside_others()
    wait_for(lambda: not on_target(target_db) and not on_source(source_db), "what was kept is closed")
    asked(piece.source, "SELECT 1")
    number_of(piece.target)
    wait_for(lambda: not on_target(target_db) and not on_source(source_db), "nothing is kept")
