"""Backups hold one moment of a database, bring it back as it was, and go when there are younger ones."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from archives import KEY, OWNER, check, largest, restore, table_oid, take
from helpers import SECRET, dump, endpoint, held, one, postgres, role, rows, wait_for, waiting

from cutover.dialects.endpoint import Pool
from cutover.errors import PreflightError, TerminalError, TransientError
from cutover.local.servers import Server
from cutover.rollback import backups


@pytest.mark.parametrize("key", [None, KEY])
def test_a_database_comes_back_as_it_was(full: Server, other: Server, tmp_path: Path, key: str | None) -> None:
    taken = take(full, tmp_path / "backup", key=key)
    assert check(taken) == []
    restore(taken.path, other, key)
    assert backups.compare(taken.path, endpoint(other)) == []
    # What no number of ours has part in: every row and definition, as pg_dump tells them.
    assert dump(other) == dump(full)
    assert [file.name for file in tmp_path.iterdir()] == ["backup"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "prepare", [(), ("REVOKE USAGE ON SCHEMA public FROM PUBLIC",), ("ALTER SCHEMA public OWNER TO cutover",)]
)
def test_single_schemas_come_back_as_they_were(
    full: Server, other: Server, tmp_path: Path, prepare: tuple[str, ...]
) -> None:
    postgres(full, *prepare, 'CREATE SCHEMA "not this"', 'CREATE TABLE "not this".t (n int)')
    taken = take(full, tmp_path / "backup", schemas=["public", "My Schema"])
    restore(taken.path, other)
    assert backups.compare(taken.path, endpoint(other)) == []
    assert backups.compare(taken.path, endpoint(full)) == []
    assert one(other, "SELECT to_regnamespace('\"not this\"')") is None
    assert one(other, "SELECT count(*) FROM awkward") == 3


def test_what_is_told_of_a_backup(small: Server, tmp_path: Path) -> None:
    taken = take(small, tmp_path / "backup")
    manifest = json.loads((taken.path / backups.MANIFEST).read_text())
    assert (taken.tables, taken.sealed) == (2, False)
    assert taken.bytes == sum(f.stat().st_size for f in taken.path.iterdir() if f.name != backups.MANIFEST)
    assert taken.taken.endswith("+00:00")
    assert (manifest["owner"], manifest["server"]) == (OWNER, endpoint(small).identity)
    assert manifest["xmin"] <= one(small, "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
    assert [(t["name"], t["rows"], t["oid"]) for t in manifest["tables"]] == [
        ("customers", 3, table_oid(small, "customers")),
        ("orders", 2, table_oid(small, "orders")),
    ]
    assert manifest["sequences"] == [
        {"schema": "public", "name": "customers_id_seq", "last_value": 3, "is_called": True}
    ]


@pytest.mark.parametrize("key", [None, KEY])
def test_nobody_else_looks_into_it(small: Server, tmp_path: Path, key: str | None) -> None:
    path = take(small, tmp_path / "backup", key=key).path
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.iterdir()} == {0o600}


def test_a_sealed_one_holds_no_plain_file(small: Server, tmp_path: Path) -> None:
    taken = take(small, tmp_path / "backup", key=KEY)
    plain = [f.name for f in taken.path.iterdir() if f.suffix != backups.SEALED]
    assert (taken.sealed, plain) == (True, [backups.MANIFEST])
    assert KEY not in (taken.path / backups.MANIFEST).read_text()


@pytest.mark.parametrize(("key", "named"), [(None, "is sealed; give the key"), ("wrong", "the key is not the one")])
def test_a_sealed_one_takes_its_key(small: Server, other: Server, tmp_path: Path, key: str | None, named: str) -> None:
    path = take(small, tmp_path / "backup", key=KEY).path
    with pytest.raises(PreflightError, match=named):
        restore(path, other, key)
    with pytest.raises(PreflightError, match=named):
        list(backups.table_rows(path, key, [table_oid(small, "orders")]))
    assert rows(other, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace") == []
    assert [file.name for file in tmp_path.iterdir()] == ["backup"]


def test_an_empty_key_is_refused_before_anything_is_written(small: Server, tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match="is empty"):
        take(small, tmp_path / "backup", key="")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("schemas", [(), ("public",)])
def test_a_restore_that_takes_too_long_is_ended(
    small: Server, other: Server, tmp_path: Path, schemas: tuple[str, ...]
) -> None:
    path = take(small, tmp_path / "backup", key=KEY, schemas=schemas).path
    # Nobody makes a table meanwhile.
    with held(other, "pg_class", "EXCLUSIVE"), pytest.raises(TerminalError, match="longer than 1 s"):
        restore(path, other, KEY, timeout=1)
    assert [file.name for file in tmp_path.iterdir()] == ["backup"]


def test_the_owners_second_call_returns_the_first_ones(small: Server, tmp_path: Path) -> None:
    first = take(small, tmp_path / "backup")
    postgres(small, "DELETE FROM orders")
    assert take(small, tmp_path / "backup") == first


def test_another_owners_backup_is_not_taken_for_ones_own(small: Server, tmp_path: Path) -> None:
    first = take(small, tmp_path / "backup")
    with pytest.raises(PreflightError, match="run first, not of migration shop, run second") as refused:
        take(small, tmp_path / "backup", owner=OWNER | {"run": "second"})
    assert "move it elsewhere" in str(refused.value)
    assert check(first) == []


def test_a_damaged_one_is_not_replaced(small: Server, tmp_path: Path) -> None:
    first = take(small, tmp_path / "backup")
    largest(first.path).unlink()
    with pytest.raises(PreflightError, match="is missing"):
        take(small, tmp_path / "backup")


def test_what_a_killed_attempt_left_goes(small: Server, tmp_path: Path) -> None:
    left = tmp_path / "deep" / "backup.part"
    left.mkdir(parents=True)
    (left / "9.dat.gz").write_text("half")
    taken = take(small, tmp_path / "deep" / "backup")
    assert not left.exists()
    assert not (taken.path / "9.dat.gz").exists()


def test_an_attempt_that_fails_leaves_nothing(small: Server, tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match="no matching schemas"):
        take(small, tmp_path / "backup", schemas=["absent"])
    assert list(tmp_path.iterdir()) == []


def test_no_more_connections_than_the_pool_has(small: Server, tmp_path: Path) -> None:
    with role(small, "GRANT pg_read_all_data TO {role}", options="LOGIN CONNECTION LIMIT 3") as name:
        limited = endpoint(small, user=name, password=SECRET, pool=Pool(min=1, max=3, acquire=100))
        taken = backups.take(limited, tmp_path / "backup", owner=OWNER, jobs=8)
    assert check(taken) == []


def test_what_others_write_meanwhile_is_in_neither(full: Server, other: Server, tmp_path: Path) -> None:
    before = {table: rows(full, f"SELECT t::text FROM {table} t") for table in ("customers", "parts", "awkward")}
    with ThreadPoolExecutor() as pool, psycopg.connect(full.url()) as writer:
        writer.execute("LOCK TABLE parts_low IN ACCESS EXCLUSIVE MODE")
        taking = pool.submit(take, full, tmp_path / "backup")
        wait_for(lambda: waiting(full, "LOCK TABLE"), "pg_dump waits for the table")
        writer.execute("INSERT INTO parts VALUES (2, 'meanwhile')")
        postgres(
            full,
            "INSERT INTO customers (name) VALUES ('meanwhile')",
            "DELETE FROM awkward",
            "UPDATE parts_rest SET v = 'meanwhile'",
        )
        writer.commit()
        taken = taking.result()
    restore(taken.path, other)
    assert {table: rows(other, f"SELECT t::text FROM {table} t") for table in before} == before
    assert backups.compare(taken.path, endpoint(other)) == []


def test_the_dump_sees_what_the_numbers_are_of(small: Server, other: Server, tmp_path: Path) -> None:
    with role(small, "GRANT pg_read_all_data TO {role}", options="LOGIN CONNECTION LIMIT 2") as name:
        limited = endpoint(small, user=name, password=SECRET, pool=Pool(min=1, max=2))
        # The session is idle between its other statements too.
        holding = (
            "SELECT 1 FROM pg_stat_activity WHERE usename = %s AND state = 'idle in transaction' "
            "AND query LIKE '%%pg_export_snapshot%%'"
        )
        with ThreadPoolExecutor() as pool, psycopg.connect(replace(small, user=name, password=SECRET).url()):
            taking = pool.submit(backups.take, limited, tmp_path / "backup", owner=OWNER)
            wait_for(lambda: rows(small, holding, name), "the snapshot is held, and pg_dump cannot get in")
            postgres(small, "INSERT INTO orders VALUES (3, 'meanwhile')")
        taken = taking.result()
    restore(taken.path, other)
    assert rows(other, "SELECT id FROM orders ORDER BY id") == [(1,), (2,)]
    assert backups.compare(taken.path, endpoint(other)) == []


@pytest.fixture
def between(small: Server, tmp_path: Path) -> Callable[[str], backups.Backup]:
    """Take a backup, with a statement run between the dump and the measuring."""

    def taken(statement: str) -> backups.Backup:
        def come_in() -> None:
            with psycopg.connect(small.url()) as connection:
                connection.execute("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
                connection.execute(statement.encode())

        # pg_dump has the older table's lock already when it waits for the younger's.
        with ThreadPoolExecutor() as pool:
            with held(small, "orders", "ACCESS EXCLUSIVE"):
                taking = pool.submit(take, small, tmp_path / "backup", jobs=1)
                wait_for(lambda: waiting(small, "LOCK TABLE") == 1, "pg_dump waits")
                coming = pool.submit(come_in)
                wait_for(lambda: waiting(small, "LOCK TABLE customers") == 1, "the other waits behind pg_dump")
            coming.result()
            return taking.result()

    return taken


def test_sequences_stand_where_the_dump_saw_them(
    between: Callable[[str], backups.Backup], small: Server, other: Server
) -> None:
    taken = between("SELECT setval('customers_id_seq', 77)")
    assert one(small, "SELECT last_value FROM customers_id_seq") == 77
    restore(taken.path, other)
    assert one(other, "SELECT last_value FROM customers_id_seq") == 3
    assert backups.compare(taken.path, endpoint(other)) == []


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE customers",
        "ALTER TABLE customers ALTER id TYPE bigint",
        "ALTER TABLE customers DROP name",
        "DROP TABLE customers",
    ],
)
def test_a_table_that_is_altered_meanwhile_is_named(
    between: Callable[[str], backups.Backup], tmp_path: Path, statement: str
) -> None:
    with pytest.raises(TransientError, match=r"table public\.customers was altered"):
        between(statement)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def four(small: Server, tmp_path: Path) -> list[Path]:
    """Four backups, the oldest first; their names tell nothing of their age."""
    return [take(small, tmp_path / name / "backup", owner=OWNER | {"run": name}).path for name in ("c", "a", "d", "b")]


def test_the_oldest_go(four: list[Path], tmp_path: Path) -> None:
    assert set(backups.expire(tmp_path, 2, ())) == set(four[:2])
    assert [path.exists() for path in four] == [False, False, True, True]
    assert backups.expire(tmp_path, 2, ()) == []


def test_those_that_are_to_be_spared_stay(four: list[Path], tmp_path: Path) -> None:
    assert backups.expire(tmp_path, 1, [four[0]]) == [four[2], four[1]]
    assert [path.exists() for path in four] == [True, False, False, True]


def test_what_is_no_whole_backup_neither_goes_nor_counts(four: list[Path], tmp_path: Path) -> None:
    shutil.copytree(four[3], tmp_path / "e" / "backup.part")
    for name, content in (("theirs", "{}"), ("broken", "half {")):
        (tmp_path / name).mkdir()
        (tmp_path / name / backups.MANIFEST).write_text(content)
    assert backups.expire(tmp_path, 3, ()) == [four[0]]
    assert all((tmp_path / name).exists() for name in ("e/backup.part", "theirs", "broken"))
