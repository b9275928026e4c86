"""What is expected of a run's tables: an honest load keeps it, and what breaks it is named with its keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers import begin, endpoint, finished, mysql, postgres, rows, spec

from cutover import report
from cutover.dialects import postgresql
from cutover.errors import VerificationError
from cutover.local.servers import Server
from cutover.run import run_migration
from cutover.spec import MigrationSpec
from cutover.steps import prove
from cutover.steps.context import Run
from cutover.verify import spelling
from cutover.verify.generated import Facts, rules
from cutover.verify.outcome import CONSTRAINT, DATA, SCHEMA
from cutover.verify.questions import GUARANTEED, questions

SHOP = (
    "CREATE TABLE customers (id INT PRIMARY KEY, name VARCHAR(50) NOT NULL, UNIQUE KEY by_name (name))",
    "CREATE TABLE orders (shop INT, number INT, customer INT NOT NULL, price DECIMAL(10,2), weight FLOAT, day DATE, "
    "placed DATETIME(6), seen TIMESTAMP NULL, state ENUM('new', 'paid') NOT NULL, extras SET('gift', 'fast'), "
    "big BIGINT UNSIGNED, PRIMARY KEY (shop, number), CONSTRAINT dear CHECK (price < 1000), "
    "CONSTRAINT of_customer FOREIGN KEY (customer) REFERENCES customers (id))",
    "INSERT INTO customers VALUES (1, 'Ana'), (2, 'Björn'), (3, '桜')",
    "INSERT INTO orders VALUES "
    "(1, 1, 1, 9.99, 0.1, '2024-02-29', '2024-01-01 10:00:00.123456', '2024-06-01 12:00:00', 'new', 'gift', 1), "
    "(1, 2, 2, 0.01, -7.5, NULL, '1999-12-31 23:59:59', NULL, 'paid', 'gift,fast', 18446744073709551615), "
    "(2, 1, 3, NULL, NULL, '1970-01-01', NULL, '2020-02-02 02:02:02', 'new', NULL, NULL)",
)
PROVEN = {"types", "not_null", "unique", "foreign_keys", "checks", "values"}


def validation(**parts: Any) -> MigrationSpec:
    """The shop's migration; ``parts`` are of schema.validation.rules.dataIntegrity, or of postMigration."""
    of_rules = {key: on for key, on in parts.items() if key.startswith("check")}
    other = {key: on for key, on in parts.items() if key not in of_rules}
    return spec(schema={"validation": {"rules": {"dataIntegrity": of_rules}, "postMigration": other}})


def recorded(run: Run) -> list[dict[str, Any]]:
    """What the ledger was told became of each expectation."""
    event = run.ledger.last(run.id, "expectations")
    assert event is not None
    return list(event.detail["results"])


def failed(run: Run) -> list[tuple[str, str, tuple[str, ...]]]:
    """Validate a run's expectations; the kind, the place and the keys of each that failed, as the ledger has them."""
    with pytest.raises(VerificationError) as caught:
        prove.validate_expectations(run)
    wrong = [r for r in recorded(run) if not r["success"]]
    for each in wrong[:5]:
        assert each["detail"] in str(caught.value)
    assert report.build(run.ledger, run.id).expectations["failures"] == wrong
    return [(r["kind"], f"{r['table']}.{r['column']}", tuple(r["keys"])) for r in wrong]


@pytest.fixture
def shop(source_db: Server) -> Server:
    mysql(source_db, *SHOP)
    return source_db


def test_an_honest_load_keeps_everything(shop: Server, target_db: Server) -> None:
    run = finished(begin(shop, target_db, validation(checkRanges=True)))
    assert [outcome.status for outcome in prove.validate_expectations(run)] == ["passed"] * 3
    found = {(r["kind"], r["table"], r["column"]): r for r in recorded(run)}
    assert {kind for kind, _, _ in found} == PROVEN | {"rows", "ranges"}
    assert {r["detail"] for r in found.values() if r["kind"] in PROVEN} == {GUARANTEED}
    ranged = {column: r["expectation"] for (kind, table, column), r in found.items() if kind == "ranges"}
    assert ranged == {
        "id": "expect 1 to 3 and 0 NULL, as in the source",
        "shop": "expect 1 to 2 and 0 NULL, as in the source",
        "number": "expect 1 to 2 and 0 NULL, as in the source",
        "customer": "expect 1 to 3 and 0 NULL, as in the source",
        "price": "expect 0.01 to 9.99 and 1 NULL, as in the source",
        "weight": "expect -7.5 to 0.10000000149011612 and 1 NULL, as in the source",
        "day": "expect 1970-01-01 to 2024-02-29 and 1 NULL, as in the source",
        "placed": "expect 1999-12-31 23:59:59 to 2024-01-01 10:00:00.123456 and 1 NULL, as in the source",
        "seen": "expect 2020-02-02 02:02:02 to 2024-06-01 12:00:00 and 1 NULL, as in the source",
        "big": "expect 1 to 18446744073709551615 and 1 NULL, as in the source",
    }


