"""A run with a row limit: the first rows of every table, whole in themselves, and never in place of more."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import access, begin, dump, migrations, mysql, rows, spec
from program import cutover

from cutover import report
from cutover.local.servers import Server
from cutover.run import NotStartedError, run_migration

TABLES = (
    "CREATE TABLE people (id INT PRIMARY KEY, name VARCHAR(20))",
    "CREATE TABLE pets (owner INT NOT NULL, name VARCHAR(20) NOT NULL, PRIMARY KEY (name), "
    "CONSTRAINT pets_owner FOREIGN KEY (owner) REFERENCES people (id))",
    "CREATE TABLE visits (day DATE, room INT, PRIMARY KEY (day, room))",
    "CREATE TABLE words (word TEXT)",
    "INSERT INTO people VALUES (9, 'z'), (1, 'a'), (5, 'e'), (3, 'c')",
    "INSERT INTO pets VALUES (1, 'Bello'), (9, 'Azor'), (3, 'Cleo'), (1, 'Dino')",
    "INSERT INTO visits VALUES ('2024-02-01', 1), ('2024-01-01', 2), ('2024-01-01', 1), ('2024-03-01', 1)",
    "INSERT INTO words VALUES ('a'), ('b'), ('c'), ('d')",
)


@pytest.fixture
def town(source_db: Server) -> Server:
    mysql(source_db, *TABLES)
    return source_db


def test_the_first_rows_of_each_table_arrive(town: Server, target_db: Server) -> None:
    run = begin(town, target_db, row_limit=3)
    told = run_migration(run)
    assert told.status == report.WITH_LOSSES, told.cause
    assert rows(target_db, "SELECT id FROM people ORDER BY id") == [(1,), (3,), (5,)]
    assert rows(target_db, "SELECT day::text, room FROM visits ORDER BY 1, 2") == [
        ("2024-01-01", 1),
        ("2024-01-01", 2),
        ("2024-02-01", 1),
    ]
    # Azor's owner stays behind, so Azor is set aside: by the operator's wish, not as an error of the data.
    assert rows(target_db, "SELECT name FROM pets ORDER BY name") == [("Bello",), ("Cleo",)]
    assert any("pets: 1 rows set aside, no row in people" in line and "Azor" in line for line in told.rule)
    assert [f"rows of {name}: row_limit lets the first 3 in key order through, no more" for name in
            ("people", "pets", "visits")] == sorted(told.losses)  # fmt: skip
    assert any(note.startswith("rows of words: row_limit does not hold here") for note in told.notes)
    assert rows(target_db, "SELECT count(*) FROM words") == [(4,)]
    assert {t.table: (t.rows, t.verified, t.lost + t.extra + t.changed) for t in told.tables} == {
        "people": (3, 3, 0),
        "pets": (2, 3, 0),
        "visits": (3, 3, 0),
        "words": (4, 4, 0),
    }
    assert told.expectations["failed"] == 0


@pytest.mark.slow
def test_a_trial_takes_the_place_of_nothing_unless_told_to(town: Server, target_db: Server) -> None:
    assert run_migration(begin(town, target_db)).status == report.COMPLETED
    before = dump(target_db)
    with pytest.raises(NotStartedError, match=r"a part of the rows in place of people, pets.*replace_target"):
        run_migration(begin(town, target_db, row_limit=1))
    assert dump(target_db) == before
    assert run_migration(begin(town, target_db, row_limit=1, replace_target=True)).status == report.WITH_LOSSES
    assert rows(target_db, "SELECT id FROM people") == [(1,)]
    # And the whole again: a trial's tables are this migration's own.
    assert run_migration(begin(town, target_db)).status == report.COMPLETED
    assert dump(target_db).count("Azor") == 1


@pytest.mark.slow
def test_the_command_line_has_it_too(town: Server, target_db: Server, tmp_path: Path) -> None:
    folder = migrations(tmp_path, spec())
    arguments = ["run", "shop", "--migrations", str(folder), "--row-limit"]
    done = cutover([*arguments, "2"], access(town, target_db))
    assert done.returncode == 3, done.stdout + done.stderr
    assert "row_limit lets the first 2" in done.stdout
    assert rows(target_db, "SELECT id FROM people ORDER BY id") == [(1,), (3,)]
    wrong = cutover([*arguments, "0"], access(town, target_db))
    assert wrong.returncode == 2
    assert "row_limit must be a whole number from 1, not 0" in wrong.stderr
