"""By which ways a run can go back: what they lack beforehand, and what is taken for them before anything changes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cutover.data.shadow import name_for
from cutover.dialects import postgresql
from cutover.errors import PreflightError
from cutover.rollback import backups, databases
from cutover.rollback.registry import STRATEGIES
from cutover.rollback.strategy import Site, Strategy
from cutover.spec.rollback import Way
from cutover.steps.context import Run, substituted

_TYPES = "rollback.types"


def site(run: Run, way: Way | None = None) -> Site:
    """Return where a run goes back, and with what; the moment is what was asked for, or that of the cutover.

    Raises:
        PreflightError: a variable of the environment that the spec names is not set.
    """
    types = run.spec.rollback.types
    key, archive = types.schema_.backup_restore.encryption_key, types.data.point_in_time.archive_location
    return Site(
        run.target,
        run.live,
        run.shadow,
        run.shadow.rpartition("_")[2],
        _location(run) / "backup",
        {"migration": run.spec.name, "run": run.id},
        run.spec.rollback.execution.rollback.workers,
        run.spec.rollback.timeout(way or types.way),
        substituted(f"${{{key}}}") if key is not None and "backup_restore" in types.ways else None,
        types.schema_.snapshot_restore.snapshot_location,
        Path(substituted(archive)) if archive is not None else None,
        _moment(run),
    )


def _moment(run: Run) -> datetime | None:
    asked, placed = run.ledger.last(run.id, "rollback_asked"), run.ledger.last(run.id, "cut_over")
    found = (asked.detail.get("moment") if asked else None) or (placed.detail.get("moment") if placed else None)
    return None if found is None else datetime.fromisoformat(found)


def _location(run: Run) -> Path:
    """Return the folder that a run's backup is in."""
    types = run.spec.rollback.types
    given = types.schema_.backup_restore.backup_location or types.data.data_restore.backup_location
    return run.folder if given is None else Path(substituted(given)).absolute() / run.spec.name / run.folder.name


def strategies(run: Run) -> dict[Way, Strategy]:
    """Return every way back that the run prepares, the spec's own choice first."""
    return {way: STRATEGIES[way] for way in run.spec.rollback.types.ways}


def findings(run: Run) -> Iterator[str]:
    """Say what the ways back that the spec asks for lack, and which would work; changes nothing."""
    if run.params.mode == "dry_run":
        return
    wanted = strategies(run)
    lacking = {way: strategy.lacking(site(run, way)) for way, strategy in wanted.items()}
    lacking = {way: found for way, found in lacking.items() if found}
    for way, found in lacking.items():
        works = ", ".join(
            name for name in STRATEGIES if name not in lacking and not STRATEGIES[name].lacking(site(run))
        )
        for each in found:
            yield f"{_TYPES}: {way} cannot be: {each}. What works here: {works}"
    if any(strategy.whole for strategy in wanted.values()) and _ledger_within(run):
        yield (
            f"{_TYPES}: the ledger is in {run.target}, and a way back that brings the whole database would roll it "
            "back too; point CUTOVER_LEDGER to another database"
        )
    key = run.spec.rollback.types.schema_.backup_restore.encryption_key
    if key is not None and key not in os.environ:
        yield f"{_TYPES}.schema.backupRestore.encryptionKey: environment variable {key} is not set"


def _ledger_within(run: Run) -> bool:
    address = sa.make_url(run.ledger.url)
    at = (address.host, address.port or 5432, address.database)
    return address.get_backend_name() == "postgresql" and at == (run.target.host, run.target.port, run.target.database)


def backup(run: Run) -> None:
    """Take what the ways back need before the run changes anything: a dump of the target, a clone.

    Raises:
        PreflightError: pg_dump failed, or others are connected to the database that is to be cloned.
        TransientError: the target was lost.
    """
    with run.step("backup") as detail:
        detail["xid"] = _now(run)
        detail |= _dumped(run)
        for way, strategy in strategies(run).items():
            if taken := strategy.prepare(site(run, way)):
                detail[way] = taken


def _dumped(run: Run) -> dict[str, Any]:
    """Dump the live schema, or the whole database where a way back brings that; say where to, or why not."""
    wanted = [strategy for strategy in strategies(run).values() if strategy.needs_backup]
    whole = any(strategy.whole for strategy in wanted)
    if not (wanted or run.spec.strategy.execution.modes.safe.backup_before_migration):
        return {"skipped": "switched off"}
    if not run.plan.target.tables and not whole:
        return {"skipped": "nothing to back up"}
    here = site(run)
    here.backup.parent.mkdir(parents=True, exist_ok=True)
    schemas = () if whole else (run.live,)
    made = backups.take(run.target, here.backup, owner=here.owner, schemas=schemas, jobs=here.workers, key=here.key)
    keep = run.spec.rollback.types.schema_.backup_restore.keep
    expired = [] if keep is None else backups.expire(here.backup.parent.parent, keep, [here.backup])
    return {
        "path": str(made.path),
        "bytes": made.bytes,
        "digest": made.digest,
        "sealed": made.sealed,
        "taken": made.taken,
        "whole": whole,
        "expired": [str(path) for path in expired],
    }


def _now(run: Run) -> int:
    """Return a transaction of the target: what is written from now on has a later one."""
    with postgresql.session(run.target) as connection:
        row = connection.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint").fetchone()
    assert row is not None
    return int(row[0])


def taken(run: Run) -> Mapping[str, Any]:
    """Return what the run's backup step has taken; nothing where it has not ended."""
    return run.finished("backup") or {}


def chosen(run: Run, way: str | None) -> Way:
    """Return the way that is asked for, or the spec's own.

    Raises:
        PreflightError: the run has not prepared it.
    """
    known = run.spec.rollback.types.ways
    for each in known:
        if way is None or each == way:
            return each
    raise PreflightError([f"run {run.id} cannot go back by {way}; it has prepared {', '.join(known)}"])


def drill_token(migration: str, run_id: str) -> str:
    """Return what tells the databases of a run's drills from any other's."""
    return name_for(migration, f"{run_id}/drill")[-8:]


def forget_older(run: Run) -> list[str]:
    """Drop the databases that earlier runs of the migration kept for a way back, and return their names."""
    query = "SELECT datname FROM pg_database WHERE datname ~ '^cutover_(back|kept)_[0-9a-f]{8}$' ORDER BY 1"
    with postgresql.session(run.target) as connection:
        there = [name for (name,) in connection.execute(query)]
    if not there:
        return []
    names = [each for each, _, _ in run.ledger.runs(run.spec.name) if each != run.id]
    earlier = {name_for(run.spec.name, each)[-8:] for each in names}
    earlier |= {drill_token(run.spec.name, each) for each in (*names, run.id)}
    ours = [name for name in there if name[-8:] in earlier]
    for name in ours:
        databases.drop(run.target, name)
    return ours
