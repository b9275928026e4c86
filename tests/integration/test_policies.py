"""What a spec may decide about values and columns that the two servers see differently."""

from __future__ import annotations

import pytest
from helpers import begin, mysql, one, postgres, rows, schemas, spec

from cutover import report
from cutover.local.servers import Server
from cutover.run import NotStartedError, run_migration
from cutover.steps import back

DATES = (
    "CREATE TABLE t (id INT PRIMARY KEY, d DATE NOT NULL, s DATETIME NULL, stamp TIMESTAMP NOT NULL DEFAULT 0)",
    "INSERT INTO t VALUES (1, '0000-00-00', '2024-00-15 01:02:03', 0), (2, '2024-02-29', NULL, '2024-01-01'), "
    "(3, '1999-12-31', '2024-05-06 07:08:09', '2000-01-01 00:00:00')",
)
SHOWN = "SELECT id, d::text, s::text, stamp::text FROM t ORDER BY id"


def cleaned(**cleaning: object) -> dict[str, object]:
    return {"data": {"transformation": {"cleaning": cleaning}}}


def columns(**settings: object) -> dict[str, object]:
    return {"schema": {"settings": {"tables": {"columns": settings}}}}


def test_a_date_takes_the_place_of_dates_that_are_none(source_db: Server, target_db: Server) -> None:
    mysql(source_db, *DATES)
    told = run_migration(begin(source_db, target_db, spec(**cleaned(zeroDates="1970-01-02"))))
    assert told.status == report.WITH_LOSSES, told.cause
    assert rows(target_db, SHOWN) == [
        (1, "1970-01-02", "1970-01-02 00:00:00", "1970-01-02 00:00:00+00"),
        (2, "2024-02-29", None, "2024-01-01 00:00:00+00"),
        (3, "1999-12-31", "2024-05-06 07:08:09", "2000-01-01 00:00:00+00"),
    ]
    assert [loss for loss in told.losses if "dates" in loss] == [
        f"t.{column}: 1 dates that are none became 1970-01-02" for column in ("d", "s", "stamp")
    ]
    required = "SELECT attname FROM pg_attribute WHERE attrelid = 't'::regclass AND attnotnull AND attnum > 0"
    assert sorted(rows(target_db, required)) == [("d",), ("id",), ("stamp",)]


def test_dates_that_are_none_may_end_the_run(source_db: Server, target_db: Server) -> None:
    mysql(source_db, *DATES)
    told = run_migration(begin(source_db, target_db, spec(**cleaned(zeroDates="fail"))))
    assert told.status == report.ROLLED_BACK
    assert told.cause is not None
    assert "d: 1 dates that are none, such as 0000-00-00, and zeroDates is fail" in told.cause
    assert schemas(target_db) == {"public"}


FLAGS = (
    "CREATE TABLE f (id INT PRIMARY KEY, a TINYINT(1), b TINYINT(1) NOT NULL DEFAULT 1, c TINYINT(1), "
    "d TINYINT(1) UNSIGNED, e TINYINT(1), g TINYINT(1) DEFAULT 3, KEY (a), CHECK (b IN (0, 1)))",
    "INSERT INTO f VALUES (1, 0, 1, 2, 1, NULL, 1), (2, 1, 0, 1, 0, NULL, 0), (3, NULL, 1, -1, NULL, NULL, 1)",
)
TYPES = (
    "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
    "WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum"
)


def test_a_tinyint_is_a_boolean_where_its_values_are(source_db: Server, target_db: Server) -> None:
    mysql(source_db, *FLAGS)
    told = run_migration(begin(source_db, target_db))
    assert told.status == report.COMPLETED, told.losses
    types = dict(rows(target_db, TYPES, "f"))
    assert {name for name, type_ in types.items() if type_ == "boolean"} == {"a", "b"}
    assert {name for name, type_ in types.items() if type_ == "smallint"} == {"c", "d", "e", "g"}
    assert rows(target_db, "SELECT a, b, c FROM f ORDER BY id") == [
        (False, True, 2),
        (True, False, 1),
        (None, True, -1),
    ]
    postgres(target_db, "INSERT INTO f (id) VALUES (4)")
    assert one(target_db, "SELECT b FROM f WHERE id = 4") is True


def test_a_type_that_the_spec_gives_needs_no_look(source_db: Server, target_db: Server) -> None:
    mysql(source_db, *FLAGS)
    run_migration(begin(source_db, target_db, spec(**columns(typeMapping={"tinyint": "integer"}))))
    assert {type_ for _, type_ in rows(target_db, TYPES, "f")} == {"integer", "smallint"}


