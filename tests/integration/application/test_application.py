"""What the application asks is tried on the new tables before they go live."""

from __future__ import annotations

import pytest
from asking import Ready, asking, trying
from helpers import begin, finished, mysql, mysql_rows, postgres, rows, spec

from cutover import report
from cutover.errors import VerificationError
from cutover.local.servers import Server
from cutover.run import NotStartedError, run_migration
from cutover.steps import trial
from cutover.steps.application import validate_application


@pytest.mark.parametrize(
    "query",
    [
        "SELECT id, name FROM customers WHERE id = 2",
        "select c.ID, o.note from customers c inner join orders o on (o.customer = c.id) order by o.id desc",
        "SELECT customer, COUNT(*) AS n FROM orders GROUP BY customer ORDER BY n DESC, customer LIMIT 5",
        "SELECT COALESCE(note, '-') FROM orders",
        "SELECT * FROM named WHERE id = 1;",
        "SELECT shout(name) FROM customers",
        "SELECT id FROM orders ORDER BY note IS NULL, id",
        "SELECT customer, MAX(id) FROM orders GROUP BY customer ORDER BY 1 DESC",
        "SELECT NULL, id FROM orders",
        "SELECT id FROM kinds WHERE made >= '2024-01-01'",
        "INSERT INTO customers (name) VALUES ('x')",
        "UPDATE orders SET note = 'b' WHERE id = 1",
        "DELETE FROM orders WHERE id = 1",
        "UPDATE orders SET customer = customer + 1 WHERE id = 1",
        "SELECT TRUE",
        "SELECT id FROM orders WHERE customer + 1 > 2 AND id BETWEEN 1 AND customer * 2",
        "SELECT id FROM orders WHERE id = 1 FOR UPDATE",
    ],
)
def test_what_both_sides_take_alike_is_no_finding(ready: Ready, query: str) -> None:
    run, _, _ = ready
    outcome = validate_application(asking(run, {"q": query}, "queryCompatibility", "functionCompatibility"))
    assert (outcome.errors, outcome.warnings) == ((), ())


