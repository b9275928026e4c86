"""A way back that something stands in the way of names it; without it, the same command ends it."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from backward import TYPES, WHOLE, by
from helpers import spec
from program import cutover
from taken import activity, held_beside, in_the_way, renames, restoring, sealed, taken, until

from clusters import stopped
from cutover.local.servers import Server
from cutover.rollback import databases

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
