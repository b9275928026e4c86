"""``make bench``: this engine and pgloader in turn, on the same private servers and the same table.

Nothing here passes or fails: medians and ratios are printed, and written to ``.local/bench.json``.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import MySQLdb
import psutil
import psycopg
from psycopg import sql
from rich.table import Table

from cutover import render, report
from cutover.ledger import Ledger
from cutover.local import servers
from cutover.local.airflow_server import Airflow, airflow, connection
from cutover.local.demo import FOLDER, ROOT
from cutover.local.seed import seed_camera_counting
from cutover.local.servers import Server

SIZES = (1_000_000, 10_000_000)
PAIRS = 3
TABLES = ("cameras", "analytics")
WORKERS = 2
PGLOADER, CUTOVER, DAG_RUN = "pgloader", "cutover run", "whole DAG, every cell verified"
COPY, INDEXED = "copy alone", "with key and indexes"

_SPEC = """
name: bench_{rows}
source: {{connection: bench_source_{rows}}}
target: {{connection: bench_target, schema: bench}}
strategy:
  types: {{data: {{bulk: {{batchSize: 50000, parallelWorkers: {workers}}}}}}}
  planning: {{scheduling: {{enabled: false}}}}
schema: {{settings: {{tables: {{patterns: {{include: [{tables}]}}}}}}}}
data:
  extraction: {{strategy: {{full: {{chunkSize: 50000, maxParallelWorkers: {workers}}}}}}}
  loading: {{strategy: {{bulk: {{batchSize: 50000, maxParallelWorkers: {workers}}}}}}}
