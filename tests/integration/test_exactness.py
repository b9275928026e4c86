"""Every type's edges arrive as they are, and whatever does not is found, by key and column."""

from __future__ import annotations

import datetime as dt
import math
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from helpers import (
    begin,
    finished,
    loaded,
    mysql,
    mysql_rows,
    one,
    postgres,
    rows,
    source_database,
    spec,
    target_database,
)

from cutover import report
from cutover.data.extract import statement
from cutover.data.transform import Tally, transform
from cutover.dialects import mysql as dialect
from cutover.dialects import mysql_types
from cutover.errors import VerificationError
from cutover.local.servers import Server
from cutover.report import Report
from cutover.run import run_migration
from cutover.steps import check, move, prove
from cutover.steps.context import Run

UTC = dt.UTC
ZERO, PARTIAL, IMPOSSIBLE = "'0000-00-00'", "'2024-00-15'", "'2023-02-31'"


@dataclass(frozen=True)
class Case:
    """A column, what is put into it, what must come out, and what PostgreSQL's type must be."""

    type: str
    target: str
    values: tuple[tuple[str, Any], ...]
    charset: str = "utf8mb4"
    lost: int = 0
    options: str = ""
    unlike: tuple[str, ...] = field(default=())


def same(*literals: str) -> tuple[tuple[str, Any], ...]:
    """Integers and the like: what is written is what is meant."""
    return tuple((text, int(text)) for text in literals)


def exact(*literals: str) -> tuple[tuple[str, Any], ...]:
    return tuple((text, Decimal(text)) for text in literals)


def single(value: float) -> float:
    """The nearest value of four bytes."""
    return float(struct.unpack("f", struct.pack("f", value))[0])