BREAKS = {
    "checkCheckConstraints": (
        "ALTER TABLE orders DROP CONSTRAINT dear; UPDATE orders SET price = 1000 + number WHERE shop = 1",
        [("checks", "orders.None", ("1, 1", "1, 2"))],
    ),
    "checkNotNullConstraints": (
        "ALTER TABLE orders ALTER customer DROP NOT NULL; UPDATE orders SET customer = NULL WHERE shop = 2",
        [("not_null", "orders.customer", ("2, 1",))],
    ),
    "checkUniqueConstraints": (
        "ALTER TABLE customers DROP CONSTRAINT IF EXISTS by_name; DROP INDEX IF EXISTS by_name; "
        "UPDATE customers SET name = 'Ana' WHERE id = 3",
        [("unique", "customers.name", ("1", "3"))],
    ),
    "checkForeignKeys": (
        "ALTER TABLE orders DROP CONSTRAINT of_customer; UPDATE orders SET customer = 77 WHERE number = 2",
        [("foreign_keys", "orders.customer", ("1, 2",))],
    ),
    "checkRanges": (
        "UPDATE orders SET day = '2031-01-01' WHERE number = 2",
        [("ranges", "orders.day", ("1, 2",))],
    ),
}


@pytest.mark.parametrize("switch", BREAKS)
def test_each_switch_switches_its_rule_alone(shop: Server, target_db: Server, switch: str) -> None:
    """The others find nothing of what this one finds; where it is off, nothing does."""
    damage, found = BREAKS[switch]
    on = dict.fromkeys(BREAKS, True)
    run = finished(begin(shop, target_db, validation(**on)))
    postgres(target_db, f"SET search_path TO {run.shadow}; {damage}")
    others = [f"{kind}{place}" for kind, place, _ in failed(run) if kind != found[0][0]]
    assert [each for each in failed(run) if each[0] == found[0][0]] == found
    # A value that no key or check keeps out may be one that the source has not, either.
    assert all(each.startswith("ranges") for each in others)
    run.spec = validation(**on | {switch: False, "checkRanges": False})
    assert [outcome.errors for outcome in prove.validate_expectations(run)] == [(), (), ()]


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (
            "ALTER TYPE {enum} ADD VALUE 'lost'; UPDATE orders SET state = 'lost' WHERE shop = 2",
            [("values", "orders.state", ("2, 1",))],
        ),
        (
            "ALTER TABLE orders DROP CONSTRAINT orders_extras_check; UPDATE orders SET extras = '{{gift,own}}'",
            [
                ("checks", "orders.None", ("1, 1", "1, 2", "2, 1")),
                ("values", "orders.extras", ("1, 1", "1, 2", "2, 1")),
            ],
        ),
        ("DELETE FROM orders WHERE shop = 2", [("rows", "orders.None", ())]),
        ("ALTER TABLE orders ADD more int", [("types", "orders.None", ())]),
    ],
)
def test_what_a_type_a_set_or_a_count_is_broken_by(
    shop: Server, target_db: Server, damage: str, found: list[tuple[str, str, tuple[str, ...]]]
) -> None:
    run = finished(begin(shop, target_db))
    (enum,) = (enum.name for table in run.plan.tables for enum in table.enums)
    for statement in damage.format(enum=enum).split("; "):
        postgres(target_db, f"SET search_path TO {run.shadow}; {statement}")
    assert failed(run) == found


def test_a_check_that_rows_of_the_source_break_is_not_expected(shop: Server, target_db: Server) -> None:
    mysql(
        shop,
        "SET check_constraint_checks = 0",
        "UPDATE orders SET price = 5000 WHERE shop = 2",
    )
    run = finished(begin(shop, target_db))
    prove.validate_expectations(run)
    assert [r["expectation"] for r in recorded(run) if r["kind"] == "checks"] == ["expect check orders_extras_check"]


def test_where_rows_stay_behind_the_ranges_must_lie_within(shop: Server, target_db: Server) -> None:
    cheap = {"numericValidation": True, "numericRange": {"orders.price": {"max": 5}}}
    tolerant = {"options": {"errorHandling": {"maxErrors": 5, "errorThreshold": 1.0}}}
    left = {"transformation": {"cleaning": {"dataValidation": cheap}}, "loading": tolerant}
    written = spec(data=left, schema={"validation": {"rules": {"dataIntegrity": {"checkRanges": True}}}})
    run = finished(begin(shop, target_db, written))
    prove.validate_expectations(run)
    (price,) = (r for r in recorded(run) if r["kind"] == "ranges" and r["column"] == "price")
    assert price["expectation"].startswith("expect no more than 0.01 to 9.99")
    postgres(target_db, f"UPDATE {run.shadow}.orders SET number = 5 WHERE shop = 2")
    assert failed(run) == [("ranges", "orders.number", ("2, 5",))]


