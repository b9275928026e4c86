"""This engine in Airflow: a whole DAG run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import psutil

from cutover import report
from cutover.ledger import Ledger
from cutover.local.airflow_server import Airflow, airflow, connection
from cutover.local.bench.case import Case, Contest
from cutover.local.bench.command import WORKERS, steps
from cutover.local.bench.measured import Measured
from cutover.local.bench.memory import peak
from cutover.local.bench.place import SCHEMA, NoResultError, Place
from cutover.local.demo import ROOT
from cutover.local.servers import Server

DAG_RUN = "whole DAG, every cell verified"
_SECONDS = 1200
_SPEC = """
name: {name}
source: {{connection: {name}_source}}
target: {{connection: bench_target, schema: {schema}}}
strategy:
  types: {{data: {{bulk: {{batchSize: 50000, parallelWorkers: {workers}}}}}}}
  planning: {{scheduling: {{enabled: false}}}}
schema: {{settings: {{tables: {{patterns: {{include: [{tables}]}}}}}}}}
data:
  extraction: {{strategy: {{full: {{chunkSize: 50000, maxParallelWorkers: {workers}}}}}}}
  loading: {{strategy: {{bulk: {{batchSize: 50000, maxParallelWorkers: {workers}}}}}}}
"""


def run(place: Place, case: Case, rows: int, contest: Contest) -> Measured:
    """Time a run from its start to its end as Airflow writes them down.

    Raises:
        NoResultError: it failed, or did not verify every row.
    """
    server, dag = place.airflow, case.database(rows)
    assert server is not None
    server.wait_for_dag(dag)
    with peak(lambda: _task_processes(server)) as highest:
        run_id = server.trigger(dag, {"replace_target": True})
        state = server.wait_for_run(dag, run_id, _SECONDS)
    if state != "success":
        raise NoResultError(f"the DAG run ended {state}; see {server.folder.name}")
    found = server.call("GET", f"/dags/{dag}/dagRuns/{run_id}")
    began, ended = (datetime.fromisoformat(found[name]) for name in ("start_date", "end_date"))
    folded = report.build(Ledger(_ledger(place.folder)), f"{dag}/{run_id}")
    verified = sum(t.verified for t in folded.tables if not case.counted or t.table in case.counted)
    if verified != rows:
        raise NoResultError(f"{verified} rows were verified, not {rows}")
    seconds = (ended - began).total_seconds()
    return contest.measured(case, rows, seconds, highest(), steps(json.loads(folded.to_json())))


@contextmanager
def running(folder: Path, source: Server, target: Server, case: Case) -> Iterator[Airflow]:
    """Run an Airflow with a migration for every size of a case."""
    environment = {
        "CUTOVER_HOME": str(folder / "runs"),
        "CUTOVER_LEDGER": _ledger(folder),
        "CUTOVER_MIGRATIONS": str(folder / "migrations"),
        "AIRFLOW_CONN_BENCH_TARGET": connection(target),
    }
    for rows in case.sizes:
        name = case.database(rows)
        environment[f"AIRFLOW_CONN_{name.upper()}_SOURCE"] = connection(source, name)
        home = folder / "migrations" / name
        home.mkdir(parents=True, exist_ok=True)
        tables = ", ".join(case.tables or ("'*'",))
        (home / "migration.yaml").write_text(_SPEC.format(name=name, schema=SCHEMA, workers=WORKERS, tables=tables))
    with airflow(folder / "airflow", ROOT / "dags", ROOT / "plugins", environment) as server:
        yield server


def _ledger(folder: Path) -> str:
    return f"sqlite:///{folder / 'ledger.db'}"


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
