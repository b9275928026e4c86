"""What has happened to a backup, or to the database since, is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from archives import KEY, OWNER, check, largest, restore, take
from helpers import dump, endpoint, postgres

from cutover.local.servers import Server
from cutover.rollback import backups

# What pg_dump tells in other words when it was restored.
REWORDED = (
    "CREATE TABLE reworded (name varchar(9) CHECK (name NOT IN ('a', 'it''s')), code char(2))",
    "CREATE INDEX by_name ON reworded (code) WHERE name IN ('x', 'y, z', E'back\\\\slash')",
    "CREATE VIEW seen AS SELECT * FROM reworded WHERE name IN ('x', 'y')",
    "CREATE TABLE parent (n int)",
    "CREATE TABLE heir (own int) INHERITS (parent)",
    "ALTER TABLE parent ADD COLUMN late int",
    "INSERT INTO heir VALUES (1, 2, 3)",
)


def test_what_is_told_in_other_words_is_no_difference(target_db: Server, other: Server, tmp_path: Path) -> None:
    postgres(target_db, *REWORDED)
    path = take(target_db, tmp_path / "backup").path
    restore(path, other)
    assert dump(other) != dump(target_db)
    assert backups.compare(path, endpoint(other)) == []
    postgres(other, "CREATE OR REPLACE VIEW seen AS SELECT * FROM reworded WHERE name IN ('x', 'z')")
    (found,) = backups.compare(path, endpoint(other))
    assert "the schema differs" in found


def _truncate(path: Path) -> None:
    largest(path).write_bytes(largest(path).read_bytes()[:-1])


def _flip(path: Path) -> None:
    file = largest(path)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def _edit(path: Path) -> None:
    manifest = path / backups.MANIFEST
    manifest.write_text(manifest.read_text().replace('"rows":', '"rows" :'))


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda path: largest(path).unlink(), "is missing"),
        (_truncate, "were written"),
        (_flip, "was changed after"),
        (_edit, "manifest.json was changed after"),
        (lambda path: (path / backups.MANIFEST).unlink(), "has no manifest that can be read: No such file"),
        (lambda path: (path / backups.MANIFEST).write_text("{}"), "manifest.json is damaged, or no backup's manifest"),
        (lambda path: (path / backups.MANIFEST).write_text("half {"), "manifest.json is damaged, or no backup's"),
        (shutil.rmtree, "backup is missing"),
    ],
)
@pytest.mark.parametrize("key", [None, KEY])
def test_damage_is_named(
    small: Server, tmp_path: Path, damage: Callable[[Path], None], named: str, key: str | None
) -> None:
    taken = take(small, tmp_path / "backup", key=key)
    assert check(taken) == []
    damage(taken.path)
    (found,) = check(taken)
    assert named in found


def test_anothers_is_named(small: Server, tmp_path: Path) -> None:
    taken = take(small, tmp_path / "backup")
    (found,) = backups.check(taken.path, taken.digest, {"migration": "camera", "run": "first"})
    assert "is of migration shop, run first, not of migration camera, run first" in found


def test_what_pg_restore_cannot_read_is_named(small: Server, tmp_path: Path) -> None:
    taken = take(small, tmp_path / "backup")
    contents = taken.path / "toc.dat"
    contents.write_bytes(b"x" * contents.stat().st_size)
    manifest = json.loads((taken.path / backups.MANIFEST).read_text())
    (entry,) = (file for file in manifest["files"] if file["name"] == "toc.dat")
    entry["sha256"] = backups.sha256(contents)
    (taken.path / backups.MANIFEST).write_text(json.dumps(manifest))
    (found,) = backups.check(taken.path, None, OWNER)
    assert "pg_restore cannot read" in found


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE awkward SET large = 0.3 WHERE large = 0.1::float8 + 0.2", ["table public.awkward: rows differ"]),
        ("UPDATE awkward SET txt = '' WHERE id = 3", ["table public.awkward: rows differ"]),
        ("UPDATE awkward SET cutover_t = 'y' WHERE id = 1", ["table public.awkward: rows differ"]),
        ("DELETE FROM parts WHERE k = 5", ["table public.parts_low: 1 rows, 2 were backed up"]),
        ("INSERT INTO nothing VALUES (1)", ["table public.nothing: 1 rows, 0 were backed up"]),
        (
            'DELETE FROM ONLY "My Schema"."it\'s ""odd"".\nname" WHERE ctid = \'(0,1)\'',
            ['table My Schema.it\'s "odd".\nname: 2 rows, 3 were backed up'],
        ),
        (
            "SELECT nextval('customers_id_seq')",
            ["sequence public.customers_id_seq stands at 4, 3 was backed up"],
        ),
        (
            "SELECT setval('customers_id_seq', 3, false)",
            ["sequence public.customers_id_seq stands at 3 (not used yet), 3 was backed up"],
        ),
        ("DROP INDEX by_name", ["the schema differs"]),
        ("REVOKE SELECT ON customers FROM pg_monitor", ["the schema differs"]),
        ("COMMENT ON COLUMN customers.name IS NULL", ["the schema differs"]),
        (
            "ALTER TABLE customers DROP CONSTRAINT customers_name_check, "
            "ADD CONSTRAINT customers_name_check CHECK (name <> 'b')",
            ["the schema differs"],
        ),
        ("DROP TABLE bare", ["table public.bare is missing", "the schema differs"]),
        ("CREATE TABLE added ()", ["table public.added was not backed up", "the schema differs"]),
        ("CREATE SEQUENCE added", ["sequence public.added was not backed up", "the schema differs"]),
        (
            'DROP SEQUENCE "My Schema"."next ""of\'s."',
            ["sequence My Schema.next \"of's. is missing", "the schema differs"],
        ),
        ("UPDATE customers SET name = name", []),
    ],
)
def test_what_differs_is_named(full: Server, tmp_path: Path, statement: str, named: list[str]) -> None:
    taken = take(full, tmp_path / "backup")
    postgres(full, statement)
    found = backups.compare(taken.path, endpoint(full))
    assert [line.split(":")[0] if line.startswith("the schema") else line for line in found] == named


def test_what_an_extension_owns_is_no_part_of_it(small: Server, other: Server, tmp_path: Path) -> None:
    postgres(small, "CREATE TABLE theirs (n int)", "CREATE EXTENSION citext", "ALTER EXTENSION citext ADD TABLE theirs")
    assert take(small, tmp_path / "backup").tables == 2
    postgres(small, "ALTER EXTENSION citext DROP TABLE theirs")