"""


@dataclass(frozen=True)
class Measured:
    """One run of one engine; ``peak_mb`` is the largest single process, ``steps`` seconds by step."""

    case: str
    engine: str
    rows: int
    seconds: float
    peak_mb: float
    steps: Mapping[str, float] = field(default_factory=dict)


def main() -> None:
    """Measure every case and print what came out; BENCH_SIZES and BENCH_PAIRS narrow it."""
    sizes = [int(n) for n in os.environ.get("BENCH_SIZES", "").split(",") if n] or list(SIZES)
    pairs = int(os.environ.get("BENCH_PAIRS") or PAIRS)
    folder = FOLDER / "bench"
    measured: list[Measured] = []
    screen = render.console()
    with ExitStack() as stack:
        source = stack.enter_context(servers.mariadb(folder, buffer_pool="1G"))
        target = stack.enter_context(servers.postgresql(folder))
        server = stack.enter_context(_airflow(folder, source, target, sizes))
        for rows in sizes:
            where = replace(source, name=f"bench_{rows}")
            _seed_once(where, rows)
            for number in range(pairs):
                for case, engine, work in _cases(folder, where, target, server):
                    _clean(target)
                    measured.append(work(rows))
                    one = measured[-1]
                    screen.print(
                        f"{rows:>11,} rows, pair {number + 1}: {case}: {engine}: {one.seconds:.1f} s, "
                        f"{one.peak_mb:.0f} MB",
                        highlight=False,
                    )
    found = summary(measured)
    (FOLDER / "bench.json").write_text(
        json.dumps({"runs": [asdict(m) for m in measured], "summary": found}, indent=2) + "\n"
    )
    _print(found)


def _cases(
    folder: Path, source: Server, target: Server, server: Airflow
) -> Iterator[tuple[str, str, Callable[[int], Measured]]]:
    for case in (COPY, INDEXED):
        yield case, PGLOADER, lambda rows, case=case: _pgloader(case, rows, folder, source, target)  # type: ignore[misc]
        yield case, CUTOVER, lambda rows, case=case: _cutover(case, rows, folder, source, target)  # type: ignore[misc]
    yield INDEXED, DAG_RUN, lambda rows: _dag_run(rows, folder, server)


def summary(measured: list[Measured]) -> list[dict[str, Any]]:
    """Return medians by case, engine and size, each with its ratio to pgloader in the same case."""
    keys = list(dict.fromkeys((m.case, m.engine, m.rows) for m in measured))
    seconds = {key: [m.seconds for m in measured if (m.case, m.engine, m.rows) == key] for key in keys}
    found = []
    for case, engine, rows in keys:
        runs = [m for m in measured if (m.case, m.engine, m.rows) == (case, engine, rows)]
        median = statistics.median(seconds[case, engine, rows])
        peers = seconds.get((case, PGLOADER, rows), [])
        ratios = [peer / own for peer, own in zip(peers, seconds[case, engine, rows], strict=False)]
        found.append(
            {
                "case": case,
                "engine": engine,
                "rows": rows,
                "seconds": round(median, 2),
                "rows_per_second": round(rows / median),
                "times_pgloader": round(statistics.median(ratios), 2) if ratios else None,
                "peak_mb": round(max(m.peak_mb for m in runs)),
                "steps": {name: _median_step(runs, name) for name in runs[0].steps},
            }
        )
    return found


def _median_step(runs: list[Measured], name: str) -> float:
    return round(statistics.median(m.steps.get(name, 0.0) for m in runs), 2)


def _pgloader(case: str, rows: int, folder: Path, source: Server, target: Server) -> Measured:
    options = "include drop, create tables, "
    options += (
        "create no indexes, no foreign keys, reset no sequences" if case == COPY else "create indexes, foreign keys"
    )
    names = ", ".join(f"'{name}'" for name in TABLES)
    script = folder / "pgloader.load"
    script.write_text(
        f"LOAD DATABASE FROM {source.url()} INTO {target.url()} WITH {options} "
        f"INCLUDING ONLY TABLE NAMES MATCHING {names} ALTER SCHEMA '{source.name}' RENAME TO 'bench';\n"
    )
    script.chmod(0o600)
    started = time.monotonic()
    with _peak(lambda: [process.pid]) as peak, (folder / "pgloader.log").open("w") as log:
        process = subprocess.Popen(["pgloader", str(script)], stdout=log, stderr=log)
        process.wait()
    seconds = time.monotonic() - started
    _count(target, rows)
    return Measured(case, PGLOADER, rows, seconds, peak())


def _cutover(case: str, rows: int, folder: Path, source: Server, target: Server) -> Measured:
    out = folder / "report.json"
    command = [str(Path(sys.executable).parent / "cutover"), "run", "--no-verify", "--report", str(out)]
    command += ["--source", replace(source, password="").url(), "--target", replace(target, password="").url()]
    command += ["--schema", "bench", "--workers", str(WORKERS), *(f"--table={name}" for name in TABLES)]
    command += ["--no-indexes"] if case == COPY else []
    environment = {
        **os.environ,
        "CUTOVER_HOME": str(folder / "runs"),
        "CUTOVER_SOURCE_PASSWORD": source.password,
        "CUTOVER_TARGET_PASSWORD": target.password,
    }
    started = time.monotonic()
    with _peak(lambda: [p.pid for p in psutil.Process(process.pid).children(recursive=True)] + [process.pid]) as peak:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        process.wait()
    seconds = time.monotonic() - started
    _count(target, rows)
    return Measured(case, CUTOVER, rows, seconds, peak(), _steps(json.loads(out.read_text())))


def _dag_run(rows: int, folder: Path, server: Airflow) -> Measured:
    """Time a run from its start to its end as Airflow writes them down."""
    dag = f"bench_{rows}"
    server.wait_for_dag(dag)
    with _peak(lambda: _task_processes(server)) as peak:
        run_id = server.trigger(dag, {})
        state = server.wait_for_run(dag, run_id, 1200)
    if state != "success":
        raise SystemExit(f"the DAG run ended {state}; see {server.folder}")
    run = server.call("GET", f"/dags/{dag}/dagRuns/{run_id}")
    seconds = (datetime.fromisoformat(run["end_date"]) - datetime.fromisoformat(run["start_date"])).total_seconds()
    folded = report.build(Ledger(f"sqlite:///{folder / 'ledger.db'}"), f"{dag}/{run_id}")
    verified = next(t.verified for t in folded.tables if t.table == "analytics")
    if verified != rows:
        raise SystemExit(f"{verified} rows were verified, not {rows}")
    return Measured(INDEXED, DAG_RUN, rows, seconds, peak(), _steps(json.loads(folded.to_json())))


def _steps(folded: Mapping[str, Any]) -> dict[str, float]:
    return {step["step"]: step["seconds"] for step in folded["steps"]}


def _task_processes(server: Airflow) -> list[int]:
    """Processes of running tasks: what the LocalExecutor's workers have started."""
    found = []
    for process in psutil.process_iter():
        try:
            title = " ".join(process.cmdline())
            if Path(process.cwd()) == server.folder.resolve() and title.startswith("airflow worker -- "):
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return found