@pytest.mark.parametrize(
    ("query", "reason", "rewrite"),
    [
        (
            "SELECT IFNULL(note, '-') FROM orders",
            "PostgreSQL does not take it as it is written (function ifnull(text, unknown) does not exist)",
            """SELECT COALESCE("note", '-') FROM "orders\"""",
        ),
        (
            "SELECT `name` FROM `customers` ORDER BY id LIMIT 1, 2",
            'PostgreSQL does not take it as it is written (syntax error at or near "FROM")',
            'SELECT "name" FROM "customers" ORDER BY "customers"."id" NULLS FIRST LIMIT 2 OFFSET 1',
        ),
        (
            "SELECT GROUP_CONCAT(id) FROM orders",
            "PostgreSQL does not take it as it is written (function group_concat(integer) does not exist); translated, "
            "it joins a group's texts whole, where the source cuts them at group_concat_max_len, it joins a group's "
            "texts in no fixed order, as the source does",
            """SELECT string_agg("id"::text, ',') FROM "orders\"""",
        ),
        (
            "SELECT STRAIGHT_JOIN c.name FROM customers c JOIN orders o ON o.customer = c.id",
            'PostgreSQL does not take it as it is written (syntax error at or near "."); translated, an optimizer hint '
            "is left out",
            'SELECT "c"."name" FROM "customers" AS "c" JOIN "orders" AS "o" ON "o"."customer" = "c"."id"',
        ),
        (
            "INSERT IGNORE INTO customers (name) VALUES ('x')",
            'PostgreSQL does not take it as it is written (syntax error at or near "IGNORE"); translated, IGNORE '
            "leaves out rows whose key is there; other errors that it hides in the source remain errors",
            """INSERT INTO "customers" ("name") VALUES ('x') ON CONFLICT DO NOTHING""",
        ),
        (
            "SELECT id FROM customers WHERE name = 'ana'",
            "PostgreSQL takes it as it is written, but it means something else there: it compares text letter by "
            "letter, where the source may ignore case",
            """SELECT "id" FROM "customers" WHERE "name" = 'ana'""",
        ),
        (
            "SELECT customer / 2 FROM orders",
            "PostgreSQL takes it as it is written, but it means something else there: / of whole numbers drops the "
            "fraction, and that of others has other digits",
            'SELECT round("customer"::numeric / 2, 4) FROM "orders"',
        ),
        (
            "SELECT MIN(id) FROM orders GROUP BY note ORDER BY note",
            "PostgreSQL takes it as it is written, but it means something else there: NULL sorts after every value, "
            "and with DESC before every one; it compares text letter by letter, where the source may ignore case; it "
            "orders text by the target's collation",
            'SELECT min("id") FROM "orders" GROUP BY "note" ORDER BY "orders"."note" NULLS FIRST',
        ),
        (
            "SELECT id FROM orders WHERE note = 'a' || id = 3",
            None,
            """SELECT "id" FROM "orders" WHERE "note" = 'a' OR "id" = 3""",
        ),
        (
            "SELECT CONCAT(note, 'x') FROM orders",
            "PostgreSQL takes it as it is written, but it means something else there: CONCAT() passes over NULL, where "
            "the source gives NULL",
            """SELECT "note" || 'x' FROM "orders\"""",
        ),
        (
            "SELECT id FROM orders WHERE customer ^ 1 = 0",
            "PostgreSQL takes it as it is written, but it means something else there: ^ is a power; bits of a negative "
            "number make a negative number, in the source a large positive one",
            'SELECT "id" FROM "orders" WHERE "customer"::bigint # 1::bigint = 0',
        ),
        (
            r"SELECT 'a\'; DROP TABLE customers; --'",
            "PostgreSQL does not take it as it is written (cannot insert multiple commands into a prepared statement)",
            "SELECT 'a''; DROP TABLE customers; --'",
        ),
        (
            "INSERT INTO customers (name) VALUES ('x') ON DUPLICATE KEY UPDATE name = VALUES(name)",
            'PostgreSQL does not take it as it is written (syntax error at or near "DUPLICATE")',
            """INSERT INTO "customers" ("name") VALUES ('x') ON CONFLICT ("name") DO UPDATE SET "name" = """
            'EXCLUDED."name"',
        ),
    ],
)
def test_a_query_is_told_with_its_reason_and_its_rewrite(
    ready: Ready, query: str, reason: str | None, rewrite: str | None
) -> None:
    run, _, target = ready
    outcome = validate_application(asking(run, {"q": query}, "queryCompatibility"))
    assert outcome.errors == ()
    (event,) = run.ledger.events(run.id, "validated")[-1:]
    (finding,) = event.detail["details"]["findings"]
    assert finding["query"] == "q"
    assert reason is None or finding["reason"] == reason
    assert rewrite is None or finding["rewrite"] == rewrite
    assert outcome.warnings == (
        f"query q: {finding['reason']}" + (f"; write: {finding['rewrite']}" if finding["rewrite"] else ""),
    )
    assert rows(target, f'SELECT count(*) FROM "{run.shadow}".customers') == [(3,)]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (
            "SELECT UUID_SHORT()",
            "(function uuid_short() does not exist), and no translation of it is known: UUID_SHORT()",
        ),
        ("SELECT nothing FROM orders", '(column "nothing" does not exist), and no translation of it is known: column'),
        ("SELECT id FROM elsewhere", '(relation "elsewhere" does not exist), and no translation of it is known: table'),
        (
            "SELECT FROM WHERE",
            "no translation of it is known: syntax that the parser does not know (Expected table name",
        ),
        (
            "SELECT name FROM customers WHERE id = ?",
            "no translation of it is known: a placeholder; write a value in its",
        ),
        ("SELECT 1; SELECT 2", "no translation of it is known: several statements in one"),
        ("REPLACE INTO customers VALUES (1, 'x')", "is known: a row that may be there by 2 unique keys"),
        ("LOAD DATA INFILE 'x' INTO TABLE customers", 'syntax error at or near "DATA"'),
    ],
)
def test_a_query_that_nothing_is_known_for_is_an_error(ready: Ready, query: str, reason: str) -> None:
    run, _, _ = ready
    with pytest.raises(VerificationError) as refused:
        validate_application(asking(run, {"broken": query}, "queryCompatibility"))
    (error,) = refused.value.differences
    assert error.startswith("query broken: PostgreSQL does not take it as it is written (")
    assert reason in error


UPSERTS = (
    "INSERT INTO stock (id, item, qty) VALUES (1, 'a', 5), (9, 'z', 1) ON DUPLICATE KEY UPDATE qty = qty + VALUES(qty)",
    "INSERT INTO stock (id, qty) VALUES (2, 7) ON DUPLICATE KEY UPDATE qty = VALUES(qty), item = CONCAT(item, '!')",
    "INSERT INTO stock SELECT id, item, qty * 2 FROM stock ON DUPLICATE KEY UPDATE qty = VALUES(qty), item = 'twice'",
    "REPLACE INTO stock (id, qty) VALUES (1, 100), (3, 3)",
    "REPLACE stock VALUES (2, 'two', 2)",
    "INSERT IGNORE INTO stock VALUES (1, 'no', 0), (4, 'yes', 4)",
)