EMOJI = "'naïve 桜 📷 👩‍👩‍👧'"
CASES = {
    "tiny": Case("TINYINT", "smallint", same("-128", "127", "0")),
    "tiny_u": Case("TINYINT UNSIGNED", "smallint", same("0", "255")),
    "tiny_one": Case("TINYINT(1)", "smallint", same("0", "1", "2", "-1", "127")),
    "small": Case("SMALLINT", "smallint", same("-32768", "32767")),
    "small_u": Case("SMALLINT UNSIGNED", "integer", same("0", "65535")),
    "medium": Case("MEDIUMINT", "integer", same("-8388608", "8388607")),
    "medium_u": Case("MEDIUMINT UNSIGNED", "integer", same("0", "16777215")),
    "int_": Case("INT", "integer", same("-2147483648", "2147483647")),
    "int_u": Case("INT UNSIGNED", "bigint", same("0", "4294967295")),
    "int_z": Case("INT(5) ZEROFILL", "bigint", (("42", 42),)),
    "big": Case("BIGINT", "bigint", same("-9223372036854775808", "9223372036854775807")),
    "big_u": Case("BIGINT UNSIGNED", "numeric(20,0)", exact("0", "9223372036854775808", "18446744073709551615")),
    "dec": Case("DECIMAL(10,2)", "numeric(10,2)", exact("-99999999.99", "0.01", "12345678.90")),
    "dec_deep": Case("DECIMAL(28,15)", "numeric(28,15)", exact("1.123456789012345", "-9999999999999.999999999999999")),
    "dec_max": Case(
        "DECIMAL(65,30)", "numeric(65,30)", exact("99999999999999999999999999999999999.999999999999999999999999999999")
    ),
    "dec_wide": Case("DECIMAL(65,0) UNSIGNED", "numeric(65,0)", exact("9" * 65, "0")),
    "float_": Case(
        "FLOAT",
        "real",
        tuple((repr(v), single(v)) for v in (123456.7, 0.1, 16777217.0, -3.4028234e38, 1.17549435e-38, 1.0e-45)),
    ),
    "double_": Case(
        "DOUBLE",
        "double precision",
        tuple((repr(v), v) for v in (0.1, 1.7976931348623157e308, 2.2250738585072014e-308, -1 / 3)),
    ),
    "bit_1": Case("BIT(1)", "boolean", (("b'1'", True), ("b'0'", False))),
    "bit_9": Case("BIT(9)", "bigint", (("b'101010101'", 341), ("b'0'", 0))),
    "bit_64": Case("BIT(64)", "numeric(20,0)", (("18446744073709551615", Decimal(2**64 - 1)), ("b'0'", Decimal(0)))),
    "year_": Case("YEAR", "smallint", same("1901", "2155", "0")),
    "date_": Case(
        "DATE",
        "date",
        (
            ("'1000-01-01'", dt.date(1000, 1, 1)),
            ("'0001-01-01'", dt.date(1, 1, 1)),
            ("'9999-12-31'", dt.date(9999, 12, 31)),
            ("'2024-02-29'", dt.date(2024, 2, 29)),
            (ZERO, None),
            (PARTIAL, None),
            ("'2024-05-00'", None),
        ),
        lost=3,
    ),
    "datetime_": Case(
        "DATETIME",
        "timestamp(0) without time zone",
        (
            ("'1000-01-01 00:00:00'", dt.datetime(1000, 1, 1)),
            ("'9999-12-31 23:59:59'", dt.datetime(9999, 12, 31, 23, 59, 59)),
            (ZERO, None),
            (PARTIAL, None),
        ),
        lost=2,
    ),
    "datetime_6": Case(
        "DATETIME(6)",
        "timestamp(6) without time zone",
        (("'2024-02-29 12:34:56.123456'", dt.datetime(2024, 2, 29, 12, 34, 56, 123456)), (ZERO, None)),
        lost=1,
    ),
    "timestamp_": Case(
        "TIMESTAMP NULL",
        "timestamp(0) with time zone",
        (
            ("'2038-01-19 03:14:07'", dt.datetime(2038, 1, 19, 3, 14, 7, tzinfo=UTC)),
            ("'1970-01-01 00:00:01'", dt.datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
            ("'0000-00-00 00:00:00'", None),
        ),
        lost=1,
    ),
    "timestamp_3": Case(
        "TIMESTAMP(3) NULL",
        "timestamp(3) with time zone",
        (("'2024-03-31 02:30:00.999'", dt.datetime(2024, 3, 31, 2, 30, 0, 999000, tzinfo=UTC)),),
    ),
    "time_": Case(
        "TIME",
        "interval",
        (
            ("'838:59:59'", dt.timedelta(hours=838, minutes=59, seconds=59)),
            ("'-838:59:59'", -dt.timedelta(hours=838, minutes=59, seconds=59)),
            ("'-00:00:01'", -dt.timedelta(seconds=1)),
            ("'25:00:00'", dt.timedelta(hours=25)),
        ),
    ),
    "time_6": Case("TIME(6)", "interval", (("'-12:34:56.000001'", -dt.timedelta(0, 45296, 1)),)),
    "char_": Case("CHAR(10)", "character varying(10)", (("'naïve 桜'", "naïve 桜"), ("'ends   '", "ends"), ("''", ""))),
    "char_0": Case("CHAR(0)", "character varying(1)", (("''", ""),)),
    "varchar_": Case("VARCHAR(60)", "character varying(60)", ((EMOJI, EMOJI[1:-1]), ("'keeps   '", "keeps   "))),
    "null_word": Case(
        "VARCHAR(60)", "character varying(60)", ((r"'\\N'", "\\N"), ("'NULL'", "NULL"), ("'a\tb\nc\\\\'", "a\tb\nc\\"))
    ),
    "latin": Case(
        "VARCHAR(60)",
        "character varying(60)",
        (("'café € “quoted” – ’'", "café € “quoted” – ’"), ("0x93E480", "“ä€")),
        charset="latin1",
    ),
    "latin_text": Case("TEXT", "text", (("'Ünïcödé…'", "Ünïcödé…"),), charset="latin1"),
    "gbk_": Case("VARCHAR(20)", "character varying(20)", (("'摄像头'", "摄像头"),), charset="gbk"),
    "cyrillic": Case("VARCHAR(20)", "character varying(20)", (("'Вход'", "Вход"),), charset="koi8r"),
    "wide": Case("VARCHAR(20)", "character varying(20)", (("'桜'", "桜"),), charset="ucs2"),
    "text_": Case("TEXT", "text", ((EMOJI, EMOJI[1:-1]), ("REPEAT('é', 30000)", "é" * 30000))),
    "tiny_text": Case("TINYTEXT", "text", (("'t'", "t"),)),
    "medium_text": Case("MEDIUMTEXT", "text", (("REPEAT('x', 200000)", "x" * 200_000),)),
    "long_text": Case("LONGTEXT", "text", (("'l'", "l"),)),
    "nul_text": Case("VARCHAR(20)", "character varying(20)", ((r"'a\0b'", "ab"), (r"'\0'", "")), lost=2),
    "enum_": Case(
        "ENUM('b','a','it''s','x,y','\"q\"','größe','')",
        "text",
        (("'b'", "b"), ("'it''s'", "it's"), ("'x,y'", "x,y"), ("'\"q\"'", '"q"'), ("'größe'", "größe"), ("''", "")),
    ),
    "set_": Case("SET('r','w','it''s')", "text", (("'w,r'", "r,w"), ("''", ""), ("'it''s'", "it's"))),
    "binary_": Case("BINARY(4)", "bytea", (("0x00FF", b"\0\xff\0\0"), (r"'a\0b'", b"a\0b\0"))),
    "varbinary_": Case("VARBINARY(9)", "bytea", (("0x00FF00", b"\0\xff\0"), ("''", b""))),
    "blob_": Case("BLOB", "bytea", (("0x0001FFFE27225C", b"\x00\x01\xff\xfe'\"\\"), ("''", b""))),
    "long_blob": Case("LONGBLOB", "bytea", (("REPEAT(0x00, 100000)", b"\0" * 100_000),)),
    "tiny_blob": Case("TINYBLOB", "bytea", (("0x80", b"\x80"),)),
    "medium_blob": Case("MEDIUMBLOB", "bytea", (("0xC328", b"\xc3\x28"),)),
    "json_": Case(
        "JSON", "text", (('\'{"b": [1, 2.50, "é\\\\u0000"], "a": null}\'', '{"b": [1, 2.50, "é\\u0000"], "a": null}'),)
    ),
    "uuid_": Case(
        "UUID",
        "uuid",
        (("'123e4567-e89b-12d3-a456-426655440000'", UUID("123e4567-e89b-12d3-a456-426655440000")),),
    ),
    "inet_6": Case(
        "INET6",
        "text",
        (("'2001:db8::ff00:42:8329'", "2001:db8::ff00:42:8329"), ("'::ffff:1.2.3.4'", "::ffff:1.2.3.4")),
    ),
    "inet_4": Case("INET4", "text", (("'192.0.2.1'", "192.0.2.1"),)),
    "point_": Case("POINT", "bytea", (("ST_GeomFromText('POINT(1 2)')", struct.pack("<BI2d", 1, 1, 1, 2)),)),
    "line_": Case(
        "LINESTRING", "bytea", (("ST_GeomFromText('LINESTRING(0 0,1 1)')", struct.pack("<BII4d", 1, 2, 2, 0, 0, 1, 1)),)
    ),
    # Names.
    "Select": Case("INT", "integer", same("1")),
    "with space": Case("INT", "integer", same("2")),
    "quo'te\"s": Case("INT", "integer", same("3")),
    "per%cent%s": Case("INT", "integer", same("4")),
    "back`tick": Case("INT", "integer", same("5")),
    "co:lon": Case("INT", "integer", same("6")),
    "größe": Case("INT", "integer", same("7")),
    "question?mark": Case("INT", "integer", same("8")),
    "brace{d}": Case("INT", "integer", same("9")),
}
DEPTH = max(len(case.values) for case in CASES.values()) + 1  # one more: a row of NULLs
TABLE = 'Every "Type" of `Order` s'


def named(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.fixture(scope="module")
def types(mysql_server: Server) -> Iterator[Server]:
    """One table with every type, in which each column goes through its values and then is NULL."""
    columns = [
        f"{named(name)} {case.type.replace(' NULL', '')}"
        + (f" CHARACTER SET {case.charset}" if case.charset != "utf8mb4" else "")
        + " NULL"
        for name, case in CASES.items()
    ]
    with source_database(mysql_server) as source:
        inserts = []
        for row in range(DEPTH):
            chosen = {n: c.values[row][0] for n, c in CASES.items() if row < len(c.values)}
            names = ", ".join(["id", *(named(n) for n in chosen)])
            inserts.append(f"INSERT INTO {named(TABLE)} ({names}) VALUES ({', '.join([str(row), *chosen.values()])})")
        mysql(
            source,
            "SET sql_mode = 'ALLOW_INVALID_DATES'",
            f"CREATE TABLE {named(TABLE)} (id INT PRIMARY KEY, {', '.join(columns)}) CHARACTER SET utf8mb4",
            *inserts,
        )
        yield source


@pytest.fixture(scope="module")
def arrived(
    types: Server, pg_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, Report]]:
    with pytest.MonkeyPatch.context() as patch, target_database(pg_server) as target:
        patch.setenv("CUTOVER_HOME", str(tmp_path_factory.mktemp("home")))
        yield target, run_migration(begin(types, target, workers=1))


def test_the_run_ends_with_the_losses_that_were_put_in(arrived: tuple[Server, Report]) -> None:
    _, told = arrived
    assert told.status == report.WITH_LOSSES, told.cause
    # MariaDB's JSON is text with a check of its own.
    wanted = {f"check {TABLE}.json_: checks are not carried yet"}
    for name, case in CASES.items():
        if case.lost:
            what = "NUL characters removed" if "text" in name else "dates that are none became NULL"
            wanted.add(f"{TABLE}.{name}: {case.lost} {what}")
    assert set(told.losses) == wanted


@pytest.mark.parametrize("name", CASES)
def test_every_value_arrives(arrived: tuple[Server, Report], name: str) -> None:
    target, _ = arrived
    case = CASES[name]
    column = f"{quoted(name)}::float8" if case.target == "real" else quoted(name)
    found = [value for (value,) in rows(target, f"SELECT {column} FROM {quoted(TABLE)} ORDER BY id")]
    assert found == [value for _, value in case.values] + [None] * (DEPTH - len(case.values))
    for value, (_, wanted) in zip(found, case.values, strict=False):
        assert type(value) is type(wanted)
        if isinstance(wanted, float):
            assert math.copysign(1, value) == math.copysign(1, wanted)
    kind = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = %s::regclass AND attname = %s"
    assert one(target, kind, f"public.{quoted(TABLE)}", name) == case.target


def test_every_type_the_dialect_knows_is_among_the_cases() -> None:
    bases = {mysql_types.parse(case.type).base for case in CASES.values()}
    aliases = {"integer", "numeric", "real"}
    shapes = {base for base, build in mysql_types._TYPES.items() if build is mysql_types._geometry}
    assert set(mysql_types._TYPES) - aliases - shapes <= bases


def test_both_readers_give_the_same_batches(types: Server, target_db: Server) -> None:
    run = begin(types, target_db)
    check.make_plan(run)
    (chunk,) = run.plan.chunks
    route = run.plan.route(chunk)
    query = statement(route, chunk)
    results = []
    for reader in (dialect._read_with_connectorx, dialect._read_with_client):
        tally = Tally()
        batches = list(transform(route, reader(run.source, query, 3), tally))
        assert max(batch.num_rows for batch in batches) <= 3
        results.append((together(batches), tally.altered, tally.rejects, tally.rows_read))
    assert results[0] == results[1]
    assert results[0][3] == DEPTH


def together(batches: Iterable[pa.RecordBatch]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pa.Table.from_batches(list(batches)).to_pylist()
    return found


def test_dates_that_are_none_in_columns_that_forbid_null(source_db: Server, target_db: Server) -> None:
    mysql(
        source_db,
        "SET sql_mode = 'ALLOW_INVALID_DATES'",
        "CREATE TABLE days (id INT PRIMARY KEY, a DATE NOT NULL, b DATETIME(3) NOT NULL DEFAULT '0000-00-00', "
        "c TIMESTAMP NOT NULL DEFAULT '0000-00-00 00:00:00', d DATE NOT NULL, e DATE)",
        f"INSERT INTO days VALUES (1, {ZERO}, {IMPOSSIBLE}, '0000-00-00 00:00:00', '2024-01-31', {IMPOSSIBLE})",
        f"INSERT INTO days VALUES (2, {PARTIAL}, '2024-01-31', '2024-01-31', '2024-01-31', NULL)",
        f"INSERT INTO days VALUES (3, {IMPOSSIBLE}, '2024-06-31 10:00:00', '2024-01-31', '2024-02-29', '2023-04-31')",
    )
    told = run_migration(begin(source_db, target_db))
    day, moment = dt.date(2024, 1, 31), dt.datetime(2024, 1, 31)
    assert rows(target_db, "SELECT * FROM days ORDER BY id") == [
        (1, None, None, None, day, None),
        (2, None, moment, moment.replace(tzinfo=UTC), day, None),
        (3, None, None, moment.replace(tzinfo=UTC), dt.date(2024, 2, 29), None),
    ]
    nullable = "SELECT column_name FROM information_schema.columns WHERE table_name = 'days' AND is_nullable = 'YES'"
    assert {name for (name,) in rows(target_db, nullable + " AND table_schema = 'public'")} == {"a", "b", "c", "e"}
    losses = set(told.losses)
    for column, count in (("a", 3), ("b", 2), ("c", 1), ("e", 2)):
        assert f"days.{column}: {count} dates that are none became NULL" in losses
    for column in "abc":
        assert f"days.{column}: NOT NULL relaxed, because dates that are none became NULL" in losses
    assert not [loss for loss in losses if loss.startswith("days.d")]


KINDS = (
    "CREATE TABLE plain (id INT PRIMARY KEY, word VARCHAR(30), amount DECIMAL(12,4), raw BLOB, ratio DOUBLE)",
    "CREATE TABLE words (code VARCHAR(20) PRIMARY KEY, word TEXT) COLLATE utf8mb4_unicode_ci",
    "CREATE TABLE pairs (a INT, b VARCHAR(9), word TEXT, PRIMARY KEY (a, b))",
    "CREATE TABLE heap (a INT, b VARCHAR(9))",
    "CREATE TABLE big_key (id BIGINT UNSIGNED PRIMARY KEY, word TEXT)",
    "CREATE TABLE bytes_key (id BINARY(3) PRIMARY KEY, word TEXT)",
    "CREATE TABLE nothing (id INT PRIMARY KEY, word TEXT)",
    "CREATE TABLE empty_heap (word TEXT)",
    "INSERT INTO plain VALUES (1, 'a', 1.5, 0x00, 0.1), (2, NULL, NULL, NULL, NULL), (3, '12', 3, 0xFF, -0.0)",
    "INSERT INTO words VALUES ('b', 'x'), ('A', 'y'), ('ö', 'z'), ('_', NULL), ('C, D', 'w')",
    "INSERT INTO pairs VALUES (1, 'x', 'p'), (1, 'y', 'q'), (2, 'x', NULL)",
    "INSERT INTO heap VALUES (1, 'x'), (1, 'x'), (1, 'x'), (NULL, NULL), (NULL, NULL), (12, '3'), (1, '23')",
    "INSERT INTO big_key VALUES (18446744073709551615, 'max'), (1, 'one')",
    "INSERT INTO bytes_key VALUES (0x00FF00, 'nul'), (0x010203, 'one')",
)


@pytest.fixture(scope="module")
def kinds(mysql_server: Server) -> Iterator[Server]:
    with source_database(mysql_server) as source:
        mysql(source, *KINDS)
        yield source


@pytest.fixture
def shadowed(kinds: Server, target_db: Server) -> Run:
    return loaded(begin(kinds, target_db))


def differences(run: Run) -> list[str]:
    """What the verifier finds in all, in the order of tables."""
    found: list[str] = []
    for number in range(len(run.plan.batches)):
        try:
            prove.validate_rows(run, number)
        except VerificationError as error:
            found += error.differences
    return sorted(found)


def test_tables_of_every_kind_arrive(kinds: Server, target_db: Server) -> None:
    told = run_migration(begin(kinds, target_db))
    assert told.status == report.COMPLETED, (told.cause, told.losses)
    verified = {table.table: (table.rows, table.verified) for table in told.tables}
    assert verified == {
        "plain": (3, 3),
        "words": (5, 5),
        "pairs": (3, 3),
        "heap": (7, 7),
        "big_key": (2, 2),
        "bytes_key": (2, 2),
        "nothing": (0, 0),
        "empty_heap": (0, 0),
    }
    assert rows(target_db, "SELECT a, b, count(*) FROM heap GROUP BY 1, 2 ORDER BY 1, 2") == [
        (1, "23", 1),
        (1, "x", 3),
        (12, "3", 1),
        (None, None, 2),
    ]
    assert rows(target_db, "SELECT id, word FROM big_key ORDER BY id DESC LIMIT 1") == [(Decimal(2**64 - 1), "max")]


def test_an_honest_load_has_no_differences(shadowed: Run) -> None:
    assert differences(shadowed) == []


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("UPDATE plain SET word = 'A' WHERE id = 1", ["plain[1].word: source 'a', target 'A'"]),
        ("UPDATE plain SET word = 'a ' WHERE id = 1", ["plain[1].word: source 'a', target 'a '"]),
        ("UPDATE plain SET word = '' WHERE id = 2", ["plain[2].word: source None, target ''"]),
        (
            "UPDATE plain SET amount = amount + 0.0001 WHERE id = 3",
            ["plain[3].amount: source Decimal('3.0000'), target Decimal('3.0001')"],
        ),
        ("UPDATE plain SET raw = '\\x01' WHERE id = 1", ["plain[1].raw: source b'\\x00', target b'\\x01'"]),
        ("UPDATE plain SET ratio = 0.1::real WHERE id = 1", ["plain[1].ratio: source 0.1, target 0.10000000149011612"]),
        ("DELETE FROM plain WHERE id = 3", ["plain[3]: only in the source"]),
        ("DELETE FROM plain", [f"plain[{n}]: only in the source" for n in (1, 2, 3)]),
        ("INSERT INTO plain (id) VALUES (2147483647)", ["plain[2147483647]: only in the target"]),
        ("INSERT INTO nothing VALUES (-5)", ["nothing[-5]: only in the target"]),
        ("UPDATE plain SET id = 4 WHERE id = 1", ["plain[1]: only in the source", "plain[4]: only in the target"]),
        ("UPDATE words SET word = 'Z' WHERE code = 'ö'", ["words[ö].word: source 'z', target 'Z'"]),
        ("UPDATE words SET word = 'null' WHERE code = '_'", ["words[_].word: source None, target 'null'"]),
        ("DELETE FROM words WHERE code = 'C, D'", ["words[C, D]: only in the source"]),
        ("UPDATE pairs SET word = 'NULL' WHERE a = 2", ["pairs[2, x].word: source None, target 'NULL'"]),
        (
            "DELETE FROM heap WHERE ctid = (SELECT min(ctid) FROM heap WHERE a = 1 AND b = 'x')",
            ["heap[1, x]: only in the source"],
        ),
        ("INSERT INTO heap VALUES (NULL, NULL)", ["heap[NULL, NULL]: only in the target"]),
        (
            "UPDATE heap SET a = 1, b = '23' WHERE a = 12",
            [
                "heap[1, 23]: only in the target",
                "heap[12, 3]: only in the source",
            ],
        ),
        (
            "UPDATE big_key SET word = 'm' WHERE id > 1",
            [
                f"big_key[{2**64 - 1}].word: source 'max', target 'm'",
            ],
        ),
        ("UPDATE bytes_key SET word = '' WHERE id = '\\x00ff00'", ["bytes_key[00ff00].word: source 'nul', target ''"]),
        ("INSERT INTO empty_heap VALUES ('')", ["empty_heap[]: only in the target"]),
    ],
)
def test_what_differs_is_found_by_key_and_column(
    shadowed: Run, target_db: Server, damage: str, found: list[str]
) -> None:
    postgres(target_db, f"SET search_path TO {shadowed.shadow}; {damage}")
    assert differences(shadowed) == sorted(found)