@contextmanager
def _peak(pids: Callable[[], list[int]]) -> Iterator[Callable[[], float]]:
    """Watch processes; what is yielded returns the largest resident size seen of any one, in MB."""
    highest, done = 0, threading.Event()

    def watch() -> None:
        nonlocal highest
        while not done.wait(0.5):
            try:
                for pid in pids():
                    highest = max(highest, psutil.Process(pid).memory_info().rss)
            except (psutil.Error, NameError, UnboundLocalError):
                continue

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield lambda: highest / 2**20
    finally:
        done.set()
        watcher.join()


@contextmanager
def _airflow(folder: Path, source: Server, target: Server, sizes: list[int]) -> Iterator[Airflow]:
    """Run an Airflow with a migration for every size."""
    environment = {
        "CUTOVER_HOME": str(folder / "runs"),
        "CUTOVER_LEDGER": f"sqlite:///{folder / 'ledger.db'}",
        "CUTOVER_MIGRATIONS": str(folder / "migrations"),
        "AIRFLOW_CONN_BENCH_TARGET": connection(target),
    }
    for rows in sizes:
        environment[f"AIRFLOW_CONN_BENCH_SOURCE_{rows}"] = connection(source, f"bench_{rows}")
        home = folder / "migrations" / f"bench_{rows}"
        home.mkdir(parents=True, exist_ok=True)
        (home / "migration.yaml").write_text(_SPEC.format(rows=rows, workers=WORKERS, tables=", ".join(TABLES)))
    with airflow(folder / "airflow", ROOT / "dags", ROOT / "plugins", environment) as server:
        yield server


def _seed_once(source: Server, rows: int) -> None:
    login = {"host": source.host, "port": source.port, "user": source.user, "password": source.password}
    with closing(MySQLdb.connect(**login)) as session:
        cursor = session.cursor()
        cursor.execute(
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = %s AND table_name = 'temp_import'",
            (source.name,),
        )
        if cursor.fetchone()[0]:
            return
    seed_camera_counting(source, rows)


def _clean(target: Server) -> None:
    """Empty the target and let the servers' background writes settle, the same before every run."""
    with psycopg.connect(target.url(), autocommit=True) as session:
        found = session.execute("SELECT nspname FROM pg_namespace WHERE nspname ~ '^(bench|cutover_)'").fetchall()
        for (name,) in found:
            session.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))
        session.execute("CHECKPOINT")


def _count(target: Server, rows: int) -> None:
    with psycopg.connect(target.url()) as session:
        row = session.execute("SELECT count(*) FROM bench.analytics").fetchone()
    if row is None or row[0] != rows:
        raise SystemExit(f"{row and row[0]} rows arrived, not {rows}: a run that loses rows is not measured")


def _print(found: list[dict[str, Any]]) -> None:
    table = Table(box=None)
    for name in ("case", "engine", "rows", "seconds", "rows/s", "x pgloader", "peak MB"):
        table.add_column(name, justify="left" if name in ("case", "engine") else "right")
    for entry in found:
        ratio = entry["times_pgloader"]
        table.add_row(
            entry["case"],
            entry["engine"],
            f"{entry['rows']:,}",
            f"{entry['seconds']:.1f}",
            f"{entry['rows_per_second']:,}",
            "" if ratio is None else f"{ratio:.2f}",
            f"{entry['peak_mb']}",
        )
    screen = render.console()
    screen.print(table)
    for entry in found:
        if entry["steps"]:
            steps = ", ".join(f"{name} {seconds:.1f}" for name, seconds in entry["steps"].items() if seconds >= 0.1)
            screen.print(f"{entry['engine']}, {entry['case']}, {entry['rows']:,} rows: {steps}", highlight=False)


if __name__ == "__main__":
    if shutil.which("pgloader") is None:
        raise SystemExit("pgloader is not installed; make bench installs it")
    main()
