"""Two schemas compared, object by object."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers import access, begin, dump, migrations, mysql, postgres, spec
from program import cutover
from test_code import SOURCE

from cutover.local.servers import Server
from cutover.run import run_migration


@pytest.fixture
def counted(source_db: Server) -> Server:
    mysql(
        source_db,
        *SOURCE,
        "CREATE TABLE parts (id INT NOT NULL, day DATE NOT NULL, size ENUM('s','m'), tags SET('a','b') COMMENT '%', "
        "word VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci, PRIMARY KEY (id, day), "
        "KEY newest (day DESC, word(5)), FULLTEXT KEY (word), CHECK (id > 0)) COMMENT 'a:b' "
        "PARTITION BY RANGE (YEAR(day)) "
        "(PARTITION old VALUES LESS THAN (2020), PARTITION new VALUES LESS THAN MAXVALUE)",
    )
    return source_db


def differences(folder: Path, source: Server, target: Server, *options: str) -> tuple[int, str]:
    done = cutover(["schema", "diff", "shop", "--migrations", str(folder), *options], access(source, target))
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, done.stdout


@pytest.mark.slow
def test_a_migrated_schema_does_not_differ(counted: Server, target_db: Server, tmp_path: Path) -> None:
    folder = migrations(tmp_path, spec())
    before = dump(target_db)
    code, shown = differences(folder, counted, target_db)
    assert code == 1
    assert "+ table Cameras" in shown
    assert dump(target_db) == before
    assert run_migration(begin(counted, target_db, spec())).cause is None
    assert differences(folder, counted, target_db) == (0, "no differences\n")


def test_what_changed_on_either_side_is_told(counted: Server, target_db: Server, tmp_path: Path) -> None:
    folder = migrations(tmp_path, spec())
    run_migration(begin(counted, target_db, spec()))
    mysql(counted, "ALTER TABLE parts ADD note INT NOT NULL DEFAULT 3", "DROP VIEW totals")
    postgres(
        target_db,
        "ALTER TABLE parts ALTER word TYPE varchar(30)",
        "ALTER TABLE parts DROP CONSTRAINT parts_pkey",
        "DROP INDEX newest",
        "COMMENT ON TABLE parts IS 'other'",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    )
    code, shown = differences(folder, counted, target_db)
    assert code == 1
    lines = shown.splitlines()
    for expected in (
        "+ column parts.note: integer NOT NULL DEFAULT 3",
        '+ index parts.newest: ON parts USING btree (day DESC, "left"(word::text, 5))',
        "+ primary key parts.parts_pkey: PRIMARY KEY (id, day)",
        "- function mine(): integer v SELECT 1",
        "~ column parts.word: character varying(30) -> character varying(20)",
    ):
        assert expected in lines, shown
    assert any(line.startswith("- view totals") for line in lines)
    assert any(line.startswith("~ table parts: ") and "'other'" in line for line in lines)
    found = json.loads(differences(folder, counted, target_db, "--format", "json")[1])
    assert {
        "kind": "column",
        "table": "parts",
        "name": "word",
        "before": "character varying(30)",
        "after": "character varying(20)",
    } in found
    # Against what the last run made, the source's own changes do not show.
    _, last = differences(folder, counted, target_db, "--to", "last")
    assert "parts.note" not in last
    assert "~ column parts.word: character varying(30) -> character varying(20)" in last