STOCK = (
    "CREATE TABLE stock (id INT PRIMARY KEY, item VARCHAR(10) NOT NULL DEFAULT 'none', qty INT NOT NULL DEFAULT 0)",
    "INSERT INTO stock VALUES (1, 'one', 1), (2, 'two', 2)",
)


def test_an_upsert_changes_its_row_by_what_was_named(source_db: Server, target_db: Server) -> None:
    mysql(source_db, *STOCK, "CREATE TABLE sold (id INT PRIMARY KEY, qty INT, at DATETIME)")
    run = finished(begin(source_db, target_db))
    # Of MySQL 8 from 8.0.19 on; MariaDB has no name for the row.
    new = "INSERT INTO stock (id, qty) VALUES (1, 50), (2, 10) AS new ON DUPLICATE KEY UPDATE qty = {} + new.qty"
    read = "INSERT INTO stock (id, qty) SELECT id, qty FROM sold ON DUPLICATE KEY UPDATE qty = {}"
    named, bare, renamed, foreign, own, dated = trial.asked(
        run,
        {
            "named": new.format("stock.qty"),
            "bare": new.format("qty"),
            "renamed": "INSERT INTO stock (id) VALUES (1) AS new (a) ON DUPLICATE KEY UPDATE qty = a",
            "foreign": read.format("sold.qty"),
            "own": read.format("stock.qty + VALUES(qty)"),
            "dated": "INSERT INTO sold (id) VALUES (1) ON DUPLICATE KEY UPDATE at = NOW()",
        },
    )
    for added, query in enumerate((named, bare), 1):
        assert query.target is not None, query.construct
        postgres(target_db, f'SET search_path TO "{run.shadow}"; {query.target}')
        there = rows(target_db, f'SELECT id, qty FROM "{run.shadow}".stock ORDER BY id')
        assert there == [(1, 1 + 50 * added), (2, 2 + 10 * added)]
    assert (renamed.target, foreign.target) == (None, None)
    assert foreign.construct == "ON DUPLICATE KEY UPDATE to sold.qty, of the rows that are read"
    assert own.target is not None
    assert own.target.endswith('SET "qty" = CAST("stock"."qty" AS BIGINT) + CAST(EXCLUDED."qty" AS BIGINT)')
    assert any("its current time is that of the session's time zone" in note for note in dated.notes)


def test_rewritten_upserts_leave_the_same_rows(source_db: Server, target_db: Server) -> None:
    mysql(source_db, *STOCK)
    run = finished(begin(source_db, target_db))
    found = trial.asked(run, {str(number): text for number, text in enumerate(UPSERTS)})
    for query in found:
        assert query.target is not None, query.construct
        mysql(source_db, query.text)
        postgres(target_db, f'SET search_path TO "{run.shadow}"; {query.target}')
        order = "SELECT id, item, qty FROM {} ORDER BY id"
        here = rows(target_db, order.format(f'"{run.shadow}".stock'))
        assert here == mysql_rows(source_db, order.format("stock")), query.text


def test_functions_that_are_lacking_or_differ_are_named(ready: Ready) -> None:
    run, _, _ = ready
    queries = {
        "lacks": "SELECT DATE_FORMAT(made, '%Y'), IFNULL(note, '-') FROM kinds",
        "differs": "SELECT LENGTH(note), UPPER(note) FROM kinds",
        "own": "SELECT shout(note) FROM kinds",
    }
    outcome = validate_application(asking(run, queries, "functionCompatibility"))
    lacks = """SELECT to_char("made", 'YYYY'), COALESCE("note", '-') FROM "kinds\""""
    assert outcome.errors == ()
    assert outcome.warnings == (
        "query lacks: DATE_FORMAT() is no function of PostgreSQL's; IFNULL() is no function of PostgreSQL's; "
        f"write: {lacks}",
        "query differs: LENGTH() counts letters, where the source counts bytes; write: "
        'SELECT octet_length("note"), upper("note") FROM "kinds"',
    )
    with pytest.raises(VerificationError) as refused:
        validate_application(
            asking(run, {"gone": "SELECT lost()", "none": "SELECT UUID_SHORT()"}, "functionCompatibility")
        )
    assert refused.value.differences == (
        "query gone: lost() is a function of the source's that is not carried",
        "query none: UUID_SHORT() is no function of PostgreSQL's",
    )


