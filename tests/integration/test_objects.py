"""What belongs to a table besides its rows: checks, indexes of every kind, columns that take the time."""

from __future__ import annotations

import psycopg
import pytest
from helpers import begin, dump, finished, mysql, one, postgres, rows, schemas, spec

from cutover import report
from cutover.local.servers import Server
from cutover.report import Report
from cutover.run import run_migration
from cutover.steps import back, move

TABLE = (
    "CREATE TABLE notes (id INT AUTO_INCREMENT PRIMARY KEY, word VARCHAR(40), body TEXT, code VARBINARY(20), "
    "stock INT CHECK (stock >= 0), price DECIMAL(9,2), doc JSON, "
    "seen DATETIME NULL ON UPDATE CURRENT_TIMESTAMP, changed TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP "
    "ON UPDATE CURRENT_TIMESTAMP, "
    "CONSTRAINT priced CHECK (price > 0 OR stock = 0), "
    "UNIQUE KEY first_letters (word(3)), KEY words (word, body(10)), KEY newest (id DESC, word), "
    "KEY codes (code(4)), FULLTEXT KEY texts (word, body), KEY docs (doc(10)))",
    "INSERT INTO notes (word, body, code, stock, price, doc, seen, changed) VALUES "
    "('apple', 'red and round', 0x0001020304, 1, 1.50, '{\"b\": 1, \"a\": [1,  2]}', NULL, '2024-01-01 00:00:00'), "
    "('banana', 'yellow', 0x00FF, 0, 0, NULL, '2024-01-02 03:04:05', '2024-01-01 00:00:00')",
)


def losses(told: Report, *beginnings: str) -> list[str]:
    return [loss for loss in told.losses if loss.startswith(tuple(beginnings))]


def definitions(target: Server, query: str) -> dict[str, str]:
    return dict(rows(target, query))


INDEXES = "SELECT indexname, regexp_replace(indexdef, '^.* USING ', '') FROM pg_indexes WHERE tablename = 'notes'"


def test_indexes_of_every_kind(source_db: Server, target_db: Server) -> None:
    mysql(source_db, *TABLE)
    told = run_migration(begin(source_db, target_db))
    assert told.status == report.WITH_LOSSES, told.cause
    assert definitions(target_db, INDEXES + " AND schemaname = 'public'") == {
        "notes_pkey": "btree (id)",
        "first_letters": 'btree ("left"((word)::text, 3))',
        "words": 'btree (word, "left"(body, 10))',
        "newest": "btree (id DESC, word)",
        "codes": "btree (substr(code, 1, 4))",
        "texts": "gin (to_tsvector('simple'::regconfig, (((COALESCE(word, ''::character varying))::text || ' '::text)"
        " || COALESCE(body, ''::text))))",
    }
    # A prefix of JSON has no meaning in PostgreSQL; the one index that is refused stops nothing.
    (refused,) = told.losses
    assert refused.startswith("index notes.docs: the target refuses CREATE INDEX docs")
    assert "left(json, integer) does not exist" in refused
    found = "SELECT id FROM notes WHERE to_tsvector('simple', coalesce(word, '') || ' ' || coalesce(body, '')) @@ %s"
    assert rows(target_db, found + "::tsquery", "yellow") == [(2,)]
    assert told.expectations["failed"] == 0


def test_a_view_that_joins_texts_once_each_is_compared_as_the_source_gives_it(
    source_db: Server, target_db: Server
) -> None:
    mysql(
        source_db,
        "CREATE TABLE sightings (id INT PRIMARY KEY, camera INT NOT NULL, kind VARCHAR(20))",
        "INSERT INTO sightings SELECT seq, seq MOD 2, CONCAT('k', seq MOD 7) FROM seq_1_to_60",
        "CREATE VIEW kinds AS SELECT camera, GROUP_CONCAT(DISTINCT CONCAT(kind, '!') ORDER BY kind) AS seen "
        "FROM sightings GROUP BY camera",
    )
    told = run_migration(begin(source_db, target_db))
    assert told.cause is None
    assert not [loss for loss in told.losses if "gives other rows" in loss]
    assert rows(target_db, "SELECT * FROM kinds ORDER BY camera") == [
        (camera, "k0!,k1!,k2!,k3!,k4!,k5!,k6!") for camera in (0, 1)
    ]


def test_checks_are_carried_and_hold(source_db: Server, target_db: Server) -> None:
    mysql(source_db, *TABLE)
    assert run_migration(begin(source_db, target_db)).cause is None
    for broken in ("UPDATE notes SET stock = -1 WHERE id = 2", "UPDATE notes SET price = 0 WHERE id = 1"):
        with pytest.raises(psycopg.errors.CheckViolation):
            postgres(target_db, broken)
    # JSON arrives as JSON, letter by letter; the check that MariaDB keeps it with is needed no more.
    assert one(target_db, "SELECT doc::text FROM notes WHERE id = 1") == '{"b": 1, "a": [1,  2]}'
    names = "SELECT conname FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace ORDER BY 1"
    assert rows(target_db, names) == [("notes_stock_check",), ("priced",)]


