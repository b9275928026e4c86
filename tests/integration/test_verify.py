"""What differs between source and target is found, by key and column, in tables of every kind."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from helpers import (
    begin,
    differences,
    finished,
    loaded,
    mysql,
    postgres,
    rows,
    source_database,
    target_database,
)

from cutover import report
from cutover.errors import VerificationError
from cutover.local.servers import Server
from cutover.run import run_migration
from cutover.steps import check, move, prove
from cutover.steps.context import Run

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


@pytest.mark.slow
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


def test_a_doubled_row_is_found_where_no_key_forbids_it(kinds: Server, target_db: Server) -> None:
    run = loaded(begin(kinds, target_db))
    postgres(target_db, f"INSERT INTO {run.shadow}.plain SELECT * FROM {run.shadow}.plain WHERE id = 1")
    assert differences(run) == ["plain[1]: only in the target"]
