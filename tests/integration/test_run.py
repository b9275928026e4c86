"""What carries over, stays or stops a run in the target."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from helpers import (
    NAMES,
    SECRET,
    begin,
    dump,
    finished,
    held,
    mysql,
    one,
    postgres,
    role,
    rows,
    schemas,
    spec,
)

from cutover import report
from cutover.errors import DriftError
from cutover.ledger import Ledger
from cutover.local.servers import Server
from cutover.run import NotStartedError, exit_code, run_migration
from cutover.steps import back, check, move, switch


def test_a_second_run_replaces_the_first_and_drops_what_it_kept(shop: Server, target_db: Server) -> None:
    first = begin(shop, target_db)
    assert run_migration(first).status == report.COMPLETED
    assert rows(target_db, NAMES) == [("Ana",), ("Björn",), ("桜",)]
    mysql(shop, "UPDATE customers SET name = 'Anna' WHERE id = 1", "INSERT INTO customers (name) VALUES ('Dmitri')")
    second = begin(shop, target_db)
    assert run_migration(second).status == report.COMPLETED
    assert rows(target_db, NAMES) == [("Anna",), ("Björn",), ("桜",), ("Dmitri",)]
    assert schemas(target_db) == {"public", second.shadow}
    assert rows(target_db, f"SELECT name FROM {second.shadow}.customers WHERE id = 1") == [("Ana",)]
    postgres(target_db, "INSERT INTO customers (name) VALUES ('next')")
    assert one(target_db, "SELECT max(id) FROM customers") == 5


@pytest.mark.slow
def test_going_back_from_a_second_run_leaves_the_first_replaceable(shop: Server, target_db: Server) -> None:
    run_migration(begin(shop, target_db))
    second = begin(shop, target_db)
    run_migration(second)
    back.rollback(second)
    back.validate_rollback(second)
    assert rows(target_db, NAMES) == [("Ana",), ("Björn",), ("桜",)]
    # They are this migration's own tables, so no permission is needed to replace them.
    assert run_migration(begin(shop, target_db)).status == report.COMPLETED


def test_a_target_that_is_not_empty_is_refused_unless_told_to_replace(shop: Server, target_db: Server) -> None:
    postgres(target_db, "CREATE TABLE customers (id int)", "INSERT INTO customers VALUES (7)")
    before = dump(target_db)
    run = begin(shop, target_db)
    with pytest.raises(NotStartedError, match=r"not empty: customers were not made by this migration.*replace_target"):
        run_migration(run)
    assert dump(target_db) == before
    assert report.build(run.ledger, run.id).status == report.FAILED
    assert run_migration(begin(shop, target_db, replace_target=True)).status == report.COMPLETED
    assert len(rows(target_db, NAMES)) == 3


def test_owner_and_grants_are_carried_over(shop: Server, target_db: Server) -> None:
    with (
        role(target_db) as owner,
        role(target_db) as reader,
    ):
        postgres(
            target_db,
            "CREATE TABLE customers (id int)",
            f"ALTER TABLE customers OWNER TO {owner}",
            f"GRANT SELECT ON customers TO {reader}",
            f"GRANT INSERT ON customers TO {reader} WITH GRANT OPTION",
            "GRANT SELECT ON customers TO PUBLIC",
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT UPDATE ON TABLES TO {reader}",
        )
        grants = "SELECT relacl::text[] FROM pg_class WHERE oid = %s::regclass"
        before = set(one(target_db, grants, "public.customers"))
        run_migration(begin(shop, target_db, replace_target=True))
        owners = dict(rows(target_db, "SELECT tablename, tableowner FROM pg_tables WHERE schemaname = 'public'"))
        assert owners == {"customers": owner, "orders": target_db.user}
        after = set(one(target_db, grants, "public.customers"))
        assert before <= after | {f"{owner}=arwdDxtm/{owner}", f"{owner}=arwdDxt/{owner}"}
        as_reader = replace(target_db, user=reader, password=SECRET)
        assert rows(as_reader, NAMES) == [("Ana",), ("Björn",), ("桜",)]
        # A table that had no predecessor gets what the schema gives new tables.
        can = "SELECT has_table_privilege(%s, 'orders', 'UPDATE'), has_table_privilege(%s, 'orders', 'SELECT')"
        assert rows(target_db, can, reader, reader) == [(True, False)]
        # The owner may give rows their next id, as before.
        as_owner = replace(target_db, user=owner, password=SECRET)
        postgres(as_owner, "INSERT INTO customers (name) VALUES ('next')")
        postgres(target_db, "DROP TABLE orders, customers")


@pytest.mark.parametrize(
    ("bind", "named"),
    [
        ("CREATE VIEW names AS SELECT id FROM customers", "view names depends on table customers"),
        (
            "CREATE TABLE more (customer int REFERENCES customers)",
            "constraint more_customer_fkey on table more depends on table customers",
        ),
        ("CREATE PUBLICATION news FOR TABLE customers", "publication news of customers"),
        ("ALTER TABLE customers ENABLE ROW LEVEL SECURITY", "row security on customers"),
        (
            "CREATE FUNCTION f(customers) RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "function f(customers) depends on type customers",
        ),
    ],
)
def test_what_is_bound_to_a_live_table_is_named_before_anything_changes(
    shop: Server, target_db: Server, bind: str, named: str
) -> None:
    postgres(target_db, "CREATE TABLE customers (id int PRIMARY KEY)", bind)
    before = dump(target_db)
    with pytest.raises(NotStartedError) as refused:
        run_migration(begin(shop, target_db, replace_target=True))
    assert named in str(refused.value)
    assert "Drop it, and make it anew" in str(refused.value)
    assert dump(target_db) == before


def test_a_schema_that_changes_after_the_plan_is_drift(shop: Server, target_db: Server) -> None:
    run = begin(shop, target_db)
    check.make_plan(run)
    mysql(shop, "ALTER TABLE orders ADD late INT")
    with pytest.raises(DriftError, match=r"source schema changed.*table orders was changed"):
        move.create_schema(run)
    assert schemas(target_db) == {"public"}
    again = finished(begin(shop, target_db))
    postgres(target_db, "CREATE TABLE customers (id int)")
    with pytest.raises(DriftError, match=r"target schema changed.*table customers was added"):
        switch.cutover(again)
    assert rows(target_db, "SELECT count(*) FROM customers") == [(0,)]


def test_a_dry_run_writes_the_scripts_and_changes_nothing(shop: Server, target_db: Server) -> None:
    before = dump(target_db)
    written = spec(strategy={"execution": {"modes": {"dryRun": {"enabled": True, "generateScripts": True}}}})
    run = begin(shop, target_db, written, mode="dry_run")
    assert run_migration(run).status == report.PLANNED
    assert dump(target_db) == before
    up, down = ((run.folder / "scripts" / name).read_text() for name in ("up.sql", "down.sql"))
    postgres(target_db, *filter(str.strip, up.split(";\n")))
    assert rows(target_db, "SELECT count(*) FROM orders") == [(0,)]
    postgres(target_db, *filter(str.strip, down.split(";\n")))
    assert dump(target_db) == before


def test_chosen_tables_rows_and_columns(shop: Server, target_db: Server) -> None:
    filters = {
        "filtering": {
            "enabled": True,
            "rowFiltering": True,
            "columnFiltering": True,
            "rowFilters": {"orders": 'note IS NULL OR note = "c%;"'},
            "columnFilters": {"orders": ["id", "note"]},
        }
    }
    mysql(shop, "UPDATE orders SET note = 'c%;' WHERE id = 3")
    told = run_migration(begin(shop, target_db, spec(data={"extraction": filters}), tables=["orders"]))
    assert rows(target_db, "SELECT id, note FROM orders ORDER BY id") == [(2, None), (3, "c%;")]
    assert one(target_db, "SELECT to_regclass('customers')") is None
    assert any("orders_customer: table customers is not part of this migration" in loss for loss in told.losses)


def test_orphans_are_set_aside_with_the_reason(shop: Server, target_db: Server) -> None:
    mysql(shop, "INSERT INTO orders (id, customer, note) VALUES (9, 99, 'no parent')")
    tolerant = spec(data={"loading": {"options": {"errorHandling": {"maxErrors": 1, "errorThreshold": 0.5}}}})
    run = begin(shop, target_db, tolerant)
    told = run_migration(run)
    assert told.status == report.WITH_LOSSES
    assert [loss for loss in told.losses if '"id": 9' in loss and "foreign key orders_customer" in loss]
    assert rows(target_db, "SELECT id FROM orders ORDER BY id") == [(1,), (2,), (3,)]
    ledger = Ledger()
    assert ledger.last(run.id, "completed") is not None


@pytest.mark.slow
def test_a_locked_table_is_waited_for_no_longer_than_allowed(shop: Server, target_db: Server) -> None:
    """A reader who stays holds the cutover up; the run gives up and takes itself back."""
    run_migration(begin(shop, target_db))
    before = dump(target_db)
    impatient = spec(strategy={"execution": {"modes": {"safe": {"maxDowntime": 500}}}})
    run = begin(shop, target_db, impatient)
    with held(target_db, "public.customers", "ACCESS SHARE"):
        told = run_migration(run)
    assert told.status == report.ROLLED_BACK
    assert told.failed_step == "cutover"
    assert re.search("lock timeout|time limit", told.cause or "")
    assert dump(target_db) == before


def test_an_older_run_is_not_found_under_another_name(shop: Server, target_db: Server) -> None:
    assert exit_code(run_migration(begin(shop, target_db))) == 0
    other = begin(shop, target_db, spec("shop_two"))
    with pytest.raises(NotStartedError, match="customers, orders were not made by this migration"):
        run_migration(other)