def test_every_difference_is_counted_though_few_are_shown(kinds: Server, source_db: Server, target_db: Server) -> None:
    numbers = "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT i, 'w' FROM n"
    mysql(source_db, "CREATE TABLE many (id INT PRIMARY KEY, word TEXT)", f"INSERT INTO many {numbers}")
    run = loaded(begin(source_db, target_db))
    postgres(target_db, f"UPDATE {run.shadow}.many SET word = id::text WHERE id % 2 = 0")
    with pytest.raises(VerificationError, match="450 rows differ") as failed:
        prove.validate_rows(run, 0)
    assert 1 < len(failed.value.differences) < 100
    event = run.ledger.last(run.id, "verified")
    assert event is not None
    assert (event.detail["changed"], event.detail["lost"], event.detail["extra"]) == (450, 0, 0)


def test_a_table_in_several_chunks_is_whole(
    source_db: Server, target_db: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys with holes, negative ones and the largest; the chunks' edges must lose and double nothing."""
    monkeypatch.setattr("cutover.data.chunks.CHUNK_ROWS", 10)
    keys = [-(2**63), -7, -1, 0, *range(1, 60), 10**12, 2**63 - 1]
    mysql(
        source_db,
        "CREATE TABLE holes (id BIGINT PRIMARY KEY, word TEXT)",
        "INSERT INTO holes VALUES " + ", ".join(f"({key}, 'w{key}')" for key in keys),
        "ANALYZE TABLE holes",
    )
    run = finished(begin(source_db, target_db))
    assert len(run.plan.chunks) > 3
    assert rows(target_db, f"SELECT id, word FROM {run.shadow}.holes ORDER BY id") == [(k, f"w{k}") for k in keys]
    assert differences(run) == []
    postgres(target_db, f"UPDATE {run.shadow}.holes SET word = '?' WHERE id IN (0, {2**63 - 1})")
    assert differences(run) == [f"holes[{key}].word: source 'w{key}', target '?'" for key in (0, 2**63 - 1)]


def test_staged_and_streamed_loads_are_alike(kinds: Server, pg_server: Server) -> None:
    """Airflow's three tasks leave what the command line's one leaves."""
    with target_database(pg_server) as one_way, target_database(pg_server) as other_way:
        streamed = loaded(begin(kinds, one_way))
        staged = begin(kinds, other_way)
        check.make_plan(staged)
        move.create_schema(staged)
        for number in range(len(staged.plan.batches)):
            for step in (move.extract_batch, move.transform_batch, move.load_batch, move.load_batch):
                step(staged, number)
        assert differences(staged) == []
        assert not list(staged.staging.glob("*.*"))
        for table in staged.plan.tables:
            query = "SELECT * FROM {}.{} ORDER BY 1, 2" if len(table.route.columns) > 1 else "SELECT * FROM {}.{}"
            assert rows(one_way, query.format(streamed.shadow, table.name)) == rows(
                other_way, query.format(staged.shadow, table.name)
            )


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
    """A foreign key that matches by case only in MySQL: PostgreSQL sees an orphan, and says so."""
    mysql(
        source_db,
        "CREATE TABLE codes (code VARCHAR(9) PRIMARY KEY) COLLATE utf8mb4_unicode_ci",
        "CREATE TABLE uses (id INT PRIMARY KEY, code VARCHAR(9), CONSTRAINT uses_code FOREIGN KEY (code) "
        "REFERENCES codes (code)) COLLATE utf8mb4_unicode_ci",
        "INSERT INTO codes VALUES ('AB')",
        "INSERT INTO uses VALUES (1, 'AB'), (2, 'ab')",
    )
    tolerant = spec(data={"loading": {"options": {"errorHandling": {"maxErrors": 5, "errorThreshold": 1.0}}}})
    told = run_migration(replace(begin(source_db, target_db, tolerant)))
    assert told.status == report.WITH_LOSSES
    assert any("uses_code" in loss and '"id": 2' in loss for loss in told.losses)
    assert rows(target_db, "SELECT id FROM uses") == [(1,)]


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


def test_a_doubled_row_is_found_where_no_key_forbids_it(kinds: Server, target_db: Server) -> None:
    run = loaded(begin(kinds, target_db))
    postgres(target_db, f"INSERT INTO {run.shadow}.plain SELECT * FROM {run.shadow}.plain WHERE id = 1")
    assert differences(run) == ["plain[1]: only in the target"]
