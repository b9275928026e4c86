"""Whatever fails, wherever: the target's dump is afterwards what it was before, to the byte."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from backward import LIVE, SHOP
from helpers import (
    access,
    begin,
    dump,
    endpoint,
    finished,
    held,
    loaded,
    migrations,
    mysql,
    postgres,
    ready,
    rows,
    schemas,
    spec,
)
from program import cutover

from cutover import report
from cutover.data.shadow import name_for
from cutover.errors import CutoverError, DataError, RollbackError, VerificationError
from cutover.ledger import Ledger
from cutover.local.servers import Server
from cutover.rollback import swap
from cutover.run import EXIT_ROLLED_BACK, exit_code, run_migration
from cutover.spec import MigrationSpec
from cutover.steps import back, prove, switch
from cutover.steps.context import Run


@pytest.fixture
def shop(source_db: Server) -> Server:
    mysql(source_db, *SHOP)
    return source_db


@pytest.fixture
def live(target_db: Server) -> Iterator[Server]:
    """A target in use; what it holds when the test ends must be what it holds now."""
    postgres(target_db, *LIVE)
    before = dump(target_db)
    yield target_db
    assert dump(target_db) == before


def ended(run: Run, step: str, cause: str) -> None:
    told = report.build(run.ledger, run.id)
    assert (told.status, told.failed_step) == (report.ROLLED_BACK, step)
    assert cause in (told.cause or "")
    assert told.chain is None
    assert exit_code(told) == EXIT_ROLLED_BACK
    assert not run.staging.exists()


def test_rows_that_do_not_fit(shop: Server, live: Server) -> None:
    short = spec(schema={"settings": {"tables": {"columns": {"typeMapping": {"varchar(20)": "varchar(10)"}}}}})
    run = begin(shop, live, short, replace_target=True)
    run_migration(run)
    ended(run, "finish_schema", "rows were refused, more than errorThreshold")


def test_more_orphans_than_are_allowed(shop: Server, live: Server) -> None:
    mysql(shop, "INSERT INTO orders (customer) VALUES (98), (99)")
    strict = spec(data={"loading": {"options": {"errorHandling": {"maxErrors": 1, "errorThreshold": 1.0}}}})
    run = begin(shop, live, strict, replace_target=True)
    told = run_migration(run)
    ended(run, "finish_schema", "2 rows were refused (orders 2), more than maxErrors 1")
    # The reject table went with the rollback; what it said is in the report.
    assert [loss for loss in told.losses if "orders: 2 rows set aside" in loss and '"id": 4' in loss]


def test_a_larger_share_than_is_allowed(shop: Server, live: Server) -> None:
    mysql(shop, "INSERT INTO orders (customer) VALUES (98)")
    strict = spec(data={"loading": {"options": {"errorHandling": {"maxErrors": 10, "errorThreshold": 0.2}}}})
    run = begin(shop, live, strict, replace_target=True)
    run_migration(run)
    ended(run, "finish_schema", "orders: 1 of 4 rows were refused, more than errorThreshold 20.00%")


CORRUPTION = """
CREATE FUNCTION corrupt() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE shadow text;
BEGIN
  SELECT min(schema_name) INTO shadow FROM pg_event_trigger_ddl_commands();
  IF shadow LIKE 'cutover\\_%' AND current_query() LIKE '%PRIMARY KEY%' AND current_query() LIKE '%customers%' THEN
    EXECUTE format('UPDATE %I.customers SET name = name || ''?'' WHERE id = 2', shadow);
  END IF;