LABELS = (
    "CREATE TABLE l (id INT PRIMARY KEY, size ENUM('s','m','l') NOT NULL DEFAULT 'm', odd ENUM('x','y'), "
    "tags SET('red','green','it''s') NOT NULL DEFAULT 'red,green', KEY (size))",
    "INSERT INTO l VALUES (1, 'l', 'y', 'it''s,red'), (2, 's', '', ''), (3, 'm', NULL, 'green')",
)


def test_labels_keep_their_order_and_refuse_others(source_db: Server, target_db: Server) -> None:
    mysql(source_db, *LABELS)
    told = run_migration(begin(source_db, target_db))
    assert told.status == report.COMPLETED, told.losses
    assert rows(target_db, "SELECT size::text, odd::text, tags FROM l ORDER BY l.size") == [
        ("s", "", []),
        ("m", None, ["green"]),
        ("l", "y", ["red", "it's"]),
    ]
    assert dict(rows(target_db, TYPES, "l"))["size"] == "l_size_enum"
    postgres(target_db, "INSERT INTO l (id) VALUES (4)")
    assert rows(target_db, "SELECT size::text, tags FROM l WHERE id = 4") == [("m", ["red", "green"])]
    for broken in ("UPDATE l SET size = 'xl'", "UPDATE l SET tags = '{blue}'"):
        with pytest.raises(Exception, match=r"invalid input value for enum|check constraint"):
            postgres(target_db, broken)


def test_labels_may_be_text(source_db: Server, target_db: Server) -> None:
    mysql(source_db, *LABELS)
    told = run_migration(begin(source_db, target_db, spec(**columns(typeMapping={"enum": "text", "set": "text"}))))
    assert told.cause is None
    assert {type_ for _, type_ in rows(target_db, TYPES, "l")} == {"integer", "text"}
    assert rows(target_db, "SELECT tags FROM l ORDER BY id") == [("red,it's",), ("",), ("green",)]


def test_types_are_exchanged_with_their_tables(source_db: Server, target_db: Server) -> None:
    mysql(source_db, *LABELS)
    run_migration(begin(source_db, target_db))
    mysql(
        source_db, "ALTER TABLE l MODIFY size ENUM('s','m','l','xl') NOT NULL", "INSERT INTO l VALUES (9,'xl','x','')"
    )
    assert run_migration(begin(source_db, target_db)).cause is None
    assert one(target_db, "SELECT size::text FROM l WHERE id = 9") == "xl"


DEFAULTS = (
    "CREATE TABLE d (id INT AUTO_INCREMENT PRIMARY KEY, n INT NOT NULL, word VARCHAR(9) NOT NULL, "
    "given INT NOT NULL DEFAULT 7, kind ENUM('b','a') NOT NULL, day DATE NOT NULL, free INT)",
    "INSERT INTO d VALUES (1, 1, 'a', 1, 'a', '2024-01-01', NULL)",
)
HAS = "SELECT column_name, column_default FROM information_schema.columns WHERE table_name = 'd' ORDER BY 1"


def test_defaults_that_mysql_gives_in_silence(source_db: Server, target_db: Server) -> None:
    mysql(source_db, *DEFAULTS)
    run_migration(begin(source_db, target_db, spec(**columns(defaultValueHandling="update"))))
    postgres(target_db, "INSERT INTO d (day) VALUES ('2024-02-02')")
    assert rows(target_db, "SELECT n, word, given, kind::text, free FROM d WHERE id = 2") == [(0, "", 7, "b", None)]


def test_defaults_and_not_null_may_stay_behind(source_db: Server, target_db: Server) -> None:
    mysql(source_db, *DEFAULTS)
    run_migration(begin(source_db, target_db, spec(**columns(defaultValueHandling="remove", nullHandling="remove"))))
    assert {default for name, default in rows(target_db, HAS) if name != "id"} == {None}
    postgres(target_db, "INSERT INTO d (id) VALUES (2)")
    assert one(target_db, "SELECT given FROM d WHERE id = 2") is None


def test_losses_have_to_be_allowed(source_db: Server, target_db: Server) -> None:
    mysql(source_db, "CREATE TABLE t (id INT PRIMARY KEY)", "CREATE VIEW v AS SELECT SLEEP(id) AS slept FROM t")
    with pytest.raises(
        NotStartedError, match=r"1 objects of the source would not arrive.*--allow-losses(.|\n)*view v: "
    ):
        run_migration(begin(source_db, target_db, allow_losses=False))
    assert schemas(target_db) == {"public"}
    assert rows(target_db, "SELECT 1 FROM pg_class WHERE relname = 't'") == []
    allowed = spec(schema={"settings": {"allowLosses": True}})
    told = run_migration(begin(source_db, target_db, allowed, allow_losses=False))
    assert told.status == report.WITH_LOSSES
    assert told.counts["view"] == {"as is": 0, "translated": 0, "left out": 1}


