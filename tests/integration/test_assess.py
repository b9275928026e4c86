"""What is found in a source before a run: values, constraints, servers, whom it concerns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from helpers import (
    begin,
    finished,
    mysql,
    mysql_rows,
    one,
    schemas,
    source_database,
    spec,
    target_database,
)

from cutover.assess import shown
from cutover.assess.assessment import Assessment
from cutover.local.servers import Server
from cutover.report import build
from cutover.steps import assess
from cutover.verify.outcome import KINDS

# One of each thing that can be wrong, in rows whose keys are told apart.
PLANTED = (
    "SET check_constraint_checks = 0",
    "CREATE TABLE parents (id INT PRIMARY KEY, code VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, "
    "tag VARCHAR(10) NOT NULL, UNIQUE KEY by_code (code), UNIQUE KEY by_tag (tag))",
    "INSERT INTO parents VALUES (1, 'a', 'x'), (2, 'A', 'y'), (3, 'b', 'z')",
    "CREATE TABLE children (id INT PRIMARY KEY, parent INT, tag VARCHAR(10), CONSTRAINT of_parent FOREIGN KEY (parent) "
    "REFERENCES parents (id), CONSTRAINT of_tag FOREIGN KEY (tag) REFERENCES parents (tag))",
    "INSERT INTO children VALUES (1, 3, 'x'), (2, 98, 'X'), (3, 99, NULL), (4, NULL, 'w')",
    "CREATE TABLE held (id INT PRIMARY KEY, born DATE, seen DATETIME NOT NULL, note VARCHAR(100), word LONGTEXT, "
    "big BIGINT UNSIGNED, price DECIMAL(10,4), doc TINYTEXT, kind ENUM('p','q'), state CHAR(1), age INT, "
    "CONSTRAINT grown CHECK (age > 0))",
    "INSERT INTO held VALUES "
    "(1, '2020-01-01', '2020-01-01', 'short', 'a', 1, 1.5, '{}', 'p', 'A', 5), "
    "(2, '0000-00-00', '0000-00-00', 'x', CONCAT('n', CHAR(0), 'l'), 1, 1, '[]', 'none', 'A', -1), "
    "(3, '2020-02-31', '2020-01-01', REPEAT('é', 20), REPEAT('w', 100000), 9223372036854775807, 99999.99, NULL, 'q', "
    "'A', 1), "
    "(4, NULL, '2020-01-01', REPEAT('x', 21), NULL, NULL, NULL, NULL, NULL, NULL, NULL), "
    "(5, NULL, '2020-01-01', NULL, NULL, 9223372036854775808, NULL, NULL, NULL, NULL, NULL), "
    "(6, NULL, '2020-01-01', NULL, NULL, NULL, 1.2345, NULL, NULL, NULL, NULL), "
    "(7, NULL, '2020-01-01', NULL, NULL, NULL, 123456, NULL, NULL, NULL, NULL), "
    "(8, NULL, '2020-01-01', NULL, NULL, NULL, NULL, 'no', NULL, NULL, NULL), "
    "(9, NULL, '2020-01-01', REPEAT('x', 21), NULL, NULL, NULL, NULL, NULL, 'Z', NULL)",
    "CREATE TABLE unkeyed (a INT, b TEXT)",
    "INSERT INTO unkeyed VALUES (1, 'b'), (2, CHAR(0))",
)
TYPES = {
    "varchar(100)": "varchar(20)",
    "bigint unsigned": "bigint",
    "decimal(10,4)": "numeric(7,2)",
    "tinytext": "json",
}
TOLERANT = {"errorHandling": {"maxErrors": 100, "errorThreshold": 1.0}}
ALL = {"preMigration": {f"{kind}Validation": True for kind in ("schema", "data", "constraint", "performance")}}


def mapped(**options: Any) -> dict[str, Any]:
    """The spec's data part under which the planted source has something wrong everywhere."""
    return {
        "transformation": {
            "mapping": {"typeMapping": TYPES, "valueMapping": {"held.state": {"A": "active"}}},
            "enrichment": {"dataEnrichment": {"dataStandardization": {"parents.code": "lower"}}},
        },
        "loading": {"options": options},
    }


