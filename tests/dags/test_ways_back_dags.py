"""Every way back under the real scheduler: to the byte, killed, after a failed run, and with the user's own DAGs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import station as stations
from rollbacks import NAMES, OLD, ask, documented, ended, going_back, heard, held_up, kill, untouched
from station import PEOPLE, ROOT, Slack, Station, change, dump, rows, wait_for

import clusters
from cutover import report
from cutover.local.airflow_server import airflow, connection
from cutover.local.program import HOST
from cutover.local.servers import Server
from cutover.rollback.registry import STRATEGIES
from cutover.spec.rollback import Way

# An Airflow of its own, and runs of it, take minutes.
pytestmark = [pytest.mark.timeout(900), pytest.mark.slow]

WHOLE = [way for way in STRATEGIES if STRATEGIES[way].whole]
# Empties a table once it is live, for which validate_cutover fails.
SPOILED = (
    """CREATE FUNCTION spoil() RETURNS event_trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF current_query() LIKE '%.notes SET SCHEMA "public"' THEN
        DELETE FROM public.notes;
      END IF;
    END $$""",
    "CREATE EVENT TRIGGER spoil ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION spoil()",
)
# DAGs as a user has them, who wants to see what they were told and which tables were live then.
APPLICATION = """
import json, os
from pathlib import Path
import psycopg
from airflow.sdk import dag, get_current_context, task

def application(name, needs=None):
    @dag(dag_id=name, schedule=None)
    def made():
        @task
        def tell():
            conf = get_current_context()["dag_run"].conf
            with psycopg.connect(os.environ["APPLICATION_DATABASE"]) as session:
                live, = session.execute("SELECT count(*) FROM public.people").fetchone()
            with open(os.environ["APPLICATION_TOLD"], "a") as told:
                print(json.dumps({"dag": name, "live": live, **conf}), file=told)
            if needs is not None and not Path(os.environ["APPLICATION_TOLD"]).with_name(needs).exists():
                raise RuntimeError("there is no " + needs)
        tell()
    return made()

stop, start, stuck, asleep = map(application, ["stop", "start", "stuck", "asleep"], [None, None, "lever", None])
"""


def types(way: str, archive: Path) -> dict[str, Any]:
    given: dict[str, Any] = {
        "ddl_rollback": {},
        "data_restore": {"data": {"strategy": "data_restore"}},
        "backup_restore": {"schema": {"strategy": "backup_restore"}},
        "snapshot_restore": {"schema": {"strategy": "snapshot_restore"}},
        "point_in_time": {"data": {"strategy": "point_in_time", "pointInTime": {"archiveLocation": str(archive)}}},
    }
    return given[way]  # type: ignore[no-any-return]


def hooked(name: str, stop: str, restart: str) -> dict[str, Any]:
    return going_back(
        name,
        applications={"stop": [{"dag": {"id": stop}}], "restart": [{"dag": {"id": restart, "timeout": "2m"}}]},
        execution={"preRollback": {"stopApplications": True}, "postRollback": {"restartApplications": True}},
    )


@pytest.fixture(scope="module")
def station(mysql_server: Server, archiving: Server, archive: Path, stage: Path, slack: Slack) -> Iterator[Station]:
    specs = [going_back(way, retries=1, types=types(way, archive)) for way in STRATEGIES]
    specs += [
        hooked("drained", "stop", "start"),
        hooked("blocked", "stuck", "start"),
        hooked("alone", "nobody", "asleep"),
    ]
    webhook = {"conn_type": "slackwebhook", "schema": "http", "host": f"{HOST}:{slack.port}/services"}
    with tempfile.TemporaryDirectory(prefix="cutover-ways-") as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        shutil.copytree(ROOT / "dags", folder / "dags")
        (folder / "dags" / "application.py").write_text(APPLICATION)
        stations.write(folder / "migrations", specs)
        environment = {
            # Where base backups are, which the server's OS user has to reach.
            "CUTOVER_HOME": str(stage / "runs"),
            "CUTOVER_LEDGER": f"sqlite:///{folder / 'ledger.db'}",
            "CUTOVER_MIGRATIONS": str(folder / "migrations"),
            "AIRFLOW_CONN_MUSEUM": connection(stations.seed(mysql_server)),
            "AIRFLOW_CONN_SLACK_DEFAULT": json.dumps(webhook | {"password": "T/B/X"}),
            "APPLICATION_TOLD": str(folder / "told"),
            "APPLICATION_DATABASE": replace(archiving, name="drained").url(),
        }
        for each in specs:
            target = stations.make_target(archiving, each["name"], replaced=True)
            environment[f"AIRFLOW_CONN_{each['name'].upper()}"] = connection(target)
        for key, value in environment.items():
            patch.setenv(key, value)
        with airflow(folder / "airflow", folder / "dags", ROOT / "plugins", environment, 5, 0.2) as running:
            yield Station(running, mysql_server, archiving, slack, folder, environment)


def held(station: Station, way: Way) -> AbstractContextManager[None]:
    """Hold the exchange up: of tables by a lock, of databases by a session that does not end."""
    target = station.target(way)
    return clusters.stopped(target) if way in WHOLE else locked(target)


@contextmanager
def locked(target: Server) -> Iterator[None]:
    with psycopg.connect(target.url()) as holder:
        holder.execute("LOCK TABLE public.visits IN ACCESS SHARE MODE")
        yield


def content(target: Server) -> str:
    """All of a database but what runs keep in it: what belongs to the database itself, too."""
    return dump(target, "--create", "--exclude-schema=cutover_*")


@pytest.mark.parametrize("way", STRATEGIES)
def test_run_and_back_and_run_and_killed_on_the_way_back(station: Station, way: Way) -> None:
    target, dag = station.target(way), f"{way}__rollback"
    change(target, "COMMENT ON TABLE people IS 'the old ones'", "GRANT SELECT ON people TO PUBLIC")
    before = content(target)

    assert station.finish(way, station.start(way)) == "success"
    assert len(rows(target, NAMES)) == PEOPLE
    state, tasks = ended(station, way, ask(station, way))
    assert (state, set(tasks.values())) == ("success", {"success"})
    assert content(target) == before

    first = station.start(way)
    assert station.finish(way, first) == "success"
    assert len(rows(target, NAMES)) == PEOPLE
    with held(station, way), psycopg.connect(target.url("postgres"), autocommit=True) as eye:
        dag_run = ask(station, way)
        kill(wait_for(lambda: held_up(eye, way), "the rollback to be held up"))
    assert station.finish(dag, dag_run) == "success"
    found = station.airflow.call("GET", f"/dags/{dag}/dagRuns/{dag_run}/taskInstances")["task_instances"]
    assert {task["task_id"]: task["try_number"] for task in found}["go_back"] == 2
    assert content(target) == before
    told = documented(station, f"{way}/{first}")
    assert (told["status"], told["way"]) == ("taken back", way)


@pytest.mark.parametrize("way", STRATEGIES)
def test_a_run_that_fails_when_it_is_live_goes_back_by_itself(station: Station, way: Way) -> None:
    target = station.target(way)
    change(target, *SPOILED)
    before = content(target)
    dag_run = station.start(way)
    assert station.finish(way, dag_run) == "failed"
    assert content(target) == before
    found = station.report(way, dag_run)
    assert (found.status, found.failed_step) == (report.ROLLED_BACK, "validate_cutover")
    assert "notes: 0 rows, 40 were verified" in heard(station, way, "failed")
    change(target, "DROP EVENT TRIGGER spoil", "DROP FUNCTION spoil")


def told(station: Station) -> list[dict[str, Any]]:
    """What the application's DAGs have been told since this was last asked."""
    file = Path(station.environment["APPLICATION_TOLD"])
    lines = file.read_text().splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return [json.loads(line) for line in lines]


