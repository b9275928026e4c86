"""Single tables' rows are read from a backup, or it is said why they cannot be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from archives import KEY, largest, table_oid, take
from helpers import endpoint, postgres, rows, target_database

from cutover.errors import PreflightError
from cutover.local.servers import Server
from cutover.rollback import backups


@pytest.mark.parametrize("key", [None, KEY])
def test_single_tables_rows_can_be_copied_back(full: Server, tmp_path: Path, key: str | None) -> None:
    odd = '"My Schema"."it\'s ""odd"".\nname"'
    wanted = ["awkward", odd, "parts_low", "nothing"]
    before = {table: rows(full, f"SELECT t::text FROM ONLY {table} t ORDER BY 1") for table in wanted}
    path = take(full, tmp_path / "backup", key=key).path
    oids = [table_oid(full, table) for table in wanted]
    postgres(full, *(f"DELETE FROM ONLY {table}" for table in wanted))
    copied = []
    with psycopg.connect(full.url()) as connection:
        for statement, chunks in backups.table_rows(path, key, oids):
            with connection.cursor().copy(statement.encode()) as copy:
                for chunk in chunks:
                    copy.write(chunk)
            copied.append(statement)
    assert len(copied) == 4
    assert {table: rows(full, f"SELECT t::text FROM ONLY {table} t ORDER BY 1") for table in wanted} == before
    assert [file.name for file in tmp_path.iterdir()] == ["backup"]


@pytest.mark.slow
def test_rows_that_nobody_reads_are_passed_over(small: Server, tmp_path: Path) -> None:
    path = take(small, tmp_path / "backup").path
    oids = [table_oid(small, "customers"), table_oid(small, "orders")]
    told = [statement for statement, _ in backups.table_rows(path, None, oids)]
    assert told == ["COPY public.customers (id, name) FROM stdin;", "COPY public.orders (id, note) FROM stdin;"]
    assert list(backups.table_rows(path, None, [])) == []


@pytest.mark.slow
def test_rows_come_in_pieces(small: Server, tmp_path: Path) -> None:
    postgres(small, "INSERT INTO orders SELECT n, repeat('x', 1000) FROM generate_series(3, 5002) n")
    path = take(small, tmp_path / "backup").path
    ((_, chunks),) = (
        (s, [len(c) for c in cs]) for s, cs in backups.table_rows(path, None, [table_oid(small, "orders")])
    )
    assert len(chunks) > 3
    assert max(chunks) < 2 << 20


def test_rows_of_a_file_that_ends_early_are_no_table(small: Server, tmp_path: Path) -> None:
    postgres(small, "INSERT INTO orders SELECT n, md5(n::text) FROM generate_series(3, 90000) n")
    path = take(small, tmp_path / "backup").path
    file = largest(path)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    told = backups.table_rows(path, None, [table_oid(small, "orders")])
    _, chunks = next(told)
    with pytest.raises(PreflightError, match=r"pg_restore cannot read .*could not"):
        list(chunks)


def test_rows_of_a_database_in_another_encoding(pg_server: Server, tmp_path: Path) -> None:
    with target_database(pg_server) as spare:
        latin = replace(spare, name=f"{spare.name}_latin")
        postgres(spare, f"CREATE DATABASE {latin.name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
        try:
            postgres(latin, "CREATE TABLE t (w text)", "INSERT INTO t VALUES ('Björn')")
            path = take(latin, tmp_path / "backup").path
            oids = [table_oid(latin, "t")]
            postgres(latin, "DELETE FROM t")
            with psycopg.connect(latin.url(), client_encoding="UTF8") as connection:
                for statement, chunks in backups.table_rows(path, None, oids):
                    with connection.cursor().copy(statement.encode()) as copy:
                        for chunk in chunks:
                            copy.write(chunk)
            assert backups.compare(path, endpoint(latin)) == []
        finally:
            postgres(spare, f"DROP DATABASE {latin.name} WITH (FORCE)")
