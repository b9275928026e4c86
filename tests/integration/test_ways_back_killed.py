"""A way back that is killed anywhere, or that something stands in the way of, is ended by the same command again."""

from __future__ import annotations

import os
import random
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from backward import PARTIAL, SHOP, TYPES, WHOLE, by, completed, without
from helpers import PATIENCE, access, begin, endpoint, held, migrations, mysql, postgres, rows, spec, wait_for, waiting
from program import cutover, started

from clusters import stopped
from cutover import report, taking_back
from cutover.errors import PreflightError
from cutover.ledger import Ledger
from cutover.local.servers import Server
from cutover.rollback import databases, swap
from cutover.run import run_migration
from cutover.spec import MigrationSpec
from cutover.steps import history, ways
from cutover.steps.context import Run, resume

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


@dataclass(frozen=True)
class Taken:
    """A run that is to be taken back by the real program; ``before`` is what the target held before it."""

    run: Run
    live: Server
    environment: dict[str, str]
    before: str
    after: str
    options: tuple[str, ...] = ()

    @property
    def command(self) -> list[str]:
        return ["rollback", "shop", "--run", self.run.id, *self.options]

    @property
    def beside(self) -> str:
        return ways.site(self.run).beside

    def starts(self) -> subprocess.Popen[str]:
        return started(self.command, self.environment)

    def noted(self, kind: str) -> Callable[[], bool]:
        """Whether the run gets an event from now on."""
        last = self.run.ledger.events(self.run.id)[-1].number
        return lambda: bool(self.run.ledger.events(self.run.id, kind, after=last))

    def stands(self) -> None:
        """The target is as it was before the run, or as the run has made it; there is nothing between."""
        assert without(self.live, self.run.shadow) in (self.before, self.after)

    def unchanged(self) -> None:
        assert without(self.live, self.run.shadow) == self.after

    def ends(self) -> str:
        """The same command once more takes the run back; return what it says."""
        done = cutover(self.command, self.environment)
        assert done.returncode == 0, done.stdout + done.stderr
        assert without(self.live, self.run.shadow) == self.before
        assert history.taken_back(self.run.ledger, self.run.id)
        assert self.run.ledger.broken_at(self.run.id) is None
        assert not databases.exists(self.run.target, self.beside)
        assert not list(self.run.folder.glob("*.private-*"))
        return done.stderr


@pytest.fixture
def shop(source_db: Server) -> Server:
    mysql(source_db, *SHOP)
    return source_db


def taken(shop: Server, live: Server, written: MigrationSpec) -> Taken:
    before = without(live, "cutover_none")
    run = completed(shop, live, written)
    return Taken(run, live, access(shop, live), before, without(live, run.shadow))


def sealed(monkeypatch: pytest.MonkeyPatch) -> MigrationSpec:
    """A migration whose backup is sealed."""
    monkeypatch.setenv("SHOP_KEY", "a passphrase that is long enough")
    return spec(
        rollback={"types": {"schema": {"strategy": "backup_restore", "backupRestore": {"encryptionKey": "SHOP_KEY"}}}}
    )


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a command and all that it has started, unless it has ended."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def until(process: subprocess.Popen[str], condition: Callable[[], Any], what: str) -> None:
    """Wait for a condition, which has to come before the end of the process."""
    wait_for(lambda: condition() or process.poll() is not None, what)
    assert process.poll() is None, "it ended before: " + "".join(process.communicate())


def activity(live: Server, condition: str, *values: str) -> Callable[[], bool]:
    """Whether a session of the target's server is as the condition says."""
    query = f"SELECT 1 FROM pg_stat_activity WHERE {condition}"
    return lambda: bool(rows(replace(live, name="postgres"), query, *values))


def renames(live: Server) -> Callable[[], bool]:
    """Whether the exchange of databases waits for somebody to leave."""
    return activity(live, "state = 'active' AND starts_with(query, %s)", f'ALTER DATABASE "{live.name}" RENAME')


def in_the_way(live: Server, way: str) -> AbstractContextManager[None]:
    """Hold the exchange up: of tables by a lock, of databases by a session that does not end."""
    return stopped(live) if way in WHOLE else held(live, "public.customers", "ACCESS SHARE")


def held_up(live: Server, way: str) -> Callable[[], bool]:
    return renames(live) if way in WHOLE else lambda: waiting(live, "lock table") > 0


