"""What happens to the live schema's other objects, and to rights, when a migration runs again."""

from __future__ import annotations

import pytest
from helpers import begin, mysql, one, postgres, role, rows, schemas, spec

from cutover import report
from cutover.local.servers import Server
from cutover.run import NotStartedError, run_migration
from cutover.steps import back

SOURCE = (
    "CREATE TABLE a (id INT PRIMARY KEY, k ENUM('x','y'), word VARCHAR(9))",
    "INSERT INTO a VALUES (1, 'x', 'one')",
    "CREATE VIEW v AS SELECT id, word FROM a",
    "CREATE FUNCTION f(n INT) RETURNS INT DETERMINISTIC RETURN n + 1",
    "CREATE PROCEDURE f(IN n INT, IN k INT, OUT m INT) SET m = n + k",
)


@pytest.fixture
def migrated(source_db: Server, target_db: Server) -> Server:
    mysql(source_db, *SOURCE)
    told = run_migration(begin(source_db, target_db))
    assert told.status == report.COMPLETED, (told.cause, told.losses)
    return target_db


def again(source: Server, target: Server) -> report.Report:
    told = run_migration(begin(source, target))
    assert told.cause is None
    return told


def test_a_function_and_a_procedure_of_one_name(migrated: Server) -> None:
    assert one(migrated, "SELECT f(1)") == 2
    assert rows(migrated, "CALL f(1, 2, NULL)") == [(3,)]


@pytest.mark.parametrize(
    ("theirs", "named"),
    [
        ("CREATE VIEW mine AS SELECT * FROM v", "view mine depends on view v"),
        ("CREATE MATERIALIZED VIEW mine AS SELECT f(1)", "view mine depends on function f(bigint)"),
        ("CREATE FUNCTION g(a_k_enum) RETURNS int LANGUAGE sql AS 'SELECT 1'", "function g(a_k_enum) depends on type"),
        ("CREATE TABLE mine (n int DEFAULT f(1))", "default value for column n of table mine depends on function f"),
        ("CREATE FUNCTION f(text, text) RETURNS int LANGUAGE sql AS 'SELECT 1'", "routine f were not made by this"),
    ],
)
def test_what_depends_on_our_objects_is_named(source_db: Server, migrated: Server, theirs: str, named: str) -> None:
    postgres(migrated, theirs)
    before = schemas(migrated)
    with pytest.raises(NotStartedError) as refused:
        run_migration(begin(source_db, migrated))
    assert named in str(refused.value)
    assert schemas(migrated) == before


@pytest.mark.parametrize(
    ("theirs", "named"),
    [
        ("CREATE VIEW b AS SELECT 1", "view b of public has the name of one to be made"),
        ("CREATE SEQUENCE b", "sequence b of public has the name of one to be made"),
        ("CREATE TABLE other (n int); CREATE INDEX by_n ON other (n)", "index by_n of public has the name of one"),
        ("CREATE DOMAIN b_size_enum AS text", "type b_size_enum of public has the name of one to be made"),
    ],
)
def test_names_that_are_taken_are_named(source_db: Server, migrated: Server, theirs: str, named: str) -> None:
    mysql(source_db, "CREATE TABLE b (id INT PRIMARY KEY, n INT, size ENUM('s'), KEY by_n (n))")
    postgres(migrated, theirs)
    with pytest.raises(NotStartedError, match=named):
        run_migration(begin(source_db, migrated))


def test_rights_come_along(source_db: Server, migrated: Server) -> None:
    with role(migrated) as name:
        postgres(
            migrated,
            "REVOKE EXECUTE ON FUNCTION f(bigint) FROM PUBLIC",
            f"GRANT EXECUTE ON FUNCTION f(bigint) TO {name}",
            "ALTER FUNCTION f(bigint) SECURITY DEFINER",
            f"GRANT SELECT ON v TO {name}",
        )
        rights = "SELECT proacl::text, prosecdef FROM pg_proc WHERE oid = 'public.f(bigint)'::regprocedure"
        before = rows(migrated, rights)
        again(source_db, migrated)
        assert rows(migrated, rights) == before
        assert one(migrated, f"SELECT has_table_privilege('{name}', 'v', 'SELECT')")


