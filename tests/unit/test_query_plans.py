"""What is read from the plans of either server, in each shape that they have."""

from __future__ import annotations

from typing import Any

import pytest

from cutover.schema.rewrite.source import parse_statement
from cutover.verify.performance import plans
from cutover.verify.performance.limits import Limits, Pair
from cutover.verify.performance.plans import Found, Scan

QUERY = parse_statement("SELECT * FROM orders o JOIN customers ON customers.id = o.customer WHERE o.id IN (SELECT 1)")


def table(name: str, access: str, key: str | None = None) -> dict[str, Any]:
    return {"table": {"table_name": name, "access_type": access, "key": key, "rows": 3}}


@pytest.mark.parametrize(
    "plan",
    [
        # MySQL 5.7 and 8, version 1 of its plans.
        {"query_block": {"nested_loop": [table("o", "ref", "by_day"), table("customers", "eq_ref", "PRIMARY")]}},
        # MariaDB to 10.6.
        {"query_block": {**table("o", "ref", "by_day"), "block-nl-join": table("customers", "eq_ref", "PRIMARY")}},
        # MariaDB sorting.
        {
            "query_block": {
                "read_sorted_file": {"filesort": {"temporary_table": table("o", "range", "by_day")}},
                "subqueries": [{"query_block": table("customers", "const", "PRIMARY")}],
            }
        },
    ],
)
def test_tables_that_the_source_finds_rows_of(plan: dict[str, Any]) -> None:
    assert plans.of_source(plan, QUERY) == [Found("orders", "by_day"), Found("customers", "PRIMARY")]


def test_what_reads_a_whole_table_finds_nothing() -> None:
    whole = [table("o", "ALL"), table("customers", "index", "by_name"), table("<subquery2>", "eq_ref", "distinct_key")]
    assert plans.of_source({"query_block": {"nested_loop": whole}}, QUERY) == []


PLAN = [
    {
        "Plan": {
            "Node Type": "Gather",
            "Plans": [
                {
                    "Node Type": "Hash Join",
                    "Plans": [
                        {
                            "Node Type": "Seq Scan",
                            "Relation Name": "visits_2024",
                            "Plan Rows": 12,
                            "Filter": "((day > '2024-01-01'::date) AND (\"Place\" = 'x'::text))",
                        },
                        {"Node Type": "Index Scan", "Relation Name": "people", "Index Name": "people_pkey"},
                    ],
                }
            ],
        }
    }
]


def test_tables_that_the_target_reads_whole_by_the_name_of_the_partitioned_one() -> None:
    (scan,) = plans.of_target(PLAN, {"visits_2024": "visits"})
    assert (scan.table, scan.rows) == ("visits", 12)
    assert scan.columns(frozenset({"Place", "day", "place"})) == ["day", "Place"]
    assert Scan("visits", "", 1).columns(frozenset({"day"})) == []
    assert plans.indexes_of(PLAN) == {"people_pkey"}
    assert plans.shape(PLAN) == "Gather > Hash Join > Seq Scan on visits_2024 > Index Scan on people_pkey"


@pytest.mark.parametrize(
    ("source", "target", "threshold", "degraded"),
    [
        (100.0, 150.0, 0.5, False),
        (100.0, 150.1, 0.5, True),
        (100.0, 106.0, 0.0, True),
        (1.0, 5.9, 0.5, False),  # five times as long, and no more than noise
        (1.0, 6.1, 0.5, True),
        (200.0, 100.0, 0.0, False),
    ],
)
def test_degraded_is_beyond_the_threshold_and_beyond_noise(
    source: float, target: float, threshold: float, degraded: bool
) -> None:
    assert Pair(source, target).degraded(Limits(threshold=threshold)) is degraded


def test_medians_are_compared() -> None:
    assert Pair.of([1.0, 900.0, 2.0], [3.0, 1.0, 2.0]) == Pair(2.0, 2.0)
