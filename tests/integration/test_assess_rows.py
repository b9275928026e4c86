"""Which rows of a source do not fit, under mappings of every kind, filters and trials."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers import begin, finished, mysql, rows, spec

from cutover.errors import PreflightError
from cutover.local.servers import Server
from cutover.report import build
from cutover.steps import assess, check

TOLERANT = {"errorHandling": {"maxErrors": 100, "errorThreshold": 1.0}}


def keys(*numbers: int) -> str:
    return "keys " + ", ".join(json.dumps({"id": number}) for number in numbers)


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


def test_a_date_that_is_none_in_a_key_becomes_the_default_of_null(source_db: Server, target_db: Server) -> None:
    mysql(
        source_db,
        "CREATE TABLE t (id INT, at DATE NOT NULL, PRIMARY KEY (id, at))",
        "INSERT INTO t VALUES (1, '0000-00-00')",
    )
    nulls = {"nullHandling": {"strategy": "default", "defaultValues": {"t.at": "1970-01-01"}}}
    written = spec(data={"transformation": {"cleaning": nulls}})
    made = assess.assess(begin(source_db, target_db, written))
    assert made.data is not None
    (line,) = made.data.findings
    assert line.startswith("column t.at: 1 rows hold a date that is none, such as 0000-00-00; it becomes 1970-01-01")
    assert made.errors == ()
    run = finished(begin(source_db, target_db, written))
    assert rows(target_db, f'SELECT at::text FROM "{run.shadow}".t') == [("1970-01-01",)]


def test_orphans_are_those_of_the_keys_that_arrive(source_db: Server, target_db: Server) -> None:
    mysql(
        source_db,
        "SET foreign_key_checks = 0",
        "CREATE TABLE p (id INT PRIMARY KEY, word VARCHAR(9) COLLATE utf8mb4_bin NOT NULL, UNIQUE KEY by_word (word))",
        "INSERT INTO p VALUES (1, 'a'), (2, 'b'), (3, 'c')",
        "CREATE TABLE c (id INT PRIMARY KEY, parent INT, word VARCHAR(9) COLLATE utf8mb4_bin, "
        "CONSTRAINT of_parent FOREIGN KEY (parent) REFERENCES p (id), "
        "CONSTRAINT of_word FOREIGN KEY (word) REFERENCES p (word))",
        "CREATE TABLE days (day DATE PRIMARY KEY)",
        "CREATE TABLE e (id INT PRIMARY KEY, day DATE, CONSTRAINT of_day FOREIGN KEY (day) REFERENCES days (day))",
        # As they are, 0 has no parent and the others have one; as they arrive, 9 has none.
        "INSERT INTO c VALUES (1, 1, 'a'), (2, 0, 'c'), (3, 3, 'b'), (4, NULL, NULL)",
    )
    values: dict[str, Any] = {"c.parent": {"0": 2, "1": 1, "3": 9}, "c.word": {"c": "z"}}
    values |= {"e.day": {"2020-01-01": 1}, "days.day": {"2020-01-01": 1}}
    mapping = {"valueMapping": values, "unmappedValues": {"c.word": "keep"}}
    written = spec(data={"transformation": {"mapping": mapping}, "loading": {"options": TOLERANT}})
    made = assess.assess(begin(source_db, target_db, written))
    assert made.data is not None
    assert sorted(line for line in made.data.findings if line.startswith("foreign key")) == [
        f"foreign key c.of_parent: 1 rows have no parent in p(id): they are set aside; {keys(3)}",
        f"foreign key c.of_word: 1 rows have no parent in p(word): they are set aside; {keys(2)}",
        "foreign key e.of_day: orphans are seen while it is built",
    ]
    run = finished(begin(source_db, target_db, written))
    assert [removed["rows"] for removed in run.finished("finish_schema")["removed"]] == [1, 1]  # type: ignore[index]


@pytest.mark.parametrize(("referred", "certain"), [("code", 0), ("id", 1)], ids=["changes", "keeps"])
def test_orphans_are_certain_unless_a_function_may_make_their_parents(
    source_db: Server, target_db: Server, tmp_path: Path, referred: str, certain: int
) -> None:
    mysql(
        source_db,
        "SET foreign_key_checks = 0",
        "CREATE TABLE p (id INT PRIMARY KEY, code INT, UNIQUE KEY by_code (code))",
        f"CREATE TABLE c (id INT PRIMARY KEY, p INT, CONSTRAINT of_p FOREIGN KEY (p) REFERENCES p ({referred}))",
        "INSERT INTO c VALUES (1, 99)",
    )
    (tmp_path / "mend.py").write_text("def same(rows):\n    return rows\n")
    written = spec(data={"transformation": {"functions": {"p": "mend.same"}}})
    assert len(assess.assess(begin(source_db, target_db, written, tmp_path)).errors) == certain


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