def test_what_the_source_has_no_longer_leaves(source_db: Server, migrated: Server) -> None:
    mysql(
        source_db,
        "CREATE TABLE e (id INT NOT NULL, d DATE NOT NULL, PRIMARY KEY (id, d)) PARTITION BY RANGE (TO_DAYS(d)) "
        "(PARTITION p0 VALUES LESS THAN (0), PARTITION p1 VALUES LESS THAN (TO_DAYS('2020-01-01')), "
        "PARTITION p2 VALUES LESS THAN MAXVALUE)",
        "INSERT INTO e VALUES (1, '2019-12-31'), (2, '2020-01-01')",
        "CREATE TABLE gone (id INT PRIMARY KEY, a INT, CONSTRAINT of_a FOREIGN KEY (a) REFERENCES a (id))",
    )
    again(source_db, migrated)
    assert rows(migrated, "SELECT id FROM e_p1") == [(1,)]
    assert rows(migrated, "SELECT id FROM e_p2") == [(2,)]
    mysql(source_db, "ALTER TABLE e DROP PARTITION p1", "DROP TABLE gone", "DROP VIEW v", "DROP PROCEDURE f")
    run = begin(source_db, migrated)
    told = run_migration(run)
    assert told.status == report.COMPLETED, (told.cause, told.losses)
    why = "an earlier run brought it, the source has it no longer"
    assert {note for note in told.notes if why in note} == {
        f"{what}: {why}" for what in ("table e_p1", "table gone", "view v", "routine f")
    }
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    assert rows(migrated, tables) == [("a",), ("e",), ("e_p0",), ("e_p2",)]
    back.rollback(run)
    back.validate_rollback(run)
    assert {"gone", "e_p1"} <= {name for (name,) in rows(migrated, tables)}
    assert rows(migrated, "SELECT word FROM v") == [("one",)]
    # What a later run took back is known from the ledger, and leaves again.
    again(source_db, migrated)
    assert ("gone",) not in rows(migrated, tables)


def test_what_cannot_be_dropped_is_told_and_stops_nothing(source_db: Server, migrated: Server) -> None:
    again(source_db, migrated)
    (old,) = schemas(migrated) - {"public"}
    postgres(migrated, f'CREATE VIEW public.onto_old AS SELECT * FROM "{old}".a')
    told = again(source_db, migrated)
    assert told.status == report.COMPLETED
    assert any(old in note and "stays" in note for note in told.notes)


def test_rows_that_become_alike_in_two_keys(source_db: Server, target_db: Server) -> None:
    mysql(
        source_db,
        "CREATE TABLE t (id INT PRIMARY KEY, a VARBINARY(9), w VARCHAR(9) COLLATE utf8mb4_bin, "
        "u VARCHAR(9) COLLATE utf8mb4_bin, UNIQUE KEY (w), UNIQUE KEY (u))",
        r"INSERT INTO t VALUES (1, 'x', 'a\0b', 'c'), (2, 'y', 'ab', 'd\0'), (3, 'z', 'q', 'd')",
    )
    lenient = spec(data={"loading": {"options": {"errorHandling": {"maxErrors": 9, "errorThreshold": 1.0}}}})
    told = run_migration(begin(source_db, target_db, lenient))
    assert told.status == report.WITH_LOSSES, told.cause
    assert len([loss for loss in told.losses if "is another row's too" in loss]) == 2
    assert one(target_db, "SELECT count(DISTINCT (w, u)) = count(*) FROM t")


