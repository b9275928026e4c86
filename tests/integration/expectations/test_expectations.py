"""Suites on a real PostgreSQL: what is right passes, and what is wrong is named."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from expecting import ALL, CAMERAS, KIND, PASSWORD, ROWS, SCHEMA, assert_secret, check, column, failures, run

from cutover.dialects.endpoint import Endpoint
from cutover.errors import VerificationError
from cutover.route import TableRoute
from cutover.schema.checks import of_labels
from cutover.schema.target import TargetTable
from cutover.verify import engine, expectations
from cutover.verify.expectations import Result
from cutover.verify.questions import GUARANTEED, SCANNED
from cutover.verify.ranges import Range

LOOSE = """
    ALTER TABLE "Order: {x}" DROP CONSTRAINT "Order: {x}_camera_fkey", DROP CONSTRAINT "Order: {x}_pkey",
        ALTER id DROP NOT NULL;
    ALTER TABLE cameras DROP CONSTRAINT cameras_pkey, ALTER installed DROP NOT NULL, DROP CONSTRAINT cameras_site;
    DROP INDEX cameras_place;
"""


def test_a_good_load_passes(target: Endpoint, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    results = check(target, tmp_path / "docs")
    assert failures(results) == []
    found = {(result.kind, result.table, result.column): result.detail for result in results}
    assert found["rows", "cameras", None] == "found 3"
    assert found["unique", "cameras", "site, name"] == GUARANTEED
    assert found["unique", "Order: {x}", "kind"] == SCANNED
    assert found["not_null", "cameras", "installed"] == GUARANTEED
    assert found["foreign_keys", "Order: {x}", "camera"] == GUARANTEED
    assert found["checks", "cameras", None] == GUARANTEED
    assert found["checks", "Order: {x}", None] == SCANNED
    assert found["values", "Order: {x}", "mood"] == GUARANTEED
    assert found["values", "Order: {x}", "kind"] == SCANNED
    assert found["values", "Order: {x}", "di%rection"] == SCANNED
    assert_secret(tmp_path / "docs", caplog.text + repr(results))


def test_what_no_constraint_guarantees_is_looked_at(target: Endpoint, tmp_path: Path) -> None:
    run(target, LOOSE)
    results = check(target, tmp_path)
    assert failures(results) == []
    scanned = {(r.table, r.column) for r in results if r.detail == SCANNED}
    assert scanned >= {("cameras", c) for c in ("id", "site, name", "installed", None)} | {("Order: {x}", "camera")}


@pytest.mark.parametrize(
    ("kind", "damage", "found"),
    [
        ("rows", 'DELETE FROM "Order: {x}" WHERE id = 4', ["Order: {x}: expect 4 rows: found 3"]),
        (
            "types",
            "ALTER TABLE cameras DROP name, ALTER installed TYPE timestamptz, ADD more text",
            [
                "cameras: expect the planned columns and types: name missing; installed timestamp with "
                "time zone instead of timestamp(0) without time zone; more was not planned"
            ],
        ),
        (
            "not_null",
            "ALTER TABLE cameras ALTER installed DROP NOT NULL; UPDATE cameras SET installed = NULL WHERE id < 3",
            ["cameras.installed: expect no NULL: 2 unexpected, e.g. [1], [2]"],
        ),
        (
            "unique",
            "DROP INDEX cameras_place; UPDATE cameras SET name = 'a' WHERE site = 1",
            ["cameras.site, name: expect unique: 2 unexpected, e.g. [1] '1, a', [2] '1, a'"],
        ),
        (
            "unique",
            "UPDATE \"Order: {x}\" SET kind = 'b'",
            ["Order: {x}.kind: expect unique: 4 unexpected, e.g. [1] 'b', [2] 'b', [3] 'b', [4] 'b'"],
        ),
        (
            "foreign_keys",
            f'{LOOSE}; UPDATE "Order: {{x}}" SET camera = 7 + id WHERE id < 3',
            ["Order: {x}.camera: expect a parent row in cameras(id): 2 unexpected, e.g. [1] '8', [2] '9'"],
        ),
        (
            "values",
            'UPDATE "Order: {x}" SET "di%rection" = \'up\' WHERE id < 3',
            ["Order: {x}.di%rection: expect only planned values: 2 unexpected, e.g. [1] 'up', [2] 'up'"],
        ),
        (
            "values",
            "ALTER TYPE mood ADD VALUE 'ugly'; COMMIT; UPDATE \"Order: {x}\" SET mood = 'ugly' WHERE id = 3",
            ["Order: {x}.mood: expect only planned values: 1 unexpected, e.g. [3] 'ugly'"],
        ),
        (
            "checks",
            "ALTER TABLE cameras DROP CONSTRAINT cameras_site; UPDATE cameras SET site = -1 WHERE id = 2",
            ["cameras: expect check cameras_site: 1 unexpected, e.g. [2]"],
        ),
    ],
)
def test_each_kind_finds_its_fault(target: Endpoint, tmp_path: Path, kind: str, damage: str, found: list[str]) -> None:
    run(target, damage)
    assert failures(check(target, tmp_path, frozenset({kind}))) == found
    if kind != "types":
        assert failures(check(target, tmp_path, ALL - {"rows", "types", kind})) == []


def test_relaxed_columns_may_hold_null(target: Endpoint, tmp_path: Path) -> None:
    run(target, "ALTER TABLE cameras ALTER installed DROP NOT NULL; UPDATE cameras SET installed = NULL")
    results = check(target, tmp_path, frozenset({"not_null"}), relaxed=("cameras.installed",))
    assert failures(results) == []
    assert "installed" not in {result.column for result in results}


def test_a_foreign_key_that_is_not_valid_guarantees_nothing(target: Endpoint, tmp_path: Path) -> None:
    run(target, LOOSE)
    run(
        target,
        """
        ALTER TABLE cameras ADD PRIMARY KEY (id);
        UPDATE "Order: {x}" SET camera = 9 WHERE id = 1;
        ALTER TABLE "Order: {x}" ADD FOREIGN KEY (camera) REFERENCES cameras NOT VALID
    """,
    )
    assert len(failures(check(target, tmp_path, frozenset({"foreign_keys"})))) == 1


@pytest.mark.parametrize("written", ["site > 0 OR name LIKE '%:x{}') NOT VALID", "site > -5)"])
def test_a_check_that_is_not_valid_or_not_the_planned_one_guarantees_nothing(
    target: Endpoint, tmp_path: Path, written: str
) -> None:
    run(
        target,
        f"""
        ALTER TABLE cameras DROP CONSTRAINT cameras_site;
        UPDATE cameras SET site = -1 WHERE id = 2;
        ALTER TABLE cameras ADD CONSTRAINT cameras_site CHECK ({written}
    """,
    )
    results = check(target, tmp_path, frozenset({"checks"}))
    assert failures(results) == ["cameras: expect check cameras_site: 1 unexpected, e.g. [2]"]
    assert [result.keys for result in results if not result.success] == [("2",)]


def test_a_labels_check_that_is_there_is_not_scanned_for(target: Endpoint, tmp_path: Path) -> None:
    run(target, f'ALTER TABLE "Order: {{x}}" ADD CONSTRAINT orders_kind_check CHECK ({of_labels("orders", KIND).sql})')
    results = check(target, tmp_path, frozenset({"checks", "values"}))
    assert {r.detail for r in results if r.kind == "checks" or r.column == "kind"} == {GUARANTEED}


@pytest.mark.parametrize(
    ("range_", "found"),
    [
        (Range("site", "integer", "1", "2", 0, exact=True), []),
        (Range("site", "integer", "0", "9", 5, exact=False), []),
        (
            Range("site", "integer", "0", "2", 0, exact=True),
            ["cameras.site: expect 0 to 2 and 0 NULL, as in the source: found 1 to 2, 0 NULL"],
        ),
        (
            Range("site", "integer", "1", "1", 0, exact=False),
            [
                "cameras.site: expect no more than 1 to 1 and 0 NULL, as in the source: "
                "found 1 to 2, 0 NULL; 1 unexpected, e.g. [3] '2'"
            ],
        ),
        (
            Range("name", "varchar(20)", None, None, 3, exact=False),
            [
                "cameras.name: expect no more than no value and 3 NULL, as in the source: "
                "found a to b, 1 NULL; 2 unexpected, e.g. [1] 'a', [2] 'b'"
            ],
        ),
        (
            Range("name", "varchar(20)", "a", "b", 0, exact=True),
            ["cameras.name: expect a to b and 0 NULL, as in the source: found a to b, 1 NULL; 1 unexpected, e.g. [3]"],
        ),
    ],
)
def test_ranges(target: Endpoint, tmp_path: Path, range_: Range, found: list[str]) -> None:
    assert failures(check(target, tmp_path, frozenset({"ranges"}), ranges=(range_,))) == found


def test_a_row_without_a_key_is_named_by_where_it_lies(target: Endpoint, tmp_path: Path) -> None:
    run(target, "ALTER TABLE cameras ALTER installed DROP NOT NULL; UPDATE cameras SET installed = NULL WHERE id = 1")
    keyless = replace(CAMERAS, route=replace(CAMERAS.route, key=()))
    results = expectations.validate(
        (keyless,), target, SCHEMA, ROWS, frozenset(), [], tmp_path, frozenset({"not_null"})
    )
    assert [result.keys for result in results if not result.success] == [("ctid (0,4)",)]


@pytest.mark.slow
def test_a_table_of_more_columns_than_one_query_gives(target: Endpoint, tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(600)]
    run(target, f"CREATE TABLE wide (id int PRIMARY KEY, {', '.join(f'{name} int' for name in names)})")
    run(target, f"INSERT INTO wide SELECT 1, {', '.join('1' for _ in names)}; UPDATE wide SET c599 = NULL")
    columns = tuple(column(name, "integer", "int32", nullable=False) for name in ["id", *names])
    wide = TargetTable(TableRoute("wide", "wide", columns, ("id",)))
    held = tuple(Range(name, "integer", "1", "1", 0, exact=True) for name in names)
    results = expectations.validate(
        (wide,), target, SCHEMA, {"wide": 1}, frozenset(), [], tmp_path, ALL, {"wide": held}
    )
    assert len(results) == 1204
    assert failures(results) == [
        "wide.c599: expect no NULL: 1 unexpected, e.g. [1]",
        "wide.c599: expect 1 to 1 and 0 NULL, as in the source: found no value, 1 NULL; 1 unexpected, e.g. [1]",
    ]


def test_a_type_that_is_gone_is_a_finding(target: Endpoint, tmp_path: Path) -> None:
    run(target, 'ALTER TABLE "Order: {x}" ALTER mood TYPE text; DROP TYPE mood')
    assert failures(check(target, tmp_path, frozenset({"types"}))) == [
        'Order: {x}: expect the planned columns and types: mood text instead of "mood"'
    ]


def test_outcomes_are_sorted_by_what_they_are_about() -> None:
    results = [
        Result("a", "expect the table", None, False, "it does not exist", kind="tables"),
        Result("b", "expect 3 rows", None, False, "found 2", kind="rows"),
        Result("b", "expect no NULL", "c", False, "1 unexpected", kind="not_null"),
        Result("b", "expect unique", "c", True, GUARANTEED, kind="unique"),
        Result("b", "expect_x (own.yaml)", "c", False, "found 1", "warning"),
    ]
    schema, data, constraint = expectations.outcomes(results, ["ranges: not asked"])
    assert (schema.kind, schema.status, schema.errors) == (
        "schema",
        "failed",
        ("a: expect the table: it does not exist",),
    )
    assert data.errors == ("b: expect 3 rows: found 2",)
    assert data.warnings == ("b.c: expect_x (own.yaml): found 1", "ranges: not asked")
    assert constraint.errors == ("b.c: expect no NULL: 1 unexpected",)


def test_a_table_that_is_not_there(target: Endpoint, tmp_path: Path) -> None:
    run(target, 'DROP TABLE "Order: {x}"')
    assert failures(check(target, tmp_path)) == ["Order: {x}: expect the table: it does not exist"]


def test_what_great_expectations_cannot_do_is_told_without_secrets(
    target: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(f"connecting to {PASSWORD} failed")

    monkeypatch.setattr(engine, "_suites", fail)
    with pytest.raises(VerificationError, match=r"could not run .* connecting to \*\*\* failed"):
        check(target, tmp_path)
