"""Every type's edges arrive as they are, through both readers."""

from __future__ import annotations

import datetime as dt
import math
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from helpers import (
    begin,
    mysql,
    named,
    one,
    quoted,
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
from cutover.local.servers import Server
from cutover.report import Report
from cutover.run import run_migration
from cutover.steps import check

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
        '"Every ""Type"" of `Order` s_enum__enum"',
        (("'b'", "b"), ("'it''s'", "it's"), ("'x,y'", "x,y"), ("'\"q\"'", '"q"'), ("'größe'", "größe"), ("''", "")),
    ),
    "set_": Case("SET('r','w','it''s')", "text[]", (("'w,r'", ["r", "w"]), ("''", []), ("'it''s'", ["it's"]))),
    "binary_": Case("BINARY(4)", "bytea", (("0x00FF", b"\0\xff\0\0"), (r"'a\0b'", b"a\0b\0"))),
    "varbinary_": Case("VARBINARY(9)", "bytea", (("0x00FF00", b"\0\xff\0"), ("''", b""))),
    "blob_": Case("BLOB", "bytea", (("0x0001FFFE27225C", b"\x00\x01\xff\xfe'\"\\"), ("''", b""))),
    "long_blob": Case("LONGBLOB", "bytea", (("REPEAT(0x00, 100000)", b"\0" * 100_000),)),
    "tiny_blob": Case("TINYBLOB", "bytea", (("0x80", b"\x80"),)),
    "medium_blob": Case("MEDIUMBLOB", "bytea", (("0xC328", b"\xc3\x28"),)),
    "json_": Case(
        "JSON", "json", (('\'{"b": [1, 2.50, "é\\\\u0000"], "a": null}\'', '{"b": [1, 2.50, "é\\u0000"], "a": null}'),)
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
    wanted = set()
    for name, case in CASES.items():
        if case.lost:
            what = "NUL characters removed" if "text" in name else "dates that are none became NULL"
            wanted.add(f"{TABLE}.{name}: {case.lost} {what}")
    assert set(told.losses) == wanted


@pytest.mark.parametrize("name", CASES)
def test_every_value_arrives(arrived: tuple[Server, Report], name: str) -> None:
    target, _ = arrived
    case = CASES[name]
    column = quoted(name) + {"real": "::float8", "json": "::text"}.get(case.target, "")
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


def test_json_that_only_the_source_takes_for_json(source_db: Server, target_db: Server) -> None:
    """Its rows are refused and named; the cure is in docs/types.md, and works."""
    mysql(
        source_db,
        "CREATE TABLE t (id INT PRIMARY KEY, doc JSON)",
        "INSERT INTO t VALUES (1, '[1.]'), (2, '[1.0, \"2.\"]'), (3, '{\"a\": 2.e3}'), (4, NULL)",
    )
    lenient = {"loading": {"options": {"errorHandling": {"maxErrors": 9, "errorThreshold": 1.0}}}}
    told = run_migration(begin(source_db, target_db, spec(data=lenient)))
    assert told.losses == ['t: 2 rows set aside, doc is JSON to the source alone; keys {"id": 1}, {"id": 3}']
    assert rows(target_db, "SELECT id, doc::text FROM t ORDER BY id") == [(2, '[1.0, "2."]'), (4, None)]
    written = spec(data={"transformation": {"mapping": {"typeMapping": {"json": "text"}}}})
    assert run_migration(begin(source_db, target_db, written)).cause is None
    assert one(target_db, "SELECT doc FROM t WHERE id = 1") == "[1.]"
