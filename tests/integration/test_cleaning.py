"""What the spec's cleaning refuses, leaves out, changes and merges, in the target and in the report's words."""

from __future__ import annotations

from typing import Any

from helpers import begin, mysql, rows, spec

from cutover import report
from cutover.local.servers import Server
from cutover.run import run_migration

PEOPLE = (
    "CREATE TABLE people (id INT PRIMARY KEY, name VARCHAR(40), phone VARCHAR(16), email VARCHAR(60), born DATE, "
    "since VARCHAR(30), weight DECIMAL(5,2), size VARCHAR(9), state CHAR(1), note TEXT, UNIQUE KEY names (name))",
    "INSERT INTO people VALUES "
    "(1, ' Ana  Müller ', '030 123456', 'Ana@Example.COM', '1990-02-28', '2024-02-29', 70.5, '42', 'A', 'x'), "
    "(2, 'Mu\u0308ller', '+49 30 12 34 56', ' b@b.example', '2101-01-01', NULL, 1, '1', 'A', 'x'), "
    "(3, 'Cé', 'nobody', 'c@c.example', NULL, NULL, 1, '1', 'A', 'x'), "
    "(4, 'Dé', NULL, 'no address', NULL, NULL, 1, '1', 'A', 'x'), "
    "(5, 'Eé', NULL, NULL, NULL, '30.02.2024', 1, '1', 'A', 'x'), "
    "(6, 'Fé', NULL, NULL, NULL, NULL, 0.49, '1', 'A', 'x'), "
    "(7, 'Gé', NULL, NULL, NULL, NULL, 1, 'big', 'A', 'x'), "
    "(8, 'Hé', NULL, NULL, NULL, NULL, 1, NULL, 'Q', 'x'), "
    "(9, 'Ié', NULL, NULL, NULL, NULL, NULL, '1e2', NULL, NULL), "
    "(10, 'Ana Müller', NULL, NULL, '1899-12-31', NULL, 1, '1', 'A', 'x'), "
    "(11, ' Hé', NULL, NULL, NULL, NULL, 1, '1', 'I', 'x')",
)
RULES: dict[str, Any] = {
    "phoneRegion": "DE",
    "mapping": {
        "valueMapping": {"people.state": {"A": "active", "I": "idle"}},
        "unmappedValues": {"people.state": "keep"},
    },
    "cleaning": {
        "nullHandling": {"strategy": "remove", "columns": ["people.note"]},
        "dataValidation": {
            "phoneValidation": True,
            "dateValidation": ["people.born", "people.since"],
            "dateRange": {"from": "1900-01-01"},
            "numericValidation": ["people.size"],
            "numericRange": {"people.weight": {"min": 0.5}},
        },
    },
    "enrichment": {
        "dataEnrichment": {
            "dataNormalization": {"people.name": ["nfc", "trim", "squeeze"], "people.email": ["trim"]},
            "dataStandardization": {"people.phone": "e164", "people.email": "email"},
        }
    },
}


def cleaned(transformation: dict[str, Any], max_errors: int = 100) -> Any:
    loading = {"options": {"errorHandling": {"maxErrors": max_errors, "errorThreshold": 1.0}}}
    return spec(data={"transformation": transformation, "loading": loading})


def test_rows_are_refused_left_out_and_rewritten_with_a_word_for_each(source_db: Server, target_db: Server) -> None:
    mysql(source_db, *PEOPLE)
    told = run_migration(begin(source_db, target_db, cleaned(RULES)))
    assert told.status == report.WITH_LOSSES, told.cause
    assert rows(target_db, "SELECT id, name, phone, email, state, weight::text, size FROM people ORDER BY id") == [
        (1, "Ana Müller", "+4930123456", "Ana@example.com", "active", "70.50", "42"),
        (8, "Hé", None, None, "Q", "1.00", None),
    ]
    dates = "holds no date from 1900-01-01 to 2100-12-31"
    assert sorted(told.losses) == [
        'people: 1 rows set aside, email holds no valid e-mail address; keys {"id": 4}',
        "people: 1 rows set aside, its name is another row's too, once its text is brought to one form; "
        'keys {"id": 11}',
        'people: 1 rows set aside, phone holds a value that e164 has no form for; keys {"id": 3}',
        f'people: 1 rows set aside, since {dates}; keys {{"id": 5}}',
        'people: 1 rows set aside, size holds no number; keys {"id": 7}',
        'people: 1 rows set aside, weight holds no number from 0.5; keys {"id": 6}',
        f'people: 2 rows set aside, born {dates}; keys {{"id": 2}}, {{"id": 10}}',
    ]
    assert sorted(told.rule) == [
        "people.email: 1 values standardised (email)",
        "people.name: 2 values normalised (nfc, trim, squeeze)",
        "people.phone: 1 values standardised (e164)",
        "people.state: 1 values that valueMapping does not name were kept",
        'people: 1 rows set aside, note is NULL, and nullHandling is remove; keys {"id": 9}',
    ]
    (table,) = told.tables
    assert (table.rows_read, table.rows, table.refused, table.set_aside, table.verified) == (11, 2, 7, 2, 3)


CODES = (
    "CREATE TABLE codes (id INT PRIMARY KEY, kind CHAR(1), level TINYINT, note TEXT)",
    "INSERT INTO codes VALUES (1, 'A', 1, 'x'), (2, 'B', 7, 'x'), (3, NULL, NULL, 'x'), (4, 'C', 9, 'x'), "
    "(5, 'A', 1, NULL)",
)
MEANINGS: dict[str, Any] = {
    "valueMapping": {"codes.kind": {"A": "active"}, "codes.level": {"1": True}},
    "unmappedValues": {"codes.kind": "nullify", "codes.level": "default"},
    "unmappedDefaults": {"codes.level": False},
}


def test_values_outside_the_mapping_and_rows_with_null_are_no_errors(source_db: Server, target_db: Server) -> None:
    mysql(source_db, *CODES)
    cleaning = {"nullHandling": {"strategy": "remove", "columns": ["codes.note"]}}
    told = run_migration(begin(source_db, target_db, cleaned({"mapping": MEANINGS, "cleaning": cleaning}, 0)))
    assert told.status == report.WITH_LOSSES, told.cause
    assert rows(target_db, "SELECT id, kind, level FROM codes ORDER BY id") == [
        (1, "active", True),
        (2, None, False),
        (3, None, None),
        (4, None, False),
    ]
    assert told.losses == [
        "codes.kind: 2 values that valueMapping does not name became NULL",
        "codes.level: 2 values that valueMapping does not name became False",
    ]
    assert told.rule == ['codes: 1 rows set aside, note is NULL, and nullHandling is remove; keys {"id": 5}']


def test_rows_that_are_refused_count_against_the_limit(source_db: Server, target_db: Server) -> None:
    mysql(source_db, *PEOPLE)
    told = run_migration(begin(source_db, target_db, cleaned(RULES, 6)))
    assert told.status == report.ROLLED_BACK
    assert "7 rows were refused (people 7), more than maxErrors 6" in str(told.cause)
    assert rows(target_db, "SELECT 1 FROM pg_class WHERE relname = 'people'") == []
