"""Sequences of MariaDB: they go on where the source's are, and come and go with the tables."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from helpers import access, begin, dump, finished, loaded, migrations, mysql, one, postgres, role, rows, spec
from program import cutover

from cutover import report
from cutover.local.servers import Server
from cutover.run import NotStartedError, run_migration
from cutover.steps import back, move

SOURCE = (
    "CREATE SEQUENCE tickets START WITH 100 INCREMENT BY 10 NOCACHE",
    "CREATE SEQUENCE down START WITH -1 INCREMENT BY -1 MINVALUE -3 MAXVALUE -1 NOCACHE CYCLE",
    "CREATE SEQUENCE short MAXVALUE 2 NOCACHE",
    "CREATE TABLE orders (id BIGINT PRIMARY KEY DEFAULT NEXTVAL(tickets), n INT)",
    "INSERT INTO orders (n) VALUES (1), (2)",
    "SELECT NEXTVAL(down), NEXTVAL(down), NEXTVAL(down)",
    "SELECT NEXTVAL(short), NEXTVAL(short)",
    "CREATE PROCEDURE take(IN n INT) INSERT INTO orders VALUES (NEXT VALUE FOR tickets, n)",
)
SEQUENCES = (
    "SELECT relnamespace::regnamespace::text, relname FROM pg_class WHERE relkind = 'S' "
    "AND oid NOT IN (SELECT objid FROM pg_depend WHERE deptype IN ('a', 'i')) ORDER BY 1, 2"
)
NEXT = "SELECT nextval(%s::regclass)"


@pytest.fixture
def migrated(source_db: Server, target_db: Server) -> Server:
    mysql(source_db, *SOURCE)
    told = run_migration(begin(source_db, target_db))
    assert told.status == report.COMPLETED, (told.cause, told.losses)
    return target_db


def test_they_go_on_where_the_sources_are(migrated: Server) -> None:
    postgres(migrated, "INSERT INTO orders (n) VALUES (3)", "CALL take(4)")
    assert rows(migrated, "SELECT id, n FROM orders ORDER BY 1") == [(100, 1), (110, 2), (120, 3), (130, 4)]
    assert one(migrated, NEXT, "down") == -1
    with pytest.raises(psycopg.errors.SequenceGeneratorLimitExceeded):
        one(migrated, NEXT, "short")


def test_each_has_its_line_in_the_report(source_db: Server, target_db: Server) -> None:
    mysql(source_db, *SOURCE)
    told = run_migration(begin(source_db, target_db))
    lines = {item.name: item.detail for item in told.objects if item.kind == "sequence"}
    assert lines == {
        "down": "",
        "short": "every value that was left is in the source's cache: here there is none to give",
        "tickets": "goes on with 120",
    }


def test_what_was_taken_after_the_plan_is_taken_here_too(source_db: Server, target_db: Server) -> None:
    mysql(source_db, *SOURCE)
    run = loaded(begin(source_db, target_db))
    mysql(source_db, "SELECT NEXTVAL(tickets)")
    move.finish_schema(run)
    assert one(target_db, NEXT, f'"{run.shadow}".tickets') == 130


def test_they_come_and_go_with_the_tables(source_db: Server, migrated: Server) -> None:
    postgres(migrated, "INSERT INTO orders (n) VALUES (3)")
    mysql(source_db, "SELECT NEXTVAL(tickets), NEXTVAL(tickets), NEXTVAL(tickets)", "DROP SEQUENCE short")
    second = begin(source_db, migrated)
    assert run_migration(second).cause is None
    assert rows(migrated, SEQUENCES) == [
        *((second.shadow, name) for name in ("down", "short", "tickets")),
        ("public", "down"),
        ("public", "tickets"),
    ]
    assert one(migrated, NEXT, "tickets") == 150
    back.rollback(second)
    back.validate_rollback(second)
    assert [name for _, name in rows(migrated, SEQUENCES)] == ["down", "short", "tickets"]
    postgres(migrated, "INSERT INTO orders (n) VALUES (4)")
    assert one(migrated, "SELECT max(id) FROM orders") == 130


def test_the_way_back_of_the_first_run_leaves_none(source_db: Server, target_db: Server) -> None:
    mysql(source_db, *SOURCE)
    before = dump(target_db)
    run = begin(source_db, target_db)
    assert run_migration(run).cause is None
    back.rollback(run)
    assert dump(target_db) == before


def test_rights_come_along(source_db: Server, migrated: Server) -> None:
    with (
        role(migrated, "GRANT USAGE ON SEQUENCE tickets TO {role}") as reader,
        role(migrated, "GRANT CREATE ON SCHEMA public TO {role}", "ALTER SEQUENCE down OWNER TO {role}") as owner,
    ):
        mysql(source_db, "CREATE SEQUENCE new")
        postgres(migrated, f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON SEQUENCES TO {reader}")
        assert run_migration(begin(source_db, migrated)).cause is None
        held = "SELECT has_sequence_privilege(%s, %s, %s)"
        assert one(migrated, held, reader, "tickets", "USAGE")
        assert not one(migrated, held, reader, "tickets", "UPDATE")
        assert one(migrated, held, reader, "new", "SELECT")
        owned = "SELECT relowner::regrole::text FROM pg_class WHERE oid = 'public.down'::regclass"
        assert one(migrated, owned) == owner


@pytest.mark.parametrize(
    ("theirs", "named"),
    [
        ("CREATE SEQUENCE tickets", "sequence tickets were not made by this migration"),
        ("CREATE TABLE tickets (id int)", "table tickets of public has the name of one to be made"),
    ],
)
def test_one_of_another_hand_is_not_replaced(source_db: Server, target_db: Server, theirs: str, named: str) -> None:
    mysql(source_db, *SOURCE)
    postgres(target_db, theirs)
    with pytest.raises(NotStartedError) as refused:
        run_migration(begin(source_db, target_db))
    assert named in str(refused.value)


def test_what_counts_with_one_of_ours_is_named(source_db: Server, migrated: Server) -> None:
    postgres(migrated, "CREATE TABLE mine (n bigint DEFAULT nextval('tickets'))")
    with pytest.raises(NotStartedError) as refused:
        run_migration(begin(source_db, migrated))
    assert "default value for column n of table mine depends on sequence tickets" in str(refused.value)


def test_scripts_and_comparisons_know_them(source_db: Server, migrated: Server, tmp_path: Path) -> None:
    folder = migrations(tmp_path, spec())
    diff = ["schema", "diff", "shop", "--migrations", str(folder)]
    assert cutover(diff, access(source_db, migrated)).stdout == "no differences\n"
    postgres(migrated, "ALTER SEQUENCE down NO CYCLE")
    shown = cutover(diff, access(source_db, migrated)).stdout
    assert shown.startswith("~ sequence down: bigint INCREMENT -1 MINVALUE -3 MAXVALUE -1 START -1 -> ")
    run = begin(source_db, migrated, spec(into="other"))
    finished(run)
    up, down = ("".join(f"{s.sql};\n" for s in statements) for statements in (run.plan.up, run.plan.down))
    postgres(migrated, "CREATE SCHEMA here", *(f"SET search_path = here; {script}" for script in (up, down)))
    assert ("here", "tickets") not in rows(migrated, SEQUENCES)
