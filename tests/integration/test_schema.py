"""Keys, names, defaults and labels arrive with their meaning."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from helpers import (
    begin,
    differences,
    endpoint,
    finished,
    mysql,
    mysql_rows,
    named,
    one,
    postgres,
    quoted,
    rows,
    spec,
)

from cutover import report
from cutover.local.servers import Server
from cutover.run import run_migration
from cutover.schema import inspect_mysql
from cutover.steps import prove


def test_foreign_keys_of_every_shape(source_db: Server, target_db: Server) -> None:
    """A cycle, a reference to itself, a composite one, an unsigned key, and actions."""
    mysql(
        source_db,
        "CREATE TABLE a (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, b INT UNSIGNED, up BIGINT UNSIGNED, "
        "CONSTRAINT a_b FOREIGN KEY (b) REFERENCES b (id) ON DELETE SET NULL, "
        "CONSTRAINT a_up FOREIGN KEY (up) REFERENCES a (id) ON DELETE CASCADE ON UPDATE CASCADE)",
        "CREATE TABLE b (id INT UNSIGNED PRIMARY KEY, a BIGINT UNSIGNED, x INT, y INT, "
        "CONSTRAINT b_a FOREIGN KEY (a) REFERENCES a (id), "
        "CONSTRAINT b_c FOREIGN KEY (x, y) REFERENCES c (y, z))",
        "CREATE TABLE c (y INT, z INT, PRIMARY KEY (y, z))",
        "INSERT INTO c VALUES (1, 2)",
        "INSERT INTO b VALUES (1, 1, 1, 2), (2, NULL, 1, NULL)",
        "INSERT INTO a VALUES (1, 1, NULL), (2, NULL, 1)",
    )
    told = run_migration(begin(source_db, target_db))
    assert told.status == report.COMPLETED, (told.cause, told.losses)
    keys = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
    assert {text for (text,) in rows(target_db, keys + " AND contype = 'f'")} == {
        "FOREIGN KEY (b) REFERENCES b(id) ON DELETE SET NULL",
        "FOREIGN KEY (up) REFERENCES a(id) ON UPDATE CASCADE ON DELETE CASCADE",
        "FOREIGN KEY (a) REFERENCES a(id)",
        "FOREIGN KEY (x, y) REFERENCES c(y, z)",
    }
    postgres(target_db, "DELETE FROM b WHERE id = 2", "INSERT INTO a (b) VALUES (1)")
    assert one(target_db, "SELECT max(id) FROM a") == 3


def test_names_that_collide_in_postgresql(source_db: Server, target_db: Server) -> None:
    long = "x" * 60
    mysql(
        source_db,
        f"CREATE TABLE one (id INT PRIMARY KEY, a INT, KEY same (a), KEY {long}_abc (a, id))",
        f"CREATE TABLE two (id INT PRIMARY KEY, a INT, KEY same (a), UNIQUE KEY {long}_abc (a, id), KEY one (a))",
        "CREATE TABLE `User` (id INT PRIMARY KEY, `order` INT)",
        "CREATE TABLE `user` (id INT PRIMARY KEY, `Order` INT)",
        "INSERT INTO `User` VALUES (1, 2)",
        "INSERT INTO `user` VALUES (1, 3)",
    )
    assert run_migration(begin(source_db, target_db)).status == report.COMPLETED
    indexes = "SELECT tablename, count(*) FROM pg_indexes WHERE schemaname = 'public' GROUP BY 1"
    assert dict(rows(target_db, indexes)) == {"one": 3, "two": 4, "User": 1, "user": 1}
    assert rows(target_db, 'SELECT "order" FROM "User"') == [(2,)]
    assert rows(target_db, 'SELECT "Order" FROM "user"') == [(3,)]


def test_keys_that_differ_only_in_what_one_server_ignores(source_db: Server, target_db: Server) -> None:
    """A foreign key that matches by case only in MySQL: no row is set aside, and the key holds for later ones."""
    mysql(
        source_db,
        "CREATE TABLE codes (code VARCHAR(9) PRIMARY KEY) COLLATE utf8mb4_unicode_ci",
        "CREATE TABLE uses (id INT PRIMARY KEY, code VARCHAR(9), CONSTRAINT uses_code FOREIGN KEY (code) "
        "REFERENCES codes (code)) COLLATE utf8mb4_unicode_ci",
        "INSERT INTO codes VALUES ('AB')",
        "INSERT INTO uses VALUES (1, 'AB'), (2, 'ab')",
    )
    told = run_migration(begin(source_db, target_db))
    assert told.status == report.COMPLETED, (told.cause, told.losses)
    why = "holds for rows to come alone: rows have no parent letter by letter"
    assert any(note.startswith(f"foreign key uses.uses_code: {why}") for note in told.notes)
    assert rows(target_db, "SELECT id, code FROM uses ORDER BY id") == [(1, "AB"), (2, "ab")]
    with pytest.raises(Exception, match="violates foreign key"):
        postgres(target_db, "INSERT INTO uses VALUES (3, 'ab')")


def test_defaults_and_comments(source_db: Server, target_db: Server) -> None:
    mysql(
        source_db,
        "CREATE TABLE d (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(20) DEFAULT 'it''s 100%', b INT DEFAULT -5, "
        "c DECIMAL(5,2) DEFAULT 1.50, e TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), "
        "f VARCHAR(20) NOT NULL DEFAULT '' COMMENT 'say ''hi'' 100%', g BIT(1) DEFAULT b'1', "
        "h DATE DEFAULT '2024-01-31', "
        "i DOUBLE DEFAULT 1e3, j ENUM('x','y') DEFAULT 'y', k INT DEFAULT NULL, l TINYINT(1) DEFAULT 1)",
    )
    told = run_migration(begin(source_db, target_db))
    lost = {loss.split(":")[0] for loss in told.losses if loss.startswith("default of ")}
    postgres(target_db, "INSERT INTO d DEFAULT VALUES")
    ((*found,),) = rows(target_db, "SELECT a, b, c, f, h, i, j, k, l, e IS NOT NULL FROM d")
    assert found == ["it's 100%", -5, Decimal("1.50"), "", dt.date(2024, 1, 31), 1000.0, "y", None, 1, True]
    assert one(target_db, "SELECT col_description('d'::regclass, 6)") == "say 'hi' 100%"
    # A default that was not carried is named.
    assert (one(target_db, "SELECT g FROM d") is True) or "default of d.g" in lost


@pytest.mark.parametrize("label", [r"back\\slash", r"\\n", "it''s \\\\''"])
def test_an_enum_label_with_a_backslash(source_db: Server, target_db: Server, label: str) -> None:
    mysql(
        source_db,
        f"CREATE TABLE e (id INT PRIMARY KEY, word ENUM('a', '{label}') NOT NULL DEFAULT '{label}')",
        f"INSERT INTO e VALUES (1, '{label}'), (2, 'a')",
    )
    told = run_migration(begin(source_db, target_db))
    assert told.status == report.COMPLETED, told.cause
    ((wanted,),) = mysql_rows(source_db, "SELECT word FROM e WHERE id = 1")
    postgres(target_db, "INSERT INTO e (id) VALUES (3)")
    assert rows(target_db, "SELECT word FROM e ORDER BY id") == [(wanted,), ("a",), (wanted,)]


def test_an_enum_that_holds_mysqls_mark_for_an_invalid_value(source_db: Server, target_db: Server) -> None:
    """It is text like any other, or the row is set aside with the reason; it must not sink the rest."""
    mysql(
        source_db,
        "CREATE TABLE e (id INT PRIMARY KEY, word ENUM('a', 'b'))",
        "INSERT INTO e VALUES (1, 'a'), (2, 'none of them'), (3, NULL)",
    )
    tolerant = spec(data={"loading": {"options": {"errorHandling": {"maxErrors": 5, "errorThreshold": 1.0}}}})
    told = run_migration(begin(source_db, target_db, tolerant))
    assert told.status in (report.COMPLETED, report.WITH_LOSSES), told.cause
    found = dict(rows(target_db, "SELECT id, word FROM e ORDER BY id"))
    assert (found[1], found[3]) == ("a", None)
    assert found.get(2) == "" or any('"id": 2' in loss for loss in told.losses)


@pytest.mark.parametrize(
    "name", ['"quoted"', "`ticked`", "[braced]", " padded", "semi;colon", "per%cent", "ca:re", "a.b"]
)
def test_tables_with_names_like_these(source_db: Server, target_db: Server, name: str) -> None:
    name = name.rstrip()
    mysql(source_db, f"CREATE TABLE {named(name)} (id INT PRIMARY KEY, word ENUM('x', 'y'))")
    mysql(source_db, f"INSERT INTO {named(name)} VALUES (1, 'x')")
    run = finished(begin(source_db, target_db))
    assert differences(run) == []
    prove.validate_expectations(run)
    assert rows(target_db, f"SELECT * FROM {run.shadow}.{quoted(name)}") == [(1, "x")]


def test_the_catalogue_is_asked_as_often_for_many_tables(source_db: Server) -> None:
    asked: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        if "information_schema" in statement:
            asked.append(statement)

    counts = []
    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        for wanted in (1, 12):
            mysql(
                source_db,
                *(
                    f"CREATE TABLE IF NOT EXISTS t{n} (id INT PRIMARY KEY, a INT CHECK (a > 0), KEY (a), "
                    f"CONSTRAINT self{n} FOREIGN KEY (a) REFERENCES t{n} (id))"
                    for n in range(wanted)
                ),
            )
            asked.clear()
            assert len(inspect_mysql.inspect(endpoint(source_db)).tables) == wanted
            counts.append(len(asked))
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    assert counts[0] == counts[1] > 0


def test_tables_that_differ_in_case_keep_their_own_indexes(source_db: Server, target_db: Server) -> None:
    mysql(
        source_db,
        *(
            f"CREATE TABLE {name} (id INT PRIMARY KEY, a INT, b INT, UNIQUE KEY ab ({columns}))"
            for name, columns in (("item", "a, b"), ("Item", "b, a"), ("ITEM", "b"))
        ),
    )
    found = inspect_mysql.inspect(endpoint(source_db))
    assert [(table.name, [index.columns for index in table.indexes]) for table in found.tables] == [
        ("ITEM", [("b",)]),
        ("Item", [("b", "a")]),
        ("item", [("a", "b")]),
    ]
    assert run_migration(begin(source_db, target_db)).status == report.COMPLETED


def test_a_foreign_key_to_another_database_is_not_built_upon_ones_own(source_db: Server, target_db: Server) -> None:
    other = f"{source_db.name}_o"
    mysql(
        source_db,
        f"CREATE DATABASE {other}",
        f"CREATE TABLE {other}.p (id INT PRIMARY KEY)",
        f"INSERT INTO {other}.p VALUES (7)",
        "CREATE TABLE p (id INT PRIMARY KEY)",
        f"CREATE TABLE c (id INT PRIMARY KEY, p INT, CONSTRAINT kin FOREIGN KEY (p) REFERENCES {other}.p (id))",
        "INSERT INTO c VALUES (1, 7)",
    )
    try:
        told = run_migration(begin(source_db, target_db))
    finally:
        mysql(source_db, "DROP TABLE c", f"DROP DATABASE {other}")
    assert told.losses == [f"foreign key c.kin: table {other}.p is not part of this migration"]
    assert rows(target_db, "SELECT id, p FROM c") == [(1, 7)]
