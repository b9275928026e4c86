"""By point_in_time the target is what it was at a moment, to the byte: of the cutover, or another."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from backward import LIVE, SHOP, completed, without
from helpers import access, begin, dump, migrations, mysql, one, postgres, ready, rows, schemas, spec, wait_for, waiting
from planting import (
    AROUND,
    BACK_STEPS,
    ROOTS,
    STEPS,
    fails_at,
    fails_back_at,
)
from program import cutover, started

from cutover import report
from cutover.ledger import Ledger
from cutover.local.servers import Server
from cutover.spec import MigrationSpec
from cutover.steps import switch
from cutover.steps.context import Run

LATE = "INSERT INTO customers VALUES (9001, 'late')"
NEWER = "INSERT INTO customers VALUES (9002, 'newer')"
NAMES = "SELECT name FROM customers WHERE id > 9000 ORDER BY id"

# A cluster of its own with an archive, and its log replayed, are half a minute.
pytestmark = pytest.mark.slow


@pytest.fixture
def live(archiving: Server, stage: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A database in use on the server that archives, and a home whose base backups that server's OS user can reach."""
    made = replace(archiving, name=f"t_{uuid4().hex[:12]}")
    postgres(archiving, f"CREATE DATABASE {made.name}")
    postgres(made, *LIVE)
    monkeypatch.setenv("CUTOVER_HOME", str(stage / made.name))
    yield made
    for (name,) in rows(archiving, "SELECT datname FROM pg_database WHERE datname ~ '^(cutover_(back|kept)|t)_'"):
        postgres(archiving, f"DROP DATABASE {name} WITH (FORCE)")
    shutil.rmtree(stage / made.name)


@pytest.fixture
def shop(source_db: Server) -> Server:
    mysql(source_db, *SHOP, "CREATE VIEW notes AS SELECT id, note FROM orders")
    return source_db


@pytest.fixture
def by_moment(archive: Path) -> MigrationSpec:
    recovered = {"enabled": True, "archiveLocation": str(archive)}
    return spec(rollback={"types": {"data": {"strategy": "point_in_time", "pointInTime": recovered}}})


def with_late_row(live: Server) -> str:
    """What the target holds with a row that the application will write."""
    postgres(live, LATE)
    expected = without(live, "cutover_none")
    postgres(live, "DELETE FROM customers WHERE id = 9001")
    return expected


def now(live: Server) -> datetime:
    moment = one(live, "SELECT clock_timestamp()")
    assert isinstance(moment, datetime)
    return moment


def rollback(run_id: str, *options: str) -> list[str]:
    return ["rollback", "shop", "--run", run_id, *options]


