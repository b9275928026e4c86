"""Which columns a spec may add to a table, how they are read and computed, and what it is told otherwise."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from rich.console import Console

from cutover.errors import SpecError
from cutover.plan import build_plan
from cutover.render import show_plan
from cutover.route import ColumnRoute
from cutover.schema.evaluated import evaluated
from cutover.schema.model import Column, Schema, Table
from cutover.schema.rewrite.scope import UntranslatableError
from cutover.schema.translate import translate
from cutover.spec import MigrationSpec
from cutover.spec.load import parse_spec

ORDERS = Table(
    "orders",
    (
        Column("id", "int", False),
        Column("price", "decimal(10,2)", True),
        Column("Quantity", "int", True),
        Column("name", "varchar(40)", True),
        Column("day", "date", True),
        Column("code", "char(1)", True),
        Column("doc", "json", True),
        Column("tax", "decimal(12,4)", True, generated="`price` * 0.19"),
    ),
    ("id",),
)
CALCULATION = "data.transformation.enrichment.dataCalculation"


def spec(calculation: dict[str, Any], **transformation: Any) -> MigrationSpec:
    given = {"enrichment": {"dataCalculation": calculation}} | transformation
    ends = {"name": "x", "source": {"env": "S"}, "target": {"env": "T"}}
    return MigrationSpec.model_validate(ends | {"data": {"transformation": given}})


def added(calculation: dict[str, Any], **transformation: Any) -> dict[str, ColumnRoute]:
    (table,) = translate(Schema("old", (ORDERS,)), spec(calculation, **transformation)).tables
    return {column.target: column for column in table.route.columns if column.added is not None}


def refusal(calculation: dict[str, Any], **transformation: Any) -> str:
    with pytest.raises(SpecError) as caught:
        added(calculation, **transformation)
    return "\n".join(caught.value.problems)


@pytest.mark.parametrize(
    ("expression", "type_"),
    [
        ("quantity + 1", "bigint"),
        ("price > 1 OR name = 'x'", "boolean"),
        ("CONCAT(name, '!')", "text"),
        ("LAST_DAY(day)", "date"),
        ("price * 1e0", "double precision"),
    ],
)
@pytest.mark.parametrize("key", ["derivedFields", "computedColumns"])
def test_the_type_is_told_where_it_is_sure(expression: str, type_: str, key: str) -> None:
    made = added({key: {"orders.new": expression}})["new"]
    assert (made.target_type, made.computed is not None) == (type_, key == "computedColumns")
    assert made.nullable


@pytest.mark.parametrize("key", ["derivedFields", "computedColumns"])
@pytest.mark.parametrize("expression", ["price * quantity", "NULL", "JSON_EXTRACT(doc, '$.a')"])
def test_a_type_that_is_not_sure_must_be_written(expression: str, key: str) -> None:
    told = refusal({key: {"orders.new": expression}})
    assert told.startswith(f"{CALCULATION}.{key}.orders.new: ")
    assert "type" in told
    assert "write" in told


def test_the_source_is_asked_in_its_own_words_and_the_target_computes_in_its_own() -> None:
    found = added(
        {
            "derivedFields": {"orders.a": {"expression": "orders.QUANTITY REGEXP '^1' -- so", "type": "boolean"}},
            "computedColumns": {"orders.b": {"expression": "tax + `quantity`", "type": "numeric(20,4)"}},
        },
        mapping={"fieldMapping": {"orders": {"Quantity": "amount"}}},
    )
    assert found["a"].read == "CAST(`Quantity` REGEXP '^1' AS CHAR)"
    assert found["b"].read == "CAST(`tax` + `Quantity` AS CHAR)"
    assert found["b"].computed is not None
    assert "amount" in found["b"].computed
    assert "tax" not in found["b"].computed  # PostgreSQL lets no generated column refer to another


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("NOW()", "NOW, which is not known to give the same"),
        ("price * RAND()", "RAND, which is not known"),
        ("UUID()", "UUID, which is not known"),
        ("CURRENT_DATE", "CURRENT_DATE, which is not known"),
        ("UNIX_TIMESTAMP()", "UNIX_TIMESTAMP, which is not known"),
        ("margin(price)", "MARGIN, which is not known"),
        ("other.margin(price)", "a routine of a schema"),
        ("(SELECT 1)", "a subquery"),
        ("id IN (SELECT id FROM secrets)", "a subquery"),
        ("SUM(price) OVER ()", "a window over rows"),
        ("COUNT(price)", "COUNT, which is not known"),
        ("@x", "a variable of the session"),
        ("@@version", "a variable of the server"),
        ("secret", "secret, which is no column of orders"),
        ("people.id", "people.id, which is of another table"),
        ("price; DROP TABLE orders", "several statements"),
        ("price FROM orders", "more than one expression"),
        ("price AS x", "an alias"),
        ("(id, price)", "no single value"),
        ("price +", "syntax that the parser does not know"),
        ("price /*! + 1 */", "executable comment"),
    ],
)
def test_what_need_not_be_the_same_again_or_is_no_expression_is_refused_by_name(expression: str, why: str) -> None:
    assert why in refusal({"derivedFields": {"orders.new": {"expression": expression, "type": "text"}}})


@pytest.mark.parametrize(
    ("expression", "type_", "why"),
    [
        ("price * 1.5", "numeric(12,2)", "has 3 digits after the point, and numeric(12,2) holds 2; write ROUND"),
        ("price", "integer", "the expression is decimal, and not integer"),
        ("price", "text", "the expression is decimal, and not text"),
        ("name", "date", "the expression is text, and not date"),
        ("SOUNDEX(name)", "text", "SOUNDEX"),
        ("code", "text", "has no sure translation: column code"),
    ],
)
def test_a_computed_column_that_the_target_would_make_otherwise_is_refused(
    expression: str, type_: str, why: str
) -> None:
    mapping = {"valueMapping": {"orders.code": {"A": "active"}}}
    wanted = {"computedColumns": {"orders.new": {"expression": expression, "type": type_}}}
    told = refusal(wanted, mapping=mapping)
    assert told.startswith(f"{CALCULATION}.computedColumns.orders.new: ")
    assert why in told


@pytest.mark.parametrize("type_", ["inet", "numeric", "char(3)", "numeric(99,1)", "numeric(3,5)"])
def test_a_type_that_cannot_be_carried_is_refused(type_: str) -> None:
    wanted = {"derivedFields": {"orders.new": {"expression": "1", "type": type_}}}
    assert refusal(wanted).endswith(f"no exact way to carry {type_!r} is known")


@pytest.mark.parametrize("type_", ["numeric(2)(3)", "int; DROP TABLE x", "varchar(1;x)", "text--", ""])
def test_what_is_no_type_is_refused(type_: str) -> None:
    with pytest.raises(ValidationError, match="pattern"):
        spec({"derivedFields": {"orders.new": {"expression": "1", "type": type_}}})


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nothing.new", "old has no table 'nothing'"),
        ("orders.PRICE", "the table has a column of this name"),
        ("orders.amount", "the table has a column of this name"),
        ("orders.ctid", "the target would call it 'ctid_'; write that"),
    ],
)
def test_a_new_column_needs_a_table_and_a_name_of_its_own(name: str, why: str) -> None:
    mapping = {"fieldMapping": {"orders": {"Quantity": "amount"}}}
    assert why in refusal({"derivedFields": {name: "id"}}, mapping=mapping)


def test_two_keys_may_not_add_one_column() -> None:
    told = refusal({"derivedFields": {"orders.new": "id"}, "computedColumns": {"orders.new": "id"}})
    assert told == (
        f"{CALCULATION}.computedColumns.orders.new: {CALCULATION}.derivedFields adds a column of this name too"
    )


def test_the_plan_says_where_a_column_comes_from() -> None:
    screen = Console(file=io.StringIO(), width=200)
    written = spec({"derivedFields": {"orders.loud": "UPPER(name)"}, "computedColumns": {"orders.next": "id + 1"}})
    show_plan(build_plan(written, Schema("old", (ORDERS,)), Schema("public", ())), screen)
    lines = [" ".join(line.split()) for line in screen.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    assert "loud text derived by the source as UPPER(`name`)" in lines
    assert 'column orders.next: is added, bigint: computed by the target as "id"::bigint + 1' in lines


def test_a_row_without_a_key_is_told_by_what_the_source_has() -> None:
    bare = Table("logs", (Column("line", "text", True),))
    wanted = spec({"derivedFields": {"logs.loud": "UPPER(line)"}})
    (table,) = translate(Schema("old", (bare,)), wanted).tables
    assert [column.target for column in table.route.identifying] == ["line"]


def test_the_example_of_the_documentation_loads() -> None:
    text = (Path(__file__).parents[2] / "docs" / "columns.md").read_text()
    (example,) = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    ends = "name: x\nsource: {env: S}\ntarget: {env: T}\n"
    whole = parse_spec(ends + example, "x.yaml")
    read = whole.data.transformation
    assert read.enrichment.computed["orders.many"] == {"expression": "quantity > 1"}
    assert read.called["customers"] == {"call": "transforms.tidied"}
    assert read.enrichment.places["customers"]["latitude"] == "lat"
    # As the ledger keeps it for the tasks of a run.
    kept = whole.model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert MigrationSpec.model_validate(kept) == whole


def test_what_is_printed_is_what_was_meant() -> None:
    assert evaluated("TIMESTAMPDIFF(month, day, '2024-01-01')", ORDERS) == "TIMESTAMPDIFF(MONTH, `day`, '2024-01-01')"
    with pytest.raises(UntranslatableError, match="star"):
        evaluated("*", ORDERS)