def test_orphans_of_a_wide_table_without_a_key(source_db: Server, target_db: Server) -> None:
    wide = ", ".join(f"c{n} INT" for n in range(60))
    mysql(
        source_db,
        "CREATE TABLE p (id INT PRIMARY KEY)",
        f"CREATE TABLE c ({wide}, CONSTRAINT kin FOREIGN KEY (c0) REFERENCES p (id))",
        "INSERT INTO c (c0, c59) VALUES (7, 8)",
    )
    lenient = spec(data={"loading": {"options": {"errorHandling": {"maxErrors": 9, "errorThreshold": 1.0}}}})
    told = run_migration(begin(source_db, target_db, lenient))
    assert told.status == report.WITH_LOSSES, told.cause
    assert any('"c59": 8' in loss for loss in told.losses)


def test_a_unique_index_that_cannot_be_built_needs_a_word(source_db: Server, target_db: Server) -> None:
    words = " ".join(f"SHA2({n}, 512)," for n in range(64)).rstrip(",")
    mysql(
        source_db,
        "CREATE TABLE t (id INT PRIMARY KEY, w TEXT, UNIQUE KEY u (w))",
        f"INSERT INTO t VALUES (1, CONCAT({words}))",
    )
    told = run_migration(begin(source_db, target_db, allow_losses=False))
    assert told.status == report.ROLLED_BACK
    assert "unique indexes cannot be built, and losses are not allowed: t.u: index row" in str(told.cause)
    assert run_migration(begin(source_db, target_db)).status == report.WITH_LOSSES


def test_a_generated_column_over_a_date_that_is_none(source_db: Server, target_db: Server) -> None:
    mysql(
        source_db,
        "CREATE TABLE t (id INT PRIMARY KEY, d DATE NOT NULL, y INT AS (YEAR(d)) STORED, "
        "at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP)",
        "INSERT INTO t (id, d, at) VALUES (1, '0000-00-00', '2020-01-01'), (2, '2024-02-29', '2020-01-01')",
    )
    told = run_migration(begin(source_db, target_db))
    assert told.status == report.ROLLED_BACK
    assert "say generatedColumns: values" in str(told.cause)
    carried = spec(schema={"settings": {"tables": {"columns": {"generatedColumns": "values"}}}})
    assert run_migration(begin(source_db, target_db, carried)).cause is None
    assert rows(target_db, "SELECT id, y FROM t ORDER BY id") == [(1, 0), (2, 2024)]


def test_a_touched_table_with_a_generated_column(source_db: Server, target_db: Server) -> None:
    mysql(
        source_db,
        "CREATE TABLE t (id INT PRIMARY KEY, n INT, twice INT AS (n * 2), doc JSON, "
        "at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP)",
        "INSERT INTO t (id, n, doc, at) VALUES (1, 1, '{}', '2020-01-01')",
    )
    assert run_migration(begin(source_db, target_db)).status == report.COMPLETED
    postgres(target_db, "UPDATE t SET n = n")
    assert one(target_db, "SELECT at < '2021-01-01' FROM t")
    postgres(target_db, "UPDATE t SET n = 2")
    assert rows(target_db, "SELECT twice, at > '2021-01-01' FROM t") == [(4, True)]


def test_partitions_by_text_that_ignores_case_are_one_table(source_db: Server, target_db: Server) -> None:
    mysql(
        source_db,
        "CREATE TABLE t (id INT, c VARCHAR(2) NOT NULL, PRIMARY KEY (id, c)) PARTITION BY LIST COLUMNS (c) "
        "(PARTITION us VALUES IN ('us', 'ca'), PARTITION eu VALUES IN ('fr'))",
        "INSERT INTO t VALUES (1, 'US'), (2, 'fr')",
    )
    told = run_migration(begin(source_db, target_db))
    assert told.losses == [
        "partitioning of t: the table is whole: it cuts by text that ignores case, which PostgreSQL puts elsewhere"
    ]
    assert rows(target_db, "SELECT id, c FROM t ORDER BY id") == [(1, "US"), (2, "fr")]
