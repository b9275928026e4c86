"""Databases are exchanged by rename: both or neither, whoever is connected, whatever is killed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace

import psycopg
import pytest
from helpers import SECRET, dump, one, postgres, role, rows, wait_for
from neighbours import LIMIT, SAYS, WORD, beside, databases_of, exchange, owner

from clusters import stopped
from cutover.errors import PreflightError, TransientError
from cutover.local.servers import Server
from cutover.rollback import databases

# Exchanges two databases to and fro until it is killed; the server is in the environment.
TO_AND_FRO = """
import os
from cutover.dialects.endpoint import Endpoint
from cutover.rollback import databases
live, new, old = (os.environ["DATABASE"] + end for end in ("", "_new", "_old"))
target = Endpoint("postgresql", os.environ["PGHOST"], int(os.environ["PGPORT"]), live, os.environ["PGUSER"],
                  os.environ["PGPASSWORD"])
if databases.exists(target, old):
    databases.exchange(target, old, new, 20_000)
while True:
    print("exchanging", flush=True)
    databases.exchange(target, new, old, 20_000)
    databases.exchange(target, old, new, 20_000)
"""


def unchanged(live: Server) -> bool:
    """Whether both databases have the names that they were made with."""
    return one(live, WORD) == "old" and one(beside(live, "new"), WORD) == "new" and len(databases_of(live)) == 2


def test_exchanging_and_exchanging_back_is_the_identity(both: Server) -> None:
    before, dumped = databases_of(both), dump(both)
    said = {name: rows(both, SAYS, name) for name in before}
    assert exchange(both) > 0
    assert databases_of(both) == {
        both.name: before[f"{both.name}_new"],
        f"{both.name}_old": before[both.name],
    }
    assert (one(both, WORD), one(beside(both, "old"), WORD)) == ("new", "old")
    exchange(both, "old", "new")
    assert databases_of(both) == before
    assert {name: rows(both, SAYS, name) for name in before} == said
    assert dump(both) == dumped


def test_clients_that_come_again_and_again_see_one_database_or_the_other(both: Server) -> None:
    over, done = threading.Event(), threading.Event()
    # Whether the exchange was over before the connection was asked for, and what it read.
    seen: list[tuple[bool, set[str]]] = []

    def hammer() -> None:
        while not done.is_set():
            after, words = over.is_set(), set()
            with suppress(psycopg.OperationalError), psycopg.connect(both.url(), autocommit=True) as connection:
                for _ in range(50):
                    words |= {word for (word,) in connection.execute(WORD)}
            seen.append((after, words))

    with ThreadPoolExecutor(6) as executor:
        clients = [executor.submit(hammer) for _ in range(6)]
        try:
            wait_for(lambda: sum(words == {"old"} for _, words in seen) >= 12, "clients read the old database")
            exchange(both)
            over.set()
            wait_for(lambda: sum(after for after, _ in seen) >= 24, "clients have come again")
        finally:
            done.set()
        for client in clients:
            client.result()
    assert all(len(words) <= 1 for _, words in seen)
    later = [words for after, words in seen if after]
    assert later
    assert all(words == {"new"} for words in later)


@pytest.mark.parametrize(
    ("coming", "going", "told"),
    [
        ("nowhere", "old", "database {}_nowhere is not there"),
        ("new", "taken", "database {}_taken is there already"),
        ("new", "new", "database {}_new is there already"),
    ],
)
def test_a_name_that_is_missing_or_taken_ends_no_session(both: Server, coming: str, going: str, told: str) -> None:
    postgres(both, f"CREATE DATABASE {both.name}_taken")
    before = databases_of(both)
    with psycopg.connect(both.url()) as connection:
        with pytest.raises(PreflightError, match=told.format(both.name)):
            exchange(both, coming, going)
        assert connection.execute(WORD).fetchone() == ("old",)
    assert databases_of(both) == before


def test_a_superusers_session_stands_in_the_way_of_others_and_all_stay(both: Server) -> None:
    with (
        owner(both, beside(both, "new").name) as target,
        psycopg.connect(replace(both, user=target.user, password=SECRET).url()) as own,
        psycopg.connect(both.url(), application_name="psql") as connection,
    ):
        told = f"session {connection.info.backend_pid} of role {both.user} \\(psql\\) .* it is a superuser's"
        with pytest.raises(PreflightError, match=told):
            databases.exchange(target, beside(both, "new").name, beside(both, "old").name, LIMIT)
        assert connection.execute(WORD).fetchone() == ("old",)
        assert own.execute("SELECT 1").fetchone() == (1,)
    assert unchanged(both)


def test_another_roles_session_takes_a_grant(both: Server) -> None:
    new, old = beside(both, "new").name, beside(both, "old").name
    with (
        owner(both, new) as target,
        role(both) as name,
        psycopg.connect(replace(both, user=name, password=SECRET).url()) as connection,
    ):
        with pytest.raises(PreflightError, match=f"of role {name} .* GRANT pg_signal_backend"):
            databases.exchange(target, new, old, LIMIT)
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert unchanged(both)
        postgres(both, f"GRANT pg_signal_backend TO {target.user}")
        databases.exchange(target, new, old, LIMIT)
        with pytest.raises(psycopg.errors.AdminShutdown):
            connection.execute("SELECT 1")
    assert one(both, WORD) == "new"


def test_neither_a_role_that_does_not_own_both_nor_one_that_may_not_create_ends_a_session(both: Server) -> None:
    new, old = beside(both, "new").name, beside(both, "old").name
    with psycopg.connect(both.url()) as connection:
        with owner(both) as target, pytest.raises(PreflightError, match=f"not the owner of database {new}"):
            databases.exchange(target, new, old, LIMIT)
        with owner(both, new, options="LOGIN") as target, pytest.raises(PreflightError, match="CREATEDB"):
            databases.exchange(target, new, old, LIMIT)
        assert connection.execute(WORD).fetchone() == ("old",)


def test_a_session_that_does_not_end_leaves_all_as_it_was(both: Server) -> None:
    with stopped(both), pytest.raises(TransientError, match=rf"nothing was changed.*1 of role {both.user} \(stuck\)"):
        exchange(both, limit_ms=300)
    assert unchanged(both)


def test_a_database_that_is_locked_leaves_all_as_it_was(both: Server) -> None:
    with psycopg.connect(both.url("postgres")) as connection:
        connection.execute(f"COMMENT ON DATABASE {both.name} IS 'locked until it is committed'".encode())
        with pytest.raises(TransientError, match="nobody any more"):
            exchange(both, limit_ms=300)
    assert unchanged(both)


def test_it_is_tried_again_when_the_server_gives_up_the_wait(both: Server) -> None:
    query = "SELECT xact_start FROM pg_stat_activity WHERE starts_with(query, 'ALTER DATABASE') AND state = 'active'"
    elsewhere = replace(both, name="postgres")
    with ThreadPoolExecutor(1) as executor:
        with stopped(both):
            exchanging = executor.submit(exchange, both)
            ((first,),) = wait_for(lambda: rows(elsewhere, query), "the rename waits")
            wait_for(lambda: rows(elsewhere, query + " AND xact_start > %s", first), "the rename waits again")
        exchanging.result()
    assert one(both, WORD) == "new"


@contextmanager
def killed(both: Server) -> Iterator[subprocess.Popen[bytes]]:
    """A process that exchanges the databases to and fro and is killed in the end, whose sessions are then gone."""
    login = {"PGHOST": both.host, "PGPORT": str(both.port), "PGUSER": both.user, "PGPASSWORD": both.password}
    environment = os.environ | login | {"DATABASE": both.name}
    with subprocess.Popen([sys.executable, "-c", TO_AND_FRO], env=environment, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"exchanging\n"
            yield process
            assert process.poll() is None, "it ended by itself"
        finally:
            process.kill()


def sessions_of_ours(server: Server) -> int:
    return int(
        one(
            replace(server, name="postgres"), "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cutover'"
        )
    )


def test_a_process_killed_at_any_moment_leaves_one_state_or_the_other(both: Server) -> None:
    for _ in range(5):
        with killed(both) as process, suppress(subprocess.TimeoutExpired):
            process.wait(random.uniform(0, 0.3))
        wait_for(lambda: sessions_of_ours(both) == 0, "the killed process's sessions are gone")
        found = {name.removeprefix(both.name): one(replace(both, name=name), WORD) for name in databases_of(both)}
        assert found in ({"": "old", "_new": "new"}, {"": "new", "_old": "old"})


def test_a_process_killed_between_both_renames_leaves_all_as_it_was(both: Server) -> None:
    query = "SELECT 1 FROM pg_stat_activity WHERE starts_with(query, %s) AND state = 'active'"
    second = f'ALTER DATABASE "{both.name}_new" RENAME'
    with stopped(beside(both, "new")), killed(both):
        wait_for(lambda: rows(replace(both, name="postgres"), query, second), "the second rename waits")
    wait_for(lambda: sessions_of_ours(both) == 0, "the killed process's sessions are gone")
    assert unchanged(both)
