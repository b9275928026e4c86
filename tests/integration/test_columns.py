"""Columns that the source does not have: what arrives in them, and what the proof, a stream and the report say."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from helpers import begin, mysql, postgres, rows, spec

from cutover import report
from cutover.local.servers import Server
from cutover.run import run_migration

ORDERS = (
    "CREATE TABLE orders (id INT PRIMARY KEY, price DECIMAL(10,2), quantity INT, paid DATETIME(6), name VARCHAR(40), "
    "city VARCHAR(40), tax DECIMAL(10,2) GENERATED ALWAYS AS (price * 2) VIRTUAL)",
    "INSERT INTO orders (id, price, quantity, paid, name, city) VALUES "
    "(1, 12.50, 3, '2024-02-29 23:59:59.123456', 'ana: 50%', 'Berlin'), "
    "(2, NULL, NULL, NULL, NULL, NULL), "
    "(3, 0.01, -1, '1000-01-01 00:00:00', 'Zoë', 'Nowhere at all')",
)
CALCULATED: dict[str, Any] = {
    "computedColumns": {
        "orders.total": {"expression": "price * quantity", "type": "numeric(14,2)"},
        "orders.twice": {"expression": "tax + price", "type": "numeric(14,2)"},
        "orders.many": "quantity > 1",
    },
    "derivedFields": {
        "orders.loud": "UPPER(name)",
        "orders.half": {"expression": "ROUND(price / 2, 2)", "type": "numeric(12,2)"},
        "orders.exactly": {"expression": "price * 1e0 / 3", "type": "double precision"},
        "orders.day": "DATE(paid)",
        "orders.next": {"expression": "paid + INTERVAL 1 DAY", "type": "timestamp"},
        "orders.instant": {"expression": "paid", "type": "timestamptz"},
        "orders.lasting": {"expression": "TIMEDIFF('25:00:00.5', '00:00:00')", "type": "interval"},
        "orders.word": {"expression": "IF(name LIKE '%: 50%', 'half', name REGEXP '^Z')", "type": "varchar(4)"},
        "orders.raw": {"expression": "UNHEX(MD5(name))", "type": "bytea"},
        "orders.doc": {"expression": "JSON_OBJECT('n', name)", "type": "json"},
        "orders.cheap": "price < 1",
    },
}


def calculating(calculation: dict[str, Any], **parts: Any) -> Any:
    return spec(data={"transformation": {"enrichment": {"dataCalculation": calculation}}}, **parts)


def test_columns_of_expressions_arrive_and_are_proven(source_db: Server, target_db: Server) -> None:
    mysql(source_db, *ORDERS)
    told = run_migration(begin(source_db, target_db, calculating(CALCULATED), allow_losses=False))
    assert told.status == report.COMPLETED, told.cause
    names = "total, twice, many, loud, half, exactly, day, next, instant, lasting, word, raw, doc::text, cheap"
    first, empty, third = rows(target_db, f"SELECT {names} FROM orders ORDER BY id")
    assert first == (
        *(Decimal("37.50"), Decimal("37.50"), True, "ANA: 50%", Decimal("6.25"), 12.5 / 3, date(2024, 2, 29)),
        *(datetime(2024, 3, 1, 23, 59, 59, 123456), first[8], timedelta(hours=25, seconds=0.5), "half"),
        *(first[11], '{"n": "ana: 50%"}', False),
    )
    assert (first[8].isoformat(), len(first[11])) == ("2024-02-29T23:59:59.123456+00:00", 16)
    assert empty == (*[None] * 9, timedelta(hours=25, seconds=0.5), None, None, '{"n": null}', None)
    assert third[10] == "1"
    postgres(target_db, "UPDATE orders SET quantity = 4 WHERE id = 1")
    assert rows(target_db, "SELECT total, many FROM orders WHERE id = 1") == [(Decimal("50.00"), True)]
    assert "column orders.loud: is added, text: derived by the source as UPPER(`name`)" in told.notes
