"""Whole runs under the real scheduler with LocalExecutor, good and bad."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import MySQLdb
import psutil
import psycopg
import pytest
from station import (
    NOTES,
    PATIENCE,
    PEOPLE,
    VISITS,
    Station,
    change,
    dump,
    locked,
    on_shadow_ddl,
    rows,
    utc_now,
    wait_for,
)

from cutover import window
from cutover.local.servers import Server
from cutover.spec import load_spec

pytestmark = pytest.mark.timeout(900)


def assert_everything_arrived(target: Server) -> None:
    people = [(n, f"Zoë {n}", ("active", "inactive", None)[n % 3]) for n in range(1, PEOPLE + 1)]
    assert rows(target, "SELECT id, name, status FROM public.people ORDER BY id") == people
    start = datetime(2025, 1, 1)
    visits = [(n, 1 + n % PEOPLE, start + timedelta(hours=n), Decimal(n) / 100) for n in range(1, VISITS + 1)]
    assert rows(target, "SELECT id, person_id, seen, score FROM public.visits ORDER BY id") == visits
    notes = [(n, f"note {n} 📷") for n in range(1, NOTES + 1)]
    assert rows(target, "SELECT id, body FROM public.notes ORDER BY id") == notes
    assert rows(target, "SELECT count(*) FROM public.kept") == [(20,)]


def shadows(target: Server) -> list[str]:
    return [
        name for (name,) in rows(target, "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'cutover!_%' ESCAPE '!'")
    ]


def runs_of(station: Station, dag: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = station.airflow.call("GET", f"/dags/{dag}/dagRuns")["dag_runs"]
    return found


def test_a_slot_missed_within_an_open_window_is_made_up_and_migrates_everything(station: Station) -> None:
    # Its slot was half an hour ago, when Airflow was not there yet; its window is still open.
    station.airflow.wait_for_dag("good")
    run = wait_for(lambda: runs_of(station, "good"), "the scheduler to start a run by itself")[0]
    assert run["run_type"] == "scheduled"

    assert station.finish("good", run["dag_run_id"]) == "success"

    target = station.target("good")
    assert_everything_arrived(target)
    states = station.airflow.tasks("good", run["dag_run_id"])
    assert {name for name, state in states.items() if state == "skipped"} == {
        "rollback_gate",
        "rollback",
        "validate_rollback",
    }
    report = station.report("good", run["dag_run_id"])
    assert report.status == "completed"
    assert report.rows == PEOPLE + VISITS + NOTES
    assert sum(table.verified for table in report.tables) == report.rows
    assert station.slack.of("good") == []
    # The way back is kept, the staging files are not.
    assert shadows(target) == [station.shadow("good", run["dag_run_id"])]
    assert not (station.run_folder("good", run["dag_run_id"]) / "staging").exists()


def test_one_failing_chunk_rolls_back_once_the_others_have_ended(station: Station) -> None:
    target = station.target("chunk_fails")
    on_shadow_ddl(target, "CREATE TABLE", "people", "ALTER TABLE %s ADD CONSTRAINT no_13 CHECK (id <> 13)")
    before = dump(target)
    run_id = station.start("chunk_fails")

    # The load of visits waits for a lock; meanwhile that of people fails.
    with locked(target, station.shadow("chunk_fails", run_id), "visits"):
        ended = {"failed", "running", "success"}
        wait_for(lambda: set(_loads(station, run_id).values()) == ended, "one load to fail and another to wait")
        assert station.airflow.tasks("chunk_fails", run_id)["rollback_gate"] not in ("running", "success")

    assert station.finish("chunk_fails", run_id) == "failed"
    states = station.airflow.tasks("chunk_fails", run_id)
    assert sorted(_loads(station, run_id).values()) == ["failed", "success", "success"]
    assert (states["rollback"], states["validate_rollback"]) == ("success", "success")
    assert states["cutover"] == "upstream_failed"
    assert dump(target) == before
    assert station.report("chunk_fails", run_id).status == "failed and rolled back"

    failure, rollback = station.slack.of("chunk_fails")
    assert "*Migration chunk_fails failed*" in failure
    assert "*Migration chunk_fails rolled back*" in rollback
    for message, step in ((failure, "chunks.load"), (rollback, "rollback")):
        assert f"Run: chunk_fails/{run_id}\n" in message
        assert f"Step: {step}\n" in message
        assert re.search(rf"<{re.escape(station.airflow.url)}/dags/chunk_fails/runs/[^|>]+\|Log>", message)
    # People never arrived; visits and notes had, when everything was taken back.
    assert f"Rows done: {VISITS + NOTES}\n" in rollback
    # The constraint is named wherever somebody may look for the cause.
    assert "no_13" in failure
    assert "no_13" in rollback
    assert "no_13" in (station.report("chunk_fails", run_id).cause or "")


def _loads(station: Station, run_id: str) -> dict[str, str]:
    states = station.airflow.tasks("chunk_fails", run_id)
    return {name: state for name, state in states.items() if name.startswith("chunks.load")}


def test_a_cell_changed_after_the_load_is_found_and_rolled_back_though_slack_is_dead(station: Station) -> None:
    target = station.target("cell_changed")
    # The primary key is added after the load.
    on_shadow_ddl(target, "ALTER TABLE", "visits", "UPDATE %s SET score = 99.99 WHERE id = 7")
    before = dump(target)

    run_id = station.start("cell_changed")

    assert station.finish("cell_changed", run_id) == "failed"
    states = station.airflow.tasks("cell_changed", run_id)
    assert sorted(state for name, state in states.items() if name.startswith("validate.rows")) == [
        "failed",
        "success",
        "success",
    ]
    assert (states["rollback"], states["validate_rollback"]) == ("success", "success")
    assert dump(target) == before
    difference = "visits[7].score: source Decimal('0.07'), target Decimal('99.99')"
    report = station.report("cell_changed", run_id)
    assert report.differences == [difference]
    assert report.status == "failed and rolled back"
    assert difference in (report.cause or "")
    assert difference in station.log("cell_changed", run_id, "validate.rows")
    kinds = [event.detail["what"] for event in station.ledger.events(f"cell_changed/{run_id}", "alert_failed")]
    assert kinds == ["failed", "rolled back"]


@pytest.mark.slow
def test_an_application_that_does_not_answer_after_the_cutover_takes_the_run_back(station: Station) -> None:
    target = station.target("unanswered")
    before = dump(target)

    run_id = station.start("unanswered")

    assert station.finish("unanswered", run_id) == "failed"
    states = station.airflow.tasks("unanswered", run_id)
    assert {name: states[name] for name in ("validate.application", "validate.performance", "validate_cutover")} == {
        "validate.application": "success",
        "validate.performance": "success",
        "validate_cutover": "success",
    }
    assert (states["validate_endpoints"], states["validate_rollback"]) == ("failed", "success")
    assert dump(target) == before
    report = station.report("unanswered", run_id)
    assert report.status == "failed and rolled back"
    assert report.failed_step == "validate_endpoints"
    assert "endpoint home: GET http://" in (report.cause or "")
    assert report.validation["application"]["status"] == "failed"
    (query,) = report.validation["performance"]["details"]["queries"]
    assert (query["source_rows"], query["target_rows"]) == (6, 6)


@pytest.mark.slow
def test_a_way_back_that_fails_says_what_is_left_and_how_to_finish(station: Station) -> None:
    target = station.target("no_way_back")
    change(target, "CREATE SCHEMA audit")
    on_shadow_ddl(
        target,
        "CREATE TABLE",
        "people",
        "ALTER TABLE %s ADD CHECK (id <> 13)",
        "CREATE VIEW audit.peek AS SELECT id FROM %s",
    )
    before = dump(target)

    run_id = station.start("no_way_back")

    assert station.finish("no_way_back", run_id) == "failed"
    states = station.airflow.tasks("no_way_back", run_id)
    assert (states["rollback"], states["validate_rollback"]) == ("failed", "upstream_failed")
    left = station.shadow("no_way_back", run_id)
    assert shadows(target) == [left]
    cure = f"cutover rollback no_way_back --run no_way_back/{run_id}"
    events = station.ledger.events(f"no_way_back/{run_id}", "step_failed")
    (cause,) = [event.detail["cause"] for event in events if event.detail["step"] == "rollback"]
    for words in ("audit.peek", f"schema {left} of", "is left", cure):
        assert words in cause
        assert words in station.log("no_way_back", run_id, "rollback")
    # The live tables were never touched.
    assert rows(target, "SELECT name FROM public.people ORDER BY id") == [("was here before",), ("so was I",)]
    # Whoever is on call must hear of it, and of more than the failure that went before.
    (told,) = wait_for(
        lambda: [text for text in station.slack.of("no_way_back") if "Step: rollback\n" in text],
        "word of the failed way back",
    )
    assert cure in told

    # The cause gone, the message's own words finish the job.
    change(target, "DROP VIEW audit.peek")
    done = subprocess.run(
        [Path(sys.executable).parent / "cutover", *cure.split()[1:]],
        env={**os.environ, **station.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert dump(target) == before


def test_a_loading_task_killed_with_its_rows_written_is_retried_exactly(station: Station) -> None:
    target = station.target("killed")
    run_id = station.start("killed")
    schema = station.shadow("killed", run_id)

    # Its rows are in the table, its marker waits for the lock, nothing is committed.
    with locked(target, schema, "cutover_chunks") as eye:
        victim = wait_for(lambda: _writer_of(eye, f"{schema}.visits"), "the load of visits to write its marker")
        os.kill(victim, signal.SIGKILL)
        psutil.wait_procs([psutil.Process(victim)] if psutil.pid_exists(victim) else [], timeout=PATIENCE)

    assert station.finish("killed", run_id) == "success"
    assert_everything_arrived(target)
    tries = [
        task["try_number"]
        for task in station.airflow.call("GET", f"/dags/killed/dagRuns/{run_id}/taskInstances?limit=1000")[
            "task_instances"
        ]
        if task["task_id"] == "chunks.load"
    ]
    assert sorted(tries) == [1, 1, 2]
    markers = f'SELECT table_name, chunk, rows_loaded FROM "{schema}".cutover_chunks ORDER BY 1'
    assert rows(target, markers) == [("notes", 0, NOTES), ("people", 0, PEOPLE), ("visits", 0, VISITS)]
    loaded = [event.detail["chunk"] for event in station.ledger.events(f"killed/{run_id}", "loaded")]
    assert len(loaded) == len(set(loaded)) == 3
    # Slack is dead, and the run none the worse for it.
    assert [e.detail["what"] for e in station.ledger.events(f"killed/{run_id}", "alert_failed")] == ["succeeded"]


def _writer_of(session: psycopg.Connection, table: str) -> int | None:
    """The process on this machine that has written to a table and now waits for a lock on another."""
    row = session.execute(
        "SELECT client_port FROM pg_stat_activity JOIN pg_locks USING (pid) "
        "WHERE relation = %s::regclass AND granted AND mode = 'RowExclusiveLock' AND wait_event_type = 'Lock'",
        (table,),
    ).fetchone()
    if row is None:
        return None
    return next(c.pid for c in psutil.net_connections("tcp") if c.laddr.port == row[0] and c.pid is not None)


@pytest.mark.slow
def test_outside_the_window_a_run_by_hand_ends_before_anything_changes(station: Station) -> None:
    target = station.target("closed")
    before = dump(target)

    run_id = station.start("closed")

    assert station.finish("closed", run_id) == "failed"
    states = station.airflow.tasks("closed", run_id)
    assert states["check_window"] == "failed"
    assert states["preflight"] == "upstream_failed"
    assert states["rollback"] == "skipped"
    assert dump(target) == before
    spec = load_spec(station.folder / "migrations" / "closed" / "migration.yaml")
    (day,) = spec.strategy.planning.scheduling.maintenance_window.days
    (message,) = wait_for(lambda: station.slack.of("closed"), "word of the closed window")
    for words in ("outside the maintenance window of closed", f"{day} 00:30-23:30 UTC", "ignore_window"):
        assert words in station.log("closed", run_id, "check_window")
        assert words in message
    assert station.report("closed", run_id).failed_step == "check_window"


@pytest.mark.slow
def test_a_dry_run_writes_scripts_and_changes_nothing(station: Station) -> None:
    target = station.target("rehearsed")
    before = dump(target)

    run_id = station.start("rehearsed", mode="dry_run")

    assert station.finish("rehearsed", run_id) == "success"
    states = station.airflow.tasks("rehearsed", run_id)
    assert states["plan"] == states["complete"] == "success"
    for name in ("backup", "create_schema", "finish_schema", "cutover", "rollback"):
        assert states[name] == "skipped", name
    assert dump(target) == before
    assert station.report("rehearsed", run_id).status == "planned"
    scripts = station.run_folder("rehearsed", run_id) / "scripts"
    assert "CREATE TABLE visits" in (scripts / "up.sql").read_text()
    assert "DROP TABLE IF EXISTS visits" in (scripts / "down.sql").read_text()
    (message,) = station.slack.of("rehearsed")
    assert "*Migration rehearsed succeeded*" in message


def test_live_tables_are_compared_and_mended_when_somebody_asks(station: Station) -> None:
    target = station.target("good")
    if not rows(target, "SELECT 1 FROM pg_tables WHERE schemaname = 'public' AND tablename = 'visits'"):
        assert station.finish("good", station.start("good", ignore_window=True)) == "success"
    change(
        target, "UPDATE public.visits SET score = score + 0.01 WHERE id = 7", "DELETE FROM public.notes WHERE id = 3"
    )

    run_id = station.start("good__verify")
    assert station.finish("good__verify", run_id) == "failed"
    told = station.log("good__verify", run_id, "conclude")
    for words in ("source and target differ in 2 rows", "visits[7].score: source", "notes[3]: only in the source"):
        assert words in told
    assert any("source and target differ in 2 rows" in text for text in station.slack.texts)

    run_id = station.start("good__verify", repair=True)
    assert station.finish("good__verify", run_id) == "success"
    assert_everything_arrived(target)


@pytest.mark.slow
def test_a_slot_of_long_ago_starts_nothing_outside_the_window(station: Station) -> None:
    station.airflow.wait_for_dag("missed")
    spec = load_spec(station.folder / "migrations" / "missed" / "migration.yaml")
    noon = utc_now().replace(hour=12, minute=0, second=0, microsecond=0)
    stale = next(noon - timedelta(days=n) for n in range(14, 21) if window.is_open(spec, noon - timedelta(days=n)))
    stored = f"{stale:%Y-%m-%d %H:%M:%S.%f}"
    with closing(sqlite3.connect(station.airflow.folder / "airflow.db", timeout=60)) as metadata:
        # As the scheduler leaves it when it goes down before the slot and comes back long after.
        metadata.execute(
            "UPDATE dag SET next_dagrun = ?1, next_dagrun_create_after = ?1, next_dagrun_data_interval_start = ?1, "
            "next_dagrun_data_interval_end = ?1 WHERE dag_id = 'missed'",
            (stored,),
        )
        metadata.commit()

        def slot() -> str:
            row = metadata.execute("SELECT next_dagrun_create_after FROM dag WHERE dag_id = 'missed'").fetchone()
            return str(row[0])

        wait_for(lambda: slot() != stored, "the scheduler to see the old slot")

    for run in runs_of(station, "missed"):
        assert run["state"] == "queued"
        assert run["start_date"] is None
        assert window.is_open(spec, datetime.fromisoformat(run["run_after"]))
    assert not station.ledger.runs("missed")

    # The run that waits for its window is in nobody's way.
    by_hand = station.start("missed", mode="dry_run", ignore_window=True)
    assert station.finish("missed", by_hand) == "success"


def test_no_password_is_written_anywhere(station: Station) -> None:
    # The last test of this file: what the runs before it have left is searched.
    secrets = {station.source.password, station.target_server.password}
    assert [str(file) for file, text in station.written() for secret in secrets if secret in text] == []
    assert not any(secret in text for text in station.slack.texts for secret in secrets)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("flowing", "flowing__stream"),
        ("passing", "passing__incremental"),
    ],
)
@pytest.mark.slow
def test_live_tables_follow_their_source(station: Station, name: str, other: str) -> None:
    run_id = station.start(name)
    assert station.finish(name, run_id) == "success"
    target = station.target(name)
    assert_everything_arrived(target)
    # Its runs begin by themselves, once it is not paused.
    station.airflow.wait_for_dag(other)
    login = {"host": station.source.host, "port": station.source.port, "user": station.source.user}
    with closing(
        MySQLdb.connect(**login, password=station.source.password, database=station.source.name, autocommit=True)
    ) as source:
        source.cursor().execute("INSERT INTO notes VALUES (1000, 'new')")
        wait_for(lambda: rows(target, "SELECT body FROM public.notes WHERE id = 1000") == [("new",)], "the new row")
        source.cursor().execute("DELETE FROM notes WHERE id = 1000")
        wait_for(lambda: rows(target, "SELECT 1 FROM public.notes WHERE id = 1000") == [], "the row to go")
    assert_everything_arrived(target)
