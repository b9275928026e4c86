"""A run that the real program takes back, and what holds it up on its way."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pytest
from backward import WHOLE, completed, without
from helpers import PATIENCE, access, held, rows, spec, wait_for
from program import cutover, started

from clusters import stopped
from cutover.local.servers import Server
from cutover.rollback import databases
from cutover.spec import MigrationSpec
from cutover.steps import history, ways
from cutover.steps.context import Run


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
