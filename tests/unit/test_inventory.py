"""Every object of the source has one line, which says what becomes of it."""

from __future__ import annotations

from typing import Any

from cutover.inventory import AS_IS, LEFT_OUT, TRANSLATED, Item, counts, inventory
from cutover.plan import build_plan
from cutover.schema.model import (
    Check,
    Column,
    ForeignKey,
    Index,
    OtherObject,
    Routine,
    Schema,
    Sequence,
    Statistics,
    Table,
    Trigger,
    View,
)
from cutover.spec import MigrationSpec

SOURCE = Schema(
    "old",
    (
        Table("temp_x", (Column("id", "int(11)", False),)),
        Table(
            "t",
            (
                Column("id", "int(11)", False, autoincrement=True),
                Column("word", "text", True, default="sleep(1)"),
                Column("on", "date", False, default="'2024-01-01'"),
                Column("twice", "bigint(20)", True, generated="`id` * 2"),
            ),
            ("id",),
            (Index.over("by_on", ("on",)),),
            (ForeignKey("own", ("id",), "t", ("id",)),),
            (Check("positive", "`id` > 0"), Check("odd", "soundex(`word`) = 'A'")),
            Statistics(next_identity=8),
        ),
    ),
    (OtherObject("package", "b"),),
    sequences=(Sequence("s", 1, 1, 9, 2, next=3), Sequence("by_server", 1, 1, 9, 0)),
    views=(View("v", "select `old`.`t`.`id` AS `id` from `old`.`t`", (Column("id", "int(11)", False),)),),
    triggers=(Trigger("of_x", "temp_x", "BEFORE", "INSERT", "set new.id = 1"),),
    routines=(Routine("f", (), "return 1", "int(11)"), Routine("p", (), "select 1")),
)


def items(**parts: Any) -> dict[str, Item]:
    spec = MigrationSpec.model_validate({"name": "n", "source": {"env": "S"}, "target": {"env": "T"}} | parts)
    plan = build_plan(spec, SOURCE, Schema("public", ()))
    found = inventory(plan, {"foreign key t.own": "holds for rows to come alone"}, {"index t.by_on": "too wide"})
    assert len({(item.kind, item.name) for item in found}) == len(found)
    return {f"{item.kind} {item.name}": item for item in found}


def test_each_object_has_its_line() -> None:
    found = items()
    assert {name: item.outcome for name, item in found.items()} == {
        "table temp_x": LEFT_OUT,
        "table t": AS_IS,
        "column t.id": TRANSLATED,
        "AUTO_INCREMENT of t.id": TRANSLATED,
        "column t.word": AS_IS,
        "default of t.word": LEFT_OUT,
        "column t.on": AS_IS,
        "default of t.on": AS_IS,
        "column t.twice": TRANSLATED,
        "generated column t.twice": AS_IS,
        "primary key of t": AS_IS,
        "index t.by_on": LEFT_OUT,
        "foreign key t.own": TRANSLATED,
        "check t.positive": AS_IS,
        "check t.odd": LEFT_OUT,
        "view v": AS_IS,
        "function f": AS_IS,
        "procedure p": LEFT_OUT,
        "trigger of_x": LEFT_OUT,
        "sequence s": TRANSLATED,
        "sequence by_server": LEFT_OUT,
        "package b": LEFT_OUT,
    }
    assert found["column t.id"].detail == "int(11) becomes integer"
    assert found["AUTO_INCREMENT of t.id"].detail == "an identity that goes on with 8"
    assert found["sequence s"].detail == "goes on with 3"
    assert found["index t.by_on"].detail == "too wide"
    assert found["trigger of_x"].detail == "stays behind with its table temp_x"


def test_what_the_spec_leaves_behind_is_left_out_knowingly() -> None:
    options = {"preserveViews": False, "preserveStoredProcedures": False, "preserveConstraints": False}
    found = items(schema={"settings": {"tables": {"options": options}}})
    for name in ("view v", "function f", "procedure p", "primary key of t", "foreign key t.own", "check t.positive"):
        assert found[name].outcome == LEFT_OUT
        assert "the spec says so" in found[name].detail


def test_outcomes_are_counted_by_kind() -> None:
    counted = counts(list(items().values()))
    assert counted["check"] == {AS_IS: 1, TRANSLATED: 0, LEFT_OUT: 1}
    assert counted["table"] == {AS_IS: 1, TRANSLATED: 0, LEFT_OUT: 1}
