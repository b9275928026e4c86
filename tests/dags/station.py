"""A running Airflow with small migrations, and what its tests ask of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

import MySQLdb
import psycopg

from cutover.data import shadow
from cutover.ledger import Ledger
from cutover.local.airflow_server import Airflow
from cutover.local.program import HOST
from cutover.local.servers import Server
from cutover.report import Report, build

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 240.0  # seconds; the machine may be busy with other things
SOURCE = "museum"
T = TypeVar("T")
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

TABLES = 3  # each a chunk of its own, and all of them loaded at once
PEOPLE, VISITS, NOTES = 50, 300, 40

_NUMBERS = "(SELECT 1 + a.d + 10 * b.d + 100 * c.d AS n FROM {d} a, {d} b, {d} c) AS numbers".replace(
    "{d}", "(" + " UNION ALL ".join(f"SELECT {digit} AS d" for digit in range(10)) + ")"
)
_SEED = (
    "CREATE TABLE people (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, full_name VARCHAR(40) NOT NULL, status CHAR(1), "
    "UNIQUE KEY people_name (full_name))",
    "CREATE TABLE visits (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, person_id INT NOT NULL, "
    "seen DATETIME NOT NULL, score DECIMAL(8,2), KEY visits_seen (seen), "
    "CONSTRAINT visits_person FOREIGN KEY (person_id) REFERENCES people (id))",
    "CREATE TABLE notes (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, body TEXT)",
    f"INSERT INTO people SELECT n, CONCAT('Zoë ', n), ELT(1 + n MOD 3, 'A', 'I', NULL) FROM {_NUMBERS} "
    f"WHERE n <= {PEOPLE}",
    f"INSERT INTO visits SELECT n, 1 + n MOD {PEOPLE}, TIMESTAMPADD(HOUR, n, '2025-01-01'), n / 100 FROM {_NUMBERS} "
    f"WHERE n <= {VISITS}",
    f"INSERT INTO notes SELECT n, CONCAT('note ', n, ' 📷') FROM {_NUMBERS} WHERE n <= {NOTES}",
    "ANALYZE TABLE people, visits, notes",
)
# What is live in a target before the first run: a table that no run may touch, and one that a run replaces.
_FOREIGN = (
    "CREATE TABLE kept (id bigserial PRIMARY KEY, body text)",
    "INSERT INTO kept (body) SELECT 'row ' || n FROM generate_series(1, 20) AS n",
)
_REPLACED = (
    "CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL, remark text DEFAULT 'old')",
    "INSERT INTO people VALUES (1, 'was here before'), (2, 'so was I')",
    "CREATE INDEX people_remark ON people (remark)",
)


class Slack:
    """A loopback server that takes what a Slack webhook would, and keeps it."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        texts = self.texts

        class Webhook(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                texts.append(json.loads(body)["text"])
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer((HOST, 0), Webhook)
        self.port = self._server.server_address[1]
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def of(self, migration: str) -> list[str]:
        """The messages about one migration, in the order in which they came."""
        return [text for text in self.texts if f"*Migration {migration} " in text]


@dataclass(frozen=True)
class Station:
    """Airflow, the servers around it and where everything is kept."""

    airflow: Airflow
    source: Server
    target_server: Server
    slack: Slack
    folder: Path
    environment: Mapping[str, str] = field(repr=False)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.environment["CUTOVER_LEDGER"])

    def target(self, migration: str) -> Server:
        return replace(self.target_server, name=migration)

    def start(self, migration: str, **params: Any) -> str:
        """Trigger a run by hand, once the scheduler knows the DAG, and return its id."""
        self.airflow.wait_for_dag(migration)
        return self.airflow.trigger(migration, {"replace_target": True, **params})

    def finish(self, migration: str, run_id: str) -> str:
        """Wait for a run to end and return its state."""
        return self.airflow.wait_for_run(migration, run_id, PATIENCE)

    def report(self, migration: str, run_id: str) -> Report:
        return build(self.ledger, f"{migration}/{run_id}")

    def shadow(self, migration: str, run_id: str) -> str:
        return shadow.name_for(migration, f"{migration}/{run_id}")

    def run_folder(self, migration: str, run_id: str) -> Path:
        return Path(self.environment["CUTOVER_HOME"]) / migration / re.sub(r"[^\w.-]", "_", f"{migration}/{run_id}")

    def log(self, migration: str, run_id: str, task: str) -> str:
        """What a task wrote, over all its attempts and, where it is mapped, over all its parts."""
        folder = self.airflow.folder / "logs" / f"dag_id={migration}" / f"run_id={run_id}" / f"task_id={task}"
        return "".join(file.read_text(errors="replace") for file in sorted(folder.rglob("*.log")))

    def written(self) -> Iterator[tuple[Path, str]]:
        """Every log, report, script and ledger file there is."""
        for folder in (self.airflow.folder / "logs", Path(self.environment["CUTOVER_HOME"])):
            for file in folder.rglob("*"):
                if file.is_file():
                    yield file, file.read_text(errors="replace")
        yield self.airflow.folder / "airflow.log", (self.airflow.folder / "airflow.log").read_text(errors="replace")


