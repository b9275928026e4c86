"""The live tables' rows stay and the source's come in among them, whatever the application does meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
from helpers import SHOP, begin, dump, mysql, one, postgres, ready, rows, schemas, spec

from cutover import report
from cutover.errors import DataError
from cutover.local.servers import Server
from cutover.run import NotStartedError, run_migration
from cutover.spec import MigrationSpec
from cutover.steps import carry, move, switch, versions
from cutover.steps.context import Run

LIVE = (
    "CREATE TABLE customers (id bigint PRIMARY KEY, name text NOT NULL)",
    "CREATE TABLE orders (id integer PRIMARY KEY, customer integer NOT NULL REFERENCES customers (id), note text)",
    "INSERT INTO customers VALUES (2, 'Live'), (40, 'Zoe')",
    "INSERT INTO orders VALUES (3, 2, 'live'), (70, 40, NULL)",
)
CUSTOMERS = "SELECT id, name FROM {}customers ORDER BY id"
ORDERS = "SELECT id, customer, note FROM {}orders ORDER BY id"


def upserting(resolution: str = "update", columns: Sequence[Any] = (), **parts: Any) -> MigrationSpec:
    upsert = {"enabled": True, "conflictResolution": resolution, "conflictColumns": list(columns)}
    return spec(data={"loading": {"strategy": {"upsert": upsert}}}, **parts)


@pytest.fixture
def live(target_db: Server) -> Server:
    postgres(target_db, *LIVE)
    return target_db


def carried(source: Server, target: Server, written: MigrationSpec) -> Run:
    """A run whose rows are carried over, ready for its cutover."""
    run = ready(begin(source, target, written))
    carry.carry_over(run)
    return run


def kept(run: Run) -> list[str]:
    return [line for line in report.build(run.ledger, run.id).rule if "rows that were there" in line]


def test_update_the_sources_rows_win_and_the_way_back_is_exact(shop: Server, live: Server) -> None:
    before = dump(live)
    run = begin(shop, live, upserting())
    told = run_migration(run)
    assert told.status == report.COMPLETED, (told.cause, told.losses)
    assert rows(live, CUSTOMERS.format("")) == [(1, "Ana"), (2, "Björn"), (3, "桜"), (40, "Zoe")]
    assert rows(live, ORDERS.format("")) == [(1, 1, "a"), (2, 1, None), (3, 3, "c"), (70, 40, None)]
    assert kept(run) == [
        'customers: 1 rows that were there are kept, 1 others replaced by the source\'s; keys {"id": 2}',
        'orders: 1 rows that were there are kept, 1 others replaced by the source\'s; keys {"id": 3}',
    ]
    switch.rollback(run)
    switch.validate_rollback(run)
    assert dump(live) == before


def test_a_second_run_gives_the_same_again(shop: Server, live: Server) -> None:
    mysql(
        shop,
        "ALTER TABLE customers ADD kind ENUM('a','b') DEFAULT 'b', ADD tags SET('x','y'), ADD paid DECIMAL(9,2), "
        "ADD seen TIMESTAMP NULL, ADD shout VARCHAR(60) AS (UPPER(name)) STORED",
        "UPDATE customers SET tags = 'x,y', paid = 1.50, seen = '2024-02-03 04:05:06' WHERE id = 1",
        "CREATE TRIGGER louder BEFORE UPDATE ON customers FOR EACH ROW SET NEW.name = UPPER(NEW.name)",
    )
    for _ in range(2):
        told = run_migration(begin(shop, live, upserting("update", ["customers.name", "id"])))
        assert told.status == report.COMPLETED, (told.cause, told.losses)
        postgres(live, "INSERT INTO customers (name, kind) VALUES ('own', 'a') ON CONFLICT DO NOTHING")
    everything = "SELECT * FROM customers ORDER BY id"
    first = rows(live, everything)
    assert [row[0] for row in first] == [1, 2, 3, 40, 41]
    run = begin(shop, live, upserting("update", ["customers.name", "id"]))
    assert run_migration(run).status == report.COMPLETED
    assert rows(live, everything) == first
    assert "customers: 2 rows that were there are kept, 3 others replaced" in kept(run)[0]
    postgres(live, "UPDATE customers SET kind = 'b' WHERE id = 41")
    assert rows(live, "SELECT name, shout FROM customers WHERE id = 41") == [("OWN", "OWN")]
