"""A run that would surely fail, or is riskier than allowed, is refused before anything changes; the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers import access, begin, migrations, mysql, mysql_rows, postgres, rows, schemas, spec
from program import cutover
from typer.testing import CliRunner

from cutover import cli, plan
from cutover.assess import look
from cutover.assess.facts import Seen
from cutover.dialects.endpoint import Endpoint
from cutover.errors import PreflightError, WindowClosedError
from cutover.ledger import Ledger
from cutover.local.servers import Server
from cutover.report import build
from cutover.route import TableRoute
from cutover.run import NotStartedError, run_migration
from cutover.steps import assess, check
from cutover.steps.context import Run
from cutover.verify.outcome import KINDS

ORPHANS = "INSERT INTO orders (customer) VALUES (97), (98), (99)"
CHECKED = {"preMigration": {"dataValidation": True, "constraintValidation": True, "performanceValidation": True}}
TOLERANT = {"loading": {"options": {"errorHandling": {"errorThreshold": 1.0}}}}


def bounded(validation: dict[str, Any] | None = None, data: dict[str, Any] | None = None, **levels: str) -> Any:
    risk = {"riskAssessment": {"enabled": True} | {f"{name}Risk": level for name, level in levels.items()}}
    planning = {"scheduling": {"enabled": False}} | (risk if levels else {})
    parts: dict[str, Any] = {"strategy": {"planning": planning}, "data": data or {}}
    return spec(**parts, schema={"validation": validation or {}})


def planned(run: Run) -> Run:
    check.preflight(run)
    check.make_plan(run)
    return run


def test_orphans_beyond_the_threshold_refuse_the_run(shop: Server, target_db: Server) -> None:
    mysql(shop, ORPHANS)
    run = begin(shop, target_db, bounded(CHECKED))
    with pytest.raises(NotStartedError, match="table orders: at least 3 of 6 rows would be refused or set aside"):
        run_migration(run)
    assert schemas(target_db) == {"public"}
    assert run.ledger.last(run.id, "planned") is None
    assert "backup" not in {event.detail["step"] for event in run.ledger.events(run.id, "step_started")}
    report = build(run.ledger, run.id)
    assert report.status == "failed"
    assert any("foreign key orders.orders_customer: 3 rows have no parent" in note for note in report.notes)


def test_orphans_beyond_max_errors_refuse_the_run(shop: Server, target_db: Server) -> None:
    mysql(shop, ORPHANS)
    with pytest.raises(PreflightError) as refused:
        planned(begin(shop, target_db, bounded(CHECKED, TOLERANT), max_errors=2))
    assert refused.value.findings == (
        "at least 3 rows would be refused or set aside (orders 3), more than maxErrors 2: mend them in the source, or "
        "raise data.loading.options.errorHandling.maxErrors",
    )


def test_within_the_limits_it_is_a_warning_and_the_run_completes(shop: Server, target_db: Server) -> None:
    mysql(shop, ORPHANS)
    report = run_migration(begin(shop, target_db, bounded(CHECKED, TOLERANT), max_errors=3))
    assert report.status == "completed with losses"
    assert (
        "before the run, constraint: foreign key orders.orders_customer: 3 rows have no parent in customers(id): they "
        'are set aside; keys {"id": 4}, {"id": 5}, {"id": 6}'
    ) in report.notes
    assert rows(target_db, "SELECT count(*) FROM orders") == [(3,)]


def test_nothing_of_the_rows_is_looked_at_unless_asked(shop: Server, target_db: Server) -> None:
    mysql(shop, ORPHANS)
    run = planned(begin(shop, target_db, bounded()))
    (event,) = run.ledger.events(run.id, "examined")
    assert [outcome["kind"] for outcome in event.detail["outcomes"]] == ["schema"]
    assert build(run.ledger, run.id).notes == [str(note) for note in run.plan.notes]
    off = planned(begin(shop, target_db, bounded({"preMigration": {"enabled": False, "dataValidation": True}})))
    assert off.ledger.events(off.id, "examined") == []


def test_a_mended_source_is_looked_at_anew_and_a_plan_that_is_there_is_not(shop: Server, target_db: Server) -> None:
    mysql(shop, ORPHANS)
    run = begin(shop, target_db, bounded(CHECKED))
    with pytest.raises(PreflightError):
        planned(run)
    mysql(shop, "DELETE FROM orders WHERE customer > 90")
    planned(run)
    mysql(shop, ORPHANS)
    planned(run)
    assert len(run.ledger.events(run.id, "examined")) == 2
    assert [note for note in build(run.ledger, run.id).notes if note.startswith("before the run")] == []


def test_a_crash_between_the_validation_and_the_plan_does_not_look_twice(shop: Server, target_db: Server) -> None:
    run = planned(begin(shop, target_db, bounded(CHECKED)))
    made = run.plan
    from cutover.steps import examine, obstacles

    examine.hold(run, made, obstacles.displaced(run, made))
    assert len(run.ledger.events(run.id, "examined")) == 1


def test_a_dry_run_is_told_and_not_refused(shop: Server, target_db: Server) -> None:
    mysql(shop, ORPHANS)
    run = begin(shop, target_db, bounded(CHECKED, dataLoss="low"), mode="dry_run")
    report = run_migration(run)
    assert report.status == "planned"
    assert any(
        note.startswith("before the run, constraint: a run would be refused: table orders") for note in report.notes
    )
    assert any(note.startswith("before the run, data loss risk high: foreign key") for note in report.notes)


@pytest.mark.parametrize(
    ("level", "statements", "reason"),
    [
        ("medium", [ORPHANS], "foreign key orders.orders_customer: 3 rows have no parent"),
        ("low", ["CREATE TABLE loose (a INT)"], "1 tables have no primary key to tell their rows by: loose"),
    ],
)
def test_a_run_above_its_data_loss_risk_is_refused(
    shop: Server, target_db: Server, level: str, statements: list[str], reason: str
) -> None:
    mysql(shop, *statements)
    run = begin(shop, target_db, bounded(data=TOLERANT, dataLoss=level))
    with pytest.raises(NotStartedError) as refused:
        run_migration(run)
    found = "high" if level == "medium" else "medium"
    assert f"the data loss risk is {found}, and riskAssessment allows {level}: {reason}" in str(refused.value)
    assert schemas(target_db) == {"public"}
    above = "high" if level == "medium" else "medium"
    assert run_migration(begin(shop, target_db, bounded(data=TOLERANT, dataLoss=above))).status.startswith("completed")


def test_rows_of_which_only_the_constraints_were_looked_at_are_no_low_risk(shop: Server, target_db: Server) -> None:
    mysql(shop, "UPDATE customers SET name = CONCAT('a', CHAR(0)) WHERE id = 1")
    written = bounded({"preMigration": {"constraintValidation": True}}, dataLoss="low").model_dump(
        mode="json", by_alias=True, exclude_unset=True
    )
    written["strategy"]["planning"]["analysis"] = {"dataAnalysis": False}
    with pytest.raises(PreflightError, match=r"the data loss risk is medium.*rows were not looked at: dataAnalysis is"):
        planned(begin(shop, target_db, spec().model_validate(written)))


def test_the_other_risks_are_bounded_too(shop: Server, target_db: Server) -> None:
    postgres(target_db, "CREATE TABLE customers (id int)")
    mysql(shop, "CREATE VIEW v AS SELECT SLEEP(1) AS slept")
    written = bounded(downtime="low", performance="low", rollback="medium").model_dump(
        mode="json", by_alias=True, exclude_unset=True
    )
    written["strategy"]["execution"] = {"modes": {"safe": {"backupBeforeMigration": False}}}
    with pytest.raises(PreflightError) as refused:
        planned(begin(shop, target_db, spec().model_validate(written), replace_target=True))
    rollback = [line for line in refused.value.findings if line.startswith("the rollback risk is high")]
    performance = [line for line in refused.value.findings if line.startswith("the performance risk is medium")]
    assert "1 live tables of about 0 rows are replaced, and backupBeforeMigration is off" in rollback[0]
    assert "1 views or programs are left out: view v" in performance[0]
    assert len(refused.value.findings) == 2


def test_what_validates_before_a_migration_is_one_function(shop: Server, target_db: Server) -> None:
    mysql(shop, ORPHANS)
    found = assess.pre_migration(begin(shop, target_db, bounded()), KINDS)
    assert [(outcome.kind, outcome.status) for outcome in found] == [
        ("schema", "passed"),
        ("data", "passed"),
        ("constraint", "failed"),
        ("performance", "passed"),
    ]
    postgres(target_db, "CREATE TABLE customers (id int)")
    blocked = assess.pre_migration(begin(shop, target_db, bounded()), ())
    assert [(outcome.kind, outcome.status) for outcome in blocked] == [("schema", "failed")]
    assert "customers were not made by this migration" in blocked[0].errors[0]


def test_the_command_exits_with_0_where_a_run_could_begin(shop: Server, target_db: Server, tmp_path: Path) -> None:
    folder, file = migrations(tmp_path, bounded()), tmp_path / "assessment.json"
    arguments = ["assess", "shop", "--migrations", str(folder), "--report", str(file), "--format", "markdown"]
    done = cutover(arguments, access(shop, target_db))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("# Assessment of shop\n")
    assert "| data loss | low | 6 rows of 2 tables were looked at |" in done.stdout
    told = json.loads(file.read_text())
    assert [risk["level"] for risk in told["risks"]] == ["low"] * 4
    assert told["effort"]["by_hand"] == []
    assert schemas(target_db) == {"public"}
    assert list(Ledger().runs("shop")) == []


def test_the_command_counts_the_window(
    shop: Server, target_db: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "ROWS_PER_SECOND", 0.01)
    window = {"startTime": "02:00", "endTime": "02:01", "days": ["monday"]}
    folder = migrations(tmp_path, spec(strategy={"planning": {"scheduling": {"maintenanceWindow": window}}}))
    arguments = ["assess", "shop", "--migrations", str(folder), "--format", "json"]
    done = CliRunner().invoke(cli.app, arguments, env=access(shop, target_db))
    (downtime,) = (risk for risk in json.loads(done.stdout)["risks"] if risk["name"] == "downtime")
    assert downtime["level"] == "high"
    assert "more than the 60 s that window and maxDuration leave" in downtime["reasons"][0]


def test_the_window_holds_while_the_rows_are_looked_at(
    shop: Server, target_db: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    ask = look.asked

    def asked(source: Endpoint, route: TableRoute, *given: Any) -> Seen:
        looked.append(route.source)
        return ask(source, route, *given)

    def check_time(run: Run) -> None:
        if looked:
            raise WindowClosedError("it has closed by now")

    monkeypatch.setattr(look, "asked", asked)
    monkeypatch.setattr(Run, "check_time", check_time)
    with pytest.raises(WindowClosedError):
        planned(begin(shop, target_db, bounded(CHECKED)))
    assert looked == ["customers"]


def test_the_command_exits_with_1_where_something_is_an_error(shop: Server, target_db: Server) -> None:
    mysql(shop, ORPHANS, "CREATE VIEW v AS SELECT SLEEP(1) AS slept")
    arguments = ["assess", "--source", shop.url(), "--target", target_db.url()]
    done = cutover(arguments)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "data loss risk: high" in done.stdout
    assert "view v: SLEEP()" in done.stdout
    assert "say allow_losses (--allow-losses" in done.stdout
    assert "at least 3 of 6 rows would be refused or set aside" in done.stdout
    allowed = cutover([*arguments, "--allow-losses", "--format", "json"])
    assert allowed.returncode == 0, allowed.stdout + allowed.stderr
    told = json.loads(allowed.stdout)
    assert told["effort"] | {"seconds": 0, "basis": ""} == {
        "seconds": 0,
        "basis": "",
        "by_hand": [told["schema"]["findings"][0]],
        "to_clean": 3,
    }
    assert mysql_rows(shop, "SELECT COUNT(*) FROM orders") == [(6,)]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--format", "pdf"], "unknown format 'pdf'; known: table, json, markdown"),
        ([], "give a migration's NAME, or both --source and --target"),
        (["shop", "--source", "mysql://a@b/c"], "give a migration's NAME or --source and --target, not both"),
        (["--source", "postgresql://a@b/c", "--target", "postgresql://a@b/c"], "--source must be a mysql URL"),
        (
            ["--source", "mysql://a@127.0.0.1:1/c", "--target", "postgresql://a@127.0.0.1:1/c"],
            "://a@127.0.0.1:1/c: ",
        ),
        (["nowhere"], "nowhere"),
    ],
)
def test_the_command_exits_with_2_where_it_could_not_assess(arguments: list[str], text: str) -> None:
    done = cutover(["assess", *arguments])
    assert done.returncode == 2, done.stdout + done.stderr
    assert text in done.stderr
    assert done.stdout == ""
