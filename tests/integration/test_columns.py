"""Columns that the source does not have: what arrives in them, and what the proof, a stream and the report say."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from helpers import begin, mysql, postgres, ready, rows, spec

from cutover import report
from cutover.errors import VerificationError
from cutover.local.servers import Server
from cutover.run import NotStartedError, run_migration
from cutover.steps import check, follow, move, prove, switch

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


@pytest.mark.parametrize(
    ("key", "expression", "why"),
    [
        ("derivedFields", "ROUND(price, 1, 2)", "the source refuses it: reading from"),
        ("derivedFields", "price + NOW()", "without NOW, which is not known to give the same each time"),
        ("computedColumns", "SOUNDEX(name)", "has no sure translation"),
    ],
)
def test_an_expression_that_cannot_be_is_refused_before_anything_is_made(
    source_db: Server, target_db: Server, key: str, expression: str, why: str
) -> None:
    mysql(source_db, *ORDERS)
    wanted = {key: {"orders.new": {"expression": expression, "type": "text"}}}
    with pytest.raises(NotStartedError) as caught:
        run_migration(begin(source_db, target_db, calculating(wanted)))
    assert f"data.transformation.enrichment.dataCalculation.{key}.orders.new: " in str(caught.value)
    assert why in str(caught.value)
    assert rows(target_db, "SELECT 1 FROM pg_namespace WHERE nspname LIKE 'cutover%'") == []


OWN = """
import pandas as pd


def own(frame):
    frame = frame[(frame["city"] != "Nowhere at all").fillna(True)]
    frame["name"] = frame["name"].str.title()
    return frame.assign(letters=frame["name"].str.len())
"""
PASSING: dict[str, Any] = {
    "functions": {"orders": {"call": "mine.own", "adds": {"letters": "integer"}}},
    "enrichment": {"dataCalculation": {"derivedFields": {"orders.loud": "UPPER(name)"}}},
}
STREAMING = {"types": {"data": {"strategy": "streaming", "streaming": {"flushInterval": 10}}}}
GENERATED_AS_VALUES = {"settings": {"tables": {"columns": {"generatedColumns": "values"}}}}


def passing(**parts: Any) -> Any:
    return spec(data={"transformation": PASSING}, schema=GENERATED_AS_VALUES, **parts)


def test_rows_pass_through_the_users_own_function_and_are_proven(
    source_db: Server, target_db: Server, tmp_path: Path
) -> None:
    mysql(source_db, *ORDERS)
    (tmp_path / "mine.py").write_text(OWN)
    told = run_migration(begin(source_db, target_db, passing(), tmp_path, allow_losses=False))
    assert told.status == report.COMPLETED, told.cause
    assert rows(target_db, "SELECT id, name, loud, letters, tax::text FROM orders ORDER BY id") == [
        (1, "Ana: 50%", "ANA: 50%", 8, "25.00"),
        (2, None, None, None, None),
    ]
    assert sorted(told.rule) == [
        "orders.name: 1 values changed by mine.own",
        'orders: 1 rows set aside, mine.own leaves it out; keys {"id": 3}',
    ]
    assert (told.tables[0].rows, told.tables[0].refused, told.tables[0].verified) == (2, 0, 2)


def test_changed_rows_pass_through_expressions_and_functions_too(
    source_db: Server, target_db: Server, tmp_path: Path
) -> None:
    mysql(source_db, *ORDERS)
    (tmp_path / "mine.py").write_text(OWN)
    run = begin(source_db, target_db, passing(strategy=STREAMING), tmp_path)
    switch.cutover(ready(run))
    mysql(
        source_db,
        "UPDATE orders SET city = NULL WHERE id = 3",
        "UPDATE orders SET city = 'Nowhere at all' WHERE id = 1",
        "INSERT INTO orders (id, name) VALUES (4, 'éva')",
    )
    follow.stream(begin(source_db, target_db, passing(strategy=STREAMING), tmp_path), lambda done: not done.complete)
    assert rows(target_db, "SELECT id, name, loud, letters FROM orders ORDER BY id") == [
        (2, None, None, None),
        (3, "Zoë", "ZOË", 3),
        (4, "Éva", "ÉVA", 3),
    ]


def test_a_function_that_does_not_give_the_same_again_is_found_out(
    source_db: Server, target_db: Server, tmp_path: Path
) -> None:
    mysql(source_db, *ORDERS)
    (tmp_path / "mine.py").write_text(
        "import itertools\n\ncount = itertools.count()\n\n\n"
        "def own(frame):\n    return frame.assign(city=f'{next(count)}', letters=1)\n"
    )
    run = begin(source_db, target_db, passing(), tmp_path)
    for step in (check.preflight, check.make_plan, move.create_schema):
        step(run)
    # As Airflow does it: each task for itself, with files between them.
    for number in range(len(run.plan.batches)):
        for task in (move.extract_batch, move.transform_batch, move.load_batch):
            task(run, number)
    move.finish_schema(run)
    with pytest.raises(VerificationError, match=r"function mine\.own must return the same whenever") as caught:
        prove.validate_rows(run, 0)
    assert "orders[1].city: source '1', target '0'" in caught.value.differences
