"""Keys of MariaDB that let no periods overlap."""

from __future__ import annotations

import psycopg
import pytest
from helpers import begin, endpoint, mysql, postgres, rows, spec

from cutover import report
from cutover.local.servers import Server
from cutover.run import run_migration
from cutover.schema import inspect_mysql, inspect_mysql_periods
from cutover.steps import back

SOURCE = (
    "CREATE TABLE stays (room INT, guest VARCHAR(9), `from` DATE, till DATE, PERIOD FOR stay (`from`, till), "
    "PRIMARY KEY (room, stay WITHOUT OVERLAPS), UNIQUE KEY one_room (guest, stay WITHOUT OVERLAPS))",
    "INSERT INTO stays VALUES (1, 'Ana', '2024-01-01', '2024-01-05'), (1, 'Bo', '2024-01-05', '2024-01-09')",
    "CREATE TABLE instants (id INT, s TIMESTAMP(3) NOT NULL, e TIMESTAMP(3) NOT NULL, PERIOD FOR p (s, e), "
    "UNIQUE KEY apart (id DESC, p WITHOUT OVERLAPS))",
    "INSERT INTO instants VALUES (1, '2024-01-01', '2024-01-02'), (NULL, '2024-01-01', '2024-01-02'), "
    "(NULL, '2024-01-01', '2024-01-03')",
)
STAY = "INSERT INTO stays VALUES ({}, '{}', '{}', '{}')"


def test_periods_do_not_overlap(source_db: Server, target_db: Server) -> None:
    postgres(target_db, "CREATE SCHEMA ext", "CREATE EXTENSION btree_gist SCHEMA ext")
    mysql(source_db, *SOURCE)
    told = run_migration(begin(source_db, target_db))
    assert told.status == report.COMPLETED, (told.cause, told.losses)
    for overlapping in (
        STAY.format(1, "Cy", "2024-01-08", "2024-01-10"),
        STAY.format(2, "Ana", "2024-01-04", "2024-02-01"),
        "INSERT INTO instants VALUES (1, '2024-01-01 23:59:59.999Z', '2024-01-03Z')",
    ):
        with pytest.raises(psycopg.errors.ExclusionViolation):
            postgres(target_db, overlapping)
    with pytest.raises(psycopg.errors.CheckViolation):
        postgres(target_db, STAY.format(3, "Cy", "2024-01-08", "2024-01-08"))
    postgres(target_db, STAY.format(1, "Ana", "2024-01-09", "2024-01-10"))
    # Over what is there, and back.
    second = begin(source_db, target_db)
    assert run_migration(second).cause is None
    back.rollback(second)
    back.validate_rollback(second)
    assert rows(target_db, "SELECT count(*) FROM stays") == [(3,)]


def test_without_the_extension_it_is_told(source_db: Server, target_db: Server) -> None:
    mysql(source_db, *SOURCE)
    told = run_migration(begin(source_db, target_db))
    assert told.status == report.WITH_LOSSES, told.cause
    assert [loss.partition(": WITHOUT OVERLAPS")[0] for loss in told.losses] == [
        "index instants.apart",
        "index stays.PRIMARY",
        "index stays.one_room",
    ]


def test_what_breaks_one_takes_the_key_and_not_the_rows(source_db: Server, target_db: Server) -> None:
    """The source lets a period end before it starts where it is told not to look."""
    postgres(target_db, "CREATE EXTENSION btree_gist")
    mysql(
        source_db,
        *SOURCE,
        "SET check_constraint_checks = 0",
        "INSERT INTO instants VALUES (2, '2024-01-03', '2024-01-02')",
    )
    told = run_migration(begin(source_db, target_db))
    assert told.status == report.WITH_LOSSES, told.cause
    (loss,) = told.losses
    assert loss.startswith("index instants.apart: the target cannot build it: range lower bound must be less")
    assert rows(target_db, "SELECT count(*) FROM instants") == [(4,)]


def test_a_key_that_ignores_case_is_told(source_db: Server, target_db: Server) -> None:
    postgres(target_db, "CREATE EXTENSION btree_gist", "CREATE EXTENSION citext")
    mysql(source_db, *SOURCE)
    written = spec(schema={"settings": {"tables": {"columns": {"ignoreCase": "citext"}}}})
    told = run_migration(begin(source_db, target_db, written))
    assert told.losses == ["index stays.one_room: periods may overlap: guest ignores case, which GiST does not"]


def test_only_tables_that_may_have_one_are_asked(source_db: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    mysql(
        source_db, *SOURCE, "CREATE TABLE other (id INT, s DATE, e DATE, UNIQUE KEY ends (s, e, id), KEY days (s, e))"
    )
    asked = []
    ask = inspect_mysql_periods._periods
    monkeypatch.setattr(inspect_mysql_periods, "_periods", lambda c, table: asked.append(table) or ask(c, table))
    found = inspect_mysql.inspect(endpoint(source_db))
    assert asked == ["instants", "stays"]
    assert [index.period for index in found.table("stays").indexes] == [("from", "till")] * 2
    assert found.table("stays").primary_key == ("room", "till", "from")