@pytest.fixture(scope="module")
def source(mysql_server: Server) -> Iterator[Server]:
    with source_database(mysql_server) as made:
        mysql(made, *PLANTED)
        yield made


@pytest.fixture(scope="module")
def target(pg_server: Server) -> Iterator[Server]:
    with target_database(pg_server) as made:
        yield made


@pytest.fixture(scope="module")
def planted(source: Server, target: Server, tmp_path_factory: pytest.TempPathFactory) -> Assessment:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUTOVER_HOME", str(tmp_path_factory.mktemp("home")))
        return assess.assess(begin(source, target, spec(data=mapped())))


def keys(*numbers: int) -> str:
    return "keys " + ", ".join(json.dumps({"id": number}) for number in numbers)


NONE = "hold a date that is none, such as 0000-00-00; it becomes NULL"
PLANTED_FINDINGS = [
    f"column held.born: 2 rows {NONE}; {keys(2, 3)}",
    f"column held.seen: 1 rows {NONE}; {keys(2)}",
    f"column held.note: 2 rows hold more than 20 characters: they are refused; {keys(4, 9)}",
    f"column held.word: 1 rows hold a NUL character, which is taken out; {keys(2)}",
    f"column held.big: 1 rows hold a value that does not fit bigint: they are refused; {keys(5)}",
    f"column held.price: 2 rows hold a value that does not fit numeric(7,2): they are refused; {keys(6, 7)}",
    f"column held.doc: 1 rows hold what is no JSON: they are refused; {keys(8)}",
    "column held.kind: 1 rows hold no label of the enum, MySQL's mark for a value that was not valid; they arrive as "
    f"''; {keys(2)}",
    f"column held.state: 1 rows hold a value that valueMapping does not name: they are refused; {keys(9)}",
    f"check held.grown: 1 rows break it; it holds for rows to come alone; {keys(2)}",
    "index parents.by_code: 1 rows are alike to another in code as the target compares: they are set aside; "
    f"{keys(1, 2)}",
    f"foreign key children.of_parent: 2 rows have no parent in parents(id): they are set aside; {keys(2, 3)}",
    "foreign key children.of_tag: 1 rows have no parent in parents(tag): the key holds for rows to come alone; "
    f"{keys(4)}",
    "foreign key children.of_tag: 1 rows have a parent in parents(tag) by the source's collation, and none letter by "
    "letter: the key holds for rows to come alone",
    "column unkeyed.b: 1 rows hold a NUL character, which is taken out",
]


@pytest.mark.parametrize("finding", PLANTED_FINDINGS, ids=lambda text: text.split(":")[0])
def test_each_thing_planted_is_found(planted: Assessment, finding: str) -> None:
    assert planted.data is not None
    assert finding in planted.data.findings


def test_nothing_else_is_found(planted: Assessment) -> None:
    assert planted.data is not None
    assert sorted(planted.data.findings) == sorted(PLANTED_FINDINGS)
    assert dict(planted.data.facts)["largest value"] == "100,000 bytes, in held.word"
    assert dict(planted.data.facts)["rows looked at"] == "18 of 4 tables"


def test_what_is_found_is_what_a_run_refuses(source: Server, target_db: Server) -> None:
    run = finished(begin(source, target_db, spec(data=mapped(**TOLERANT))))
    summary = run.ledger.events(run.id, "rejects")[-1].detail["summary"]
    refused = {(row["table_name"], key) for row in summary for key in row["keys"]}
    assert refused == {
        *(("held", json.dumps({"id": number})) for number in (4, 5, 6, 7, 8, 9)),
        *(("children", json.dumps({"id": number})) for number in (2, 3)),
        ("parents", json.dumps({"id": 2})),
    }
    altered = [
        (event.detail["table"], entry["column"], entry["values"])
        for event in run.ledger.events(run.id, "loaded")
        for entry in event.detail["altered"]
        if not entry["rule"]
    ]
    assert sorted(altered) == [
        ("held", "born", 2),
        ("held", "seen", 1),
        ("held", "word", 1),
        ("unkeyed", "b", 1),
    ]
    left = dict(run.finished("finish_schema")["not_validated"])  # type: ignore[index]
    assert set(left) == {"foreign key children.of_tag", "check held.grown"}