def wait_for(look: Callable[[], T | None], what: str, seconds: float = PATIENCE) -> T:
    """Look until there is something, and return it."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.1)


@contextmanager
def locked(server: Server, schema: str, table: str) -> Iterator[psycopg.Connection]:
    """Stop all writing to a table as soon as it is there, until the block ends; yields another session."""
    with (
        psycopg.connect(server.url(), autocommit=True) as holder,
        psycopg.connect(server.url(), autocommit=True) as eye,
    ):
        name = f'"{schema}"."{table}"'
        wait_for(lambda: eye.execute("SELECT to_regclass(%s)", (name,)).fetchone()[0], f"table {name}")  # type: ignore[index]
        with holder.transaction():
            holder.execute(f"LOCK TABLE {name} IN SHARE MODE")
            yield eye


def rows(server: Server, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(server.url()) as connection:
        return connection.execute(query).fetchall()


def change(server: Server, *statements: str) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def dump(server: Server, *options: str) -> str:
    """Everything in a database, schema and data, as pg_dump writes it."""
    login = ["-h", server.host, "-p", str(server.port), "-U", server.user, "--no-password"]
    command = ["pg_dump", *login, *options, server.name]
    done = subprocess.run(
        command, env=os.environ | {"PGPASSWORD": server.password}, capture_output=True, text=True, check=True
    )
    # A key that is random each time, against injection into psql.
    return re.sub(r"^\\(un)?restrict .*$", "", done.stdout, flags=re.MULTILINE)


def on_shadow_ddl(server: Server, tag: str, table: str, *actions: str) -> None:
    """Have the target itself act after each DDL command on a table of a shadow schema; %s is the table."""
    name = f"upset_{table}_{tag.split()[0].lower()}"
    work = "\n".join(f"EXECUTE format({_literal(action)}, command.objid::regclass);" for action in actions)
    change(
        server,
        f"""CREATE FUNCTION {name}() RETURNS event_trigger LANGUAGE plpgsql AS $body$
        DECLARE command record;
        BEGIN
            FOR command IN SELECT * FROM pg_event_trigger_ddl_commands()
                WHERE schema_name LIKE 'cutover!_%' ESCAPE '!' AND object_identity LIKE '%.{table}'
                AND object_type = 'table'
            LOOP {work} END LOOP;
        END $body$""",
        f"CREATE EVENT TRIGGER {name} ON ddl_command_end WHEN TAG IN ('{tag}') EXECUTE FUNCTION {name}()",
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def seed(server: Server) -> Server:
    """Make the small source that all the migrations share."""
    login = {"host": server.host, "port": server.port, "user": server.user, "password": server.password}
    with MySQLdb.connect(**login, charset="utf8mb4", autocommit=True) as connection:
        cursor = connection.cursor()
        cursor.execute(f"DROP DATABASE IF EXISTS {SOURCE}")
        cursor.execute(f"CREATE DATABASE {SOURCE} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
        cursor.execute(f"USE {SOURCE}")
        for statement in _SEED:
            cursor.execute(statement)
    return replace(server, name=SOURCE)


def make_target(server: Server, migration: str, replaced: bool) -> Server:
    """Make a target in which a foreign table is live, and one to be replaced where that is asked for."""
    change(replace(server, name="postgres"), f"CREATE DATABASE {migration}")
    target = replace(server, name=migration)
    change(target, *_FOREIGN, *(_REPLACED if replaced else ()))
    return target


def open_window(now: datetime) -> dict[str, Any]:
    """A window that opened an hour ago and closes in three, on every day of the week."""
    begin, end = now - timedelta(hours=1), now + timedelta(hours=3)
    return {"startTime": f"{begin:%H:%M}", "endTime": f"{end:%H:%M}", "timezone": "UTC", "days": list(DAYS)}


def closed_window(now: datetime) -> dict[str, Any]:
    """A window that is open on one day of the week only, three days from now."""
    day = DAYS[(now + timedelta(days=3)).weekday()]
    return {"startTime": "00:30", "endTime": "23:30", "timezone": "UTC", "days": [day]}


def spec(
    name: str,
    window: Mapping[str, Any] | None = None,
    schedule: str | None = None,
    retries: int = 0,
    slack: str = "slack_default",
    on_success: bool = False,
    strategy: str = "bulk",
) -> dict[str, Any]:
    """A migration of the small source, as its YAML would hold it."""
    bulk = {"batchSize": 1000, "parallelWorkers": TABLES, "retryOnFailure": retries > 0, "maxRetries": retries}
    scheduling: dict[str, Any] = {
        "maintenanceWindow": {**window, "enabled": True} if window else {"enabled": False},
        "automated": {"enabled": schedule is not None, **({"schedule": schedule} if schedule else {})},
    }
    data: dict[str, Any] = {"bulk": bulk, "strategy": strategy}
    extraction: dict[str, Any] = {"full": {"maxParallelWorkers": TABLES}}
    if strategy == "streaming":
        data["streaming"] = {"flushInterval": 200}
    if strategy == "incremental":
        extraction["incremental"] = {"enabled": True, "lastSyncColumn": "seen", "interval": "5s"}
    return {
        "name": name,
        "description": f"The museum's visitors, {name}",
        "source": {"connection": SOURCE},
        "target": {"connection": name, "schema": "public"},
        "strategy": {"types": {"data": data}, "planning": {"scheduling": scheduling}},
        "data": {
            "extraction": {"strategy": extraction},
            "loading": {
                "strategy": {"bulk": {"maxParallelWorkers": TABLES}},
                "options": {"errorHandling": {"errorRecovery": False}},
            },
            "transformation": {
                "mapping": {
                    "fieldMapping": {"people": {"full_name": "name"}},
                    "valueMapping": {"people.status": {"A": "active", "I": "inactive"}},
                }
            },
        },
        "monitoring": {"alerting": {"slackConnection": slack, "onSuccess": on_success}},
    }


def write(folder: Path, specs: Sequence[Mapping[str, Any]]) -> None:
    """Write specs as a folder of migrations; JSON is YAML."""
    for given in specs:
        (folder / given["name"]).mkdir(parents=True)
        (folder / given["name"] / "migration.yaml").write_text(json.dumps(given, indent=2))


def utc_now() -> datetime:
    return datetime.now(UTC)