def test_a_check_that_rows_break_holds_for_later_ones(source_db: Server, target_db: Server) -> None:
    """The source compares without regard to case, and lets a check be broken where it is told to."""
    mysql(
        source_db,
        "CREATE TABLE t (id INT PRIMARY KEY, size VARCHAR(9), n INT, CONSTRAINT sized CHECK (size IN ('s', 'm')), "
        "CONSTRAINT small CHECK (n < 5), CONSTRAINT big CHECK (n > 0), "
        "CONSTRAINT odd CHECK (SOUNDEX(size) <> 'S'))",
        "SET check_constraint_checks = 0",
        "INSERT INTO t VALUES (1, 'S', 9), (2, 'm', 1)",
    )
    run = begin(source_db, target_db)
    # As after a crash at the end of the step: what was left out the first time is told the second time, too.
    move.finish_schema(finished(run))
    told = run_migration(run)
    assert told.status == report.WITH_LOSSES, told.cause
    assert rows(target_db, "SELECT id, size, n FROM t ORDER BY id") == [(1, "S", 9), (2, "m", 1)]
    (odd,) = losses(told, "check t.odd:")
    assert "soundex" in odd.lower()
    open_ = "holds for rows to come alone: rows of the source break it"
    assert {f"check t.sized: {open_}", f"check t.small: {open_}"} <= set(told.notes)
    checks = "SELECT conname, convalidated FROM pg_constraint WHERE conrelid = 't'::regclass AND contype = 'c'"
    assert dict(rows(target_db, checks)) == {"big": True, "sized": False, "small": False}
    with pytest.raises(psycopg.errors.CheckViolation):
        postgres(target_db, "INSERT INTO t VALUES (3, 'x', 1)")
    assert any(note.startswith("check t.sized: it compares text letter by letter") for note in told.notes)


def touched(target: Server) -> list[tuple[object, ...]]:
    return rows(target, "SELECT seen IS NULL, changed > now() - interval '1 hour' FROM notes ORDER BY id")


def test_columns_that_take_the_time_of_a_change(source_db: Server, target_db: Server) -> None:
    mysql(source_db, *TABLE)
    run_migration(begin(source_db, target_db))
    assert touched(target_db) == [(True, False), (False, False)]
    # No change is no change; a column that is set itself keeps what it was set to.
    postgres(target_db, "UPDATE notes SET word = word")
    assert touched(target_db) == [(True, False), (False, False)]
    postgres(
        target_db, "UPDATE notes SET changed = '2024-05-05' WHERE id = 2", "UPDATE notes SET stock = 7 WHERE id = 1"
    )
    assert touched(target_db) == [(False, True), (False, False)]
    assert one(target_db, "SELECT seen > now() - interval '1 hour' FROM notes WHERE id = 2")


def test_they_come_and_go_with_their_table(source_db: Server, target_db: Server) -> None:
    mysql(source_db, *TABLE)
    first = begin(source_db, target_db)
    run_migration(first)
    after_first = dump(target_db)
    second = begin(source_db, target_db)
    assert run_migration(second).cause is None
    functions = "SELECT p.pronamespace::regnamespace::text FROM pg_proc p WHERE starts_with(proname, 'cutover_touch_')"
    assert sorted(rows(target_db, functions)) == sorted([("public",), (second.shadow,)])
    back.rollback(second)
    back.validate_rollback(second)
    assert schemas(target_db) == {"public"}
    assert dump(target_db).count("CREATE TRIGGER cutover_touch_notes") == 1
    assert [line for line in dump(target_db).splitlines() if "public.notes" in line] == [
        line for line in after_first.splitlines() if "public.notes" in line
    ]
    postgres(target_db, "UPDATE notes SET stock = 3 WHERE id = 1")
    assert one(target_db, "SELECT changed > now() - interval '1 hour' FROM notes WHERE id = 1")


def test_scripts_hold_them_too(source_db: Server, target_db: Server) -> None:
    mysql(source_db, *TABLE)
    before = dump(target_db)
    written = spec(strategy={"execution": {"modes": {"dryRun": {"enabled": True, "generateScripts": True}}}})
    run = begin(source_db, target_db, written, mode="dry_run")
    assert run_migration(run).status == report.PLANNED
    # The rehearsal has left nothing behind.
    assert dump(target_db) == before
    up, down = ((run.folder / "scripts" / name).read_text() for name in ("up.sql", "down.sql"))
    postgres(target_db, up)
    assert one(target_db, "SELECT count(*) FROM pg_trigger WHERE tgname = 'cutover_touch_notes'") == 1
    assert "to_tsvector" in up
    postgres(target_db, down)
    assert dump(target_db) == before