def test_rows_beyond_the_limits_are_errors(planted: Assessment) -> None:
    found = {outcome.kind: outcome for outcome in planted.outcomes}
    cure = "mend them in the source, or raise data.loading.options.errorHandling.errorThreshold"
    assert found["data"].errors == (
        "table held: at least 5 of 9 rows would be refused or set aside, more than errorThreshold 1.00%: " + cure,
    )
    assert found["constraint"].errors == (
        "table children: at least 2 of 4 rows would be refused or set aside, more than errorThreshold 1.00%: " + cure,
    )
    assert [outcome.status for outcome in planted.outcomes] == ["passed", "failed", "failed", "passed"]
    assert found["performance"].warnings == (
        "1 tables have no primary key: unkeyed; each is loaded by one worker, and compared as a whole",
    )


def test_json_markdown_and_table_say_the_same(planted: Assessment, capsys: pytest.CaptureFixture[str]) -> None:
    from cutover import render

    told = json.loads(planted.to_json())
    assert [outcome["status"] for outcome in told["outcomes"]] == ["passed", "failed", "failed", "passed"]
    assert told["effort"]["to_clean"] == 19
    markdown = shown.markdown(planted)
    shown.show(planted, render.console())
    table = capsys.readouterr().out
    for finding in PLANTED_FINDINGS:
        assert f"* {finding}\n" in markdown
        assert f"  {finding}\n" in table
    for risk in planted.risks:
        assert f"| {risk.name} | {risk.level} | " in markdown
        assert f"{risk.name} risk: {risk.level}\n" in table


def test_a_clean_source_has_nothing_to_say(shop: Server, target_db: Server) -> None:
    made = assess.assess(begin(shop, target_db, spec()))
    assert made.data is not None
    assert made.data.findings == ()
    assert made.errors == ()
    assert [warning for outcome in made.outcomes for warning in outcome.warnings] == []
    assert {risk.name: risk.level for risk in made.risks} == {
        "data loss": "low",
        "downtime": "low",
        "performance": "low",
        "rollback": "low",
    }
    assert made.risks[0].reasons == ("6 rows of 2 tables were looked at",)
    assert all(risk.reasons for risk in made.risks)


def test_it_changes_nothing(shop: Server, target_db: Server) -> None:
    before = mysql_rows(shop, "CHECKSUM TABLE customers, orders")
    run = begin(shop, target_db, spec())
    events = len(run.ledger.events(run.id))
    assess.assess(run)
    assert assess.pre_migration(run, KINDS) != ()
    assert mysql_rows(shop, "CHECKSUM TABLE customers, orders") == before
    assert schemas(target_db) == {"public"}
    assert one(target_db, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == 0
    assert len(run.ledger.events(run.id)) == events
    assert not run.folder.exists()


def test_the_report_of_a_run_has_what_was_found(source: Server, target_db: Server) -> None:
    run = finished(begin(source, target_db, spec(data=mapped(**TOLERANT), schema={"validation": ALL})))
    notes = build(run.ledger, run.id).notes
    for finding in PLANTED_FINDINGS:
        kind = "data" if finding.startswith("column") else "constraint"
        assert f"before the run, {kind}: {finding}" in notes
    (event,) = run.ledger.events(run.id, "examined")
    assert [outcome["kind"] for outcome in event.detail["outcomes"]] == ["schema", "data", "constraint", "performance"]
