"""What a spec may ask of sampling and data filters, and the SQL that comes of it."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

from cutover.data.extract import statement
from cutover.errors import SpecError
from cutover.plan import Plan, build_plan
from cutover.render import show_plan
from cutover.route import Chunk, TableRoute
from cutover.schema.model import Column, ForeignKey, Schema, Statistics, Table
from cutover.spec import MigrationSpec
from cutover.spec.load import parse_spec

HEAD = "name: x\nsource: {connection: s}\ntarget: {connection: t}\n"
OWNERS = Table(
    "owners",
    (Column("id", "int", False), Column("kind", "enum('a','b')", True), Column("boss", "int", True)),
    ("id",),
    foreign_keys=(ForeignKey("boss", ("boss",), "owners", ("id",)),),
    statistics=Statistics(rows=300),
)
PETS = Table(
    "pets",
    (Column("owner", "int", False), Column("name", "varchar(9)", False), Column("born", "date", True)),
    ("owner", "name"),
    foreign_keys=(ForeignKey("owner", ("owner",), "owners", ("id",)),),
    statistics=Statistics(rows=5_000_000, bytes=500_000_000),
)
NOTES = Table("notes", (Column("text", "text", True), Column("raw", "blob", True)), ())
SOURCE = Schema("old", (OWNERS, PETS, NOTES), server="8.0.40")


def planned(extraction: dict[str, Any], source: Schema = SOURCE, **more: Any) -> Plan:
    given = {"name": "x", "source": {"env": "S"}, "target": {"env": "T"}, "data": {"extraction": extraction} | more}
    return build_plan(MigrationSpec.model_validate(given), source, Schema("public", (), server="15"))


def route(plan: Plan, table: str) -> TableRoute:
    return plan.table(table).route


def condition(plan: Plan, table: str) -> str:
    sample = route(plan, table).sample
    assert sample is not None
    return sample.condition


def test_the_sql_of_a_table_that_none_refers_to() -> None:
    plan = planned({"sampling": {"sampleSize": 7}, "filtering": {"rowFilters": {"pets": "name <> 'x' OR owner = 1"}}})
    assert condition(plan, "pets") == (
        "(`owner`, `name`) IN (WITH `cutover sample` AS ("
        "SELECT 0 AS `of`, `drawn`.`k0` AS `k0`, `drawn`.`k1` AS `k1` FROM ("
        "SELECT `t`.`owner` AS `k0`, `t`.`name` AS `k1` FROM `pets` AS `t` "
        "WHERE (`t`.`name` <> 'x' OR `t`.`owner` = 1) ORDER BY UNHEX(LEFT(SHA2(CONCAT_WS('/', '523f3f5e67cdaba0', "
        "CAST(`t`.`owner` AS BINARY), CAST(`t`.`name` AS BINARY)), 256), 16)) LIMIT 7) AS `drawn`) "
        "SELECT `k0`, `k1` FROM `cutover sample` WHERE `of` = 0)"
    )
    assert route(plan, "pets").condition == condition(plan, "pets")


def test_the_sql_of_what_a_sample_refers_to() -> None:
    sampling = {"samplePercentage": 0.5, "sampleMethod": "stratified", "stratifyBy": {"owners": "kind"}}
    plan = planned({"sampling": sampling, "filtering": {"rowFilters": {"owners": "id > 3"}}})
    found = condition(plan, "owners")
    # Its own key is an int as the first of the pets' is: one column holds both.
    assert found.startswith(
        "`id` IN (WITH RECURSIVE `cutover sample` AS (SELECT 0 AS `of`, `drawn`.`k0` AS `k0`, NULL AS `k1` FROM ("
    )
    assert found.endswith(
        " UNION SELECT CASE `way`.`number` WHEN 0 THEN 0 WHEN 1 THEN 0 END AS `of`, "
        "CASE `way`.`number` WHEN 0 THEN `parent 0`.`id` WHEN 1 THEN `parent 1`.`id` END AS `k0`, NULL AS `k1` "
        "FROM `cutover sample` AS `drawn` "
        "JOIN (SELECT 0 AS `number`, 0 AS `of` UNION ALL SELECT 1 AS `number`, 1 AS `of`) AS `way` "
        "ON `way`.`of` = `drawn`.`of` "
        "LEFT JOIN `owners` AS `child 0` ON `drawn`.`of` = 0 AND `drawn`.`k0` = `child 0`.`id` "
        "LEFT JOIN `pets` AS `child 1` ON `drawn`.`of` = 1 "
        "AND `drawn`.`k0` = `child 1`.`owner` AND `drawn`.`k1` = `child 1`.`name` "
        "LEFT JOIN `owners` AS `parent 0` ON `way`.`number` = 0 "
        "AND (`parent 0`.`id` = `child 0`.`boss` AND (`parent 0`.`id` > 3)) "
        "LEFT JOIN `owners` AS `parent 1` ON `way`.`number` = 1 "
        "AND (`parent 1`.`id` = `child 1`.`owner` AND (`parent 1`.`id` > 3)) "
        "WHERE CASE `way`.`number` WHEN 0 THEN NOT `parent 0`.`id` IS NULL "
        "WHEN 1 THEN NOT `parent 1`.`id` IS NULL END) "
        "SELECT `k0` FROM `cutover sample` WHERE `of` = 0)"
    )
    assert "PARTITION BY `stratum` ORDER BY `chance`" in found
    assert "CAST(CEILING((`total` * 0.5) / 100) AS SIGNED)" in found
    # What refers to nothing of a table does not burden it.
    assert "owners" not in condition(plan, "pets")


def test_names_are_quoted_whatever_they_are() -> None:
    odd = Table("a`b'", (Column("k`0", "int", False), Column("s\\", "int", True)), ("k`0",))
    for method in ({}, {"sampleMethod": "systematic"}, {"sampleMethod": "stratified", "stratifyBy": {"a`b'": "s\\"}}):
        found = condition(planned({"sampling": {"samplePercentage": 1} | method}, Schema("old", (odd,))), "a`b'")
        assert "FROM `a``b'` AS `t`" in found
        assert "`t`.`k``0` AS `k0`" in found


def test_the_same_seed_makes_the_same_plan_and_another_another() -> None:
    plans = [planned({"sampling": {"sampleSize": 5, "seed": seed}}) for seed in (4, 4, 5)]
    assert plans[0].digest == plans[1].digest
    assert condition(plans[0], "pets") != condition(plans[2], "pets")
    salts = re.findall(r"CONCAT_WS\('/', '(\w+)'", condition(plans[0], "owners"))
    assert len(set(salts)) == 2
    assert Plan.from_json(plans[0].to_json()) == plans[0]


def test_a_plan_tells_what_is_drawn() -> None:
    sampling = {"sampleSize": 1000, "sampleMethod": "systematic", "seed": 2}
    plan = planned({"sampling": sampling})
    assert plan.limited
    assert not plan.cut_short
    assert [(loss.object, loss.asked) for loss in plan.losses] == [("rows of owners", True), ("rows of pets", True)]
    assert "sampling draws 1,000 rows at equal distances (seed 2)" in plan.losses[0].reason
    assert any(str(note).startswith("rows of notes: sampling does not hold here") for note in plan.notes)
    # One chunk each, and no more room or time than what travels.
    assert {(chunk.table, chunk.rows, chunk.bytes) for chunk in plan.chunks if chunk.rows} == {
        ("owners", 300, 0),
        ("pets", 1000, 100_000),
    }
    screen = Console(width=200, file=io.StringIO())
    show_plan(plan, screen)
    assert "only a sample of them, about 1,000 rows" in screen.file.getvalue()  # type: ignore[attr-defined]


def test_tables_that_are_not_named_travel_whole_with_all_they_refer_to() -> None:
    plan = planned({"sampling": {"sampleSize": 2, "tables": ["owners"]}})
    assert route(plan, "pets").sample is None
    assert ("FROM `pets` AS `child` JOIN `owners` AS `parent` ON `parent`.`id` = `child`.`owner` UNION") in condition(
        plan, "owners"
    )
    assert [loss.object for loss in plan.losses] == ["rows of owners"]
    assert not [note for note in plan.notes if "sampling" in str(note)]
    assert not planned({"sampling": {"enabled": False, "sampleSize": 2}}).limited


def test_the_first_rows_of_a_sample() -> None:
    given = {"name": "x", "source": {"env": "S"}, "target": {"env": "T"}}
    given |= {"data": {"extraction": {"sampling": {"sampleSize": 50}}}}
    plan = build_plan(MigrationSpec.model_validate(given), SOURCE, Schema("public", ()), row_limit=9)
    assert plan.cut_short
    assert {chunk.table: chunk.rows for chunk in plan.chunks} == {"owners": 9, "pets": 9, "notes": 0}
    read = statement(route(plan, "pets"), Chunk("pets", 0))
    assert read.endswith("WHERE (" + condition(plan, "pets") + ") ORDER BY pets.owner, pets.name \n LIMIT 9")


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("{enabled: true}", "sampleSize: is needed, or samplePercentage"),
        ("{sampleSize: 1, samplePercentage: 1}", "samplePercentage: says a second time how many rows"),
        ("{samplePercentage: 0}", "samplePercentage"),
        ("{samplePercentage: 100.1}", "samplePercentage"),
        ("{sampleSize: 1, sampleMethod: stratified}", "stratifyBy: is needed with sampleMethod stratified"),
        ("{sampleSize: 1, stratifyBy: {a: b}}", "stratifyBy: has no effect with sampleMethod random"),
        (
            "{sampleSize: 1, sampleMethod: stratified, stratifyBy: {a: b}, tables: [c]}",
            "stratifyBy: has no effect on a; name it among tables, too",
        ),
        ("{sampleSize: 1, tables: []}", "tables"),
        ("{sampleSize: 1, sampleMethod: cluster}", "sampleMethod"),
        ("{sampleSize: 1, seed: x}", "seed"),
    ],
)
def test_what_a_spec_may_not_say_is_refused_at_its_line(written: str, problem: str) -> None:
    with pytest.raises(SpecError) as refused:
        parse_spec(f"{HEAD}data:\n  extraction:\n    sampling: {written}\n", "x.yaml")
    (told,) = refused.value.problems
    assert told.startswith(f"x.yaml:6: data.extraction.sampling.{problem}")


def test_a_sample_is_not_followed() -> None:
    streaming = "strategy: {types: {data: {strategy: streaming}}}\n"
    with pytest.raises(SpecError, match=r"data\.extraction\.sampling: .*follows no source.*strategy: bulk"):
        parse_spec(HEAD + streaming + "data: {extraction: {sampling: {sampleSize: 1}}}\n", "x.yaml")
    off = "data: {extraction: {sampling: {enabled: false, sampleSize: 1}}}\n"
    assert parse_spec(HEAD + streaming + off, "x.yaml").data.extraction.sample is None


@pytest.mark.parametrize(
    ("sampling", "server", "problem"),
    [
        ({"tables": ["pests"]}, "8.0", "sampling.tables: old has no table 'pests'"),
        ({"tables": ["notes"]}, "8.0", "sampling.tables: notes has no primary key"),
        ({"stratifyBy": {"pests": "x"}}, "8.0", "sampling.stratifyBy: old has no table 'pests'"),
        ({"stratifyBy": {"notes": "text"}}, "8.0", "sampling.stratifyBy: notes has no primary key"),
        ({"stratifyBy": {"pets": "colour"}}, "8.0", "sampling.stratifyBy.pets: no column 'colour'"),
        ({}, "5.7.44-log", "sampling: needs MySQL 8 or MariaDB, the source is 5.7.44-log"),
    ],
)
def test_what_the_source_has_not_is_refused(sampling: dict[str, Any], server: str, problem: str) -> None:
    method = {"sampleMethod": "stratified"} if "stratifyBy" in sampling else {}
    with pytest.raises(SpecError) as refused:
        planned({"sampling": {"sampleSize": 1} | method | sampling}, Schema("old", SOURCE.tables, server=server))
    (told,) = refused.value.problems
    assert told.startswith(f"data.extraction.{problem}")


def test_a_stratum_may_be_called_by_either_name() -> None:
    mapping = {"mapping": {"fieldMapping": {"owners": {"kind": "sort"}}}}
    found = {
        condition(
            planned(
                {"sampling": {"sampleSize": 9, "sampleMethod": "stratified", "stratifyBy": {"owners": name}}},
                transformation=mapping,
            ),
            "owners",
        )
        for name in ("kind", "sort")
    }
    assert len(found) == 1
    assert "`t`.`kind` AS `stratum`" in found.pop()


def test_a_data_filter_reaches_its_column_by_either_name() -> None:
    mapping = {"mapping": {"fieldMapping": {"pets": {"born": "birth"}}}}
    for name in ("pets.born", "pets.birth"):
        plan = planned({"filtering": {"dataFilters": {name: ["2024-02-29", None]}}}, transformation=mapping)
        assert {c.target: c.among for c in route(plan, "pets").columns if c.changes_rows} == {
            "birth": ("2024-02-29", None)
        }
        screen = Console(width=200, file=io.StringIO())
        show_plan(plan, screen)
        assert "only rows with 2024-02-29, NULL" in screen.file.getvalue()  # type: ignore[attr-defined]
    off = planned({"filtering": {"dataFiltering": False, "dataFilters": {"pets.born": ["2024-02-29"]}}})
    assert not any(column.among for column in route(off, "pets").columns)


MADE = Table("made", (Column("id", "int", False), Column("twice", "int", True, generated="`id` * 2")), ("id",))


@pytest.mark.parametrize(
    ("filters", "problem"),
    [
        ({"pets.colour": ["red"]}, ": old has no column 'pets.colour'"),
        ({"pets.owner": ["one"]}, ".pets.owner: 'one' is no value of integer"),
        ({"pets.owner": [1.5]}, ".pets.owner: 1.5 is no value of integer"),
        ({"pets.born": ["2024-02-30"]}, ".pets.born: '2024-02-30' is no value of date"),
        ({"owners.kind": ["a", "c"]}, r".owners.kind: 'c' is no value of owners_kind_enum, which holds a, b"),
        ({"notes.raw": ["x"]}, ": notes.raw is bytea, whose values have no one text"),
        ({"made.twice": [2]}, ": made.twice is a generated column, which the target makes itself"),
    ],
)
def test_a_data_filter_that_can_let_nothing_through_is_refused(filters: dict[str, Any], problem: str) -> None:
    with pytest.raises(SpecError) as refused:
        planned({"filtering": {"dataFilters": filters}}, Schema("old", (*SOURCE.tables, MADE)))
    (told,) = refused.value.problems
    assert told.replace('"', "").startswith(f"data.extraction.filtering.dataFilters{problem}")