def test_a_query_is_told_once_whatever_finds_it(ready: Ready) -> None:
    run, _, _ = ready
    queries = {
        "differs": "SELECT LENGTH(note) FROM kinds",
        "lacks": "SELECT IFNULL(note, '-'), LENGTH(note) FROM kinds",
    }
    outcome = validate_application(asking(run, queries, "queryCompatibility", "functionCompatibility"))
    length = "LENGTH() counts letters, where the source counts bytes"
    assert outcome.warnings == (
        f"query differs: PostgreSQL takes it as it is written, but it means something else there: {length}; write: "
        'SELECT octet_length("note") FROM "kinds"',
        "query lacks: PostgreSQL does not take it as it is written (function ifnull(text, unknown) does not exist); "
        f"IFNULL() is no function of PostgreSQL's; {length}; write: "
        'SELECT COALESCE("note", \'-\'), octet_length("note") FROM "kinds"',
    )


def test_renamed_columns_and_changed_values_are_told(source_db: Server, target_db: Server) -> None:
    mysql(
        source_db,
        "CREATE TABLE people (person_id INT PRIMARY KEY, state CHAR(1))",
        "INSERT INTO people VALUES (1, 'A')",
    )
    mapping = {"fieldMapping": {"people": {"person_id": "id"}}, "valueMapping": {"people.state": {"A": "active"}}}
    queries = {"renamed": "SELECT person_id FROM people", "mapped": "SELECT person_id FROM people WHERE state = 'A'"}
    schema = trying(queries)
    run = finished(begin(source_db, target_db, spec(schema=schema, data={"transformation": {"mapping": mapping}})))
    with pytest.raises(VerificationError) as refused:
        validate_application(run)
    (error,) = refused.value.differences
    assert error.startswith("query mapped: ")
    assert "column people.state holds other values here (valueMapping)" in error
    event = run.ledger.last(run.id, "validated")
    assert event is not None
    assert (
        'query renamed: PostgreSQL does not take it as it is written (column "person_id" does not exist); write: '
        'SELECT "id" AS "person_id" FROM "people"'
    ) in event.detail["warnings"]


@pytest.mark.slow
def test_a_whole_run_tells_what_it_found(shop: Server, target_db: Server) -> None:
    run = begin(shop, target_db, spec(schema=trying({"names": "SELECT `name` FROM customers"})))
    told = run_migration(run)
    assert told.status == report.COMPLETED
    found = told.validation["application"]
    assert (found["status"], found["errors"]) == ("passed", [])
    assert found["warnings"] == [
        'query names: PostgreSQL does not take it as it is written (syntax error at or near "FROM"); write: '
        'SELECT "name" FROM "customers"'
    ]
    again = validate_application(run, schema=run.live)
    assert list(again.warnings) == found["warnings"]
    postgres(target_db, "ALTER TABLE customers RENAME COLUMN name TO called")
    later = validate_application(run, schema=run.live)
    assert later.status == "failed"
    assert "its translation is refused too" in later.errors[0]


def test_queries_that_are_none_stop_a_run_before_it_changes_anything(shop: Server, target_db: Server) -> None:
    queries = {
        "marked": "SELECT name FROM customers WHERE id = ?",
        "named": "INSERT INTO customers (id) VALUES (:id)",
        "python": "SELECT name FROM customers WHERE id IN (%s, %s)",
        "two": "SELECT 1; SELECT 2",
        "broken": "SELECT FROM WHERE",
        "good": "SELECT name FROM customers WHERE name LIKE '%s?:id;';\n",
    }
    run = begin(shop, target_db, spec(schema=trying(queries)))
    with pytest.raises(NotStartedError) as refused:
        run_migration(run)
    found = [line.split(": ", 1) for line in str(refused.value).splitlines() if "queries." in line]
    assert [name.rpartition("queries.")[2] for name, _ in found] == ["marked", "named", "python", "two", "broken"]
    assert [said for _, said in found[:3]] == ["a placeholder; write a value in its place"] * 3
    assert found[3][1] == "several statements in one; give each a name of its own"
    assert found[4][1].endswith("; mend it, or leave it out")
    assert run.ledger.last(run.id, "planned") is None


def test_a_query_that_cannot_be_asked_takes_the_run_back(shop: Server, target_db: Server) -> None:
    run = begin(shop, target_db, spec(schema=trying({"broken": "SELECT nothing FROM customers"})))
    told = run_migration(run)
    assert told.status == report.ROLLED_BACK
    assert told.failed_step == "validate_application"
    assert "query broken: " in (told.cause or "")
    assert rows(target_db, "SELECT to_regclass('public.customers')") == [(None,)]
