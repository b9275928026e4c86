"""What is asked before a rollback, done around it, rehearsed for it, and what starts it by itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from backward import SHOP, by, completed, without
from helpers import SECRET, access, begin, dump, endpoint, migrations, mysql, postgres, ready, rows, spec
from program import cutover
from test_endpoints import Application

from cutover import report, taking_back
from cutover.errors import CutoverError, PreflightError, RollbackError, VerificationError
from cutover.local.servers import Server
from cutover.run import NotStartedError, run_migration
from cutover.steps import automatic, back, drill, history, switch
from cutover.steps.context import Run

STOP, RESTART = "REVOKE SELECT ON elsewhere.notes FROM PUBLIC", "GRANT SELECT ON elsewhere.notes TO PUBLIC"


@pytest.fixture
def shop(source_db: Server) -> Server:
    mysql(source_db, *SHOP)
    return source_db


@pytest.fixture
def application() -> Iterator[Application]:
    made = Application()
    yield made
    made.close()


def around(url: str, **more: Any) -> dict[str, Any]:
    return {
        "execution": {"preRollback": {"stopApplications": True}, "postRollback": {"restartApplications": True}},
        "applications": {
            "stop": [{"http": {"url": f"{url}/health", "method": "POST"} | more}, {"sql": STOP}],
            "restart": [{"sql": RESTART}, {"http": {"url": f"{url}/health", "method": "PUT"}}],
        },
    }


def asked(run: Run) -> None:
    taking_back.ask(run, None, "it was wrong", "somebody")


def test_the_application_is_stopped_before_and_started_after(
    shop: Server, live: Server, application: Application
) -> None:
    run = completed(shop, live, by("ddl_rollback", **around(application.url)))
    asked(run)
    taking_back.take_back(run)
    steps = [e.detail["step"] for e in run.ledger.events(run.id, "step_finished")][-4:]
    assert steps == ["stop_applications", "rollback", "validate_rollback", "restart_applications"]
    assert [method for method, _, _ in application.asked] == ["POST", "PUT"]
    assert rows(live, "SELECT name FROM customers WHERE id = 3") == [("old 3",)]


@pytest.mark.slow
def test_what_cannot_be_stopped_is_not_taken_back(shop: Server, live: Server, application: Application) -> None:
    run = completed(shop, live, by("ddl_rollback", **around(application.url, status=204)))
    asked(run)
    after = dump(live)
    with pytest.raises(
        RollbackError, match=r"stop_applications: number 1, POST .*/health: status 200 came, and not 204"
    ):
        taking_back.take_back(run)
    assert dump(live) == after
    assert "not taken back" in (run.folder / "rollback.md").read_text()


@pytest.mark.parametrize(
    ("types", "role", "words"),
    [
        ({"schema": {"strategy": "backup_restore"}}, "", "may neither make nor rename databases"),
        ({"schema": {"strategy": "snapshot_restore"}}, "CREATEDB", "own"),
        ({"data": {"strategy": "data_restore"}}, "", None),
        (
            {"data": {"strategy": "point_in_time", "pointInTime": {"enabled": True, "archiveLocation": "/nowhere"}}},
            "",
            "REPLICATION",
        ),
    ],
)
def test_what_a_way_back_lacks_is_said_before_the_run(
    shop: Server, live: Server, pg_server: Server, types: dict[str, Any], role: str, words: str | None
) -> None:
    name = f"plain_{live.name}"
    postgres(
        live,
        f"CREATE ROLE {name} LOGIN PASSWORD '{SECRET}' {role}",
        f"GRANT CREATE ON DATABASE {live.name} TO {name}",
        f"CREATE SCHEMA mine AUTHORIZATION {name}",
    )
    try:
        who = endpoint(live).__class__("postgresql", live.host, live.port, live.name, name, SECRET)
        written = spec(target={"env": "TARGET_DB", "schema": "mine"}, rollback={"types": types})
        run = begin(shop, live, written)
        run.target = who
        if words is None:
            assert run_migration(run).status == report.COMPLETED
            return
        with pytest.raises(NotStartedError) as refused:
            run_migration(run)
        assert words in str(refused.value)
        assert "What works here: ddl_rollback, data_restore" in str(refused.value)
        assert rows(live, "SELECT count(*) FROM pg_tables WHERE schemaname = 'mine'") == [(0,)]
    finally:
        postgres(live, f"DROP OWNED BY {name} CASCADE", f"DROP ROLE {name}")


def test_a_clone_needs_the_database_for_itself(shop: Server, live: Server) -> None:
    with psycopg.connect(live.url(), application_name="till"):
        run = begin(shop, live, by("snapshot_restore"), replace_target=True)
        outcome = run_migration(run)
    assert (outcome.status, outcome.failed_step) == (report.ROLLED_BACK, "backup")
    assert "till" in str(outcome.cause)
    assert rows(live, "SELECT name FROM customers WHERE id = 3") == [("old 3",)]


def test_a_sealed_backup_is_restored_with_its_passphrase_alone(
    shop: Server, live: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BACKUP_KEY", "correct horse")
    monkeypatch.setenv("BACKUPS", str(tmp_path / "backups"))
    before = without(live, "cutover_none")
    sealed = {"enabled": True, "backupLocation": "${BACKUPS}", "encryptionKey": "BACKUP_KEY"}
    written = spec(rollback={"types": {"schema": {"strategy": "backup_restore", "backupRestore": sealed}}})
    run = completed(shop, live, written)
    kept = [file for file in (tmp_path / "backups").rglob("*") if file.is_file()]
    assert kept
    assert not any(b"old 17" in file.read_bytes() for file in kept)
    monkeypatch.setenv("BACKUP_KEY", "wrong")
    asked(run)
    after = dump(live)
    with pytest.raises(CutoverError, match="key"):
        taking_back.take_back(run)
    assert dump(live) == after
    monkeypatch.setenv("BACKUP_KEY", "correct horse")
    taking_back.take_back(run)
    assert without(live, run.shadow) == before
    logged = "".join(str(event) for event in run.ledger.events(run.id))
    assert "correct horse" not in logged


@pytest.mark.slow
def test_backups_are_kept_by_their_number(
    shop: Server, live: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    location = {"enabled": True, "backupLocation": str(tmp_path / "backups"), "keep": 2}
    written = spec(rollback={"types": {"schema": {"strategy": "backup_restore", "backupRestore": location}}})
    runs = [completed(shop, live, written) for _ in range(3)]
    there = {file.parent.parent.name for file in (tmp_path / "backups").rglob("manifest.json")}
    assert there == {run.folder.name for run in runs[1:]}


@pytest.mark.parametrize(
    "way",
    [
        "backup_restore",
        *(pytest.param(w, marks=pytest.mark.slow) for w in ("ddl_rollback", "data_restore", "snapshot_restore")),
    ],
)
def test_a_drill_touches_nothing_that_is_live(shop: Server, live: Server, way: str) -> None:
    run = completed(shop, live, by(way))
    after, databases = dump(live), rows(live, "SELECT datname FROM pg_database ORDER BY 1")
    found = drill.drill(begin(shop, live, run.spec))
    assert {each.way: each.problem for each in found} == dict.fromkeys({way, "ddl_rollback"})
    assert (dump(live), rows(live, "SELECT datname FROM pg_database ORDER BY 1")) == (after, databases)


@pytest.mark.slow
def test_a_drill_by_the_command_finds_what_would_fail(shop: Server, live: Server, tmp_path: Path) -> None:
    folder, environment = migrations(tmp_path, by("backup_restore")), access(shop, live)
    done = cutover(["run", "shop", "--migrations", str(folder), "--replace-target"], environment)
    assert done.returncode == 0, done.stdout + done.stderr
    good = cutover(["rollback", "shop", "--drill"], environment)
    assert (good.returncode, "backup_restore: rehearsed in" in good.stderr) == (0, True)
    (backup,) = Path(os.environ["CUTOVER_HOME"]).rglob("backup")
    next(backup.glob("*.dat*")).unlink()
    bad = cutover(["rollback", "shop", "--drill"], environment)
    assert (bad.returncode, "is missing" in bad.stderr) == (1, True)
    assert "ddl_rollback: rehearsed in" in bad.stderr


@pytest.mark.slow
def test_a_run_that_takes_too_long_goes_back(shop: Server, live: Server) -> None:
    before = without(live, "cutover_none")
    run = begin(
        shop, live, spec(rollback={"triggers": {"automatic": {"timeoutThreshold": "1ms"}}}), replace_target=True
    )
    with pytest.raises(NotStartedError, match=r"timeoutThreshold 0 s allows"):
        run_migration(run)
    assert without(live, run.shadow) == before


@pytest.mark.slow
def test_a_share_of_refused_rows_ends_the_run_while_others_are_loaded(shop: Server, live: Server) -> None:
    before = without(live, "cutover_none")
    mysql(
        shop,
        "SET max_recursive_iterations = 20000",
        "CREATE TABLE many (id INT PRIMARY KEY, email VARCHAR(40))",
        "INSERT INTO many WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 12000) "
        "SELECT i, IF(i % 10 = 0, 'nobody', CONCAT('p', i, '@example.com')) FROM n",
    )
    written = spec(
        data={
            "transformation": {"cleaning": {"dataValidation": {"enabled": True, "emailValidation": ["many.email"]}}},
            "loading": {"options": {"errorHandling": {"maxErrors": 5000, "errorThreshold": 1.0}}},
        },
        rollback={"triggers": {"automatic": {"errorThreshold": 0.05}}},
    )
    outcome = run_migration(begin(shop, live, written, replace_target=True))
    assert (outcome.status, outcome.failed_step) == (report.ROLLED_BACK, "load")
    assert "more than errorThreshold 5.00%" in str(outcome.cause)
    assert without(live, "cutover_none") == before


@pytest.mark.slow
def test_a_query_that_becomes_too_slow_fails_the_run(shop: Server, live: Server) -> None:
    before = without(live, "cutover_none")
    mysql(
        shop,
        "INSERT INTO fresh WITH RECURSIVE n AS (SELECT 2 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 1000) "
        "SELECT i, 'x' FROM n",
    )
    written = spec(
        schema={
            "validation": {
                "postMigration": {"performanceValidation": True},
                "rules": {"performance": {"onDegradation": "warn", "runs": 1}},
                "queries": {"pairs": "SELECT COUNT(*) FROM fresh a JOIN fresh b ON a.word < b.word OR a.id < b.id"},
            }
        },
        rollback={"triggers": {"automatic": {"performanceThreshold": 0.0}}},
    )
    run = begin(shop, live, written, replace_target=True)
    outcome = run_migration(run)
    times = next(
        q["times"] for e in run.ledger.events(run.id, "validated") for q in e.detail["details"].get("queries", ())
    )
    slower = times["target"] > times["source"] and times["target"] - times["source"] > 5
    assert outcome.status == (report.ROLLED_BACK if slower else report.COMPLETED)
    if slower:
        assert "performanceThreshold" in str(outcome.cause)
        assert without(live, "cutover_none") == before


@pytest.mark.parametrize("way", ["backup_restore", "snapshot_restore"])
def test_a_failed_run_goes_back_by_itself_by_the_specs_way(shop: Server, live: Server, way: str) -> None:
    before = without(live, "cutover_none")
    run = ready(begin(shop, live, by(way), replace_target=True))

    switch.cutover(run)
    postgres(live, "DELETE FROM customers WHERE id = 2")
    with pytest.raises(VerificationError):
        switch.validate_cutover(run)
    back.rollback(run)
    back.validate_rollback(run)
    assert without(live, run.shadow) == before


@pytest.mark.slow
def test_approval_is_not_had_from_the_command_line(shop: Server, live: Server, tmp_path: Path) -> None:
    written = by("ddl_rollback", triggers={"manual": {"approvalRequired": True}})
    folder, environment = migrations(tmp_path, written), access(shop, live)
    assert cutover(["run", "shop", "--migrations", str(folder), "--replace-target"], environment).returncode == 0
    refused = cutover(["rollback", "shop"], environment)
    assert (refused.returncode, "trigger the DAG shop__rollback" in refused.stderr) == (2, True)
    assert rows(live, "SELECT name FROM customers WHERE id = 3") == [("桜",)]


def test_it_may_be_switched_off(shop: Server, live: Server) -> None:
    run = completed(shop, live, by("ddl_rollback", triggers={"manual": {"enabled": False}}))
    with pytest.raises(PreflightError, match=r"rollback\.triggers\.manual\.enabled of shop is false"):
        asked(run)


def test_a_failed_run_stops_the_application_that_has_its_tables(
    shop: Server, live: Server, application: Application
) -> None:
    run = ready(begin(shop, live, by("ddl_rollback", **around(application.url)), replace_target=True))
    automatic.rollback(run)
    automatic.validate_rollback(run)
    assert application.asked == []
    run = ready(begin(shop, live, run.spec, replace_target=True))
    switch.cutover(run)
    automatic.rollback(run)
    automatic.validate_rollback(run)
    assert [method for method, _, _ in application.asked] == ["POST", "PUT"]
    assert rows(live, "SELECT name FROM customers WHERE id = 3") == [("old 3",)]


def test_hooks_whose_variables_are_not_set_are_refused_first(
    shop: Server, live: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = by("ddl_rollback", **around("${NOWHERE_TO_BE_SEEN}"))
    said = r"rollback\.applications\.stop: number 1, POST .*: environment variable NOWHERE_TO_BE_SEEN is not set"
    with pytest.raises(NotStartedError, match=said):
        run_migration(begin(shop, live, written, replace_target=True))
    with monkeypatch.context() as patch:
        patch.setenv("NOWHERE_TO_BE_SEEN", "http://127.0.0.1:9")
        run = completed(shop, live, written)
    with pytest.raises(PreflightError, match=said):
        asked(run)
    # Whoever has stopped it by hand needs none of them.
    taking_back.ask(run, None, "it was wrong", "somebody", hooked=False)
    taking_back.take_back(run)
    assert rows(live, "SELECT name FROM customers WHERE id = 3") == [("old 3",)]
    assert "* hooks: left to whoever asked" in (run.folder / "rollback.md").read_text()


def test_where_nothing_was_there_nothing_has_to_be_loaded(shop: Server, target_db: Server) -> None:
    before = without(target_db, "cutover_none")
    run = begin(shop, target_db, by("data_restore"))
    assert run_migration(run).status == report.COMPLETED
    asked(run)
    taking_back.take_back(run)
    assert without(target_db, run.shadow) == before


def test_a_run_that_may_be_at_work_has_to_be_named(shop: Server, live: Server) -> None:
    run = ready(begin(shop, live, by("ddl_rollback"), replace_target=True))
    with pytest.raises(PreflightError, match="has not ended: it may be at work"):
        history.latest_change(run.ledger, "shop")
    run.record("failed", changed_nothing=False)
    assert history.latest_change(run.ledger, "shop") == run.id
