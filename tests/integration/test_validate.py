"""A migration is validated by itself: before it, after it, and after it was taken back."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pytest
from helpers import access, begin, endpoint, migrations, mysql, postgres, spec
from program import cutover

from cutover import report
from cutover.errors import PreflightError
from cutover.ledger import Ledger
from cutover.local.servers import Server
from cutover.run import run_migration
from cutover.spec import MigrationSpec
from cutover.steps import back
from cutover.steps.context import Params, Run, resume, start
from cutover.validating import Validation, validate
from cutover.verifying import verify_here

KINDS = ("schema", "data", "constraint", "performance", "application")
QUERIES = {"everybody": "SELECT id, name FROM customers ORDER BY id"}
ASKED = {
    "validation": {
        "postMigration": {"performanceValidation": True, "applicationValidation": True},
        "queries": QUERIES,
    }
}


def validated(run: Run | None, source: Server, target: Server, type_: str, *kinds: str) -> Validation:
    written = run.spec if run is not None else spec(schema=ASKED)
    return validate(asked(written, source, target), type_, kinds, verify_here)


def asked(written: MigrationSpec, source: Server, target: Server) -> Run:
    ends = endpoint(source), endpoint(target)
    return start(f"validate__{uuid4().hex[:8]}", written, Params(ignore_window=True), Ledger(), *ends)


@pytest.fixture
def done(shop: Server, target_db: Server) -> Run:
    run = begin(shop, target_db, spec(schema=ASKED))
    assert run_migration(run).status == report.COMPLETED
    return run


def test_before_a_migration(shop: Server, target_db: Server) -> None:
    found = validated(None, shop, target_db, "pre_migration")
    assert [(outcome.kind, outcome.status) for outcome in found.outcomes] == [(kind, "passed") for kind in KINDS]
    mysql(shop, "INSERT INTO orders (customer) VALUES (99), (98)")
    found = validated(None, shop, target_db, "pre_migration", "constraint")
    (constraint,) = found.outcomes
    told = [*constraint.errors, *constraint.warnings]
    assert any("foreign key orders.orders_customer: 2 rows have no parent in customers(id)" in line for line in told)


def test_after_a_migration_nothing_fails_and_each_kind_finds_its_own(
    done: Run, shop: Server, target_db: Server
) -> None:
    found = validated(done, shop, target_db, "post_migration")
    assert [(outcome.kind, outcome.status) for outcome in found.outcomes] == [(kind, "passed") for kind in KINDS], found
    assert found.of == done.id

    postgres(target_db, "UPDATE customers SET name = 'Anna' WHERE id = 1")
    found = validated(done, shop, target_db, "post_migration", "data")
    (data,) = found.outcomes
    assert data.errors == (
        "1 rows of source and target differ",
        "customers[1].name: source 'Ana', target 'Anna'",
    )
    postgres(target_db, "UPDATE customers SET name = 'Ana' WHERE id = 1")

    postgres(target_db, "ALTER TABLE orders DROP CONSTRAINT orders_customer", "INSERT INTO orders VALUES (9, 77, 'x')")
    found = validated(done, shop, target_db, "post_migration", "constraint", "schema")
    by_kind = {outcome.kind: outcome for outcome in found.outcomes}
    assert by_kind["schema"].errors == ()
    assert any("expect a parent row in customers(id)" in line for line in by_kind["constraint"].errors), by_kind

    postgres(target_db, "ALTER TABLE customers RENAME COLUMN name TO called")
    found = validated(done, shop, target_db, "post_migration", "application", "schema")
    by_kind = {outcome.kind: outcome for outcome in found.outcomes}
    assert any("customers" in line and "name" in line for line in by_kind["schema"].errors)
    assert any(line.startswith("query everybody: ") for line in by_kind["application"].errors)


def test_what_the_spec_does_not_ask_for_is_said(shop: Server, target_db: Server) -> None:
    run = begin(shop, target_db)
    assert run_migration(run).status == report.COMPLETED
    found = validated(run, shop, target_db, "post_migration", "performance", "application")
    assert [outcome.warnings for outcome in found.outcomes] == [
        ("not asked: schema.validation.postMigration.performanceValidation of the spec is not true",),
        ("not asked: schema.validation.postMigration.applicationValidation of the spec is not true",),
    ]


def test_after_the_way_back(done: Run, shop: Server, target_db: Server) -> None:
    with pytest.raises(PreflightError, match="no run of shop was taken back"):
        validated(done, shop, target_db, "rollback")
    back.rollback(resume(done.id, done.ledger, ends=(done.source, done.target)))
    found = validated(done, shop, target_db, "rollback")
    assert {outcome.kind: outcome.status for outcome in found.outcomes} == dict.fromkeys(KINDS, "passed")
    assert found.of == done.id
    postgres(target_db, "CREATE TABLE customers (id int)")
    found = validated(done, shop, target_db, "rollback", "schema")
    assert [outcome.errors for outcome in found.outcomes] == [("table customers was added",)], found
    postgres(target_db, "DROP TABLE customers")
    again = begin(shop, target_db, done.spec)
    assert run_migration(again).status == report.COMPLETED
    with pytest.raises(PreflightError, match=r"a later run .* has put its tables in place"):
        validated(done, shop, target_db, "rollback")


def test_bad_input(shop: Server, target_db: Server) -> None:
    with pytest.raises(PreflightError, match="unknown type of validation 'sometime'; known: pre_migration, post_mig"):
        validated(None, shop, target_db, "sometime")
    with pytest.raises(PreflightError, match="unknown kind of validation 'speed'; known: schema, data"):
        validated(None, shop, target_db, "pre_migration", "speed")
    with pytest.raises(PreflightError, match="no run of shop has put its tables in place"):
        validated(None, shop, target_db, "post_migration")


@pytest.mark.slow
def test_the_command_line_answers_in_the_requirements_shape(
    done: Run, shop: Server, target_db: Server, tmp_path: Path
) -> None:
    variables = access(shop, target_db) | {"CUTOVER_MIGRATIONS": str(migrations(tmp_path, done.spec))}
    passed = cutover(["validate", "shop", "--kind", "data", "--kind", "schema", "--format", "json"], variables)
    assert passed.returncode == 0, passed.stderr
    told = json.loads(passed.stdout)
    assert (told["status"], told["validationType"], told["migrationId"]) == ("completed", "post_migration", done.id)
    assert {kind: entry["status"] for kind, entry in told["results"].items()} == {
        "schemaValidation": "passed",
        "dataValidation": "passed",
    }
    postgres(target_db, "DELETE FROM orders WHERE id = 1")
    failed = cutover(["validate", "shop", "--kind", "data"], variables)
    assert (failed.returncode, "data, error: orders[1]: only in the source" in failed.stdout) == (1, True), (
        failed.stderr
    )