def test_back_and_forth_and_back(
    shop: Server, live: Server, by_moment: MigrationSpec, tmp_path: Path, archive: Path
) -> None:
    """What the application writes into the old tables until the cutover is there again."""
    expected, environment = with_late_row(live), access(shop, live)
    command = ["run", "shop", "--migrations", str(migrations(tmp_path, by_moment)), "--replace-target"]
    with psycopg.connect(live.url()) as application:
        application.execute("LOCK TABLE customers IN ROW EXCLUSIVE MODE")
        process = started(command, environment)
        wait_for(lambda: waiting(live, "lock table") or process.poll() is not None, "the cutover is held up")
        application.execute(LATE)
    said = process.communicate()
    assert process.returncode == 0, said
    ((run_id, _, _),) = Ledger().runs("shop")
    (kept,) = schemas(live) - {"public", "elsewhere"}
    postgres(live, "INSERT INTO customers (name) VALUES ('lost')", "INSERT INTO elsewhere.notes VALUES (2, 'lost')")
    after = without(live, kept)
    done = cutover(rollback(run_id), environment)
    assert done.returncode == 0, done.stdout + done.stderr
    for table in ("public.customers", "elsewhere.notes"):
        assert f"{table}: 1 rows that were written since are lost" in done.stderr
    assert without(live, kept) == expected
    assert rows(live, NAMES) == [("late",)]
    assert report.build(Ledger(), run_id).status == report.UNDONE
    done = cutover(rollback(run_id, "--undo"), environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert without(live, kept) == after
    done = cutover(rollback(run_id), environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert without(live, kept) == expected


def test_what_cannot_be_recovered_is_refused(
    shop: Server, live: Server, by_moment: MigrationSpec, archive: Path
) -> None:
    before, environment = without(live, "cutover_none"), access(shop, live)
    run = completed(shop, live, by_moment)
    after = dump(live)
    taken = datetime.fromisoformat((run.finished("backup") or {})["point_in_time"]["taken"])
    early = cutover(rollback(run.id, "--to", (taken - timedelta(seconds=1)).isoformat()), environment)
    assert (early.returncode, "is before the base backup, which was taken at" in early.stderr) == (2, True)
    away = archive.rename(archive.with_name("away"))
    try:
        unreachable = cutover(rollback(run.id), environment)
    finally:
        away.rename(archive)
    assert (unreachable.returncode, f"the archive {archive} is no folder of this" in unreachable.stderr) == (2, True)
    assert dump(live) == after
    done = cutover(rollback(run.id), environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert without(live, run.shadow) == before


def test_an_archive_that_takes_nothing_more_is_named(
    shop: Server, live: Server, by_moment: MigrationSpec, archive: Path
) -> None:
    before = without(live, "cutover_none")
    run = completed(shop, live, by_moment)
    after, mode = dump(live), archive.stat().st_mode
    archive.chmod(0o555)
    try:
        failed = cutover(rollback(run.id), access(shop, live))
    finally:
        archive.chmod(mode)
    assert (failed.returncode, f"fails to archive its log into {archive}" in failed.stderr) == (1, True)
    assert dump(live) == after
    done = cutover(rollback(run.id), access(shop, live))
    assert done.returncode == 0, done.stdout + done.stderr
    assert without(live, run.shadow) == before


@pytest.mark.parametrize("step", STEPS)
def test_a_run_that_fails_leaves_the_target_as_it_was(
    shop: Server, live: Server, by_moment: MigrationSpec, step: str
) -> None:
    before = without(live, "cutover_none")
    run = begin(shop, live, with_trials(by_moment), replace_target=True)
    fails_at(run, step)
    assert without(live, "cutover_none") == before


@pytest.mark.parametrize("step", BACK_STEPS)
def test_a_way_back_that_fails_is_gone_on_with(shop: Server, live: Server, by_moment: MigrationSpec, step: str) -> None:
    before = without(live, "cutover_none")
    around = by_moment.model_dump(mode="json", by_alias=True, exclude_unset=True)
    around["rollback"] |= AROUND
    run = completed(shop, live, MigrationSpec.model_validate(around))
    fails_back_at(run, live, step, before)


def with_trials(written: MigrationSpec) -> MigrationSpec:
    """The migration with every step that a bulk run can have."""
    made = written.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return MigrationSpec.model_validate(made | {"schema": {"validation": ROOTS}})


def written_before_the_cutover(shop: Server, live: Server, written: MigrationSpec) -> tuple[Run, datetime]:
    """A run before whose cutover two rows are written; and the moment between them."""
    run = ready(begin(shop, live, written, replace_target=True))
    postgres(live, LATE)
    between = now(live)
    postgres(live, NEWER)
    switch.cutover(run)
    switch.validate_cutover(run)
    switch.complete(run)
    return run, between


def test_a_moment_that_is_asked_for(shop: Server, live: Server, by_moment: MigrationSpec) -> None:
    expected = with_late_row(live)
    run, between = written_before_the_cutover(shop, live, by_moment)
    after, environment = dump(live), access(shop, live)
    late = cutover(rollback(run.id, "--to", (now(live) + timedelta(hours=1)).isoformat()), environment)
    assert (late.returncode, "the archive ends before it; moments until" in late.stderr) == (1, True)
    assert dump(live) == after
    done = cutover(rollback(run.id, "--to", between.isoformat()), environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert without(live, run.shadow) == expected
    assert rows(live, NAMES) == [("late",)]


def test_killed_while_it_looks_at_the_past(shop: Server, live: Server, by_moment: MigrationSpec) -> None:
    """Neither the copy of the cluster nor the dump of it stays; the moment that was asked for is asked for again."""
    expected = with_late_row(live)
    run, between = written_before_the_cutover(shop, live, by_moment)
    kept = set(run.folder.iterdir())
    command = rollback(run.id, "--to", between.isoformat())
    process = started(command, access(shop, live))
    wait_for(lambda: list(run.folder.glob("*/dump")) or process.poll() is not None, "what was then is dumped")
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert set(run.folder.iterdir()) - kept
    done = cutover(command, access(shop, live))
    assert done.returncode == 0, done.stdout + done.stderr
    assert without(live, run.shadow) == expected
    assert {path.name for path in set(run.folder.iterdir()) - kept} == {"rollback.json", "rollback.md"}
