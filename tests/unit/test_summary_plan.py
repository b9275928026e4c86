"""Summaries are one query in the words of both sides, or refused by name before anything changes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cutover.errors import SpecError
from cutover.plan import Plan, build_plan
from cutover.schema.model import Column, Schema, Table, View
from cutover.spec.load import parse_spec
from cutover.spec.migration import MigrationSpec

COUNTS = Table(
    "counts",
    (
        Column("id", "bigint", False),
        Column("camera", "int", False),
        Column("city", "varchar(40)", True, collation="utf8mb4_unicode_ci"),
        Column("people", "int", False),
        Column("warmth", "float", True),
        Column("price", "decimal(10,2)", True),
        Column("at", "datetime", False),
        Column("state", "char(1)", True),
        Column("note", "text", True),
        Column("extra", "json", True),
    ),
    ("id",),
)
CAMERAS = Table("cameras", (Column("id", "int", False),), ("id",))
SOURCE = Schema("old", (COUNTS, CAMERAS), server="10.11-MariaDB")


def planned(source: Schema = SOURCE, only: tuple[str, ...] = (), **transformation: Any) -> Plan:
    given = {"name": "shop", "source": {"env": "S"}, "target": {"env": "T"}}
    written = MigrationSpec.model_validate(given | {"data": {"transformation": transformation}})
    return build_plan(written, source, Schema("public", ()), only)


def summary(only: tuple[str, ...] = (), called: str = "made", **given: Any) -> Plan:
    asked = {"table": "counts", "groupBy": ["camera"], "count": True} | given
    return planned(only=only, enrichment={"dataAggregation": {"summaries": {called: asked}}})


def metric(expression: str) -> Plan:
    asked = {"asked": {"table": "counts", "expression": expression}}
    return planned(enrichment={"dataCalculation": {"calculatedMetrics": asked}})


def test_a_summary_is_one_query_in_the_words_of_both_sides() -> None:
    made = summary(groupBy=["camera", {"day": "DATE(at)"}], sum=["people"], average=[{"worth": "price * people"}])
    (evaluation,) = made.summaries[0].evaluations
    assert evaluation.source == (
        "SELECT `camera` AS `camera`, DATE(`at`) AS `day`, COUNT(*) AS `count`, SUM(`people`) AS `sum_people`, "
        "AVG(`price` * `people`) AS `average_worth` FROM (SELECT `camera` AS `camera`, `at` AS `at`, "
        "`people` AS `people`, `price` AS `price` FROM `counts`) AS `counts` GROUP BY 1, 2"
    )
    assert evaluation.target == (
        'SELECT "camera" AS "camera", "at"::date AS "day", count(*) AS "count", sum("people"::bigint) AS "sum_people", '
        'round(avg("price" * "people"::bigint), 6) AS "average_worth" FROM "counts" GROUP BY 1, 2'
    )
    # The day may be NULL, as a date that is none becomes: no primary key.
    assert [statement.what for statement in made.summing] == ["summary table made", "key of made"]
    assert made.summing[1].sql == 'CREATE UNIQUE INDEX "made_key" ON "made" ("camera", "day")'
    assert made.up[-2:] == made.summing
    assert made.down[0].sql == 'DROP TABLE IF EXISTS "made"'
    assert {"made", "made_key"} <= made.relation_names


def test_the_documents_example_is_a_plan() -> None:
    text = (Path(__file__).parents[2] / "docs" / "aggregates.md").read_text()
    (example,) = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    written = parse_spec(f"name: x\nsource: {{env: S}}\ntarget: {{env: T}}\n{example}", "x.yaml")
    columns = {"id": "int", "camera_id": "int", "count": "int", "confidence": "float", "timestamp": "datetime"}
    analytics = Table("analytics", tuple(Column(name, type_, False) for name, type_ in columns.items()), ("id",))
    made = build_plan(written, Schema("old", (analytics,)), Schema("public", ()))
    assert [summary.name for summary in made.summaries] == [
        *("analytics_by_camera", "analytics_by_day", "calculated_metrics"),
    ]


def test_text_is_read_letter_by_letter_on_both_sides() -> None:
    made = summary(groupBy=["city"])
    (evaluation,) = made.summaries[0].evaluations
    assert "CONVERT(`city` USING utf8mb4) COLLATE utf8mb4_nopad_bin AS `city`" in evaluation.source
    assert '"city" COLLATE "C" AS "city"' in evaluation.target
    assert [str(note) for note in made.notes] == [
        "summary made: groups and compares text letter by letter, where the source ignores case"
    ]


def test_floats_come_with_what_was_added_up() -> None:
    made = summary(sum=["warmth", "people"])
    magnitudes = {column.name: column.magnitude for column in made.summaries[0].evaluations[0].columns}
    assert magnitudes == {"camera": None, "count": None, "sum_warmth": "cutover_magnitude_0", "sum_people": None}
    assert "cutover_magnitude_0" not in made.summing[0].sql.split(" FROM ")[0]


def test_a_mapped_column_is_grouped_by_what_it_becomes() -> None:
    mapping = {"fieldMapping": {"counts": {"state": "status"}}, "valueMapping": {"counts.state": {"A": "active"}}}
    asked = {"by_status": {"table": "counts", "groupBy": ["state"], "count": True}}
    made = planned(mapping=mapping, enrichment={"dataAggregation": {"summaries": asked}})
    assert made.summaries[0].key == ("status",)
    assert made.summaries[0].evaluations[0].reads == ("status",)


def test_a_long_group_has_no_key() -> None:
    made = summary(groupBy=["note"])
    assert [statement.what for statement in made.summing] == ["summary table made"]
    assert "has no key: its groups may be longer than an index takes" in str(made.notes)


def test_a_name_that_a_view_has_is_not_taken_by_a_key() -> None:
    seen = Schema("old", (COUNTS,), views=(View("made_pkey", "SELECT 1", ()),))
    asked = {"made": {"table": "counts", "groupBy": ["camera"], "count": True}}
    (made,) = planned(seen, enrichment={"dataAggregation": {"summaries": asked}}).summaries
    assert made.primary
    assert made.key_name.startswith("made_pkey_")


def test_a_run_of_other_tables_leaves_a_summary_as_it_is() -> None:
    made = summary(only=("cameras",))
    assert made.summaries == ()
    assert [str(note) for note in made.notes] == ["summary made: is not made anew: the run is without counts"]


def test_what_is_switched_off_is_not_made() -> None:
    asked = {"made": {"table": "counts", "groupBy": ["camera"], "count": True}}
    number = {"made": {"table": "counts", "expression": "SUM(people)"}}
    below = {
        "dataAggregation": {"enabled": False, "sumAggregation": True, "summaries": asked},
        "dataCalculation": {"enabled": False, "derivedFields": True, "calculatedMetrics": number},
    }
    assert planned(enrichment=below).summaries == ()
    below = {"dataAggregation": {"summaries": asked}, "dataCalculation": {"calculatedMetrics": number}}
    assert planned(enrichment=below | {"enabled": False}).summaries == ()
    assert [made.name for made in planned(enrichment=below).summaries] == ["made", "calculated_metrics"]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"table": "nowhere"}, "old has no table 'nowhere'"),
        ({"groupBy": ["nowhere"]}, "counts has no column 'nowhere' that travels; it has at, camera,"),
        ({"groupBy": ["warmth"]}, "groupBy warmth: values of kind float are no groups"),
        ({"groupBy": ["extra"]}, "groupBy extra: values of kind json are no groups"),
        ({"groupBy": [{"x": "NOW()"}]}, "NOW gives another value each time"),
        ({"groupBy": [{"x": "people + CURRENT_DATE"}]}, "CURRENT_DATE gives another value each time"),
        ({"groupBy": [{"x": "DATE(at"}]}, "syntax that the parser does not know"),
        ({"groupBy": [{"x": "SUM(people)"}]}, "an aggregate within a group or an aggregate"),
        ({"groupBy": [{"x": "1"}]}, "'1' names no column of counts"),
        ({"groupBy": [{"x": "id IN (SELECT 1)"}]}, "without subqueries and windows"),
        ({"groupBy": [{"x": "cameras.id"}]}, "cameras.id is not of counts"),
        ({"groupBy": [{"x": "id; DROP TABLE x"}]}, "several statements in one"),
        ({"groupBy": [{"count": "camera"}]}, "two columns would be called count"),
        ({"sum": ["city"]}, r"sum_city: SUM\(`city`\) does not mean the same for sure: text as a number"),
        ({"average": [{"x": "my_function(people)"}]}, "average_x: .* does not mean the same for sure"),
        ({"called": "cameras"}, "a table is called cameras, too"),
        ({"called": "cutover_x"}, "names that begin with cutover_ or pg_ are kept for others"),
        ({"called": "ä" * 40}, "the name has more than 63 bytes"),
    ],
)
def test_a_summary_that_cannot_be_is_refused_by_name(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(SpecError, match=rf"dataAggregation\.summaries\..*{problem}"):
        summary(**given)


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("SUM(people) + people", r"people stands outside of an aggregate, such as SUM\(people\)"),
        ("SUM(MAX(people))", "an aggregate within a group or an aggregate"),
        ("SUM(people) OVER ()", "without subqueries and windows"),
        ("MAX(at)", "is timestamp, where a number is meant"),
        ("MAX(city)", "it orders text by the target's collation"),
        ("GROUP_CONCAT(city)", "does not mean the same for sure"),
        ("AVG(people * RAND())", "RAND gives another value each time"),
    ],
)
def test_a_metric_that_cannot_be_is_refused_by_name(expression: str, problem: str) -> None:
    with pytest.raises(SpecError, match=rf"dataCalculation\.calculatedMetrics\.asked: .*{problem}"):
        metric(expression)


@pytest.mark.parametrize(
    ("enrichment", "problem"),
    [
        ("dataAggregation: true", "dataAggregation: summaries is needed"),
        ("dataAggregation: {summaries: {x: {table: t, groupBy: [a]}}}", "summaries.x: count, sum or average is needed"),
        (
            "dataAggregation: {countAggregation: false, summaries: {x: {table: t, groupBy: [a], count: true}}}",
            "countAggregation: is false, and count is asked for by summaries.x",
        ),
        (
            "dataAggregation: {averageAggregation: true, summaries: {x: {table: t, groupBy: [a], count: true}}}",
            "averageAggregation: is true, and no summary asks for it",
        ),
        ("dataCalculation: {calculatedMetrics: true}", "calculatedMetrics: a table is needed"),
        (
            "dataCalculation: {enabled: true}",
            "dataCalculation: derivedFields, computedColumns or calculatedMetrics is needed",
        ),
    ],
)
def test_switches_without_a_use_are_refused(enrichment: str, problem: str) -> None:
    text = "name: x\nsource: {env: S}\ntarget: {env: T}\ndata:\n  transformation:\n    enrichment:\n      "
    with pytest.raises(SpecError) as refused:
        parse_spec(text + enrichment, "x.yaml")
    assert problem in str(refused.value)


def test_a_stream_would_leave_summaries_behind() -> None:
    text = (
        "name: x\nsource: {env: S}\ntarget: {env: T}\nstrategy: {types: {data: {strategy: streaming}}}\n"
        "data: {transformation: {enrichment: {dataCalculation: {calculatedMetrics: "
        "{a: {table: t, expression: SUM(n)}}}}}}"
    )
    with pytest.raises(
        SpecError, match=r"calculatedMetrics: is of the rows of one moment, and with strategy streaming"
    ):
        parse_spec(text, "x.yaml")
