"""Following a source: how many changes a second are applied, and how far behind the target is."""

from __future__ import annotations

import os
import threading
import time
from contextlib import closing
from pathlib import Path

import psycopg
from psycopg import sql

from cutover.ledger import Ledger
from cutover.local.bench.case import Case, Contest
from cutover.local.bench.command import PROGRAM, WORKERS
from cutover.local.bench.measured import Measured
from cutover.local.bench.memory import last_lines, running
from cutover.local.bench.place import SCHEMA, NoResultError, Place, connect, execute
from cutover.local.servers import Server

STREAM = "cutover stream"
CAUGHT_UP, LAG = "caught up", "1,000 changes a second"
LARGE = 1_000
# The writer commits so many changes at a time, every so many seconds; so long rests who looks for them, and so many
# seconds are enough for the last of them.
_BEAT, _EVERY, _LOOK, _PATIENCE = 10, 0.01, 0.02, 120
_SPEC = """
name: {name}
source: {{env: BENCH_SOURCE}}
target: {{env: BENCH_TARGET, schema: {schema}}}
strategy:
  types:
    data:
      strategy: streaming
      streaming: {{bufferSize: 10000, flushInterval: 100}}
  planning: {{scheduling: {{enabled: false}}}}
  execution: {{modes: {{safe: {{validateAfterMigration: false}}}}}}
"""


def in_large(place: Place, case: Case, rows: int, contest: Contest) -> Measured:
    """Change every row, a thousand in each transaction, and time how the stream brings that.

    Raises:
        NoResultError: a command failed, or the target did not become as the source is.
    """
    _migrate(place)
    starts = range(1, rows + 1, LARGE)
    execute(place.source, *(_change(start, min(start + LARGE - 1, rows)) for start in starts))
    return _caught_up(place, case, rows, contest)


def one_by_one(place: Place, case: Case, rows: int, contest: Contest) -> Measured:
    """Change every row in a transaction of its own, and time how the stream brings that.

    Raises:
        NoResultError: a command failed, or the target did not become as the source is.
    """
    _migrate(place)
    execute(place.source, *(_change(number, number) for number in range(1, rows + 1)))
    return _caught_up(place, case, rows, contest)


def lag(place: Place, case: Case, rows: int, contest: Contest) -> Measured:
    """Write at a fixed rate while the stream runs, and look when each transaction has arrived.

    Raises:
        NoResultError: a command failed, or the target did not become as the source is.
    """
    _migrate(place)
    log = place.folder / "stream.log"
    command = [PROGRAM, "stream", place.source.name, "--migrations", str(_migrations(place))]
    with (
        psycopg.connect(place.target.url(), autocommit=True) as session,
        running(command, log, _environment(place)) as (process, peak),
    ):
        execute(place.source, "UPDATE beats SET number = 1")
        deadline = time.monotonic() + _PATIENCE
        while not _number(session):
            if process.poll() is not None or time.monotonic() > deadline:
                raise NoResultError(f"the stream did not begin: {last_lines(log)}")
            time.sleep(_LOOK)
        started = time.monotonic()
        lags = _lags(session, place.source, rows // _BEAT)
        seconds = time.monotonic() - started
        process.terminate()
    _require_alike(place)
    return Measured(contest.title(case), contest.engine, rows, seconds, peak(), lags=lags)


def _lags(session: psycopg.Connection, source: Server, beats: int) -> list[float]:
    committed: list[float] = []
    lags: list[float] = []
    writer = threading.Thread(target=_write, args=(source, beats, committed), daemon=True)
    deadline = time.monotonic() + beats * _EVERY + _PATIENCE
    writer.start()
    while len(lags) < beats:
        if time.monotonic() > deadline:
            raise NoResultError(f"{len(lags)} of {beats} transactions have arrived after {_PATIENCE} s")
        seen, now = _number(session) - 1, time.monotonic()
        # Those that are seen for the first time have arrived since the last look.
        lags += [now - at for at in committed[len(lags) : seen]]
        time.sleep(_LOOK)
    return lags


def _write(source: Server, beats: int, committed: list[float]) -> None:
    """Commit so many beats at a fixed rate; one that took too long is made up for."""
    with closing(connect(source)) as session:
        cursor = session.cursor()
        began = time.monotonic()
        for beat in range(beats):
            time.sleep(max(0.0, began + beat * _EVERY - time.monotonic()))
            first = beat * (_BEAT - 1) + 1
            cursor.execute("BEGIN")
            cursor.execute(_change(first, first + _BEAT - 2))
            cursor.execute("UPDATE beats SET number = number + 1")
            cursor.execute("COMMIT")
            committed.append(time.monotonic())


def _change(first: int, last: int) -> str:
    return f"UPDATE counters SET amount = amount + 1 WHERE id BETWEEN {first:d} AND {last:d}"  # noqa: S608


def _number(session: psycopg.Connection) -> int:
    found = session.execute(sql.SQL("SELECT number FROM {}").format(sql.Identifier(SCHEMA, "beats"))).fetchone()
    return found[0] if found else 0


def _migrate(place: Place) -> None:
    execute(place.source, "UPDATE beats SET number = 0")
    home = _migrations(place) / place.source.name
    home.mkdir(parents=True, exist_ok=True)
    (home / "migration.yaml").write_text(_SPEC.format(name=place.source.name, schema=SCHEMA))
    _command(place, "run", "--replace-target", "--workers", str(WORKERS))


def _caught_up(place: Place, case: Case, rows: int, contest: Contest) -> Measured:
    """Time from the stream's own start to what it applied last: the program's start is no part of it."""
    peak = _command(place, "stream", "--until-caught-up")
    ledger = Ledger(_ledger(place))
    run_id = ledger.runs(place.source.name)[0][0]
    events = ledger.events(run_id, "step_started", "followed")
    seconds = (events[-1].at - events[0].at).total_seconds()
    _require_alike(place)
    return contest.measured(case, rows, seconds, peak)


def _command(place: Place, command: str, *options: str) -> float:
    """Run a command of the case's migration to its end; return the peak of its memory in MB."""
    log = place.folder / f"{command}.log"
    words = [PROGRAM, command, place.source.name, "--migrations", str(_migrations(place)), *options]
    with running(words, log, _environment(place)) as (process, peak):
        code = process.wait()
    if code:
        raise NoResultError(f"cutover {command} exited with {code}: {last_lines(log)}")
    return peak()


def _require_alike(place: Place) -> None:
    with psycopg.connect(place.target.url()) as target, closing(connect(place.source)) as source:
        here = target.execute(
            sql.SQL("SELECT count(*), sum(amount) FROM {}").format(sql.Identifier(SCHEMA, "counters"))
        ).fetchone()
        cursor = source.cursor()
        cursor.execute("SELECT COUNT(*), SUM(amount) FROM counters")
        there = cursor.fetchone()
    if here is None or tuple(map(int, here)) != tuple(map(int, there)):
        raise NoResultError(f"the target has {here} (rows, sum), the source {there}")


def _migrations(place: Place) -> Path:
    return place.folder / "streams"


def _ledger(place: Place) -> str:
    return f"sqlite:///{place.folder / 'streams.db'}"


def _environment(place: Place) -> dict[str, str]:
    found = {**os.environ, "CUTOVER_HOME": str(place.folder / "runs"), "CUTOVER_LEDGER": _ledger(place)}
    for prefix, server in (("BENCH_SOURCE", place.source), ("BENCH_TARGET", place.target)):
        for part in ("host", "port", "name", "user", "password"):
            found[f"{prefix}_{part.upper()}"] = str(getattr(server, part))
    return found
