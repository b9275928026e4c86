"""A private Airflow: ``airflow standalone`` on free ports, with its metadata in a folder of its own."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import requests

from cutover.errors import PreflightError, TransientError
from cutover.local.program import HOST, free_port
from cutover.local.servers import Server

USER = "admin"
_SECONDS_TO_START = 180
ENDED = ("success", "failed")


@dataclass
class Airflow:
    """A running Airflow and how to log in; talks to its REST API."""

    url: str
    user: str
    password: str = field(repr=False)
    folder: Path
    _token: str = field(default="", repr=False)

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Call the public API and return its answer; raises requests.HTTPError for a refusal."""
        if not self._token:
            login = {"username": self.user, "password": self.password}
            answer = requests.post(f"{self.url}/auth/token", json=login, timeout=30)
            answer.raise_for_status()
            self._token = answer.json()["access_token"]
        headers = {"Authorization": f"Bearer {self._token}"}
        answer = requests.request(method, f"{self.url}/api/v2{path}", json=body, headers=headers, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def wait_for_dag(self, dag_id: str) -> None:
        """Wait until a DAG file has been parsed and the DAG can be triggered; takes its pause away."""

        def unpaused() -> bool:
            try:
                self.call("PATCH", f"/dags/{dag_id}", {"is_paused": False})
            except requests.HTTPError:
                return False
            return True

        self.wait(unpaused, f"DAG {dag_id} to be parsed", 120)
        # The API server loads much at its first look at runs, and answers no task meanwhile.
        self.call("GET", f"/dags/{dag_id}/dagRuns?limit=1")

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> str:
        """Start a run and return its id."""
        answer = self.call("POST", f"/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": dict(conf)})
        return str(answer["dag_run_id"])

    def state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a run."""
        return str(self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def wait_for_run(self, dag_id: str, run_id: str, seconds: float = 600) -> str:
        """Wait for a run to end and return its state."""
        self.wait(lambda: self.state(dag_id, run_id) in ENDED, f"run {run_id} to end", seconds, every=0.5)
        return self.state(dag_id, run_id)

    def tasks(self, dag_id: str, run_id: str) -> dict[str, str]:
        """Return the state of every task; a mapped one is called ``name[index]``."""
        answer = self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=1000")
        return {
            t["task_id"] + (f"[{t['map_index']}]" if t["map_index"] >= 0 else ""): t["state"]
            for t in answer["task_instances"]
        }

    def wait(self, condition: Callable[[], bool], what: str, seconds: float, every: float = 0.2) -> None:
        """Wait until ``condition`` holds; raises TransientError when it takes too long."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise TransientError(f"waited {seconds:.0f} s for {what}; the log is {self.folder / 'airflow.log'}")
            time.sleep(every)


def connection(server: Server, database: str | None = None) -> str:
    """Return an Airflow connection for a server, as the JSON that AIRFLOW_CONN_* takes."""
    return json.dumps(
        {
            "conn_type": "mysql" if server.scheme == "mysql" else "postgres",
            "host": server.host,
            "port": server.port,
            "login": server.user,
            "password": server.password,
            "schema": database or server.name,
        }
    )


@contextmanager
def airflow(
    folder: Path,
    dags: Path,
    plugins: Path,
    environment: Mapping[str, str],
    parse_interval: int = 30,
    idle_sleep: float = 0.5,
) -> Iterator[Airflow]:
    """Run Airflow with LocalExecutor until the block ends; stops every process it started.

    Args:
        folder: AIRFLOW_HOME; kept between runs.
        dags: the DAG folder.
        plugins: the plugins folder.
        environment: further variables, such as AIRFLOW_CONN_*.
        parse_interval: seconds until a DAG file is read again; each reading costs some of a processor.
        idle_sleep: seconds that an idle scheduler sleeps; waiting less costs some of a processor, too.

    Raises:
        PreflightError: it did not start; the message ends with its log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    password = secrets.token_urlsafe(12)
    (folder / "passwords.json").write_text(json.dumps({USER: password}))
    (folder / "passwords.json").chmod(0o600)
    port = free_port()
    url = f"http://{HOST}:{port}"
    settings = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "8",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(folder / "passwords.json"),
        "AIRFLOW__API__HOST": HOST,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY": secrets.token_hex(16),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(free_port()),
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": str(idle_sleep),
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": str(parse_interval),
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": str(parse_interval),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "PYTHONUNBUFFERED": "1",
    }
    log = folder / "airflow.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", sys.executable, "-m", "airflow", "standalone"],
            env={**os.environ, **settings, **environment},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    server = Airflow(url, USER, password, folder)
    try:
        _wait_until_healthy(server, process, log)
        yield server
    finally:
        _sweep(folder)
        process.wait()


def _wait_until_healthy(server: Airflow, process: subprocess.Popen[bytes], log: Path) -> None:
    def healthy() -> bool:
        if process.poll() is not None:
            raise PreflightError([f"Airflow ended at its start; its log {log} ends:\n{_tail(log)}"])
        try:
            answer = requests.get(f"{server.url}/api/v2/monitor/health", timeout=5).json()
        except requests.RequestException:
            return False
        return all(answer[part]["status"] == "healthy" for part in ("metadatabase", "scheduler", "dag_processor"))

    try:
        server.wait(healthy, "Airflow to start", _SECONDS_TO_START)
    except TransientError:
        raise PreflightError([f"Airflow did not start; its log {log} ends:\n{_tail(log)}"]) from None


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-25:])


def _sweep(folder: Path) -> None:
    """End every process of the Airflow in this folder, also one that a crash left behind.

    They are known by their working directory: a worker may be in a session of its own, and Airflow
    writes its process titles over the environment.
    """
    ours = [process for process in psutil.process_iter() if _is_in(process, folder.resolve())]
    for process in ours:
        _signal(process.terminate)
    for process in psutil.wait_procs(ours, timeout=10)[1]:
        _signal(process.kill)
    psutil.wait_procs(ours, timeout=10)


def _is_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.pid != os.getpid() and Path(process.cwd()) == folder
    except (psutil.Error, OSError):
        return False


def _signal(send: Callable[[], None]) -> None:
    with suppress(psutil.NoSuchProcess):
        send()
