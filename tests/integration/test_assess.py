"""What is found in a source before a run: values, constraints, servers, whom it concerns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from helpers import (
    account,
    begin,
    endpoint,
    finished,
    mysql,
    mysql_rows,
    one,
    postgres,
    rows,
    schemas,
    source_database,
    spec,
    target_database,
)

from cutover.assess import shown
from cutover.assess.assessment import Assessment
from cutover.errors import PreflightError, TransientError
from cutover.local.servers import Server
from cutover.report import build
from cutover.steps import assess, check

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
    run = begin(shop, target_db, spec(schema={"validation": ALL}))
    events = len(run.ledger.events(run.id))
    assess.assess(run)
    assert assess.pre_migration(run) != ()
    assert mysql_rows(shop, "CHECKSUM TABLE customers, orders") == before
    assert schemas(target_db) == {"public"}
    assert one(target_db, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == 0
    assert len(run.ledger.events(run.id)) == events
    assert not run.folder.exists()


def test_only_rows_that_travel_are_looked_at(shop: Server, target_db: Server) -> None:
    mysql(shop, "INSERT INTO orders VALUES (7, 98, 'old'), (8, 99, 'new'), (9, 1, 'new')")
    filters = {"extraction": {"filtering": {"rowFilters": {"orders": 'note = "new"', "customers": "id <> 1"}}}}
    made = assess.assess(begin(shop, target_db, spec(data=filters)))
    assert made.data is not None
    assert made.data.findings == (
        f"foreign key orders.orders_customer: 2 rows have no parent in customers(id): they are set aside; {keys(8, 9)}",
    )
    assert dict(made.data.facts)["rows looked at"] == "4 of 2 tables"


def test_mappings_of_every_kind(source_db: Server, target_db: Server) -> None:
    mysql(
        source_db,
        "CREATE TABLE t (id INT PRIMARY KEY, n VARCHAR(9), u CHAR(36), f SMALLINT, d DOUBLE, s DATE NOT NULL, "
        "k VARCHAR(5), v TINYINT NOT NULL, w CHAR(1) NOT NULL, UNIQUE KEY by_v (v))",
        "INSERT INTO t VALUES (1, '12', '123e4567-e89b-12d3-a456-426614174000', 1, 1.5, '2020-01-01', 'a', 1, 'p'), "
        "(2, 'x', 'none', 2, 1e300, '0000-00-00', 'b', 2, 'q'), "
        "(3, NULL, NULL, 0, NULL, '1990-01-01', 'c', 3, 'p')",
    )
    types = {"varchar(9)": "integer", "char(36)": "uuid", "smallint": "boolean", "double": "numeric(10,2)"}
    cleaning = {
        "zeroDates": "1970-01-01",
        "dataValidation": {"numericValidation": True, "numericRange": {"t.id": {"min": 2}}},
    }
    values = {"t.k": {"a": "x", "b": "x"}, "t.v": {"1": 7, "2": 7, "3": 8}, "t.w": {"p": "x", "q": None}}
    mapping = {"typeMapping": types, "valueMapping": values, "unmappedValues": {"t.k": "nullify"}}
    made = assess.assess(
        begin(source_db, target_db, spec(data={"transformation": {"mapping": mapping, "cleaning": cleaning}}))
    )
    assert made.data is not None
    refused = "hold a value that does not fit {}: they are refused; "
    assert sorted(made.data.findings) == sorted(
        [
            f"column t.id: 1 rows hold no number from 2: they are refused; {keys(1)}",
            f"column t.n: 1 rows {refused.format('integer')}{keys(2)}",
            f"column t.u: 1 rows {refused.format('uuid')}{keys(2)}",
            f"column t.f: 1 rows {refused.format('boolean')}{keys(2)}",
            f"column t.d: 1 rows {refused.format('numeric(10,2)')}{keys(2)}",
            "column t.d: whether each double fits numeric(10,2) is seen while it is loaded",
            f"column t.s: 1 rows hold a date that is none, such as 0000-00-00; it becomes 1970-01-01; {keys(2)}",
            f"column t.k: 1 rows hold a value that valueMapping does not name; it becomes NULL; {keys(3)}",
            f"column t.w: 1 rows are NULL, which the target forbids: they are refused; {keys(2)}",
            f"index t.by_v: 1 rows are alike to another in v as the target compares: they are set aside; {keys(1, 2)}",
        ]
    )


ALIKE = (
    # Letters that the target's collation takes for one, and the source's does not.
    ({"columns": {"ignoreCase": "icu"}}, "utf8mb4_general_ci", "'ss', 'ß'"),
    # NUL is all that tells them apart.
    ({}, "utf8mb4_bin", "'a', CONCAT('a', CHAR(0))"),
)


@pytest.mark.parametrize(("tables", "collation", "values"), ALIKE, ids=["icu", "nul"])
def test_rows_alike_to_the_target_alone_are_those_that_a_run_sets_aside(
    source_db: Server, target_db: Server, tables: dict[str, Any], collation: str, values: str
) -> None:
    one_, other = values.split(", ", 1)
    mysql(
        source_db,
        f"CREATE TABLE t (id INT PRIMARY KEY, word VARCHAR(9) COLLATE {collation} NOT NULL, UNIQUE KEY by_word (word))",
        f"INSERT INTO t VALUES (1, {one_}), (2, {other}), (3, 'z')",
    )
    written = spec(schema={"settings": {"tables": tables}}, data={"loading": {"options": TOLERANT}})
    made = assess.assess(begin(source_db, target_db, written))
    alike = "index t.by_word: 1 rows are alike to another in word as the target compares: they are set aside; "
    assert made.data is not None
    assert alike + keys(1, 2) in made.data.findings
    run = finished(begin(source_db, target_db, written))
    assert [removed["rows"] for removed in run.finished("finish_schema")["removed"]] == [1]  # type: ignore[index]


def test_what_only_the_load_can_tell_is_named(source_db: Server, target_db: Server) -> None:
    mysql(source_db, "CREATE TABLE t (id INT PRIMARY KEY, email VARCHAR(50), at VARCHAR(30), UNIQUE KEY by_at (at))")
    transformation = {
        "mapping": {"typeMapping": {"varchar(50)": "text"}},
        "cleaning": {"dataValidation": {"emailValidation": True}},
        "enrichment": {
            "dataEnrichment": {"dataNormalization": {"t.at": ["nfc"]}},
            "dataCalculation": {"derivedFields": {"t.twice": "id * 2"}},
        },
    }
    made = assess.assess(begin(source_db, target_db, spec(data={"transformation": transformation})))
    assert made.data is not None
    assert [line.split(":")[0] for line in made.data.findings] == ["column t.email", "column t.twice", "index t.by_at"]
    assert made.data.findings[0] == "column t.email: e-mail addresses are judged while they are loaded"
    assert "which rows become alike in at is seen while they are loaded" in made.data.findings[2]


def test_zero_dates_that_must_not_be_end_the_run(source_db: Server, target_db: Server) -> None:
    mysql(source_db, "CREATE TABLE t (id INT PRIMARY KEY, at DATE)", "INSERT INTO t VALUES (1, '0000-00-00')")
    written = spec(
        data={"transformation": {"cleaning": {"zeroDates": "fail"}}},
        schema={"validation": {"preMigration": {"dataValidation": True}}},
    )
    run = begin(source_db, target_db, written)
    check.preflight(run)
    with pytest.raises(PreflightError, match=r"column t\.at: 1 rows hold a date that is none.*the run ends there"):
        check.make_plan(run)


def test_a_trial_is_not_refused_for_rows_that_stay(source_db: Server, target_db: Server) -> None:
    mysql(
        source_db,
        "CREATE TABLE t (id INT PRIMARY KEY, at DATE, n INT UNSIGNED)",
        "INSERT INTO t VALUES (1, '2020-01-01', 1), (2, '0000-00-00', 4000000000)",
    )
    written = spec(
        data={
            "transformation": {"cleaning": {"zeroDates": "fail"}, "mapping": {"typeMapping": {"int unsigned": "int"}}}
        },
        schema={"validation": {"preMigration": {"dataValidation": True}}},
    )
    run = finished(begin(source_db, target_db, written, row_limit=1))
    notes = build(run.ledger, run.id).notes
    assert any(note.startswith("before the run, data: column t.at: 1 rows hold a date that is none") for note in notes)
    assert any(note.startswith("before the run, data: column t.n: 1 rows hold a value that does not") for note in notes)
    assert rows(target_db, f'SELECT id FROM "{run.shadow}".t') == [(1,)]


def test_whom_it_concerns(source_db: Server, target_db: Server) -> None:
    other = f"{source_db.name}_other"
    mysql(
        source_db,
        "CREATE TABLE t (id INT PRIMARY KEY)",
        "INSERT INTO t VALUES (1)",
        "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM t WHERE id < 0",
        "CREATE TRIGGER watching BEFORE INSERT ON t FOR EACH ROW SET NEW.id = NEW.id + 0",
        f"CREATE DATABASE {other}",
        f"CREATE TABLE {other}.uses (t INT, CONSTRAINT uses_t FOREIGN KEY (t) REFERENCES {source_db.name}.t (id))",
        f"CREATE VIEW {other}.reads AS SELECT id FROM {source_db.name}.t",
    )
    postgres(target_db, "CREATE TABLE t (id int)", "INSERT INTO t VALUES (1), (2)", "ANALYZE t")
    postgres(target_db, "CREATE SCHEMA app", "CREATE VIEW app.bound AS SELECT id FROM public.t")
    granted = f"GRANT SELECT, INSERT ON {source_db.name}.* TO {{account}}@'%'"
    try:
        with account(source_db, granted) as name, _connected(target_db):
            made = assess.assess(begin(source_db, target_db, spec(), replace_target=True))
    finally:
        mysql(source_db, f"DROP DATABASE {other}")
    assert made.impact is not None
    assert dict(made.impact.facts) == {
        "live tables that are replaced": "1, about 2 rows",
        "sessions of the target now": "1",
    }
    assert made.impact.findings[:3] == (
        "table t is replaced, about 2 rows",
        "view app.bound depends on table t: it would stay with the old one",
        "1 sessions of cutover (shop frontend) are connected to the target",
    )
    for line in (
        "1 events run by themselves: nightly",
        "1 triggers fire at its changes: watching",
        f"foreign key {other}.uses.uses_t refers to t from another database",
        f"view {other}.reads of another database reads it",
        f"account {name}@% has rights on it: INSERT, SELECT",
    ):
        assert line in made.impact.findings
    # What is bound to the old tables is in the way of a run.
    assert any("view app.bound depends on table t" in error for error in made.errors)


def _connected(server: Server) -> Any:
    import psycopg

    return psycopg.connect(server.url(), application_name="shop frontend")


def test_what_an_account_may_not_see_is_said(shop: Server, target_db: Server) -> None:
    granted = f"GRANT SELECT ON {shop.name}.* TO {{account}}@'%'"
    with account(shop, granted) as name:
        poor = endpoint(shop, user=name, password="open-sesame")
        made = assess.assess(begin(poor, target_db, spec()))
    assert made.impact is not None
    assert [line for line in made.impact.findings if "may not see" in line] == [
        f"{name} may not see which other accounts have rights on {shop.name}: GRANT SELECT ON mysql.* TO it",
        f"{name} may not see the sessions of other accounts of the source: GRANT PROCESS ON *.* TO it",
    ]
    (warnings,) = (outcome.warnings for outcome in made.outcomes if outcome.kind == "schema")
    assert [line.split(" GRANT")[0] for line in warnings] == [
        f"{kind}s: the account may not see whether there are any:" for kind in ("trigger", "event", "routine")
    ]


def test_both_servers_say_what_they_are(shop: Server, target_db: Server) -> None:
    made = assess.assess(begin(shop, target_db, spec()))
    assert made.schema is not None
    told = dict(made.schema.facts)
    assert told["source: binary log"] == "on, ROW, row image FULL"
    assert told["source: collations"] == "utf8mb4_unicode_ci"
    assert told["source: version"] == mysql_rows(shop, "SELECT VERSION()")[0][0]
    assert told["target: version"] == one(target_db, "SHOW server_version")
    assert told["target: encoding"] == "UTF8"
    collate = rows(target_db, "SELECT datcollate FROM pg_database WHERE datname = current_database()")[0][0]
    assert told["target: text is sorted by"].startswith(f"{collate} (of the system)")
    assert told["table"] == "2 as is"
    assert "free, the run takes 3" in told["target: connections"]


def test_too_few_connections_are_warned_of(shop: Server, target_db: Server) -> None:
    with account(shop, f"GRANT SELECT ON {shop.name}.* TO {{account}}@'%' WITH MAX_USER_CONNECTIONS 3") as name:
        poor = endpoint(shop, user=name, password="open-sesame")
        postgres(target_db, f"ALTER DATABASE {target_db.name} CONNECTION LIMIT 4")
        made = assess.assess(begin(poor, target_db, spec(), workers=200))
    warnings = next(outcome.warnings for outcome in made.outcomes if outcome.kind == "performance")
    assert any("connections are free, and the run takes 201" in w and w.startswith("mysql://") for w in warnings)
    assert any("connections are free, and the run takes 201" in w and w.startswith("postgresql") for w in warnings)
    assert any("200 workers may take" in w and "set a smaller batchSize, or fewer workers" in w for w in warnings)


def test_a_server_that_is_down_cannot_be_assessed(shop: Server, target_db: Server) -> None:
    with pytest.raises(TransientError, match="cannot be reached"):
        assess.assess(begin(endpoint(replace(shop, port=1)), target_db, spec()))


def test_parts_that_are_switched_off_are_not_looked_at(shop: Server, target_db: Server) -> None:
    mysql(shop, "INSERT INTO orders VALUES (9, 99, 'orphan')")
    off = {f"{part}Analysis": False for part in ("schema", "data", "impact", "performance")}
    planning = {"scheduling": {"enabled": False}, "analysis": off}
    made = assess.assess(begin(shop, target_db, spec(strategy={"planning": planning})))
    assert (made.schema, made.data, made.impact, made.performance) == (None, None, None, None)
    assert made.outcomes == ()
    assert made.risks[0].level == "medium"
    assert made.risks[0].reasons == ("the values of about 7 rows were not looked at: dataAnalysis is off",)
    assert "Not looked at: the spec switches it off." in shown.markdown(made)
    planning["analysis"] = {"enabled": False}
    with pytest.raises(PreflightError, match=r"strategy\.planning\.analysis\.enabled is false"):
        assess.assess(begin(shop, target_db, spec(strategy={"planning": planning})))


def test_the_report_of_a_run_has_what_was_found(source: Server, target_db: Server) -> None:
    run = finished(begin(source, target_db, spec(data=mapped(**TOLERANT), schema={"validation": ALL})))
    notes = build(run.ledger, run.id).notes
    for finding in PLANTED_FINDINGS:
        kind = "data" if finding.startswith("column") else "constraint"
        assert f"before the run, {kind}: {finding}" in notes
    (event,) = run.ledger.events(run.id, "validated")
    assert event.detail["type"] == "pre_migration"
    assert [outcome["kind"] for outcome in event.detail["outcomes"]] == ["schema", "data", "constraint", "performance"]
