"""Which columns the spec's cleaning reaches, and what it may not ask of them."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from cutover.errors import SpecError
from cutover.plan import build_plan
from cutover.render import show_plan
from cutover.route import ColumnRoute
from cutover.schema.model import Check, Column, ForeignKey, Schema, Table
from cutover.schema.translate import Translation, translate
from cutover.spec import MigrationSpec

PEOPLE = Table(
    "people",
    (
        Column("id", "int", False),
        Column("mail", "varchar(90)", True),
        Column("email", "varchar(90)", True),
        Column("phone", "varchar(30)", True),
        Column("phones", "int", True),
        Column("born", "date", True),
        Column("seen", "timestamp", True),
        Column("since", "char(10)", True),
        Column("weight", "decimal(5,2)", True),
        Column("size", "varchar(9)", False),
        Column("state", "char(1)", False, default="'B'"),
        Column("boss", "varchar(20)", True),
        Column("upper_email", "varchar(90)", True, generated="upper(`email`)"),
        Column("raw", "blob", True),
    ),
    ("id",),
    checks=(Check("sized", "`size` <> ''"),),
)


PETS = Table("pets", (Column("id", "int", False), Column("name", "text", True)), ("id",))


def spec(**transformation: Any) -> MigrationSpec:
    given = {"name": "x", "source": {"env": "S"}, "target": {"env": "T"}, "data": {"transformation": transformation}}
    return MigrationSpec.model_validate(given)


def made(source: tuple[Table, ...] = (PEOPLE,), **transformation: Any) -> Translation:
    return translate(Schema("old", source), spec(**transformation))


def columns(**transformation: Any) -> dict[str, ColumnRoute]:
    return {column.source: column for column in made(**transformation).tables[0].route.columns}


def validated(**keys: Any) -> dict[str, ColumnRoute]:
    return columns(cleaning={"dataValidation": {"emailValidation": False} | keys})


def test_columns_are_chosen_by_their_names_and_kinds() -> None:
    found = validated(emailValidation=True, phoneValidation=True, dateValidation=True)
    assert {name for name, c in found.items() if c.email} == {"email"}
    assert {name for name, c in found.items() if c.phone} == {"phone"}
    assert {name: c.dates for name, c in found.items() if c.dates} == {
        "born": ("1900-01-01", "2100-12-31"),
        "seen": ("1900-01-01", "2100-12-31"),
    }
    assert all((c.numbers is None and not c.changes_rows) or c.changes_rows for c in found.values())


def test_columns_that_are_listed_are_the_only_ones() -> None:
    found = validated(
        emailValidation=["people.mail"],
        phoneValidation=["people.boss"],
        dateValidation=["people.since"],
        dateRange={"from": "1970-01-01"},
        numericValidation=["people.size"],
        numericRange={"people.weight": {"min": 0.5}, "people.phones": {"min": 0, "max": 9}},
    )
    assert [name for name, c in found.items() if c.email] == ["mail"]
    assert [name for name, c in found.items() if c.phone] == ["boss"]
    assert {name: c.dates for name, c in found.items() if c.dates} == {"since": ("1970-01-01", "2100-12-31")}
    assert {name: c.numbers for name, c in found.items() if c.numbers} == {
        "weight": ("0.5", None),
        "phones": ("0", "9"),
        "size": (None, None),
    }


def test_a_new_name_is_as_good_as_the_old_one() -> None:
    mapping = {"fieldMapping": {"people": {"mail": "contact"}}}
    listed = {"dataValidation": {"emailValidation": ["people.contact"]}}
    assert columns(mapping=mapping, cleaning=listed)["mail"].email


def test_what_the_target_computes_is_not_checked_and_the_plan_says_so() -> None:
    done = made(cleaning={"dataValidation": {"emailValidation": True}})
    assert not done.tables[0].route.column("upper_email").email
    note = "emailValidation of people.upper_email: is not done: the target makes the column's values"
    assert note in map(str, done.notes)


@pytest.mark.parametrize(
    ("transformation", "message"),
    [
        ({"dataValidation": {"emailValidation": ["people.phones"]}}, r"phones is integer, and not text"),
        ({"dataValidation": {"phoneValidation": ["people.raw"]}}, r"phoneValidation: people\.raw is bytea"),
        ({"dataValidation": {"dateValidation": ["people.weight"]}}, r"numeric\(5,2\), and not a date"),
        ({"dataValidation": {"numericValidation": ["people.phones"]}}, r"give it a numericRange"),
        (
            {"dataValidation": {"numericValidation": True, "numericRange": {"people.born": {"min": 1}}}},
            r"numericRange: people\.born is date, and holds no numbers",
        ),
        ({"dataValidation": {"emailValidation": ["people.upper_email"]}}, r"generated column"),
        ({"dataValidation": {"emailValidation": ["people.nobody"]}}, r"emailValidation: old has no column"),
        ({"nullHandling": {"strategy": "remove", "columns": ["people.upper_email"]}}, r"generated column"),
        ({"nullHandling": {"strategy": "remove", "columns": ["pets.id"]}}, r"nullHandling\.columns: old has no"),
        ({"duplicateRemoval": {"keyFields": [["people.boss", "people.sise"]]}}, r"no column 'people\.sise'"),
        ({"duplicateRemoval": {"keyFields": ["id", ["boss", "nobody"]]}}, r"keyFields: no table has boss and nobody"),
    ],
)
def test_what_a_column_cannot_be_asked(transformation: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        columns(cleaning=transformation)


def test_a_column_that_stays_behind_cannot_be_cleaned() -> None:
    given = {
        "name": "x",
        "source": {"env": "S"},
        "target": {"env": "T"},
        "data": {
            "extraction": {"filtering": {"columnFilters": {"people": ["id", "mail"]}}},
            "transformation": {"cleaning": {"nullHandling": {"strategy": "remove", "columns": ["people.size"]}}},
        },
    }
    with pytest.raises(SpecError, match=r"people\.size stays behind, for columnFilters leaves it out"):
        translate(Schema("old", (PEOPLE,)), MigrationSpec.model_validate(given))


def test_the_country_of_phone_numbers() -> None:
    cleaning = {"dataValidation": {"phoneValidation": True}}
    assert columns(cleaning=cleaning)["phone"].region == "ZZ"
    assert columns(cleaning=cleaning, phoneRegion="VN")["phone"].region == "VN"
    with pytest.raises(SpecError, match="no country 'QQ' is known"):
        columns(cleaning=cleaning, phoneRegion="QQ")


STATES = {"valueMapping": {"people.state": {"A": "active", "X": None}}}


def test_values_that_the_mapping_does_not_name() -> None:
    state = columns(mapping=STATES)["state"]
    assert (state.unmapped, state.labels) == ("refuse", ("active",))
    kept = made(mapping=STATES | {"unmappedValues": {"people.state": "keep"}}).tables[0]
    assert [check.name for check in kept.checks] == ["sized"]
    assert ("state", "'B'") in kept.defaults
    other = made(
        mapping=STATES | {"unmappedValues": {"people.state": "default"}, "unmappedDefaults": {"people.state": "other"}},
        cleaning={"nullHandling": {"strategy": "default", "defaultValues": {"people.state": "none"}}},
    ).tables[0]
    assert other.route.column("state").labels == ("active", "none", "other")
    assert ("state", "'other'") in other.defaults


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        (STATES | {"unmappedValues": {"people.state": "nullify"}}, "takes no NULL"),
        (
            {"valueMapping": {"people.phones": {"1": True}}, "unmappedValues": {"people.phones": "keep"}},
            "keep is for text, and valueMapping makes the column boolean",
        ),
        *[
            (
                {
                    "valueMapping": {"people.phones": {"1": meaning}},
                    "unmappedValues": {"people.phones": "default"},
                    "unmappedDefaults": {"people.phones": default},
                },
                f"unmappedDefaults.people.phones: {default!r} is no {type_}",
            )
            for meaning, default, type_ in ((True, 1, "boolean"), (7, True, "bigint"), (7, "7", "bigint"), ("a", 7, ""))
        ],
    ],
)
def test_unmapped_values_fit_the_column(mapping: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        columns(mapping=mapping)


def test_a_filter_means_what_the_mapping_makes_of_a_value() -> None:
    def where(how: str, **more: Any) -> str | None:
        given = {
            "name": "x",
            "source": {"env": "S"},
            "target": {"env": "T"},
            "data": {
                "extraction": {"filtering": {"rowFilters": {"people": 'state = "B"'}}},
                "transformation": {"mapping": STATES | {"unmappedValues": {"people.state": how}} | more},
            },
        }
        return translate(Schema("old", (PEOPLE,)), MigrationSpec.model_validate(given)).tables[0].route.where

    assert where("refuse") == "CASE `state` WHEN 'A' THEN 'active' WHEN 'X' THEN NULL END = 'B'"
    assert where("keep") == "CASE `state` WHEN 'A' THEN 'active' WHEN 'X' THEN NULL ELSE `state` END = 'B'"
    assert where("default", unmappedDefaults={"people.state": "B"}) == (
        "CASE `state` WHEN 'A' THEN 'active' WHEN 'X' THEN NULL ELSE IF(`state` IS NULL, NULL, 'B') END = 'B'"
    )


def enriched(**tables: Any) -> Any:
    return {"enrichment": {"dataEnrichment": tables}}


def test_text_that_is_brought_to_one_form() -> None:
    rules = {"dataNormalization": {"people.mail": ["trim"]}, "dataStandardization": {"people.phone": "e164"}}
    found = columns(**enriched(**rules), phoneRegion="DE")
    assert {name: (c.normal, c.standard, c.region) for name, c in found.items() if c.rewritten} == {
        "mail": (("trim",), None, "DE"),
        "phone": ((), "e164", "DE"),
    }


def test_what_is_computed_from_rewritten_text_arrives_as_values() -> None:
    done = made(**enriched(dataStandardization={"people.email": "email"}))
    assert done.tables[0].route.column("upper_email").computed is None
    assert any(loss.object == "generated column people.upper_email" for loss in done.losses)


@pytest.mark.parametrize("column", ["people.phones", "people.raw", "people.upper_email"])
def test_only_text_of_the_source_is_rewritten(column: str) -> None:
    with pytest.raises(SpecError, match=r"dataEnrichment: people\.\w+ is "):
        columns(**enriched(dataNormalization={column: ["trim"]}))


@pytest.mark.parametrize("column", ["codes.code", "people.boss"])
def test_text_of_a_key_is_not_rewritten(column: str) -> None:
    codes = Table("codes", (Column("code", "varchar(20)", False),), ("code",))
    people = replace(PEOPLE, foreign_keys=(ForeignKey("led", ("boss",), "codes", ("code",)),))
    with pytest.raises(SpecError, match="belongs to a primary or foreign key"):
        made((people, codes), **enriched(dataStandardization={column: "upper"}))


def test_keys_by_which_rows_are_duplicates() -> None:
    given = ["people.email", ["people.boss", "people.size"], ["people.id", "people.boss"], "id", "phone"]
    done = made(cleaning={"duplicateRemoval": {"keyFields": given}})
    assert done.tables[0].route.duplicates == (("email",), ("boss", "size"), ("phone",))


def test_a_key_without_a_table_is_that_of_every_table_that_has_it() -> None:
    cleaning = {"duplicateRemoval": {"strategy": "merge", "keyFields": ["phone", "pets.name"]}}
    done = {table.name: table.route for table in made((PEOPLE, PETS), cleaning=cleaning).tables}
    assert (done["people"].duplicates, done["people"].merge) == ((("phone",),), True)
    assert (done["pets"].duplicates, done["pets"].merge) == ((("name",),), True)
    done = {
        table.name: table.route for table in made((PETS,), cleaning={"duplicateRemoval": {"keyFields": ["id"]}}).tables
    }
    assert (done["pets"].duplicates, done["pets"].merge) == ((), False)


def test_the_plan_says_what_is_asked_of_each_column() -> None:
    written = spec(
        mapping=STATES | {"unmappedValues": {"people.state": "keep"}},
        cleaning={
            "duplicateRemoval": {"strategy": "merge", "keyFields": [["people.boss", "people.size"]]},
            "nullHandling": {"strategy": "remove", "columns": ["people.since"]},
            "dataValidation": {
                "phoneValidation": True,
                "dateValidation": ["people.born"],
                "numericValidation": True,
                "numericRange": {"people.weight": {"min": 1}},
            },
        },
        **enriched(dataNormalization={"people.mail": ["trim"]}, dataStandardization={"people.mail": "email"}),
    )
    screen = Console(record=True, width=300, file=io.StringIO())
    show_plan(build_plan(written, Schema("old", (PEOPLE,)), Schema("public", ())), screen)
    shown = screen.export_text()
    for line in (
        "of rows with the same boss, size the first stays, with the others' values where it has none",
        *("any other stays", "written by trim, email", "must be a phone number", "rows with NULL stay behind"),
        *("must be a date from 1900-01-01 to 2100-12-31", "must be a number from 1", "must be an e-mail address"),
    ):
        assert line in shown