def test_redundant_indexes_are_left_out_when_asked(source_db: Server, target_db: Server) -> None:
    mysql(
        source_db,
        "CREATE TABLE r (id INT PRIMARY KEY, a INT, b INT, c INT, KEY one (a), KEY two (a, b), KEY twin (a, b), "
        "KEY by_id (id), UNIQUE KEY u (c), KEY plain_c (c), KEY down (a DESC), UNIQUE KEY strict (a))",
    )
    written = spec(schema={"settings": {"indexes": {"optimizeIndexes": True}}})
    told = run_migration(begin(source_db, target_db, written))
    assert told.status == report.COMPLETED, told.losses
    left = {name for (name,) in rows(target_db, "SELECT indexname FROM pg_indexes WHERE tablename = 'r'")}
    assert left in ({"r_pkey", "two", "u", "down", "strict"}, {"r_pkey", "twin", "u", "down", "strict"})
    assert len([note for note in told.notes if "optimizeIndexes" in note]) == 4


CASES = (
    "CREATE TABLE parent (code VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci PRIMARY KEY, "
    "mail VARCHAR(20), UNIQUE KEY mails (mail))",
    "CREATE TABLE child (id INT PRIMARY KEY, code VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci, "
    "CONSTRAINT kin FOREIGN KEY (code) REFERENCES parent (code))",
    "INSERT INTO parent VALUES ('Abc', 'a@x.y'), ('dé', NULL), ('f', NULL)",
    "INSERT INTO child VALUES (1, 'ABC'), (2, 'DÉ'), (3, NULL)",
)


def test_letter_by_letter_keys_are_noted(source_db: Server, target_db: Server) -> None:
    mysql(source_db, *CASES)
    told = run_migration(begin(source_db, target_db))
    assert told.status == report.COMPLETED, (told.cause, told.losses)
    letter = "is unique letter by letter, where the source may ignore case"
    assert {f"primary key of parent: {letter}", f"index parent.mails: {letter}"} <= set(told.notes)
    postgres(target_db, "INSERT INTO parent VALUES ('aBC')")


def test_keys_that_ignore_case_keep_their_meaning(source_db: Server, target_db: Server) -> None:
    mysql(source_db, *CASES)
    run = begin(source_db, target_db, spec(**columns(ignoreCase="icu")))
    told = run_migration(run)
    assert told.status == report.COMPLETED, (told.cause, told.losses)
    assert rows(target_db, "SELECT id, code FROM child ORDER BY id") == [(1, "ABC"), (2, "DÉ"), (3, None)]
    for twice in ("INSERT INTO parent VALUES ('aBC')", "INSERT INTO parent VALUES ('x', 'A@X.Y')"):
        with pytest.raises(Exception, match="duplicate key"):
            postgres(target_db, twice)
    # Once more, and back: the collation comes and goes with its tables.
    again = begin(source_db, target_db, spec(**columns(ignoreCase="icu")))
    assert run_migration(again).cause is None
    back.rollback(again)
    assert rows(target_db, "SELECT collname FROM pg_collation WHERE collname LIKE 'cutover%'") == [("cutover_ai_ci",)]


def test_unique_indexes_over_lower(source_db: Server, target_db: Server) -> None:
    mysql(source_db, *CASES, "DROP TABLE child")
    assert run_migration(begin(source_db, target_db, spec(**columns(ignoreCase="lower")))).cause is None
    for twice in ("INSERT INTO parent VALUES ('aBC')", "INSERT INTO parent VALUES ('x', 'A@X.Y')"):
        with pytest.raises(Exception, match="duplicate key"):
            postgres(target_db, twice)


def test_constraints_that_are_not_asked_of_the_rows(source_db: Server, target_db: Server) -> None:
    mysql(
        source_db,
        "CREATE TABLE p (id INT PRIMARY KEY)",
        "CREATE TABLE c (id INT PRIMARY KEY, p INT, CONSTRAINT kin FOREIGN KEY (p) REFERENCES p (id), CHECK (id > 0))",
        "INSERT INTO c VALUES (1, 7)",
    )
    written = spec(schema={"settings": {"constraints": {"validateConstraints": False}}})
    told = run_migration(begin(source_db, target_db, written))
    assert told.status == report.COMPLETED, (told.cause, told.losses)
    assert rows(target_db, "SELECT id, p FROM c") == [(1, 7)]
    with pytest.raises(Exception, match="violates foreign key"):
        postgres(target_db, "INSERT INTO c VALUES (2, 8)")
