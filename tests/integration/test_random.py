"""Random tables: whatever types, constraints and values they have, they arrive, and a checker of its own agrees."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers import begin, mysql, named, source_database, spec, target_database
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as some
from hypothesis.strategies import SearchStrategy

from checker import Address, check
from checker.losses import unexplained
from cutover import report
from cutover.local.servers import Server
from cutover.run import run_migration

EXAMPLES = int(os.environ.get("EXAMPLES", "4"))
TEXT = some.text(some.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@dataclass(frozen=True)
class Kind:
    """A type of the source, and SQL literals of its values."""

    type: str
    values: SearchStrategy[str]
    key: bool = False


def text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def integers(low: int, high: int) -> SearchStrategy[str]:
    return some.one_of(some.sampled_from([low, high]), some.integers(low, high)).map(str)


def decimals(precision: int, scale: int) -> SearchStrategy[str]:
    most = 10**precision - 1
    return some.integers(-most, most).map(lambda n: f"{'-' if n < 0 else ''}{_placed(abs(n), scale)}")


def _placed(digits: int, scale: int) -> str:
    written = str(digits).zfill(scale + 1)
    return f"{written[:-scale]}.{written[-scale:]}" if scale else written


MOMENTS = some.datetimes(min_value=dt.datetime(1000, 1, 1), max_value=dt.datetime(9999, 12, 31))
KINDS = [
    Kind("TINYINT", integers(-128, 127), key=True),
    Kind("TINYINT(1)", integers(-1, 3)),
    Kind("TINYINT(1) ", integers(0, 1)),
    Kind("SMALLINT UNSIGNED", integers(0, 65535), key=True),
    Kind("MEDIUMINT", integers(-(2**23), 2**23 - 1), key=True),
    Kind("INT", integers(-(2**31), 2**31 - 1), key=True),
    Kind("INT UNSIGNED", integers(0, 2**32 - 1), key=True),
    Kind("BIGINT", integers(-(2**63), 2**63 - 1), key=True),
    Kind("BIGINT UNSIGNED", integers(0, 2**64 - 1), key=True),
    Kind("DECIMAL(9,2)", decimals(9, 2), key=True),
    Kind("DECIMAL(26,6)", decimals(26, 6)),
    Kind("DECIMAL(40,20)", decimals(40, 20)),
    Kind("DOUBLE", some.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False).map(repr)),
    Kind("FLOAT", some.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False).map(repr)),
    Kind("DATE", some.dates(min_value=dt.date(1000, 1, 1)).map(lambda d: f"'{d}'"), key=True),
    Kind("DATETIME(6)", MOMENTS.map(lambda m: f"'{m}'")),
    Kind("DATETIME", MOMENTS.map(lambda m: f"'{m:%Y-%m-%d %H:%M:%S}'"), key=True),
    Kind("TIME(3)", some.integers(-3020399999, 3020399999).map(lambda ms: f"SEC_TO_TIME({ms / 1000})")),
    Kind("YEAR", integers(1901, 2155)),
    Kind("VARCHAR(12)", TEXT.map(text)),
    Kind("VARCHAR(12) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", TEXT.map(text)),
    Kind("CHAR(12)", TEXT.map(lambda value: text(value.rstrip(" ")))),
    Kind("TEXT", TEXT.map(text)),
    Kind("VARBINARY(9)", some.binary(max_size=9).map(lambda raw: f"x'{raw.hex()}'"), key=True),
    Kind("BINARY(4)", some.binary(max_size=4).map(lambda raw: f"x'{raw.hex()}'")),
    Kind("BLOB", some.binary(max_size=40).map(lambda raw: f"x'{raw.hex()}'")),
    Kind("BIT(1)", some.sampled_from(["b'0'", "b'1'"])),
    Kind("BIT(13)", some.integers(0, 2**13 - 1).map(str)),
    Kind("ENUM('b','a','it''s','größe')", some.sampled_from(["'b'", "'a'", "'it''s'", "'größe'"]), key=True),
    Kind("SET('r','w','x y')", some.sets(some.sampled_from(["r", "w", "x y"])).map(lambda s: text(",".join(s)))),
    Kind("JSON", some.sampled_from(["'{\"a\": [1, 2.5, null]}'", "'[]'", "'\"é\"'", "'0'"])),
]


@dataclass(frozen=True)
class RandomTable:
    """Statements that make and fill a table."""

    create: str
    rows: tuple[str, ...]


@some.composite
def tables(draw: some.DrawFn, name: str) -> RandomTable:
    kinds = draw(some.lists(some.sampled_from(KINDS), min_size=1, max_size=6))
    required = [draw(some.booleans()) for _ in kinds]
    names = [draw(some.sampled_from(["a", "B b", "order", "ctid", "é", "x'y"])) + str(n) for n, _ in enumerate(kinds)]
    keyed = draw(some.sampled_from(["counter", "column", "none"]))
    columns = [
        f"{named(n)} {k.type} {'NOT NULL' if r else 'NULL'}" for n, k, r in zip(names, kinds, required, strict=True)
    ]
    extra = []
    if keyed == "counter":
        columns.insert(0, "id INT AUTO_INCREMENT PRIMARY KEY")
    elif keyed == "column" and kinds[0].key:
        extra.append(f"PRIMARY KEY ({named(names[0])})")
    indexed = [n for n, k in zip(names, kinds, strict=True) if k.key]
    if indexed and draw(some.booleans()):
        extra.append(f"KEY by_first ({named(indexed[0])} DESC)")
    count = draw(some.integers(0, 8))
    rows = []
    for _ in range(count):
        values = [
            draw(kind.values) if needed or draw(some.booleans()) else "NULL"
            for kind, needed in zip(kinds, required, strict=True)
        ]
        listed = ", ".join(named(n) for n in names)
        # A key that comes twice is the source's to leave out.
        rows.append(f"INSERT IGNORE INTO {named(name)} ({listed}) VALUES ({', '.join(values)})")
    return RandomTable(f"CREATE TABLE {named(name)} ({', '.join([*columns, *extra])})", tuple(rows))


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=some.data())
def test_random_tables_arrive(
    data: some.DataObject, mysql_server: Server, pg_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    drawn = [data.draw(tables(name)) for name in ("first", "Second")]
    with (
        source_database(mysql_server) as source,
        target_database(pg_server) as target,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("CUTOVER_HOME", str(Path(tmp_path_factory.mktemp("random"))))
        statements = [statement for table in drawn for statement in (table.create, *table.rows)]
        note("\n".join(statements))
        mysql(source, *statements)
        # A date that is none in a key is refused with its row, and may be one of few.
        lenient = {"loading": {"options": {"errorHandling": {"errorThreshold": 1.0}}}}
        told = run_migration(begin(source, target, spec(data=lenient), workers=1))
        assert told.status in (report.COMPLETED, report.WITH_LOSSES), told.cause
        login = Address(
            host=source.host, port=source.port, user=source.user, password=source.password, database=source.name
        )
        renamed = {line.split(": is called ")[0].rpartition(".")[2] for line in told.notes if ": is called " in line}
        found = [str(finding) for finding in unexplained(check(login, target.url(), "public"), told.losses)]
        assert [line for line in found if not any(name in line for name in renamed)] == []
