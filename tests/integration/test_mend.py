"""What differs is mended as far as the target's constraints let it, and nothing else is touched."""

from __future__ import annotations

import pytest
from comparing import compared, comparison
from helpers import mysql, postgres, rows

from cutover import verdict
from cutover.local.servers import Server
from cutover.steps import compare, mend
from cutover.steps.compare import Options


def test_repair_leaves_what_would_break_a_foreign_key(copied: tuple[Server, Server]) -> None:
    source, target = copied
    mysql(source, "INSERT INTO children VALUES (7, 99, 'orphan', '')")
    postgres(target, "DELETE FROM children WHERE id = 1", "INSERT INTO parents VALUES (8, 'new')")
    postgres(
        target,
        "CREATE TABLE others (id int PRIMARY KEY, parent int REFERENCES parents)",
        "INSERT INTO others VALUES (1, 8)",
    )
    found = compared(source, target, repair=True)
    assert found.status == verdict.DIFFERENT
    assert sorted(found.differences) == ["children[7]: only in the source", "parents[8]: only in the target"]
    assert (
        "children[7]: left as they are, for parents has no row they refer to (foreign key children_parent_fkey)"
        in found.notes
    )
    assert any("parents[8]: left as they are, for others has rows that refer to them" in note for note in found.notes)
    assert rows(target, "SELECT id FROM children ORDER BY 1") == [(1,), (2,), (3,), (4,), (5,)]


def test_repair_leaves_rows_that_the_table_does_not_take(copied: tuple[Server, Server]) -> None:
    source, target = copied
    mysql(
        source, "UPDATE children SET note = 'much too long' WHERE id = 1", "UPDATE children SET note = 'n' WHERE id = 2"
    )
    postgres(target, "ALTER TABLE children ADD CONSTRAINT short CHECK (length(note) < 5)")
    found = compared(source, target, repair=True)
    assert found.differences == ["children[1].note: source 'much too long', target 'x'"]
    assert any(n.startswith("children[1]: left as they are") and 'check constraint "short"' in n for n in found.notes)
    assert rows(target, "SELECT id, note FROM children ORDER BY 1")[:2] == [(1, "x"), (2, "n")]


def test_repair_keeps_what_it_does_not_compare(source_db: Server, target_db: Server) -> None:
    mysql(source_db, "CREATE TABLE t (id INT PRIMARY KEY, v INT, p POINT)", "CREATE TABLE heap (v INT)")
    mysql(source_db, "INSERT INTO t VALUES (1, 5, NULL), (2, 6, NULL)", "INSERT INTO heap VALUES (1)")
    postgres(
        target_db,
        "CREATE TABLE t (id int PRIMARY KEY, v int, p point, note text DEFAULT 'new', "
        "twice int GENERATED ALWAYS AS (v * 2) STORED)",
        "CREATE TABLE heap (v int, note text)",
        "INSERT INTO t VALUES (1, 4, '(1,2)', 'precious')",
        "INSERT INTO heap VALUES (2, 'precious')",
    )
    found = compared(source_db, target_db, repair=True)
    assert found.differences == ["heap[1]: only in the source", "heap[2]: only in the target"]
    assert "heap: it has no key, and note, which is not compared" in found.notes
    assert rows(target_db, "SELECT id, v, p::text, note, twice FROM t ORDER BY id") == [
        (1, 5, "(1,2)", "precious", 10),
        (2, 6, None, "new", 12),
    ]
    assert rows(target_db, "SELECT * FROM heap") == [(2, "precious")]


BOUND = {
    "a child in another schema": (
        "CREATE SCHEMA other; CREATE TABLE other.c (p int REFERENCES t); INSERT INTO t VALUES (9, 9); "
        "INSERT INTO other.c VALUES (9)",
        "c has rows that refer to them",
    ),
    "a parent in another schema": (
        "CREATE SCHEMA other; CREATE TABLE other.p (v int PRIMARY KEY); INSERT INTO other.p VALUES (4), (2); "
        "UPDATE t SET v = 4 WHERE id = 1; ALTER TABLE t ADD FOREIGN KEY (v) REFERENCES other.p",
        "p has no row they refer to",
    ),
    "a key that is checked late": (
        "UPDATE t SET v = 4 WHERE id = 1; ALTER TABLE t ADD CONSTRAINT late UNIQUE (v) DEFERRABLE",
        "constraint late is DEFERRABLE",
    ),
    "a trigger that always acts": (
        "UPDATE t SET v = 4 WHERE id = 1; CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN RETURN NULL; END'; CREATE TRIGGER eager BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION nothing(); "
        "ALTER TABLE t ENABLE ALWAYS TRIGGER eager",
        "trigger eager is ENABLE ALWAYS",
    ),
}


@pytest.mark.parametrize("damage", BOUND)
def test_repair_leaves_what_the_server_does_not_look_after(source_db: Server, target_db: Server, damage: str) -> None:
    statement, why = BOUND[damage]
    mysql(source_db, "CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1, 1), (2, 2)")
    postgres(target_db, "CREATE TABLE t (id int PRIMARY KEY, v int)", "INSERT INTO t VALUES (1, 1), (2, 2)", statement)
    before = rows(target_db, "SELECT * FROM t ORDER BY id")
    found = compared(source_db, target_db, repair=True)
    assert found.status == verdict.DIFFERENT
    assert any(why in note for note in found.notes), found.notes
    assert rows(target_db, "SELECT * FROM t ORDER BY id") == before


def test_repair_leaves_rows_that_have_changed_since(source_db: Server, target_db: Server) -> None:
    mysql(source_db, "CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1, 5), (2, 5), (3, 5)")
    postgres(target_db, "CREATE TABLE t (id int PRIMARY KEY, v int)", "INSERT INTO t VALUES (1, 4), (2, 4)")
    run, options = comparison(source_db, target_db), Options(repair=True)
    compare.prepare(run, options)
    for piece in compare.pieces(run):
        compare.compare_piece(run, options, 0, compare.differing(run), piece)
    # Who follows the source brings what is newer.
    postgres(target_db, "UPDATE t SET v = 7 WHERE id = 1", "INSERT INTO t VALUES (3, 7)")
    assert mend.repair_table(run, "t", compare.pieces(run))
    assert rows(target_db, "SELECT * FROM t ORDER BY id") == [(1, 7), (2, 5), (3, 7)]


def test_a_key_that_is_there_twice_keeps_one_row_at_least(source_db: Server, target_db: Server) -> None:
    mysql(source_db, "CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1, 1), (2, 2)")
    postgres(target_db, "CREATE TABLE t (id int NOT NULL, v int)", "INSERT INTO t VALUES (1, 1), (1, 1), (2, 2)")
    run, options = comparison(source_db, target_db), Options(repair=True)
    compare.prepare(run, options)
    for piece in compare.pieces(run):
        compare.compare_piece(run, options, 0, compare.differing(run), piece)
    assert mend.repair_table(run, "t", compare.pieces(run))
    assert rows(target_db, "SELECT * FROM t ORDER BY id") == [(1, 1), (2, 2)]
