"""Runs are taken back under the real scheduler: asked for, approved, judged, refused and killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import station as stations
from rollbacks import (
    NAMES,
    OLD,
    REASON,
    Supervisor,
    answer,
    ask,
    documented,
    ended,
    going_back,
    heard,
    held_up,
    in_place,
    kill,
    request,
    untouched,
)
from station import PEOPLE, ROOT, Slack, Station, change, dump, rows, utc_now, wait_for

from cutover import report
from cutover.local.airflow_server import USER, Airflow, airflow, connection
from cutover.local.program import HOST
from cutover.local.servers import Server

# An Airflow of its own takes a minute; what the steps do is proved by the default suite without one.
pytestmark = [pytest.mark.timeout(900), pytest.mark.slow]

OTHER = "second"
APPROVED = {"approvalRequired": True}


def hooked(name: str, url: str, stop: str) -> dict[str, Any]:
    stopping: list[Any] = [
        {"http": {"url": f"{url}/{name}/{stop}"}},
        {"sql": "INSERT INTO kept (body) VALUES ('stopped')"},
    ]
    starting: list[Any] = [
        {"sql": "UPDATE kept SET body = 'going' WHERE body = 'stopped'"},
        {"http": {"url": f"{url}/{name}/start"}},
    ]
    return going_back(
        name,
        applications={"stop": stopping, "restart": starting},
        execution={"preRollback": {"stopApplications": True}, "postRollback": {"restartApplications": True}},
    )


def migrations(url: str) -> list[dict[str, Any]]:
    later = utc_now() + timedelta(hours=12)
    return [
        going_back("returned", execution={"preRollback": {"notifyStakeholders": True}}),
        going_back("approving", triggers={"manual": APPROVED}),
        going_back("unheard", triggers={"manual": APPROVED | {"approvalTimeout": "2s"}}),
        going_back("overdue", triggers={"manual": {"rollbackWindow": "1ms"}}),
        hooked("announced", url, "stop"),
        hooked("refusing", url, "refuse"),
        going_back(
            "judged",
            triggers={"scheduled": {"enabled": True, "schedule": f"{later.minute} {later.hour} * * *"}},
        ),
        going_back("bereft", retries=1, execution={"preRollback": {"backupCurrentState": False}}),
    ]


@pytest.fixture(scope="module")
def supervisor(pg_server: Server) -> Iterator[Supervisor]:
    server = Supervisor(pg_server)
    yield server
    server.close()


@pytest.fixture(scope="module")
def station(mysql_server: Server, pg_server: Server, slack: Slack, supervisor: Supervisor) -> Iterator[Station]:
    specs = migrations(supervisor.url)
    webhook = {"conn_type": "slackwebhook", "schema": "http", "host": f"{HOST}:{slack.port}/services"}
    with tempfile.TemporaryDirectory(prefix="cutover-rollbacks-") as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        (folder / "runs").mkdir()
        stations.write(folder / "migrations", specs)
        source = stations.seed(mysql_server)
        environment = {
            "CUTOVER_HOME": str(folder / "runs"),
            "CUTOVER_LEDGER": f"sqlite:///{folder / 'runs' / 'ledger.db'}",
            "CUTOVER_MIGRATIONS": str(folder / "migrations"),
            "AIRFLOW_CONN_MUSEUM": connection(source),
            "AIRFLOW_CONN_SLACK_DEFAULT": json.dumps(webhook | {"password": "T/B/X"}),
        }
        for each in specs:
            target = stations.make_target(pg_server, each["name"], replaced=True)
            environment[f"AIRFLOW_CONN_{each['name'].upper()}"] = connection(target)
        for key, value in environment.items():
            patch.setenv(key, value)
        settings = environment | {
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin,{OTHER}:op",
            "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "1",
        }
        with airflow(folder / "airflow", ROOT / "dags", ROOT / "plugins", settings, 5, 0.2) as running:
            yield Station(running, source, pg_server, slack, folder, environment)


@pytest.fixture(scope="module")
def other(station: Station) -> Airflow:
    """The same Airflow as another user sees it, whose password it has made."""
    passwords = json.loads((station.airflow.folder / "passwords.json").read_text())
    return Airflow(station.airflow.url, OTHER, passwords[OTHER], station.airflow.folder)


@pytest.fixture
def written(station: Station) -> str:
    """A run in place whose rollback needs an approval; rows were written since its cutover."""
    run_id = in_place(station, "approving")
    change(
        station.target("approving"),
        "INSERT INTO public.people (id, name) VALUES (900, 'late') ON CONFLICT DO NOTHING",
        "UPDATE public.visits SET score = 1 WHERE id IN (7, 8)",
        "DELETE FROM public.notes WHERE id = 3",
    )
    return run_id


def test_the_one_who_asks_must_not_approve(station: Station, written: str) -> None:
    with untouched(station.target("approving")):
        dag_run = ask(station, "approving")
        request(station, "approving", dag_run)
        answer(station.airflow, "approving", dag_run, "Approve")
        state, tasks = ended(station, "approving", dag_run)
    assert state == "failed"
    assert (tasks["approved"], tasks["stop_applications"], tasks["go_back"]) == (
        "failed",
        "upstream_failed",
        "upstream_failed",
    )
    why = f"run {written} is not taken back: {USER} asked for it and must not approve it; nothing was changed"
    assert why in station.log("approving__rollback", dag_run, "approved")
    assert station.ledger.last(written, "rollback_approved") is None


def test_a_request_that_is_rejected_changes_nothing(station: Station, written: str, other: Airflow) -> None:
    with untouched(station.target("approving")):
        dag_run = ask(station, "approving")
        request(station, "approving", dag_run)
        answer(other, "approving", dag_run, "Reject")
        state, tasks = ended(station, "approving", dag_run)
    assert (state, tasks["go_back"]) == ("failed", "upstream_failed")
    assert f"{OTHER} has rejected it" in station.log("approving__rollback", dag_run, "approved")
    told = documented(station, written)
    assert (told["status"], told["approved_by"]) == ("not taken back", None)
    assert told["refused"] == f"{OTHER} has rejected it"


def test_another_user_is_shown_what_would_be_lost_and_approves(station: Station, written: str, other: Airflow) -> None:
    dag_run = ask(station, "approving", reason=f"{REASON}\n* Nothing was written")
    shown = request(station, "approving", dag_run)
    assert shown["subject"] == "Take a run of approving back?"
    assert shown["body"].splitlines() == [
        f"* **{USER}** asks: {REASON} * Nothing was written",
        f"* Run {written} would be taken back by ddl_rollback.",
        "* public.notes: 0 rows that were written since are lost, and 1 that were changed or deleted come back as "
        "they were",
        "* public.people: 1 rows that were written since are lost",
        "* public.visits: 2 rows that were written since are lost, and 2 that were changed or deleted come back as "
        "they were",
        "* What is replaced is kept until the next run succeeds; it can be put in place again.",
    ]
    assert rows(station.target("approving"), "SELECT name FROM public.people WHERE id = 900") == [("late",)]

    answer(other, "approving", dag_run, "Approve")
    assert ended(station, "approving", dag_run)[0] == "success"

    assert rows(station.target("approving"), NAMES) == OLD
    (approved,) = station.ledger.events(written, "rollback_approved")
    assert approved.detail["by"] == OTHER
    told = documented(station, written)
    assert {key: told[key] for key in ("status", "asked_by", "approved_by", "reason")} == {
        "status": "taken back",
        "asked_by": USER,
        "approved_by": OTHER,
        "reason": f"{REASON}\n* Nothing was written",
    }
    assert f"Cause: {REASON}\n" in heard(station, "approving", "rolled back")


def test_a_run_of_another_migration_is_refused(station: Station) -> None:
    # It needs an approval; the DAG that is asked would not wait for one.
    run_id = in_place(station, "approving")
    with untouched(station.target("approving")):
        dag_run = ask(station, "returned", run=run_id)
        state, tasks = ended(station, "returned", dag_run)
    assert (state, tasks["ask"], tasks["document"]) == ("failed", "failed", "skipped")
    why = f"run {run_id} is of approving: trigger the DAG approving__rollback"
    assert why in station.log("returned__rollback", dag_run, "ask")


def test_a_run_of_airflow_goes_back_and_by_the_command_line_forth(station: Station) -> None:
    target = station.target("returned")
    dag_run = station.start("returned")
    assert station.finish("returned", dag_run) == "success"
    assert len(rows(target, NAMES)) == PEOPLE

    state, tasks = ended(station, "returned", ask(station, "returned"))

    assert (state, set(tasks.values())) == ("success", {"success"})
    assert rows(target, NAMES) == OLD
    assert rows(target, "SELECT to_regclass('public.visits'), count(*) FROM public.kept") == [(None, 20)]
    told = documented(station, f"returned/{dag_run}")
    assert (told["status"], told["reason"], told["asked_by"]) == ("taken back", REASON, USER)
    begins = heard(station, "returned", "rollback begins")
    for words in (f"Run: returned/{dag_run}\n", f"**{USER}** asks: {REASON}", "would be taken back by ddl_rollback"):
        assert words in begins
    assert f"Cause: {REASON}\n" in heard(station, "returned", "rolled back")

    done = subprocess.run(
        [Path(sys.executable).parent / "cutover", "rollback", "returned", "--undo"],
        env={**os.environ, **station.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(rows(target, NAMES)) == PEOPLE
    assert station.report("returned", dag_run).status == report.COMPLETED


def test_a_request_that_nobody_answers_changes_nothing(station: Station) -> None:
    in_place(station, "unheard")
    with untouched(station.target("unheard")):
        state, tasks = ended(station, "unheard", ask(station, "unheard"))
    assert (state, tasks["approved"], tasks["go_back"]) == ("failed", "failed", "upstream_failed")
    assert "nobody has answered in time; nothing was changed" in heard(station, "unheard", "rollback not approved")


def test_after_the_window_nobody_may_ask(station: Station) -> None:
    run_id = in_place(station, "overdue")
    with untouched(station.target("overdue")):
        dag_run = ask(station, "overdue")
        state, tasks = ended(station, "overdue", dag_run)
    assert state == "failed"
    assert (tasks["ask"], tasks["go_back"], tasks["document"]) == ("failed", "upstream_failed", "skipped")
    why = f"the rollback window of overdue is over: run {run_id} was cut over at "
    assert why in station.log("overdue__rollback", dag_run, "ask")


def test_the_application_is_stopped_before_and_started_after(station: Station, supervisor: Supervisor) -> None:
    in_place(station, "announced")
    target = station.target("announced")

    assert ended(station, "announced", ask(station, "announced"))[0] == "success"

    asked = [each for each in supervisor.asked if each[0].startswith("/announced/")]
    assert asked == [("/announced/stop", PEOPLE), ("/announced/start", len(OLD))]
    assert rows(target, "SELECT body FROM public.kept WHERE id > 20") == [("going",)]


def test_an_application_that_does_not_stop_keeps_its_tables(station: Station, supervisor: Supervisor) -> None:
    run_id = in_place(station, "refusing")
    with untouched(station.target("refusing")):
        state, tasks = ended(station, "refusing", ask(station, "refusing"))
    assert state == "failed"
    assert (tasks["stop_applications"], tasks["go_back"], tasks["restart_applications"]) == (
        "failed",
        "upstream_failed",
        "upstream_failed",
    )
    assert [path for path, _ in supervisor.asked if path.startswith("/refusing/")] == ["/refusing/refuse"]
    told = heard(station, "refusing", "rollback failed")
    for words in ("stop_applications: number 1, POST http://", "500", "Step: stop_applications\n"):
        assert words in told
    assert documented(station, run_id)["status"] == "not taken back"


def test_what_is_judged_at_fixed_times_stands_or_goes_back(station: Station) -> None:
    target, dag = station.target("judged"), "judged__rollback_check"
    station.airflow.wait_for_dag(dag)

    def judged() -> tuple[str, dict[str, str], str]:
        dag_run = station.airflow.trigger(dag, {})
        state = station.finish(dag, dag_run)
        return state, station.airflow.tasks(dag, dag_run), station.log(dag, dag_run, "judge")

    with untouched(target):
        state, tasks, said = judged()
    assert (state, set(tasks.values())) == ("success", {"skipped"})
    assert "no run is in place that could be taken back now" in said

    run_id = in_place(station, "judged")
    with untouched(target):
        state, tasks, said = judged()
    assert (state, set(tasks.values())) == ("success", {"skipped"})
    assert f"run {run_id} stands: performance, errors, validation are in order" in said

    change(target, "UPDATE public.visits SET score = 99.99 WHERE id = 7")
    state, tasks, _ = judged()
    assert (state, set(tasks.values())) == ("success", {"success"})
    assert rows(target, NAMES) == OLD
    told = documented(station, run_id)
    assert (told["status"], told["asked_by"]) == ("taken back", "schedule")
    for words in ("validation: ", "visits[7].score"):
        assert words in told["reason"]
    assert "visits[7].score" in heard(station, "judged", "rolled back")


def test_a_judgement_that_cannot_be_made_is_told(station: Station) -> None:
    in_place(station, "judged")
    dag, admin = "judged__rollback_check", replace(station.target_server, name="postgres")
    station.airflow.wait_for_dag(dag)
    change(admin, "ALTER DATABASE judged ALLOW_CONNECTIONS false")
    try:
        dag_run = station.airflow.trigger(dag, {})
        assert station.finish(dag, dag_run) == "failed"
    finally:
        change(admin, "ALTER DATABASE judged ALLOW_CONNECTIONS true")
    tasks = station.airflow.tasks(dag, dag_run)
    assert (tasks["judge"], tasks["go_back"], tasks["document"]) == ("failed", "upstream_failed", "skipped")
    told = heard(station, "judged", "rollback check failed")
    for words in (f"Run: {dag}/{dag_run}\n", "Step: judge\n", "not currently accepting connections"):
        assert words in told
    assert len(rows(station.target("judged"), NAMES)) == PEOPLE


def test_a_rollback_killed_while_it_waits_is_retried_exactly(station: Station) -> None:
    target, dag = station.target("bereft"), "bereft__rollback"
    before = dump(target)
    run_id = in_place(station, "bereft")

    with psycopg.connect(target.url()) as holder, psycopg.connect(target.url(), autocommit=True) as eye:
        holder.execute("LOCK TABLE public.visits IN ACCESS SHARE MODE")
        dag_run = ask(station, "bereft")
        kill(wait_for(lambda: held_up(eye, "bereft"), "the rollback to wait for its lock"))

    assert station.finish(dag, dag_run) == "success"
    found = station.airflow.call("GET", f"/dags/{dag}/dagRuns/{dag_run}/taskInstances")["task_instances"]
    tries = {task["task_id"]: task["try_number"] for task in found}
    assert (tries["stop_applications"], tries["go_back"], tries["validate_rollback"]) == (1, 2, 1)
    assert dump(target) == before
    assert [event.kind for event in station.ledger.events(run_id, "went_back", "rolled_back")] == [
        "went_back",
        "rolled_back",
    ]


def test_no_password_is_written_anywhere(station: Station) -> None:
    # The last test of this file: what the ones before it have left is searched.
    secrets = {station.source.password, station.target_server.password}
    assert [str(file) for file, text in station.written() for secret in secrets if secret in text] == []
    assert not any(secret in text for text in station.slack.texts for secret in secrets)
