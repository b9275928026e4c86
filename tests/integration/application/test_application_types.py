"""Columns that a program's driver gives another type than before are named."""

from __future__ import annotations

import uuid
from contextlib import closing
from dataclasses import replace

import MySQLdb
import psycopg
from asking import ONLY, Ready, asking, trying
from helpers import begin, finished, mysql, mysql_rows, spec

from cutover.local.servers import Server
from cutover.steps.application import validate_application
from cutover.verify.application.drivers import of_target

TYPES = {
    "active": "tinyint(1) is boolean; Python gets bool in place of int",
    "tags": "set is text[]; Python gets list in place of str, Java gets Array in place of String",
    "big": "bigint unsigned is numeric(20,0); Python gets Decimal in place of int, Java gets BigDecimal in place of "
    "BigInteger",
    "doc": "text is json; Python gets dict, list or what else the document is in place of str, Java gets PGobject in "
    "place of String",
    "seen": "timestamp is timestamp(0) with time zone; Python gets datetime with its zone in place of datetime",
    "made": "datetime is timestamp(0) without time zone; Java gets Timestamp in place of LocalDateTime",
    "bits": "bit is bigint; Python gets int in place of bytes, Java gets Long in place of byte[]",
    "flag": "bit(1) is boolean; Python gets bool in place of bytes",
    "year": "year is smallint; Java gets Integer in place of Date",
    "spent": "time is interval; Java gets PGInterval in place of Time",
    "who": "text is uuid; Python gets UUID in place of str, Java gets UUID in place of String",
    "plain": None,
}
COLUMNS = (
    "id active tags big doc seen made label bits flag raw year price ratio slight spent born word note who small plain"
)


def test_types_that_a_program_sees_change_are_named(ready: Ready) -> None:
    run, _, _ = ready
    columns = ", ".join(COLUMNS.split())
    outcome = validate_application(asking(run, {"q": f"SELECT {columns} FROM kinds"}, "dataTypeCompatibility"))
    told = {line.split("column ")[1].split(":")[0]: line.split(": ", 2)[2] for line in outcome.warnings}
    assert told == {name: line for name, line in TYPES.items() if line is not None}


def test_for_types_the_source_changes_nothing_and_ends_in_time(source_db: Server, target_db: Server) -> None:
    mysql(
        source_db,
        "CREATE TABLE marks (id INT AUTO_INCREMENT PRIMARY KEY) ENGINE=InnoDB",
        "CREATE TABLE many (id INT PRIMARY KEY)",
        "INSERT INTO many SELECT seq FROM seq_1_to_2000",
        "CREATE FUNCTION mark() RETURNS INT DETERMINISTIC BEGIN INSERT INTO marks () VALUES (); RETURN 1; END",
    )
    run = finished(begin(source_db, target_db))
    endless = "SELECT COUNT(*) AS n FROM many a, many b, many c, many d WHERE a.id + b.id + c.id + d.id = 0"
    queries = {
        "writes": "SELECT n FROM (SELECT mark() AS n UNION SELECT 2) AS d",
        "endless": f"{endless} UNION {endless}",
        "locks": "SELECT id FROM many LOCK IN SHARE MODE",
    }
    tried = trying(queries, **(ONLY | {"dataTypeCompatibility": True}))
    tried["validation"]["rules"]["performance"] = {"timeout": "500ms"}
    outcome = validate_application(replace(run, spec=spec(schema=tried)))
    assert mysql_rows(source_db, "SELECT COUNT(*) FROM marks") == [(0,)]
    assert outcome.errors == ()
    assert [line.split(":")[0] for line in outcome.warnings] == ["query writes", "query endless"]
    assert "max_statement_time exceeded" in outcome.warnings[1]


def test_the_drivers_give_what_is_said_of_them(ready: Ready) -> None:
    run, source, target = ready
    query = f"SELECT {', '.join(COLUMNS.split())} FROM {{}}kinds"
    login = {"host": source.host, "port": source.port, "user": source.user, "password": source.password}
    with closing(MySQLdb.connect(**login, db=source.name, charset="utf8mb4")) as connection:
        cursor = connection.cursor()
        cursor.execute(query.format(""))
        (here,) = cursor.fetchall()
    with psycopg.connect(target.url()) as connection:
        (there,) = connection.execute(query.format(f'"{run.shadow}".').encode()).fetchall()
    before = {name: type(value).__name__ for name, value in zip(COLUMNS.split(), here, strict=True)}
    after = {name: type(value).__name__ for name, value in zip(COLUMNS.split(), there, strict=True)}
    changed = {name for name in before if before[name] != after[name]}
    says = {name: line for name, line in TYPES.items() if line and "Python gets" in line}
    assert changed | {"seen"} == set(says)
    for name in changed:
        assert f" in place of {before[name]}" in says[name]
        assert after[name] in says[name]
    assert isinstance(there[COLUMNS.split().index("who")], uuid.UUID)


def test_an_unknown_type_is_text_to_a_program() -> None:
    assert (of_target("box", "box", "b", element=False).python, of_target("t", "", "e", element=False).java) == (
        "str",
        "String",
    )


def test_without_queries_every_column_of_the_tables_is_looked_at(ready: Ready) -> None:
    run, _, _ = ready
    validation = {
        "postMigration": {"applicationValidation": True},
        "endpoints": {"home": {"url": "http://127.0.0.1:9/"}},
    }
    outcome = validate_application(replace(run, spec=spec(schema={"validation": validation})))
    assert outcome.errors == ()
    named = [line.split(":")[0] + ":" + line.split(":")[1] for line in outcome.warnings]
    assert named == [f"table kinds: column {name}" for name in COLUMNS.split() if TYPES.get(name)]