def test_what_the_load_changed_is_not_compared_and_a_note_says_so(shop: Server, target_db: Server) -> None:
    mysql(shop, "UPDATE orders SET day = '0000-00-00' WHERE shop = 2")
    told = run_migration(begin(shop, target_db, validation(checkRanges=True)))
    assert told.status == report.WITH_LOSSES, told.cause
    assert "ranges of orders.day: not asked, for values of it were changed" in told.notes


def test_the_live_schema_is_asked_without_a_word_in_the_ledger(shop: Server, target_db: Server) -> None:
    run = begin(shop, target_db, validation(checkRanges=True))
    assert run_migration(run).status == report.COMPLETED
    postgres(target_db, "INSERT INTO customers VALUES (4, 'Dora')")
    before = len(run.ledger.events(run.id))
    schema, data, constraint = prove.validate_expectations(run, run.live)
    assert (schema.status, data.status, constraint.status) == ("passed", "passed", "passed")
    assert data.warnings == (
        "ranges: not asked of public, which the application writes to",
        "rows: not asked of public, which the application writes to",
    )
    postgres(
        target_db,
        "ALTER TABLE orders DROP CONSTRAINT dear, ALTER customer TYPE bigint",
        "UPDATE orders SET price = 2000 WHERE shop = 2",
    )
    schema, data, constraint = prove.validate_expectations(run, run.live)
    assert schema.errors == ("orders: expect the planned columns and types: customer bigint instead of integer",)
    assert constraint.errors == ("orders: expect check dear: 1 unexpected, e.g. [2, 1]",)
    assert len(run.ledger.events(run.id)) == before
    assert (schema.kind, data.kind, constraint.kind) == (SCHEMA, DATA, CONSTRAINT)


def test_what_no_constraint_guarantees_is_looked_at_in_one_pass(shop: Server, target_db: Server) -> None:
    run = finished(begin(shop, target_db))
    postgres(
        target_db,
        f"ALTER TABLE {run.shadow}.orders DROP CONSTRAINT dear, DROP CONSTRAINT orders_extras_check, "
        "ALTER customer DROP NOT NULL",
    )
    (table,) = (table for table in run.plan.tables if table.name == "orders")
    with postgresql.session(endpoint(target_db), run.shadow) as connection:
        types = spelling.types(connection, [table])
        checks = dict(spelling.checks(connection, run.shadow, [table]))
        facts = Facts(run.shadow, {"orders": 3}, frozenset(), types, checks, {})
        asked = questions(
            connection, run.shadow, [table], {"orders": list(rules(table, facts, frozenset(PROVEN | {"rows"})))}
        )
    assert {name for _, name in checks} == {"dear", "orders_extras_check"}
    scanned = [question for question in asked if question.how != GUARANTEED]
    assert [(q.rule.kind, q.rule.columns) for q in scanned] == [
        ("rows", ()),
        ("not_null", ("customer",)),
        ("checks", ()),
        ("checks", ()),
        ("values", ("extras",)),
    ]
    assert len({question.query for question in scanned}) == 1
    assert len({question.query for question in asked}) == 2


def test_pages_are_by_table(shop: Server, target_db: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cutover.verify.expectations.DOCUMENTED", 100)
    run = finished(begin(shop, target_db))
    postgres(
        target_db,
        f"ALTER TABLE {run.shadow}.orders DROP CONSTRAINT dear",
        f"UPDATE {run.shadow}.orders SET price = 2000 WHERE shop = 2",
    )
    assert failed(run) == [("checks", "orders.None", ("2, 1",))]
    pages: list[Path] = list((run.folder / "data_docs" / "validations").rglob("*.html"))
    (page,) = (page.read_text() for page in pages if "orders-generated" in str(page))
    assert "expect check dear" in page
    assert "1 unexpected, e.g. [2, 1]" in page
    assert len(pages) == 2
    assert "orders-generated" in (run.folder / "data_docs" / "index.html").read_text()


def test_nothing_of_the_temporary_tables_stays(shop: Server, target_db: Server) -> None:
    prove.validate_expectations(finished(begin(shop, target_db)))
    temporary = "SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relname IN ('orders', 'customers')"
    assert rows(target_db, temporary) == [(0,)]