def cutover(station: Station, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "cutover"
    environment = {**os.environ, **station.environment}
    return subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, check=False)


def test_what_the_application_is_stopped_with_must_be_there(station: Station) -> None:
    with untouched(station.target("alone")):
        dag_run = station.start("alone")
        assert station.finish("alone", dag_run) == "failed"
    said = station.log("alone", dag_run, "preflight")
    assert "rollback.applications.stop: number 1, DAG nobody: Airflow has no DAG nobody; add it" in said
    assert "rollback.applications.restart: number 1, DAG asleep: DAG asleep is paused; unpause it" in said


def test_the_users_own_dags_stop_and_start_the_application(station: Station) -> None:
    for dag in ("stop", "start"):
        station.airflow.wait_for_dag(dag)
    target = station.target("drained")
    by_hand = cutover(station, "run", "drained", "--replace-target")
    assert by_hand.returncode == 2
    assert "DAG stop: it can be run only within Airflow" in by_hand.stderr

    dag_run = station.start("drained")
    assert station.finish("drained", dag_run) == "success"
    assert ended(station, "drained", ask(station, "drained"))[0] == "success"
    run = {"migration": "drained", "run": f"drained/{dag_run}"}
    assert told(station) == [
        {"dag": "stop", "live": PEOPLE, "step": "stop_applications"} | run,
        {"dag": "start", "live": len(OLD), "step": "restart_applications"} | run,
    ]

    refused = cutover(station, "rollback", "drained", "--undo")
    assert refused.returncode == 2
    assert "take the run back with --without-hooks" in refused.stderr
    assert rows(target, NAMES) == OLD
    assert cutover(station, "rollback", "drained", "--undo", "--without-hooks").returncode == 0
    assert len(rows(target, NAMES)) == PEOPLE
    # Whoever asks again has them done again.
    assert ended(station, "drained", ask(station, "drained"))[0] == "success"
    assert [each["dag"] for each in told(station)] == ["stop", "start"]


def test_a_failed_run_stops_the_application_with_them_too(station: Station) -> None:
    for dag in ("stop", "start"):
        station.airflow.wait_for_dag(dag)
    target = station.target("drained")
    change(target, *SPOILED)
    before = content(target)
    assert station.finish("drained", station.start("drained")) == "failed"
    assert content(target) == before
    assert [(each["dag"], each["live"]) for each in told(station)] == [("stop", PEOPLE), ("start", len(OLD))]
    change(target, "DROP EVENT TRIGGER spoil", "DROP FUNCTION spoil")


def test_a_dag_that_fails_keeps_the_tables_in_place(station: Station) -> None:
    for dag in ("stuck", "start"):
        station.airflow.wait_for_dag(dag)
    target, lever = station.target("blocked"), station.folder / "lever"
    dag_run = station.start("blocked")
    assert station.finish("blocked", dag_run) == "success"
    with untouched(target):
        state, tasks = ended(station, "blocked", ask(station, "blocked"))
    assert (state, tasks["stop_applications"], tasks["go_back"]) == ("failed", "failed", "upstream_failed")
    assert "stop_applications: number 1, DAG stuck: its run" in heard(station, "blocked", "rollback failed")
    lever.touch()
    assert ended(station, "blocked", ask(station, "blocked"))[0] == "success"
    assert rows(target, NAMES) == OLD
