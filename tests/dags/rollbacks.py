"""What tests of rollbacks under the real scheduler share: how one is asked for, answered and looked at."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from uuid import uuid4

import psutil
import psycopg
from station import PATIENCE, Station, dump, rows, spec, wait_for

from cutover import report
from cutover.errors import PreflightError
from cutover.local.airflow_server import Airflow
from cutover.local.program import HOST
from cutover.local.servers import Server
from cutover.run import run_migration
from cutover.spec import load_spec
from cutover.steps import history
from cutover.steps.context import Params, endpoints, start

NAMES = "SELECT name FROM public.people ORDER BY id"
OLD = [("was here before",), ("so was I",)]
REASON = "the totals are wrong"


class Supervisor:
    """A loopback server that stops and starts applications; it keeps how many people were live at each request.

    It is asked at /MIGRATION/ACTION, and cannot do what is called ``refuse``.
    """

    def __init__(self, server: Server) -> None:
        self.asked: list[tuple[str, int]] = []
        asked = self.asked

        class Control(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                _, migration, action = self.path.split("/")
                ((live,),) = rows(replace(server, name=migration), "SELECT count(*) FROM public.people")
                asked.append((self.path, live))
                self.send_response(500 if action == "refuse" else 200)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer((HOST, 0), Control)
        self.url = f"http://{HOST}:{self._server.server_address[1]}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def going_back(name: str, retries: int = 0, **rollback: Any) -> dict[str, Any]:
    return spec(name, retries=retries) | {"rollback": rollback}


def in_place(station: Station, name: str) -> str:
    """Return the run that is in place; migrate where none is."""
    try:
        return history.latest_change(station.ledger, name)
    except PreflightError:
        home = station.folder / "migrations" / name
        written = load_spec(home / "migration.yaml")
        run_id, params = f"{name}/{uuid4().hex[:8]}", Params(replace_target=True)
        run = start(run_id, written, params, station.ledger, *endpoints(written), home)
        assert run_migration(run).status == report.COMPLETED
        return run_id


def ask(station: Station, name: str, **params: Any) -> str:
    """Ask for a rollback, and return the DAG run's id."""
    station.airflow.wait_for_dag(f"{name}__rollback")
    return station.airflow.trigger(f"{name}__rollback", {"reason": REASON, **params})


def ended(station: Station, name: str, dag_run: str) -> tuple[str, dict[str, str]]:
    """Wait for a rollback to end; return its state and those of its tasks."""
    dag = f"{name}__rollback"
    return station.finish(dag, dag_run), station.airflow.tasks(dag, dag_run)


def request(station: Station, name: str, dag_run: str) -> dict[str, Any]:
    """Wait until a request for approval waits for its answer, and return it."""
    dag = f"{name}__rollback"
    wait_for(lambda: station.airflow.tasks(dag, dag_run)["approve"] == "awaiting_input", "the request to be parked")
    # An answer that comes before the scheduler has heard of the task's process being gone can fail the task.
    gone = re.compile(
        rf"executor event with state success for .*'{dag}', task_id='approve', run_id='{re.escape(dag_run)}'"
    )
    log = station.airflow.folder / "airflow.log"
    wait_for(lambda: gone.search(log.read_text(errors="replace")), "the scheduler to hear of its process")
    found: dict[str, Any] = station.airflow.call("GET", _details(name, dag_run))
    return found


def answer(user: Airflow, name: str, dag_run: str, option: str) -> None:
    user.call("PATCH", _details(name, dag_run), {"chosen_options": [option], "params_input": {}})


def _details(name: str, dag_run: str) -> str:
    return f"/dags/{name}__rollback/dagRuns/{dag_run}/taskInstances/approve/-1/hitlDetails"


def documented(station: Station, run_id: str) -> dict[str, Any]:
    """Return the report of a way back; the one for people is there too, and says the same."""
    name, _, within = run_id.partition("/")
    folder = station.run_folder(name, within)
    found: dict[str, Any] = json.loads((folder / "rollback.json").read_text())
    assert (folder / "rollback.md").read_text().startswith(f"# Rollback of {name}: {found['status']}\n")
    return found


def heard(station: Station, name: str, what: str) -> str:
    """Wait for the last message of a kind about a migration."""
    return wait_for(
        lambda: next((text for text in reversed(station.slack.of(name)) if f"{name} {what}*" in text), None), what
    )


@contextmanager
def untouched(target: Server) -> Iterator[None]:
    before = dump(target)
    yield
    assert dump(target) == before


def held_up(session: psycopg.Connection, database: str) -> int | None:
    """The process on this machine that waits for the lock of the live tables, or for who is in the live database."""
    row = session.execute(
        "SELECT client_port FROM pg_stat_activity WHERE starts_with(query, %s) AND state = 'active' "
        "OR datname = %s AND wait_event_type = 'Lock' AND query LIKE 'LOCK TABLE %%'",
        (f'ALTER DATABASE "{database}" RENAME', database),
    ).fetchone()
    if row is None:
        return None
    return next(c.pid for c in psutil.net_connections("tcp") if c.laddr.port == row[0] and c.pid is not None)


def kill(process: int) -> None:
    """Kill a process, and wait until it is gone."""
    os.kill(process, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(process)] if psutil.pid_exists(process) else [], timeout=PATIENCE)