@contextmanager
def mute(ledger: Ledger) -> Iterator[None]:
    """Let nobody write into the ledger."""
    with closing(sqlite3.connect(str(sa.make_url(ledger.url).database), isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def held_beside(live: Server, name: str) -> Iterator[None]:
    """Let nobody make a table in a database beside the live one from the moment on in which it is there."""
    with psycopg.connect(live.url("postgres"), autocommit=True) as watching:
        deadline = time.monotonic() + PATIENCE
        while watching.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
            assert time.monotonic() < deadline, f"there is no database {name}"
    # Whoever drops the database ends this session too.
    with suppress(psycopg.OperationalError), psycopg.connect(live.url(name)) as connection:
        connection.execute("LOCK TABLE pg_catalog.pg_class IN SHARE MODE")
        yield


def restoring(live: Server, name: str) -> Callable[[], bool]:
    """Whether pg_restore waits in a database for who holds it up."""
    return activity(live, "datname = %s AND application_name = 'pg_restore' AND wait_event_type = 'Lock'", name)


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


# What stands in the way.


IMPATIENT: dict[str, tuple[str, dict[str, Any]]] = {
    "ddl_rollback": ("due to lock timeout", {"schema": {"ddlRollback": {"timeout": 6000}}}),
    "data_restore": (
        "the time limit that the spec sets",
        {"data": {"strategy": "data_restore", "dataRestore": {"restoreTimeout": 1500}}},
    ),
    "backup_restore": (
        r"still connected: 1 of role \w+ \(stuck\); stop what uses them",
        {"schema": {"strategy": "backup_restore", "backupRestore": {"restoreTimeout": 6000}}},
    ),
    "snapshot_restore": (
        r"still connected: 1 of role \w+ \(stuck\); stop what uses them",
        {"schema": {"strategy": "snapshot_restore", "snapshotRestore": {"restoreTimeout": 1500}}},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("way", TYPES)
def test_somebody_stays_for_longer_than_the_timeout(shop: Server, live: Server, way: str) -> None:
    cause, types = IMPATIENT[way]
    it = taken(shop, live, spec(rollback={"types": types}))
    with in_the_way(live, way):
        done = cutover(it.command, it.environment)
    assert done.returncode == 1
    assert re.search(cause, done.stderr)
    assert "The live schema public was not changed by this attempt" in done.stderr
    assert f"Remove the cause, then run: cutover rollback shop --run {it.run.id}" in done.stderr
    it.unchanged()
    it.ends()


@pytest.mark.slow
def test_the_database_beside_is_dropped_while_it_is_restored(shop: Server, live: Server) -> None:
    it = taken(shop, live, by("backup_restore"))
    process = it.starts()
    with held_beside(live, it.beside):
        until(process, restoring(live, it.beside), "pg_restore waits")
        databases.drop(it.run.target, it.beside)
    _, said = process.communicate()
    assert process.returncode == 1
    assert f"pg_restore of {replace(it.run.target, database=it.beside)} failed" in said
    assert "The live schema public was not changed by this attempt" in said
    it.unchanged()
    it.ends()


@pytest.mark.slow
@pytest.mark.parametrize("way", WHOLE)
def test_the_database_beside_is_dropped_while_it_is_exchanged(shop: Server, live: Server, way: str) -> None:
    it = taken(shop, live, by(way))
    with ThreadPoolExecutor(1) as executor:
        with stopped(live):
            process = it.starts()
            until(process, renames(live), "the exchange is held up")
            # It waits for the stopped session too, with the database locked already.
            dropping = executor.submit(databases.drop, it.run.target, it.beside)
            until(process, activity(live, "wait_event = 'ProcSignalBarrier'"), "the database is dropped")
        dropping.result()
    _, said = process.communicate()
    assert process.returncode == 1
    assert f'database "{it.beside}" does not exist' in said
    assert "The live schema public was not changed by this attempt" in said
    it.unchanged()
    if way == "backup_restore":
        it.ends()
        return
    again = cutover(it.command, it.environment)
    assert again.returncode == 2
    assert f"has no database {it.beside}, the clone that the run made; it was dropped" in again.stderr
    it.unchanged()
    replace(it, options=("--strategy", "ddl_rollback")).ends()


@pytest.fixture
def without_pg_restore(tmp_path: Path) -> dict[str, str]:
    """An environment in which every program is found but pg_restore."""
    lean = tmp_path / "lean"
    lean.mkdir()
    for folder in map(Path, os.environ["PATH"].split(os.pathsep)):
        for entry in folder.iterdir() if folder.is_dir() else ():
            if entry.name != "pg_restore" and not (lean / entry.name).is_symlink():
                (lean / entry.name).symlink_to(entry)
    return {"PATH": str(lean)}


@pytest.mark.slow
@pytest.mark.parametrize("way", ["data_restore", "backup_restore"])
def test_pg_restore_is_not_installed(shop: Server, live: Server, without_pg_restore: dict[str, str], way: str) -> None:
    it = taken(shop, live, by(way))
    done = cutover(it.command, it.environment | without_pg_restore)
    assert done.returncode == 2
    assert "pg_restore is not installed; install the package postgresql-client" in done.stderr
    it.unchanged()
    it.ends()


@pytest.mark.slow
def test_pg_restore_is_not_installed_and_the_backup_is_sealed(
    shop: Server, live: Server, without_pg_restore: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    it = taken(shop, live, sealed(monkeypatch))
    done = cutover(it.command, it.environment | without_pg_restore)
    assert done.returncode == 1
    assert (
        "pg_restore is not installed; install the package postgresql-client. The live schema public was" in done.stderr
    )
    it.unchanged()
    it.ends()
