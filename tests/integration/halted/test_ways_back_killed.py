"""A way back that is killed anywhere is ended by the same command again."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from backward import PARTIAL, TYPES, WHOLE, by, without
from helpers import access, begin, endpoint, held, migrations, postgres, rows, wait_for, waiting
from program import started
from taken import Taken, held_beside, in_the_way, renames, restoring, sealed, taken, until

from cutover import report, taking_back
from cutover.errors import PreflightError
from cutover.ledger import Ledger
from cutover.local.servers import Server
from cutover.rollback import databases, swap
from cutover.run import run_migration
from cutover.steps import history, ways
from cutover.steps.context import resume

# Empties a table once it is live, for which validate_cutover fails, in the real program too.
SPOILED = (
    """CREATE FUNCTION spoil() RETURNS event_trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF current_query() LIKE '%.fresh SET SCHEMA "public"' THEN
        DELETE FROM public.fresh;
      END IF;
    END $$""",
    "CREATE EVENT TRIGGER spoil ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION spoil()",
)


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a command and all that it has started, unless it has ended."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def held_up(live: Server, way: str) -> Callable[[], bool]:
    return renames(live) if way in WHOLE else lambda: waiting(live, "lock table") > 0


@contextmanager
def mute(ledger: Ledger) -> Iterator[None]:
    """Let nobody write into the ledger."""
    with closing(sqlite3.connect(str(sa.make_url(ledger.url).database), isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


# Killed at chosen moments.


def is_back(it: Taken, way: str) -> bool:
    if way in WHOLE:
        return databases.exists(it.run.target, ways.site(it.run).kept)
    return not swap.swapped(it.run.target, it.run.shadow)


@pytest.mark.parametrize("way", TYPES)
def test_killed_between_the_exchange_and_its_note(shop: Server, live: Server, way: str) -> None:
    it = taken(shop, live, by(way))
    with ExitStack() as quiet:
        with in_the_way(live, way):
            process = it.starts()
            until(process, held_up(live, way), "the exchange is held up")
            quiet.enter_context(mute(it.run.ledger))
        until(process, lambda: is_back(it, way), "the old tables are back")
        kill(process)
    assert without(live, it.run.shadow) == it.before
    assert not history.went_back(it.run)
    assert "Nothing was written since that would be lost" in it.ends()


@pytest.mark.slow
@pytest.mark.parametrize("way", TYPES)
def test_killed_while_the_exchange_waits(shop: Server, live: Server, way: str) -> None:
    it = taken(shop, live, by(way))
    with in_the_way(live, way):
        process = it.starts()
        until(process, held_up(live, way), "the exchange is held up")
        kill(process)
    it.unchanged()
    it.ends()


@pytest.mark.slow
@pytest.mark.parametrize("way", PARTIAL)
def test_killed_when_half_of_the_tables_are_moved(shop: Server, live: Server, way: str) -> None:
    it = taken(shop, live, by(way))
    with held(live, f'"{it.run.shadow}".orders', "ACCESS SHARE"):
        process = it.starts()
        until(process, lambda: waiting(live, "alter table"), "an old table does not move")
        kill(process)
    it.unchanged()
    it.ends()


@pytest.mark.slow
def test_killed_when_the_database_beside_is_there(shop: Server, live: Server) -> None:
    it = taken(shop, live, by("backup_restore"))
    process = it.starts()
    until(process, lambda: databases.exists(it.run.target, it.beside), "the database is there")
    kill(process)
    it.unchanged()
    it.ends()


@pytest.mark.slow
@pytest.mark.parametrize("is_sealed", [False, True])
def test_killed_with_pg_restore(shop: Server, live: Server, is_sealed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a sealed backup stays open."""
    it = taken(shop, live, sealed(monkeypatch) if is_sealed else by("backup_restore"))
    process = it.starts()
    with held_beside(live, it.beside):
        until(process, restoring(live, it.beside), "pg_restore waits")
        kill(process)
    it.unchanged()
    assert bool(list(it.run.folder.glob("backup?*"))) == is_sealed
    it.ends()
    assert not list(it.run.folder.glob("backup?*"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rollback_asked", "step_started", "went_back", "rolled_back", "step_finished"])
@pytest.mark.parametrize("way", TYPES)
def test_killed_when_it_has_noted(shop: Server, live: Server, way: str, kind: str) -> None:
    it = taken(shop, live, by(way))
    noted, process = it.noted(kind), it.starts()
    wait_for(lambda: noted() or process.poll() is not None, "it is noted")
    kill(process)
    it.stands()
    it.ends()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("way", TYPES)
def test_killed_again_and_again(shop: Server, live: Server, way: str, seed: int) -> None:
    it, chance = taken(shop, live, by(way)), random.Random(seed)
    for _ in range(3):
        noted, process = it.noted("rollback_asked"), it.starts()
        wait_for(lambda noted=noted, process=process: noted() or process.poll() is not None, "it has begun")
        with suppress(subprocess.TimeoutExpired):
            process.wait(chance.expovariate(3))
        kill(process)
        it.stands()
    it.ends()


def test_what_is_back_already_is_ended_whatever_the_spec_allows(shop: Server, live: Server) -> None:
    it = taken(shop, live, by("ddl_rollback", triggers={"manual": {"enabled": False, "rollbackWindow": "1ms"}}))
    with pytest.raises(PreflightError, match="the rollback window of shop is over"):
        taking_back.ask(it.run, None, "why", "somebody")
    assert swap.go_back(it.run.target, it.run.shadow, 10_000)
    it.ends()


# The way back of a run that fails.


@contextmanager
def asked_behind(server: Server, table: str, mode: str) -> Iterator[None]:
    """Ask for a lock behind whoever waits for one already; it is ours when that one has ended."""
    with psycopg.connect(server.url()) as connection, ThreadPoolExecutor(1) as executor:
        asking = executor.submit(connection.execute, f"LOCK TABLE {table} IN {mode} MODE".encode())
        wait_for(lambda: waiting(server, f"lock table {table} in {mode}"), "the lock is asked for")
        try:
            yield
        finally:
            asking.result()


ONLY_ONE_IS_FAST = [pytest.param(way, marks=pytest.mark.slow if way != "ddl_rollback" else ()) for way in TYPES]


@pytest.mark.parametrize("way", ONLY_ONE_IS_FAST)
def test_a_run_that_fails_is_killed_on_its_way_back(shop: Server, live: Server, tmp_path: Path, way: str) -> None:
    postgres(live, *SPOILED)
    before = without(live, "cutover_none")
    home, ledger = migrations(tmp_path, by(way)), Ledger()
    command = ["run", "shop", "--migrations", str(home), "--replace-target"]

    def goes_back() -> bool:
        events = [event for run_id, _, _ in ledger.runs("shop") for event in ledger.events(run_id, "step_started")]
        return any(event.detail["step"] == "rollback" for event in events)

    with ExitStack() as behind:
        if way in WHOLE:
            process = started(command, access(shop, live))
            until(process, goes_back, "it goes back")
        else:
            with held(live, "public.customers", "ACCESS SHARE"):
                process = started(command, access(shop, live))
                until(process, lambda: waiting(live, "lock table"), "the cutover is held up")
                behind.enter_context(asked_behind(live, "public.customers", "ACCESS SHARE"))
            until(process, lambda: goes_back() and waiting(live, "lock table"), "the way back is held up")
        kill(process)
    ((run_id, _, _),) = ledger.runs("shop")
    run = resume(run_id, ledger, ends=(endpoint(shop), endpoint(live)))
    (failed,) = ledger.events(run_id, "step_failed")
    assert "fresh: 0 rows, 1 were verified" in failed.detail["cause"]
    Taken(run, live, access(shop, live), before, "").ends()


@pytest.mark.slow
@pytest.mark.parametrize("way", WHOLE)
def test_a_run_that_fails_keeps_the_database_it_replaces(shop: Server, live: Server, way: str) -> None:
    """Others write into a database, too, until the moment in which it is replaced."""
    postgres(live, *SPOILED)
    before = without(live, "cutover_none")
    run = begin(shop, live, by(way), replace_target=True)
    assert run_migration(run).status == report.ROLLED_BACK
    assert without(live, "cutover_none") == before
    here = ways.site(run)
    assert not databases.exists(run.target, here.beside)
    assert rows(replace(live, name=here.kept), "SELECT count(*) FROM public.fresh") == [(0,)]
