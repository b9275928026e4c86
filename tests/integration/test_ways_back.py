"""By every way back, the target is afterwards what it was before, to the byte; and forth again what it had become."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from backward import PARTIAL, SHOP, TYPES, WHOLE, by, completed, without
from helpers import access, begin, dump, migrations, mysql, postgres, rows, schemas, spec
from program import cutover

from cutover import report, taking_back
from cutover.dialects import postgresql_programs
from cutover.errors import PreflightError, RollbackError
from cutover.local.servers import Server
from cutover.run import run_migration
from cutover.steps import back, history
from cutover.steps.context import Run


@pytest.fixture
def shop(source_db: Server) -> Server:
    mysql(source_db, *SHOP)
    return source_db


def taken_back(run: Run, **asked: Any) -> taking_back.Request:
    request = taking_back.ask(run, asked.get("way"), "it was wrong", "somebody")
    taking_back.take_back(run)
    return request


@pytest.mark.parametrize("way", TYPES)
def test_back_and_forth_and_back(shop: Server, live: Server, way: str) -> None:
    schema = "cutover_none"
    before = without(live, schema)
    run = completed(shop, live, by(way))
    after = without(live, run.shadow)
    taken_back(run)
    assert without(live, run.shadow) == before
    assert report.build(run.ledger, run.id).status == report.UNDONE
    taking_back.put_in_place(run)
    assert without(live, run.shadow) == after
    assert report.build(run.ledger, run.id).status == report.COMPLETED
    taken_back(run)
    assert without(live, run.shadow) == before
    again = begin(shop, live, by(way), replace_target=True)
    assert run_migration(again).status == report.COMPLETED
    # What the first kept is gone, and the way back of the second is its own.
    assert schemas(live) - {"public", "elsewhere"} == {again.shadow}
    taken_back(again)
    assert without(live, again.shadow) == before


@pytest.mark.parametrize(
    "way", ["ddl_rollback", *(pytest.param(w, marks=pytest.mark.slow) for w in TYPES if w != "ddl_rollback")]
)
def test_twice_says_so_and_changes_nothing(shop: Server, live: Server, way: str) -> None:
    run = completed(shop, live, by(way))
    taken_back(run)
    before = dump(live)
    request = taken_back(run)
    assert dump(live) == before
    assert request.told() == [f"Run {run.id} has been taken back before: the target is not changed."]
    assert (run.finished("rollback") or {})["nothing"] == "the run has been taken back before"


@pytest.mark.parametrize("way", PARTIAL)
def test_what_was_written_since_is_counted_first(shop: Server, live: Server, way: str) -> None:
    run = completed(shop, live, by(way))
    postgres(
        live,
        "INSERT INTO customers (name) VALUES ('late'), ('later')",
        "UPDATE orders SET note = 'changed' WHERE id = 1",
        "DELETE FROM orders WHERE id = 2",
    )
    request = taking_back.ask(run, None, "it was wrong", "somebody")
    assert [str(loss) for loss in request.losses] == [
        "public.customers: 2 rows that were written since are lost",
        "public.orders: 1 rows that were written since are lost, and 2 that were changed or deleted come back as they "
        "were",
    ]
    assert rows(live, "SELECT count(*) FROM customers WHERE name LIKE 'late%'") == [(2,)]


@pytest.mark.parametrize(
    "way", ["ddl_rollback", "snapshot_restore", *(pytest.param(w, marks=pytest.mark.slow) for w in ("data_restore",))]
)
def test_what_is_written_after_it_was_asked_for_is_counted_too(shop: Server, live: Server, way: str) -> None:
    run = completed(shop, live, by(way))
    postgres(live, "INSERT INTO customers (name) VALUES ('late')")
    taking_back.ask(run, None, "it was wrong", "somebody")
    postgres(live, "INSERT INTO customers (name) VALUES ('later')", "DELETE FROM fresh")
    taking_back.take_back(run)
    told = [
        "public.customers: 2 rows that were written since are lost",
        "public.fresh: 0 rows that were written since are lost, and 1 that were changed or deleted come back as they "
        "were",
    ]
    assert sorted(taking_back.recounted(run)) == [f"Counted again after it: {line}" for line in told]
    text = (run.folder / "rollback.md").read_text()
    assert all(f"* {line}\n" in text for line in told)


@pytest.mark.parametrize("way", WHOLE)
def test_what_was_written_anywhere_is_counted_first(shop: Server, live: Server, way: str) -> None:
    run = completed(shop, live, by(way))
    postgres(live, "INSERT INTO elsewhere.notes VALUES (2, 'new')", "INSERT INTO customers (name) VALUES ('late')")
    request = taking_back.ask(run, None, "it was wrong", "somebody")
    assert [str(loss) for loss in request.losses] == [
        "public.customers: 1 rows that were written since are lost",
        "elsewhere.notes: 1 rows that were written since are lost",
    ]


def test_rows_come_from_the_backup_whatever_became_of_the_old_tables(shop: Server, live: Server) -> None:
    before = without(live, "cutover_none")
    run = completed(shop, live, by("data_restore"))
    postgres(live, f'TRUNCATE "{run.shadow}".orders', f"UPDATE \"{run.shadow}\".customers SET name = 'x' || id")
    taken_back(run)
    assert without(live, run.shadow) == before


def test_only_a_table_that_is_not_as_it_was_is_loaded(shop: Server, live: Server) -> None:
    """A table that is emptied and loaded gets a file of its own."""
    before = without(live, "cutover_none")
    files = "SELECT pg_relation_filenode('customers'), pg_relation_filenode('orders')"
    ((customers, orders),) = rows(live, files)
    run = completed(shop, live, by("data_restore"))
    postgres(live, f"UPDATE \"{run.shadow}\".customers SET name = 'x' WHERE id = 7")
    taken_back(run)
    assert without(live, run.shadow) == before
    ((customers_now, orders_now),) = rows(live, files)
    assert (customers_now != customers, orders_now == orders) == (True, True)


def test_a_way_that_was_not_prepared_is_refused(shop: Server, live: Server) -> None:
    run = completed(shop, live, by("ddl_rollback"))
    with pytest.raises(PreflightError, match="cannot go back by snapshot_restore; it has prepared ddl_rollback"):
        taking_back.ask(run, "snapshot_restore", "why", "somebody")


def test_one_that_is_enabled_may_be_chosen(shop: Server, live: Server) -> None:
    before = without(live, "cutover_none")
    written = spec(rollback={"types": {"schema": {"backupRestore": {"enabled": True}}}})
    run = completed(shop, live, written)
    taken_back(run, way="backup_restore")
    assert without(live, run.shadow) == before
    assert history.taken_back(run.ledger, run.id)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("missing", "is missing"),
        ("truncated", "bytes"),
        ("another", "is of migration mine"),
    ],
)
def test_a_backup_that_cannot_be_trusted_is_refused(shop: Server, live: Server, damage: str, words: str) -> None:
    run = completed(shop, live, by("backup_restore"))
    path = run.folder / "backup"
    if damage == "missing":
        path.rename(path.with_name("elsewhere"))
    elif damage == "truncated":
        largest = max(path.iterdir(), key=lambda file: file.stat().st_size)
        largest.write_bytes(largest.read_bytes()[:-1])
    else:
        manifest = path / "manifest.json"
        manifest.write_text(manifest.read_text().replace('"shop"', '"mine"'))
    after = dump(live)
    with pytest.raises(PreflightError) as refused:
        taking_back.ask(run, None, "it was wrong", "somebody")
    assert words in str(refused.value)
    with pytest.raises(RollbackError, match="was not changed by this attempt"):
        back.rollback(run)
    assert dump(live) == after


def test_the_window_is_over(shop: Server, live: Server) -> None:
    run = completed(shop, live, by("ddl_rollback", triggers={"manual": {"rollbackWindow": "1ms"}}))
    with pytest.raises(PreflightError, match="the rollback window of shop is over"):
        taking_back.ask(run, None, "too late", "somebody")
    assert rows(live, "SELECT name FROM customers WHERE id = 3") == [("桜",)]


def test_what_is_not_kept_cannot_be_put_in_place_again(shop: Server, live: Server) -> None:
    run = completed(shop, live, by("ddl_rollback", execution={"preRollback": {"backupCurrentState": False}}))
    taken_back(run)
    assert run.shadow not in schemas(live)
    with pytest.raises(RollbackError, match="was not kept"):
        taking_back.put_in_place(run)


def test_the_written_way_back_works_without_us(shop: Server, live: Server) -> None:
    before = without(live, "cutover_none")
    run = completed(shop, live, by("ddl_rollback"))
    script = run.folder / "scripts" / "rollback.sql"
    command = [postgresql_programs.program("psql"), "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--single-transaction"]
    subprocess.run([*command, "--file", str(script), "--dbname", live.url()], capture_output=True, check=True)
    assert without(live, run.shadow) == before
    back.rollback(run)
    back.validate_rollback(run)
    assert run.shadow not in schemas(live)


def test_the_report_tells_an_auditor_everything(shop: Server, live: Server) -> None:
    run = completed(shop, live, by("ddl_rollback"))
    postgres(live, "INSERT INTO customers (name) VALUES ('late')")
    taken_back(run)
    text = (run.folder / "rollback.md").read_text()
    for part in (
        "# Rollback of shop: taken back",
        "* reason: it was wrong",
        "* asked by: somebody",
        "* way: ddl_rollback",
        "* public.customers: 1 rows that were written since are lost",
        "| rollback |",
        "| validate_rollback |",
        "--undo` puts it in place again",
    ):
        assert part in text


def test_the_commands(shop: Server, live: Server, tmp_path: Any) -> None:
    folder, environment = migrations(tmp_path, by("ddl_rollback")), access(shop, live)
    done = cutover(["run", "shop", "--migrations", str(folder), "--replace-target"], environment)
    assert done.returncode == 0, done.stdout + done.stderr
    look = cutover(["rollback", "shop", "--dry-run"], environment)
    assert (look.returncode, "Nothing was written since" in look.stderr) == (0, True)
    assert rows(live, "SELECT name FROM customers WHERE id = 3") == [("桜",)]
    assert cutover(["rollback", "shop", "--reason", "a test"], environment).returncode == 0
    assert rows(live, "SELECT name FROM customers WHERE id = 3") == [("old 3",)]
    assert cutover(["rollback", "shop", "--undo"], environment).returncode == 0
    assert rows(live, "SELECT name FROM customers WHERE id = 3") == [("桜",)]
    wrong = cutover(["rollback", "shop", "--strategy", "prayer"], environment)
    assert (wrong.returncode, "cannot go back by prayer" in wrong.stderr) == (2, True)
