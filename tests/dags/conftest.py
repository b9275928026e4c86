"""One private Airflow for the whole session, with a few small migrations between private servers."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import station as stations
from station import ROOT, Slack, Station, closed_window, open_window, spec, utc_now

from cutover.local.airflow_server import airflow, connection
from cutover.local.program import HOST, free_port
from cutover.local.servers import Server

# Tests in this folder import airflow themselves, which makes a home for itself where it is told to.
os.environ.setdefault("AIRFLOW_HOME", str(ROOT / ".local" / "airflow-tests"))


@pytest.fixture(scope="session")
def slack() -> Iterator[Slack]:
    server = Slack()
    yield server
    server.close()


@pytest.fixture(scope="module")
def station(mysql_server: Server, pg_server: Server, slack: Slack) -> Iterator[Station]:
    now = utc_now()
    due, later = now - timedelta(minutes=30), now + timedelta(days=3)
    specs = [
        spec("good", open_window(now), schedule=f"{due.minute} {due.hour} * * *"),
        spec("missed", closed_window(now), schedule=f"0 12 * * {later.isoweekday() % 7}"),
        spec("closed", closed_window(now)),
        spec("rehearsed", on_success=True),
        spec("chunk_fails"),
        spec("cell_changed", slack="slack_dead"),
        spec("no_way_back"),
        spec("killed", retries=1, slack="slack_dead", on_success=True),
        unanswered(),
        spec("flowing", strategy="streaming"),
        spec("passing", strategy="incremental"),
    ]
    with tempfile.TemporaryDirectory(prefix="cutover-station-") as name:
        folder = Path(name)
        stations.write(folder / "migrations", specs)
        source = stations.seed(mysql_server)
        environment = {
            "CUTOVER_HOME": str(folder / "runs"),
            "CUTOVER_LEDGER": f"sqlite:///{folder / 'runs' / 'ledger.db'}",
            "CUTOVER_MIGRATIONS": str(folder / "migrations"),
            "AIRFLOW_CONN_MUSEUM": connection(source),
            "AIRFLOW_CONN_SLACK_DEFAULT": _webhook(slack.port),
            "AIRFLOW_CONN_SLACK_DEAD": _webhook(free_port()),
        }
        (folder / "runs").mkdir()
        for each in specs:
            target = stations.make_target(pg_server, each["name"], replaced=each["name"] != "good")
            environment[f"AIRFLOW_CONN_{each['name'].upper()}"] = connection(target)
        with airflow(folder / "airflow", ROOT / "dags", ROOT / "plugins", environment, 5, 0.2) as running:
            yield Station(running, source, pg_server, slack, folder, environment)


def unanswered() -> dict[str, Any]:
    """A migration whose application does not answer."""
    made = spec("unanswered")
    made["schema"] = {
        "validation": {
            "postMigration": {"performanceValidation": True, "applicationValidation": True},
            "queries": {"of one": "SELECT id, score FROM visits WHERE person_id = 7 ORDER BY id"},
            "endpoints": {"home": {"url": f"http://{HOST}:{free_port()}/", "attempts": 1}},
        }
    }
    return made


def _webhook(port: int) -> str:
    given = {"conn_type": "slackwebhook", "schema": "http", "host": f"{HOST}:{port}/services", "password": "T/B/X"}
    return json.dumps(given)
