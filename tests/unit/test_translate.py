"""A MySQL schema becomes a PostgreSQL one: types agree along keys, names are free, losses are named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from cutover.dialects import mysql_types
from cutover.errors import SpecError, UnsupportedTypeError
from cutover.schema.expressions import translate_default
from cutover.schema.model import (
    Check,
    Column,
    Extension,
    ForeignKey,
    Index,
    IndexPart,
    OtherObject,
    Schema,
    Sequence,
    Statistics,
    Table,
    View,
)
from cutover.schema.rewrite.scope import Scope
from cutover.schema.translate import TargetTable, Translation, translate
from cutover.spec import MigrationSpec


def spec(**parts: Any) -> MigrationSpec:
    return MigrationSpec.model_validate({"name": "shop", "source": {"env": "S"}, "target": {"env": "T"}} | parts)


def table(name: str, *columns: Column, key: tuple[str, ...] = ("id",), **more: Any) -> Table:
    return Table(name, columns, key, **more)


def schema(*tables: Table, **more: Any) -> Schema:
    return Schema("old", tables, **more)


ID = Column("id", "int(11)", False)


def done(*tables: Table, only: tuple[str, ...] = (), written: MigrationSpec | None = None) -> Translation:
    return translate(schema(*tables), written or spec(), only)


def by_name(translation: Translation) -> dict[str, TargetTable]:
    return {t.name: t for t in translation.tables}


@pytest.mark.parametrize(
    ("mysql", "postgresql"),
    [
        ("tinyint(1)", "smallint"),
        ("int(10) unsigned", "bigint"),
        ("bigint(20) unsigned", "numeric(20,0)"),
        ("mediumint unsigned", "integer"),
        ("decimal(65,30)", "numeric(65,30)"),
        ("decimal(10,2) unsigned", "numeric(10,2)"),
        ("char(0)", "varchar(1)"),
        ("datetime(6)", "timestamp(6)"),
        ("timestamp", "timestamp(0) with time zone"),
        ("time(3)", "interval"),
        ("bit(1)", "boolean"),
        ("bit(8)", "bigint"),
        ("enum('a','b')", '"t_c_enum"'),
        ("enum('%s')" % ("a" * 64), "text"),
        ("set('a','b')", "text[]"),
        ("mediumblob", "bytea"),
        ("double unsigned", "double precision"),
        ("multipolygon", "bytea"),
    ],
)
def test_types(mysql: str, postgresql: str) -> None:
    (made,) = done(table("t", ID, Column("c", mysql, True))).tables
    assert made.route.column("c").target_type == postgresql


@given(some.lists(some.text(some.characters(codec="utf-8", exclude_characters="\\\0\n\r\x1a"), min_size=1), min_size=1))
def test_labels_of_an_enum_are_read_as_they_are_written(labels: list[str]) -> None:
    quoted = ",".join("'" + label.replace("'", "''") + "'" for label in labels)
    assert mysql_types.parse(f"enum({quoted})").arguments == tuple(labels)


def test_a_type_without_a_translation_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedTypeError, match=r"t\.c has type vector\(3\).*typeMapping or exclude"):
        done(table("t", ID, Column("c", "vector(3)", True)))


def test_types_agree_along_foreign_keys() -> None:
    """A counted-up unsigned bigint becomes bigint while it fits, and all that refer to it with it."""
    big = Column("id", "bigint(20) unsigned", False, autoincrement=True)
    tables = [
        table("c", ID, Column("b", "bigint unsigned", True), foreign_keys=(ForeignKey("c_b", ("b",), "b", ("id",)),)),
        table(
            "b",
            Column("id", "bigint unsigned", False),
            foreign_keys=(ForeignKey("b_a", ("id",), "a", ("id",)),),
        ),
        table("a", big, statistics=Statistics(next_identity=5)),
    ]
    made = by_name(done(*tables))
    assert list(made) == ["a", "b", "c"]
    assert made["a"].identity == "id"
    for name, column in (("a", "id"), ("b", "id"), ("c", "b")):
        assert made[name].route.column(column).target_type == "bigint"
    assert made["b"].route.ordered
    beyond = replace(tables[2], statistics=Statistics(next_identity=2**63 + 1))
    assert by_name(done(*tables[:2], beyond))["c"].route.column("b").target_type == "numeric(20,0)"


def test_a_cycle_of_foreign_keys_has_an_order() -> None:
    one = table("one", ID, foreign_keys=(ForeignKey("o", ("id",), "two", ("id",)),))
    two = table("two", ID, foreign_keys=(ForeignKey("t", ("id",), "one", ("id",)),))
    self_ = table("self", ID, foreign_keys=(ForeignKey("s", ("id",), "self", ("id",)),))
    made = done(one, two, self_)
    assert sorted(t.name for t in made.tables) == ["one", "self", "two"]
    assert [len(t.foreign_keys) for t in made.tables] == [1, 1, 1]


def test_foreign_keys_that_postgresql_cannot_hold_are_losses() -> None:
    parent = table("parent", ID, Column("word", "varchar(9)", True), indexes=(Index.over("w", ("word",)),))
    child = table(
        "child",
        ID,
        Column("word", "varchar(9)", True),
        foreign_keys=(
            ForeignKey("by_word", ("word",), "parent", ("word",)),
            ForeignKey("elsewhere", ("id",), "gone", ("id",)),
        ),
    )
    made = done(parent, child)
    assert by_name(made)["child"].foreign_keys == ()
    assert {(loss.object, loss.reason) for loss in made.losses} == {
        ("foreign key child.by_word", "parent(word) is not unique, which PostgreSQL asks for"),
        ("foreign key child.elsewhere", "table gone is not part of this migration"),
    }


def test_names_of_indexes_are_made_unique() -> None:
    long = "x" * 60
    tables = [
        table(
            name,
            ID,
            Column("c", "int", True),
            indexes=(Index.over("same", ("c",)), Index.over(f"{long}_{name}", ("c",)), Index.over("b", ("c",))),
        )
        for name in ("a", "b")
    ]
    names = [i.name for t in done(*tables).tables for i in t.indexes]
    assert len(set(names)) == 6
    assert "same" in names
    assert not set(names) & {"a", "b", "a_pkey", "b_pkey"}
    assert all(len(name.encode()) <= 63 for name in names)


def test_what_stays_behind_is_named() -> None:
    columns = (
        ID,
        Column("g", "int", True, generated="sleep(id)"),
        Column("u", "timestamp", False, default="current_timestamp()", on_update="current_timestamp()"),
        Column("d", "varchar(9)", True, default="sleep(1)"),
    )
    source = schema(
        table("t", *columns, indexes=(Index("f", (IndexPart("d"),), kind="spatial"),)),
        others=(OtherObject("package", "s"),),
        views=(View("v", "select sleep(1) AS `x`", (Column("x", "int", True),)),),
    )
    losses = {loss.object for loss in translate(source, spec()).losses}
    assert losses == {
        "generated column t.g",
        "default of t.d",
        "index t.f",
        "package s",
        "view v",
    }


def test_patterns_choose_tables() -> None:
    tables = [table(name, ID) for name in ("users", "temp_import", "backup_users", "log_x", "users_old")]
    assert [t.name for t in done(*tables).tables] == ["users", "users_old"]
    patterns = {"settings": {"tables": {"patterns": {"include": ["users*"], "exclude": ["*_old"]}}}}
    assert [t.name for t in done(*tables, written=spec(schema=patterns)).tables] == ["users"]
    assert [t.name for t in done(*tables, only=("users_old",)).tables] == ["users_old"]
    with pytest.raises(SpecError, match=r"table 'user' was asked for, but old has no such table"):
        done(*tables, only=("user",))


def test_columns_that_become_one_are_refused() -> None:
    mapping = {"transformation": {"mapping": {"fieldMapping": {"t": {"a": "id"}}}}}
    with pytest.raises(SpecError, match=r"t.*id"):
        done(table("t", ID, Column("a", "int", True)), written=spec(data=mapping))


def test_geometries_take_postgis() -> None:
    columns = (
        ID,
        Column("p", "point", False, srid=4326),
        Column("any", "geometry", True),
        Column("flat", "polygon", True, srid=0),
    )
    source = schema(table("t", *columns, indexes=(Index("by_p", (IndexPart("p"),), kind="spatial"),)))
    made = translate(source, spec(), extensions=(Extension("postgis", "Gis"),))
    types = [route.target_type for route in made.tables[0].route.columns]
    assert types == ["integer", '"Gis".geometry(Point,4326)', '"Gis".geometry(Geometry)', '"Gis".geometry(Polygon)']
    assert [index.kind for index in made.tables[0].indexes] == ["spatial"]
    assert not made.losses
    bare = translate(source, spec())
    assert [route.target_type for route in bare.tables[0].route.columns][1:] == ["bytea"] * 3
    assert [loss.object for loss in bare.losses] == ["index t.by_p"]


def test_citext_takes_its_extension_and_keeps_lengths() -> None:
    word = Column("word", "varchar(9)", False, collation="utf8mb4_general_ci")
    written = spec(schema={"settings": {"tables": {"columns": {"ignoreCase": "citext"}}}})
    source = schema(table("t", ID, word, replace(word, name="free"), indexes=(Index.over("words", ("word",), True),)))
    with pytest.raises(SpecError, match="CREATE EXTENSION citext"):
        translate(source, written)
    (made,) = translate(source, written, extensions=(Extension("citext", "public"),)).tables
    assert [route.target_type for route in made.route.columns] == ["integer", '"public".citext', "varchar(9)"]
    assert [check.sql for check in made.checks] == ['char_length("word") <= 9']


def test_sequences_within_bigint_are_carried() -> None:
    most = 2**63
    counting = (
        Sequence("a", 1, 1, most - 2, 1, next=5),
        Sequence("beyond", 1, 1, 2 * most, 1, next=most + 1),
        Sequence("wide", 1, 1, 2 * most, 1, next=7),
        Sequence("by_server", 1, 1, 9, 0),
    )
    made = translate(replace(schema(table("t", ID)), sequences=counting), spec())
    assert [(s.name, s.maximum, s.next) for s in made.sequences] == [("a", most - 2, 5), ("wide", most - 1, 7)]
    assert [loss.object for loss in made.losses] == ["sequence beyond", "sequence by_server"]
    assert [str(note) for note in made.notes] == ["sequence wide: ends with bigint, as PostgreSQL's do"]


@pytest.mark.parametrize(
    ("type_", "default", "translated"),
    [
        ("int", "5", "5"),
        ("int", "-5", "-5"),
        ("varchar(9)", "'it''s'", "'it''s'"),
        ("varchar(9)", "''", "''"),
        ("decimal(5,2)", "1.50", "1.50"),
        ("datetime", "current_timestamp()", "CURRENT_TIMESTAMP"),
        ("timestamp(6)", "current_timestamp(6)", "CURRENT_TIMESTAMP"),
        ("date", "'0000-00-00'", None),
        ("datetime", "'2024-00-15 00:00:00'", None),
        ("varchar(40)", "sleep(1)", None),
        ("varchar(9)", "_utf8mb4'c'", "'c'"),
        ("bit(3)", "b'101'", "5"),
        ("bit(1)", "b'1'", "true"),
        ("binary(2)", "0x00ff", "'\\x00ff'"),
        ("binary(4)", "'0x41'", "'\\x30783431'"),
        ("varchar(9)", "0x4142", "'AB'"),
        ("varchar(9)", "0xff", None),
        ("varchar(9)", "'0x41'", "'0x41'"),
        ("varchar(9)", "'0x is no number'", "'0x is no number'"),
        ("int", "0x41", "65"),
        ("varchar(40)", "concat('a'", None),
    ],
)
def test_defaults(type_: str, default: str, translated: str | None) -> None:
    (made,) = done(table("t", ID, Column("c", type_, True))).tables
    assert translate_default(default, made.route.column("c"), Scope("old")) == translated


@pytest.mark.parametrize(
    ("written", "translated"),
    [
        ("`n` > 0 and `n` < 10", '"n" > 0 AND "n" < 10'),
        ("`old` is not null", '"new" IS NOT NULL'),
        ("`word` in ('a','b''c')", "\"word\" IN ('a', 'b''c')"),
        ("octet_length(`word`) < 5 or `n` <> 3", 'octet_length("word") < 5 OR "n" <> 3'),
        ("char_length(`word`) < 5", 'char_length("word") < 5'),
        ("length(`word`) < 5", 'octet_length("word") < 5'),
    ],
)
def test_checks_in_the_words_of_postgresql(written: str, translated: str) -> None:
    columns = (ID, Column("n", "int", True), Column("old", "int", True), Column("word", "varchar(9)", True))
    mapping = spec(data={"transformation": {"mapping": {"fieldMapping": {"t": {"old": "new"}}}}})
    made = done(table("t", *columns, checks=(Check("c", written),)), written=mapping)
    assert [(check.name, check.sql) for check in made.tables[0].checks] == [("c", translated)]


def test_checks_that_cannot_be_carried_are_losses() -> None:
    columns = (ID, Column("status", "char(1)", True), Column("word", "varchar(9)", True))
    written = spec(
        data={
            "transformation": {"mapping": {"valueMapping": {"t.status": {"A": "active"}}}},
            "extraction": {
                "filtering": {"enabled": True, "columnFiltering": True, "columnFilters": {"t": ["id", "status"]}}
            },
        }
    )
    checks = (
        Check("mapped", "`status` = 'A'"),
        Check("gone", "`word` <> ''"),
        Check("idle", "`id` > 0", enforced=False),
        Check("broken", "`id` > ("),
    )
    made = done(table("t", *columns, checks=checks), written=written)
    reasons = {loss.object: loss.reason for loss in made.losses}
    assert "status" in reasons["check t.mapped"]
    assert "word" in reasons["check t.gone"]
    assert "NOT ENFORCED" in reasons["check t.idle"]
    assert "`id` > (" in reasons["check t.broken"]
    assert [check.name for check in made.tables[0].checks] == ["t_status_check"]


def test_a_failure_of_the_translator_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cutover.schema.rewrite.parse_expression", lambda _: 1 / 0)
    monkeypatch.setattr("cutover.schema.rewrite.parse_statement", lambda _: 1 / 0)
    view = View("v", "select `old`.`t`.`id` AS `id` from `old`.`t`", (Column("id", "int", True),))
    made = translate(schema(table("t", ID, checks=(Check("c", "`id` > 0"),)), views=(view,)), spec())
    assert [t.name for t in made.tables] == ["t"]
    assert {loss.object for loss in made.losses} == {"check t.c", "view v"}
    assert all("the translator failed (ZeroDivisionError" in loss.reason for loss in made.losses)
