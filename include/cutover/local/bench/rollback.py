"""Going back from the command line, by every way, beside pg_restore alone."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import replace

import psycopg
from psycopg import sql

from cutover.dialects import postgresql_programs as programs
from cutover.dialects.endpoint import Endpoint
from cutover.local.bench.case import Case, Contest
from cutover.local.bench.command import PROGRAM, WORKERS, environment
from cutover.local.bench.measured import PG_RESTORE, Measured
from cutover.local.bench.memory import last_lines, running
from cutover.local.bench.place import SCHEMA, NoResultError, Place, require_rows
from cutover.local.servers import Server
from cutover.run import EXIT_COMPLETE, EXIT_LOSSES

BACK = "taken back"
# What became of an old table makes a difference to this way alone: its rows are measured, or loaded anew.
GONE = "data_restore, a row gone"
WAYS = {
    "ddl_rollback": "{}",
    "snapshot_restore": "{schema: {strategy: snapshot_restore}}",
    "backup_restore": "{schema: {strategy: backup_restore}}",
    "data_restore": "{data: {strategy: data_restore}}",
    GONE: "{data: {strategy: data_restore}}",
}
_SPEC = """
name: {name}
source: {{env: BENCH_SOURCE}}
target: {{env: BENCH_TARGET, schema: {schema}}}
strategy:
  types: {{data: {{bulk: {{batchSize: 50000, parallelWorkers: {workers}}}}}}}
  planning: {{scheduling: {{enabled: false}}}}
  execution: {{modes: {{safe: {{validateAfterMigration: false}}}}}}
schema: {{settings: {{tables: {{patterns: {{include: [{tables}]}}}}}}}}
rollback: {{types: {types}, execution: {{rollback: {{maxParallelWorkers: {workers}}}}}}}
"""


def back(place: Place, case: Case, rows: int, contest: Contest) -> Measured:
    """Migrate twice, so that live tables are replaced, and measure how long it takes to put them back.

    Raises:
        NoResultError: something failed, or rows are missing afterwards.
    """
    name, where = case.database(rows), environment(place) | _access(place)
    run = _written(place, case, rows, WAYS[contest.engine])
    _command(place, run, where)
    _command(place, run, where)
    if contest.engine == GONE:
        _lose_a_row(place.target, name)
    seconds, peak = _command(place, ["rollback", name], where)
    require_rows(place.target, rows, case.counted)
    (told,) = (place.folder / "runs" / name).rglob("rollback.json")
    steps = {each["step"]: each["seconds"] for each in json.loads(told.read_text())["steps"]}
    # One that succeeds drops what is kept.
    _command(place, run, where)
    shutil.rmtree(place.folder / "runs" / name, ignore_errors=True)
    return contest.measured(case, rows, seconds, peak, steps)


def restore(place: Place, case: Case, rows: int, contest: Contest) -> Measured:
    """Migrate, dump the database, and measure pg_restore of that into an empty one.

    Raises:
        NoResultError: something failed.
    """
    _command(place, _written(place, case, rows, "{}"), environment(place) | _access(place))
    target, into = place.target, replace(place.target, name="bench_restored")
    at = Endpoint("postgresql", target.host, target.port, target.name, target.user, target.password)
    programs.dump(at, place.folder / "alone", jobs=WORKERS)
    try:
        _database(target, into.name, make=True)
        started = time.monotonic()
        programs.restore(replace(at, database=into.name), place.folder / "alone", jobs=WORKERS)
        seconds = time.monotonic() - started
        require_rows(into, rows, case.counted)
    finally:
        _database(target, into.name, make=False)
        shutil.rmtree(place.folder / "alone", ignore_errors=True)
    return contest.measured(case, rows, seconds, 0.0)


def _written(place: Place, case: Case, rows: int, types: str) -> list[str]:
    """Write the migration down, and return the command that runs it."""
    name, tables = case.database(rows), ", ".join(case.tables or ("'*'",))
    home = place.folder / "migrations_back" / name
    home.mkdir(parents=True, exist_ok=True)
    spec = _SPEC.format(name=name, schema=SCHEMA, workers=WORKERS, tables=tables, types=types)
    (home / "migration.yaml").write_text(spec)
    return ["run", name, "--migrations", str(home.parent), "--replace-target"]


def _database(target: Server, name: str, make: bool) -> None:
    with psycopg.connect(target.url(), autocommit=True) as session:
        session.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        if make:
            session.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))


def _lose_a_row(target: Server, name: str) -> None:
    """Delete a row of the largest of the old tables, where the run keeps them."""
    largest = (
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relkind = 'r' AND n.nspname ~ %s ORDER BY pg_relation_size(c.oid) DESC"
    )
    with psycopg.connect(target.url()) as session:
        found = session.execute(largest, (f"^cutover_{name}_[0-9a-f]{{8}}$",)).fetchone()
        if found is None:
            raise NoResultError(f"{name} keeps no old table")
        table = sql.Identifier(*found)
        session.execute(sql.SQL("DELETE FROM {} WHERE ctid = (SELECT min(ctid) FROM {})").format(table, table))


def _command(place: Place, arguments: list[str], where: dict[str, str]) -> tuple[float, float]:
    log = place.folder / "back.log"
    started = time.monotonic()
    with running([PROGRAM, *arguments], log, where) as (process, peak):
        code = process.wait()
    seconds = time.monotonic() - started
    if code not in (EXIT_COMPLETE, EXIT_LOSSES):
        raise NoResultError(f"cutover {arguments[0]} exited with {code}: {last_lines(log)}")
    return seconds, peak()


def _access(place: Place) -> dict[str, str]:
    found = {"CUTOVER_LEDGER": f"sqlite:///{place.folder / 'back.db'}", "PATH": os.environ["PATH"]}
    for prefix, server in (("BENCH_SOURCE", place.source), ("BENCH_TARGET", place.target)):
        for part in ("host", "port", "name", "user", "password"):
            found[f"{prefix}_{part.upper()}"] = str(getattr(server, part))
    return found


CONTESTS = (Contest(BACK, PG_RESTORE, restore), *(Contest(BACK, way, back) for way in WAYS))