END $$"""


def test_a_cell_that_something_in_the_target_changes(shop: Server, target_db: Server) -> None:
    postgres(target_db, *LIVE, CORRUPTION, "CREATE EVENT TRIGGER c ON ddl_command_end EXECUTE FUNCTION corrupt()")
    before = dump(target_db)
    run = begin(shop, target_db, replace_target=True)
    told = run_migration(run)
    ended(run, "validate_rows", "customers[2].name: source 'Björn', target 'Björn?'")
    assert told.differences == ["customers[2].name: source 'Björn', target 'Björn?'"]
    assert dump(target_db) == before


def test_an_expectation_that_does_not_hold(shop: Server, live: Server, tmp_path: Path) -> None:
    (tmp_path / "own" / "expectations").mkdir(parents=True)
    (tmp_path / "own" / "expectations" / "customers.yaml").write_text(
        "{table: customers, expectations: [{type: expect_column_value_lengths_to_be_between, "
        "kwargs: {column: name, min_value: 2}}]}"
    )
    run = begin(shop, live, None, tmp_path / "own", replace_target=True)
    told = run_migration(run)
    ended(run, "validate_expectations", "expect_column_value_lengths_to_be_between (customers.yaml)")
    assert told.expectations["failed"] == 1


def test_the_lock_for_the_cutover_is_not_to_be_had(shop: Server, live: Server) -> None:
    impatient = spec(
        strategy={
            "execution": {"modes": {"safe": {"maxDowntime": 500}}},
            "types": {"data": {"bulk": {"retryOnFailure": False}}},
        }
    )
    run = begin(shop, live, impatient, replace_target=True)
    with held(live, "public.orders", "ACCESS SHARE"):
        run_migration(run)
    ended(run, "cutover", "timeout")


def taken_back(run: Run) -> None:
    back.rollback(run)
    back.validate_rollback(run)


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("DELETE FROM public.fresh", "fresh: 0 rows, 1 were verified"),
        ("ALTER TABLE public.orders DROP CONSTRAINT orders_customer", "- foreign key orders.orders_customer: FOREIGN"),
        ("ALTER TABLE public.orders DROP COLUMN note", "- column orders.note: "),
        ("DROP TABLE public.fresh", "- table fresh"),
        ("CREATE INDEX another ON public.orders (note)", "+ index orders.another"),
    ],
)
def test_the_live_schema_is_not_as_planned(shop: Server, live: Server, damage: str, found: str) -> None:
    run = ready(begin(shop, live, replace_target=True))
    switch.cutover(run)
    assert rows(live, "SELECT name FROM customers WHERE id = 3") == [("桜",)]
    postgres(live, damage)
    with pytest.raises(VerificationError) as failed:
        switch.validate_cutover(run)
    assert found in str(failed.value)
    taken_back(run)
    ended(run, "validate_cutover", found)


@pytest.mark.parametrize("steps", [loaded, finished])
def test_back_from_the_middle_and_once_more(shop: Server, live: Server, steps: type) -> None:
    run = steps(begin(shop, live, replace_target=True))
    assert schemas(live) == {"public", "elsewhere", run.shadow}
    taken_back(run)
    taken_back(run)
    assert schemas(live) == {"public", "elsewhere"}


def test_back_before_anything_was_done(shop: Server, live: Server) -> None:
    taken_back(begin(shop, live))


def test_forth_and_back_and_forth_and_back(shop: Server, live: Server) -> None:
    for _ in range(2):
        run = ready(begin(shop, live, replace_target=True))
        switch.cutover(run)
        switch.validate_cutover(run)
        switch.complete(run)
        taken_back(run)


def test_a_schema_that_the_run_made_goes_with_it(shop: Server, live: Server) -> None:
    run = ready(begin(shop, live, spec(into="brand new")))
    switch.cutover(run)
    assert rows(live, 'SELECT name FROM "brand new".customers WHERE id = 1') == [("Ana",)]
    taken_back(run)


@pytest.mark.slow
def test_the_command_takes_a_finished_run_back(shop: Server, live: Server, tmp_path: Path) -> None:
    unkept = spec(rollback={"execution": {"preRollback": {"backupCurrentState": False}}})
    folder, environment = migrations(tmp_path, unkept), access(shop, live)
    done = cutover(["run", "shop", "--migrations", str(folder), "--replace-target"], environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert rows(live, "SELECT name FROM customers WHERE id = 3") == [("桜",)]
    ((run_id, _, _),) = Ledger().runs("shop")
    done = cutover(["rollback", "shop", "--run", run_id], environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert Ledger().last(run_id, "rolled_back") is not None


@pytest.mark.slow
def test_the_command_takes_a_run_by_addresses_back(shop: Server, live: Server) -> None:
    passwords = {"CUTOVER_SOURCE_PASSWORD": shop.password, "CUTOVER_TARGET_PASSWORD": live.password}
    ends = [server.url().replace(f":{server.password}@", "@") for server in (shop, live)]
    done = cutover(["run", "--source", ends[0], "--target", ends[1]], passwords)
    assert done.returncode == 0, done.stdout + done.stderr
    assert rows(live, f"SELECT name FROM {shop.name}.customers WHERE id = 3") == [("桜",)]
    ((run_id, name, _),) = Ledger().runs()
    done = cutover(["rollback", name, "--run", run_id], passwords | access(shop, live))
    assert done.returncode == 0, done.stdout + done.stderr
    # What was replaced is kept, in the run's own schema.
    kept = name_for(name, run_id)
    assert rows(live, f'SELECT name FROM "{kept}".customers WHERE id = 3') == [("桜",)]
    postgres(live, f'DROP SCHEMA "{kept}" CASCADE')


def test_a_way_back_that_is_barred_says_what_to_remove(shop: Server, live: Server) -> None:
    run = loaded(begin(shop, live, replace_target=True))
    postgres(live, f"CREATE VIEW public.bars AS SELECT word FROM {run.shadow}.fresh")
    with pytest.raises(RollbackError) as barred:
        back.rollback(run)
    text = str(barred.value)
    assert "view bars depends on table" in text
    assert f"schema {run.shadow} of {endpoint(live)} is left" in text
    assert f"cutover rollback shop --run {run.id}" in text
    with pytest.raises(RollbackError, match=f"schema {run.shadow} is still there"):
        back.validate_rollback(run)
    postgres(live, "DROP VIEW public.bars")
    taken_back(run)
    assert report.build(run.ledger, run.id).status == report.ROLLED_BACK


def test_a_run_whose_way_back_is_barred_fails_and_leaves_the_live_tables_alone(shop: Server, target_db: Server) -> None:
    bar = CORRUPTION.replace(
        "EXECUTE format('UPDATE %I.customers SET name = name || ''?'' WHERE id = 2', shadow)",
        "EXECUTE format('UPDATE %I.customers SET name = ''?''', shadow); "
        "EXECUTE format('CREATE VIEW elsewhere.bars AS SELECT id FROM %I.customers', shadow)",
    )
    postgres(target_db, *LIVE, bar, "CREATE EVENT TRIGGER c ON ddl_command_end EXECUTE FUNCTION corrupt()")
    before = dump(target_db)
    run = begin(shop, target_db, replace_target=True)
    with pytest.raises(RollbackError, match=r"view elsewhere\.bars depends on table"):
        run_migration(run)
    assert rows(target_db, "SELECT count(*) FROM customers WHERE name LIKE 'old %'") == [(50,)]
    told = report.build(run.ledger, run.id)
    assert told.status == report.FAILED
    assert told.failed_step == "validate_rows"
    postgres(target_db, "DROP VIEW elsewhere.bars")
    taken_back(run)
    assert dump(target_db) == before


def test_a_retry_of_the_way_back_waits_for_a_lock(shop: Server, live: Server) -> None:
    patient = spec(rollback={"types": {"schema": {"ddlRollback": {"timeout": 300}}}})
    run = ready(begin(shop, live, patient, replace_target=True))
    switch.cutover(run)
    with held(live, "public.customers", "ACCESS SHARE"), pytest.raises(CutoverError, match=r"lock timeout|time limit"):
        back.rollback(run)
    assert swap.swapped(run.target, run.shadow)
    taken_back(run)


def test_a_run_told_not_to_go_back_leaves_what_it_made(shop: Server, live: Server) -> None:
    stays: MigrationSpec = spec(
        strategy={"execution": {"modes": {"safe": {"autoRollbackOnError": False}}}},
        data={"loading": {"options": {"errorHandling": {"maxErrors": 0}}}},
    )
    mysql(shop, "INSERT INTO orders (customer) VALUES (98)")
    run = begin(shop, live, stays, replace_target=True)
    with pytest.raises(DataError, match="more than maxErrors 0"):
        run_migration(run)
    assert report.build(run.ledger, run.id).status == report.FAILED
    assert run.shadow in schemas(live)
    taken_back(run)


def test_rows_written_to_the_source_in_between_are_named(shop: Server, live: Server) -> None:
    run = finished(begin(shop, live, replace_target=True))
    mysql(shop, "UPDATE customers SET name = 'late' WHERE id = 1", "INSERT INTO orders (customer) VALUES (2)")
    (number,) = (n for n, batch in enumerate(run.plan.batches) if any(c.table == "customers" for c in batch))
    with pytest.raises(VerificationError, match="the source was written to during the run") as failed:
        prove.validate_rows(run, number)
    assert "customers[1].name: source 'late', target 'Ana'" in failed.value.differences
    taken_back(run)
