"""The camera migration from one end to the other, and what carries over, stays or stops it in the target."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import psutil
import pytest
from helpers import (
    CAMERA,
    SECRET,
    access,
    begin,
    camera_spec,
    dump,
    finished,
    held,
    migrations,
    mysql,
    mysql_rows,
    one,
    postgres,
    role,
    rows,
    schemas,
    source_database,
    spec,
    started,
    target_database,
    wait_for,
    waiting,
)

from cutover import report
from cutover.errors import DriftError, TransientError
from cutover.ledger import Ledger
from cutover.local import seed
from cutover.local.servers import Server
from cutover.report import Report
from cutover.run import EXIT_LOSSES, NotStartedError, exit_code, run_migration
from cutover.steps import check, move, switch
from cutover.steps.context import Run

ANALYTICS = 20_000
UNIQUE_USERS = seed.USERS - seed.BAD_EMAILS - seed.DUPLICATE_EMAILS


@pytest.fixture(scope="module")
def camera(mysql_server: Server) -> Iterator[Server]:
    with source_database(mysql_server) as source:
        seed.seed_camera_counting(source, rows=ANALYTICS)
        yield source


@pytest.fixture(scope="module")
def arrived(
    camera: Server, pg_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, Run, Report]]:
    """The camera migration, run once beside a table that is none of its business; do not change it."""
    with pytest.MonkeyPatch.context() as patch, target_database(pg_server) as target:
        patch.setenv("CUTOVER_HOME", str(tmp_path_factory.mktemp("home")))
        postgres(target, "CREATE TABLE other (id int PRIMARY KEY, word text)", "INSERT INTO other VALUES (1, 'mine')")
        run = begin(camera, target, camera_spec(), CAMERA)
        yield target, run, run_migration(run)


Arrived = tuple[Server, Run, Report]


def test_the_report_tells_what_arrived(arrived: Arrived) -> None:
    _, run, told = arrived
    assert told.status == report.WITH_LOSSES
    assert exit_code(told) == EXIT_LOSSES
    tables = {table.table: table for table in told.tables}
    assert list(tables)[-1] == "analytics"  # after the cameras it refers to
    assert {name: (t.rows_read, t.rows, t.refused, t.set_aside) for name, t in tables.items()} == {
        "users": (seed.USERS, UNIQUE_USERS, seed.BAD_EMAILS, seed.DUPLICATE_EMAILS),
        "cameras": (seed.CAMERAS, seed.CAMERAS, 0, 0),
        "analytics": (ANALYTICS, ANALYTICS, 0, 0),
    }
    assert {t.table: t.verified for t in told.tables}["analytics"] == ANALYTICS
    assert told.differences == []
    assert told.expectations["run"] > 20
    assert told.expectations["failed"] == 0
    assert told.locked_ms is not None
    assert told.cause is None
    losses = "\n".join(told.losses)
    assert f"users.last_login: {seed.ZERO_LOGINS + seed.PARTIAL_LOGINS} dates that are none became NULL" in losses
    assert f"users.created_at: {seed.ZERO_CREATED} dates that are none became NULL" in losses
    assert f"cameras.installed_on: {seed.ZERO_INSTALLED} dates that are none became NULL" in losses
    assert "users.created_at: NOT NULL relaxed" in losses
    assert f"users: {seed.BAD_EMAILS} rows set aside, email_address holds no valid e-mail address" in losses
    assert f"users: {seed.DUPLICATE_EMAILS} rows set aside, duplicate email" in "\n".join(told.rule)
    assert told.chain is None
    assert run.ledger.broken_at(run.id) is None


def test_every_user_arrived_as_the_spec_says(arrived: Arrived, camera: Server) -> None:
    target, _, _ = arrived
    names = {"A": "active", "I": "inactive", "S": "suspended", None: "inactive"}
    wanted, seen = [], set()
    source = mysql_rows(
        camera,
        "SELECT user_id, user_name, email_address, account_status, CAST(last_login AS CHAR), CAST(created_at AS CHAR) "
        "FROM users WHERE user_id NOT BETWEEN 501 AND 540 ORDER BY user_id",
    )
    for key, name, email, status, login, created in source:
        if email not in seen:
            wanted.append((key, name, email, names[status], moment(login), moment(created)))
        seen.add(email)
    found = rows(target, "SELECT id, username, email, status, last_login, created_at FROM users ORDER BY id")
    assert len(found) == UNIQUE_USERS
    assert found == wanted


def moment(text: str | None) -> datetime | None:
    return None if text is None or "-00" in text else datetime.fromisoformat(text)


def test_every_camera_and_count_arrived(arrived: Arrived, camera: Server) -> None:
    target, _, _ = arrived
    wanted = [
        (key, name, place, active == "Y", lat, lon, None if not day or "-00" in day else day)
        for key, name, place, active, lat, lon, day in mysql_rows(
            camera,
            "SELECT camera_id, camera_name, camera_location, is_active, latitude, longitude, "
            "CAST(installed_on AS CHAR) FROM cameras ORDER BY 1",
        )
    ]
    columns = "id, name, location, is_active, latitude, longitude, installed_on::text"
    assert rows(target, f"SELECT {columns} FROM cameras ORDER BY 1") == wanted
    # confidence as a DOUBLE: the client's FLOAT text drops bits.
    theirs = mysql_rows(
        camera,
        "SELECT id, camera_id, count, CAST(confidence AS DOUBLE), direction, timestamp, created_at "
        "FROM analytics ORDER BY id",
    )
    ours = rows(
        target,
        "SELECT id, camera_id, count, confidence::float8, direction, timestamp, created_at AT TIME ZONE 'UTC' "
        "FROM analytics ORDER BY id",
    )
    assert ours == theirs


def test_refused_rows_are_kept_with_reason_and_key(arrived: Arrived) -> None:
    target, run, _ = arrived
    rejects = f"{run.shadow}.cutover_rejects"
    bad = rows(
        target,
        f"SELECT source_key, column_name, reason FROM {rejects} WHERE kind = 'error'",
    )
    assert sorted(json.loads(key)["user_id"] for key, _, _ in bad) == list(range(501, 541))
    assert {(column, reason) for _, column, reason in bad} == {
        ("email", "email_address holds no valid e-mail address"),
    }
    twice = rows(target, f"SELECT source_key FROM {rejects} WHERE kind = 'rule'")
    assert sorted(json.loads(key)["user_id"] for (key,) in twice) == list(range(10_001, 10_151))


def test_keys_indexes_defaults_and_identities_arrived(arrived: Arrived) -> None:
    target, _, _ = arrived
    constraints = rows(
        target,
        "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE connamespace = 'public'::regnamespace AND conrelid <> 'other'::regclass",
    )
    definitions = set(constraints)
    assert {
        ("users", "PRIMARY KEY (id)"),
        ("cameras", "PRIMARY KEY (id)"),
        ("analytics", "PRIMARY KEY (id)"),
        ("analytics", "FOREIGN KEY (camera_id) REFERENCES cameras(id)"),
    } <= definitions
    assert any(
        table == "users" and all(word in text for word in ("status", "active", "inactive", "suspended"))
        for table, text in definitions
    )
    indexes = {text.split(" USING ")[0] + text.split(" USING ")[1] for (text,) in rows(target, _INDEXES)}
    assert {
        "CREATE INDEX users_email ON public.usersbtree (email)",
        "CREATE UNIQUE INDEX cameras_name ON public.camerasbtree (name)",
        'CREATE INDEX analytics_camera_time ON public.analyticsbtree (camera_id, "timestamp")',
        "CREATE INDEX analytics_created ON public.analyticsbtree (created_at)",
    } <= indexes
    for table, column, next_id in (("users", "id", 20_001), ("cameras", "id", 2_001), ("analytics", "id", 20_001)):
        sequence = one(target, "SELECT pg_get_serial_sequence(%s, %s)", table, column)
        assert rows(target, f"SELECT last_value, is_called FROM {sequence}") == [(next_id, False)]
    assert one(target, _NULLABLE, "users", "username") == "NO"
    assert one(target, _NULLABLE, "users", "created_at") == "YES"
    assert one(target, _DEFAULT, "analytics", "created_at") == "CURRENT_TIMESTAMP"


_INDEXES = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'"
_COLUMN = "FROM information_schema.columns WHERE table_schema = 'public' AND table_name = %s AND column_name = %s"
_NULLABLE = f"SELECT is_nullable {_COLUMN}"
_DEFAULT = f"SELECT column_default {_COLUMN}"


def test_only_the_new_tables_are_live_and_the_neighbour_is_untouched(arrived: Arrived) -> None:
    target, run, _ = arrived
    live = {name for (name,) in rows(target, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    assert live == {"users", "cameras", "analytics", "other"}  # temp_import stays behind
    assert schemas(target) == {"public", run.shadow}
    assert rows(target, "SELECT id, word FROM other") == [(1, "mine")]


# Small migrations.

SHOP = (
    "CREATE TABLE customers (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50) NOT NULL, UNIQUE KEY by_name (name))",
    "CREATE TABLE orders (id INT AUTO_INCREMENT PRIMARY KEY, customer INT NOT NULL, note TEXT, "
    "KEY orders_note (customer), CONSTRAINT orders_customer FOREIGN KEY (customer) REFERENCES customers (id))",
    "INSERT INTO customers (name) VALUES ('Ana'), ('Björn'), ('桜')",
    "INSERT INTO orders (customer, note) VALUES (1, 'a'), (1, NULL), (3, 'c')",
)
NAMES = "SELECT name FROM customers ORDER BY id"


@pytest.fixture
def shop(source_db: Server) -> Server:
    mysql(source_db, *SHOP)
    return source_db


def test_a_second_run_replaces_the_first_and_drops_what_it_kept(shop: Server, target_db: Server) -> None:
    first = begin(shop, target_db)
    assert run_migration(first).status == report.COMPLETED
    assert rows(target_db, NAMES) == [("Ana",), ("Björn",), ("桜",)]
    mysql(shop, "UPDATE customers SET name = 'Anna' WHERE id = 1", "INSERT INTO customers (name) VALUES ('Dmitri')")
    second = begin(shop, target_db)
    assert run_migration(second).status == report.COMPLETED
    assert rows(target_db, NAMES) == [("Anna",), ("Björn",), ("桜",), ("Dmitri",)]
    assert schemas(target_db) == {"public", second.shadow}
    assert rows(target_db, f"SELECT name FROM {second.shadow}.customers WHERE id = 1") == [("Ana",)]
    postgres(target_db, "INSERT INTO customers (name) VALUES ('next')")
    assert one(target_db, "SELECT max(id) FROM customers") == 5


def test_going_back_from_a_second_run_leaves_the_first_replaceable(shop: Server, target_db: Server) -> None:
    run_migration(begin(shop, target_db))
    second = begin(shop, target_db)
    run_migration(second)
    switch.rollback(second)
    switch.validate_rollback(second)
    assert rows(target_db, NAMES) == [("Ana",), ("Björn",), ("桜",)]
    # They are this migration's own tables, so no permission is needed to replace them.
    assert run_migration(begin(shop, target_db)).status == report.COMPLETED


def test_a_target_that_is_not_empty_is_refused_unless_told_to_replace(shop: Server, target_db: Server) -> None:
    postgres(target_db, "CREATE TABLE customers (id int)", "INSERT INTO customers VALUES (7)")
    before = dump(target_db)
    run = begin(shop, target_db)
    with pytest.raises(NotStartedError, match=r"not empty: customers were not made by this migration.*replace_target"):
        run_migration(run)
    assert dump(target_db) == before
    assert report.build(run.ledger, run.id).status == report.FAILED
    assert run_migration(begin(shop, target_db, replace_target=True)).status == report.COMPLETED
    assert len(rows(target_db, NAMES)) == 3


def test_owner_and_grants_are_carried_over(shop: Server, target_db: Server) -> None:
    with (
        role(target_db) as owner,
        role(target_db) as reader,
    ):
        postgres(
            target_db,
            "CREATE TABLE customers (id int)",
            f"ALTER TABLE customers OWNER TO {owner}",
            f"GRANT SELECT ON customers TO {reader}",
            f"GRANT INSERT ON customers TO {reader} WITH GRANT OPTION",
            "GRANT SELECT ON customers TO PUBLIC",
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT UPDATE ON TABLES TO {reader}",
        )
        grants = "SELECT relacl::text[] FROM pg_class WHERE oid = %s::regclass"
        before = set(one(target_db, grants, "public.customers"))
        run_migration(begin(shop, target_db, replace_target=True))
        owners = dict(rows(target_db, "SELECT tablename, tableowner FROM pg_tables WHERE schemaname = 'public'"))
        assert owners == {"customers": owner, "orders": target_db.user}
        after = set(one(target_db, grants, "public.customers"))
        assert before <= after | {f"{owner}=arwdDxtm/{owner}", f"{owner}=arwdDxt/{owner}"}
        as_reader = replace(target_db, user=reader, password=SECRET)
        assert rows(as_reader, NAMES) == [("Ana",), ("Björn",), ("桜",)]
        # A table that had no predecessor gets what the schema gives new tables.
        can = "SELECT has_table_privilege(%s, 'orders', 'UPDATE'), has_table_privilege(%s, 'orders', 'SELECT')"
        assert rows(target_db, can, reader, reader) == [(True, False)]
        # The owner may give rows their next id, as before.
        as_owner = replace(target_db, user=owner, password=SECRET)
        postgres(as_owner, "INSERT INTO customers (name) VALUES ('next')")
        postgres(target_db, "DROP TABLE orders, customers")


@pytest.mark.parametrize(
    ("bind", "named"),
    [
        ("CREATE VIEW names AS SELECT id FROM customers", "view names reads customers"),
        ("CREATE TABLE more (customer int REFERENCES customers)", "foreign key more_customer_fkey of more refers to"),
        ("CREATE PUBLICATION news FOR TABLE customers", "publication news of customers"),
        ("ALTER TABLE customers ENABLE ROW LEVEL SECURITY", "row security on customers"),
        ("CREATE FUNCTION f(customers) RETURNS int LANGUAGE sql AS 'SELECT 1'", "function f(customers) uses"),
    ],
)
def test_what_is_bound_to_a_live_table_is_named_before_anything_changes(
    shop: Server, target_db: Server, bind: str, named: str
) -> None:
    postgres(target_db, "CREATE TABLE customers (id int PRIMARY KEY)", bind)
    before = dump(target_db)
    with pytest.raises(NotStartedError) as refused:
        run_migration(begin(shop, target_db, replace_target=True))
    assert named in str(refused.value)
    assert "Drop it, and make it anew" in str(refused.value)
    assert dump(target_db) == before


def test_a_schema_that_changes_after_the_plan_is_drift(shop: Server, target_db: Server) -> None:
    run = begin(shop, target_db)
    check.make_plan(run)
    mysql(shop, "ALTER TABLE orders ADD late INT")
    with pytest.raises(DriftError, match=r"source schema changed.*table orders was changed"):
        move.create_schema(run)
    assert schemas(target_db) == {"public"}
    again = finished(begin(shop, target_db))
    postgres(target_db, "CREATE TABLE customers (id int)")
    with pytest.raises(DriftError, match=r"target schema changed.*table customers was added"):
        switch.cutover(again)
    assert rows(target_db, "SELECT count(*) FROM customers") == [(0,)]


def test_a_dry_run_writes_the_scripts_and_changes_nothing(shop: Server, target_db: Server) -> None:
    before = dump(target_db)
    written = spec(strategy={"execution": {"modes": {"dryRun": {"enabled": True, "generateScripts": True}}}})
    run = begin(shop, target_db, written, mode="dry_run")
    assert run_migration(run).status == report.PLANNED
    assert dump(target_db) == before
    up, down = ((run.folder / "scripts" / name).read_text() for name in ("up.sql", "down.sql"))
    postgres(target_db, *filter(str.strip, up.split(";\n")))
    assert rows(target_db, "SELECT count(*) FROM orders") == [(0,)]
    postgres(target_db, *filter(str.strip, down.split(";\n")))
    assert dump(target_db) == before


def test_chosen_tables_rows_and_columns(shop: Server, target_db: Server) -> None:
    filters = {
        "filtering": {
            "enabled": True,
            "rowFiltering": True,
            "columnFiltering": True,
            "rowFilters": {"orders": 'note IS NULL OR note = "c%;"'},
            "columnFilters": {"orders": ["id", "note"]},
        }
    }
    mysql(shop, "UPDATE orders SET note = 'c%;' WHERE id = 3")
    told = run_migration(begin(shop, target_db, spec(data={"extraction": filters}), tables=["orders"]))
    assert rows(target_db, "SELECT id, note FROM orders ORDER BY id") == [(2, None), (3, "c%;")]
    assert one(target_db, "SELECT to_regclass('customers')") is None
    assert any("orders_customer: table customers is not part of this migration" in loss for loss in told.losses)


def test_orphans_are_set_aside_with_the_reason(shop: Server, target_db: Server) -> None:
    mysql(shop, "INSERT INTO orders (id, customer, note) VALUES (9, 99, 'no parent')")
    tolerant = spec(data={"loading": {"options": {"errorHandling": {"maxErrors": 1, "errorThreshold": 0.5}}}})
    run = begin(shop, target_db, tolerant)
    told = run_migration(run)
    assert told.status == report.WITH_LOSSES
    assert [loss for loss in told.losses if '"id": 9' in loss and "foreign key orders_customer" in loss]
    assert rows(target_db, "SELECT id FROM orders ORDER BY id") == [(1,), (2,), (3,)]
    ledger = Ledger()
    assert ledger.last(run.id, "completed") is not None


# Interrupted runs.

LARGE = 900


@pytest.fixture
def large(source_db: Server) -> Server:
    mysql(
        source_db,
        "CREATE TABLE people (id INT AUTO_INCREMENT PRIMARY KEY, email VARCHAR(80), word TEXT, KEY by_word (word(9)))",
        "CREATE TABLE pets (id INT AUTO_INCREMENT PRIMARY KEY, person INT NOT NULL, KEY of_person (person), "
        "CONSTRAINT pets_person FOREIGN KEY (person) REFERENCES people (id))",
        "INSERT INTO people (email, word) WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n "
        f"WHERE i < {LARGE}) SELECT CONCAT('p', IF(i <= 20, 1, i), '@example.com'), REPEAT(MD5(i), 9) FROM n",
        "INSERT INTO pets (person) SELECT id FROM people WHERE id > 20",
        "ANALYZE TABLE people, pets",
    )
    return source_db


CLEANED = spec(
    data={
        "transformation": {
            "cleaning": {"duplicateRemoval": {"enabled": True, "strategy": "keep_first", "keyFields": ["people.email"]}}
        }
    }
)


def exact(source: Server, target: Server) -> None:
    query = "SELECT id, email, word FROM people {} ORDER BY id"
    assert rows(target, query.format("")) == mysql_rows(source, query.format("WHERE id = 1 OR id > 20"))
    query = "SELECT id, person FROM pets ORDER BY id"
    assert rows(target, query) == mysql_rows(source, query)


def connected(process: psutil.Process, server: Server) -> bool:
    """Whether a process talks to a server."""
    return any(c.raddr and c.raddr.port == server.port for c in process.net_connections("tcp"))


def kill(process: psutil.Process) -> None:
    """End a process of the test's own, and those it started, without warning."""
    for each in [process, *process.children(recursive=True)]:
        each.send_signal(signal.SIGKILL)


@pytest.mark.parametrize(
    ("mode", "waits_in", "whole"),
    [
        ("SHARE", "copy", True),  # in the load
        ("ACCESS SHARE", "alter table", True),  # in finish_schema: duplicates are taken out, keys not built
        ("SHARE", "copy", False),  # its worker lives on and finishes its chunk beside the new attempt
    ],
)
def test_a_run_that_was_killed_goes_on_where_it_was(
    large: Server, target_db: Server, tmp_path: Path, mode: str, waits_in: str, whole: bool
) -> None:
    folder, environment = migrations(tmp_path, CLEANED), access(large, target_db)
    arguments = ["run", "shop", "--migrations", str(folder), "--workers", "1"]
    process = started(arguments, environment)
    shadow = wait_for(lambda: schemas(target_db) - {"public"}, "the shadow schema is there").pop()
    with held(target_db, f"{shadow}.people", mode):
        wait_for(lambda: waiting(target_db, waits_in), f"{waits_in} waits for the lock")
        left = waiting(target_db)
        if whole:
            kill(psutil.Process(process.pid))
        else:
            process.kill()
        process.wait()
        ((run_id, _, _),) = Ledger().runs("shop")
        again = started([*arguments, "--run", run_id], environment)
        wait_for(lambda: waiting(target_db) > left, "the new attempt waits for the lock too")
    out, err = again.communicate(timeout=240)
    assert again.returncode in (0, 3), out + err
    exact(large, target_db)
    told = report.build(Ledger(), run_id)
    assert {t.table: (t.rows_read, t.rows, t.set_aside) for t in told.tables} == {
        "people": (LARGE, LARGE - 19, 19),
        "pets": (LARGE - 20, LARGE - 20, 0),
    }
    assert told.chain is None


def test_a_killed_worker_is_replaced(large: Server, target_db: Server, tmp_path: Path) -> None:
    folder, environment = migrations(tmp_path, CLEANED), access(large, target_db)
    process = started(["run", "shop", "--migrations", str(folder), "--workers", "2"], environment)
    shadow = wait_for(lambda: schemas(target_db) - {"public"}, "the shadow schema is there").pop()
    with held(target_db, f"{shadow}.people", "SHARE"):
        wait_for(lambda: waiting(target_db, "copy"), "COPY waits for the lock")
        workers = [
            child for child in psutil.Process(process.pid).children(recursive=True) if connected(child, target_db)
        ]
        assert workers
        for worker in workers:
            worker.kill()
        ((run_id, _, _),) = Ledger().runs("shop")
        wait_for(lambda: Ledger().last(run_id, "retrying"), "the run tries again")
    out, err = process.communicate(timeout=240)
    assert process.returncode in (0, 3), out + err
    exact(large, target_db)


def test_two_loaders_of_one_chunk_leave_it_there_once(shop: Server, target_db: Server) -> None:
    """An attempt that was given up may still be at work when the next one comes."""
    run = begin(shop, target_db)
    check.make_plan(run)
    move.create_schema(run)
    (chunk,) = (chunk for chunk in run.plan.chunks if chunk.table == "customers")
    with ThreadPoolExecutor(2) as pool:
        with held(target_db, f"{run.shadow}.customers", "SHARE"):
            loaders = [pool.submit(move.stream_chunk, run, chunk) for _ in range(2)]
            wait_for(lambda: waiting(target_db, "copy") == 2, "both wait for the lock")
        problems = [loader.exception() for loader in loaders]
    # One of them may be told to try again; neither may be told that the data are bad.
    assert [type(problem) for problem in problems if problem is not None] in ([], [TransientError]), problems
    move.stream_chunk(run, chunk)
    assert rows(target_db, f"SELECT name FROM {run.shadow}.customers ORDER BY id") == [("Ana",), ("Björn",), ("桜",)]


def test_steps_run_twice_change_nothing(large: Server, target_db: Server) -> None:
    run = finished(begin(large, target_db, CLEANED))
    for chunk in run.plan.chunks:
        move.stream_chunk(run, chunk)
    move.create_schema(run)
    move.finish_schema(run)
    for _ in range(2):
        switch.cutover(run)
    switch.validate_cutover(run)
    exact(large, target_db)


def test_a_locked_table_is_waited_for_no_longer_than_allowed(shop: Server, target_db: Server) -> None:
    """A reader who stays holds the cutover up; the run gives up and takes itself back."""
    run_migration(begin(shop, target_db))
    before = dump(target_db)
    impatient = spec(strategy={"execution": {"modes": {"safe": {"maxDowntime": 500}}}})
    run = begin(shop, target_db, impatient)
    with held(target_db, "public.customers", "ACCESS SHARE"):
        told = run_migration(run)
    assert told.status == report.ROLLED_BACK
    assert told.failed_step == "cutover"
    assert re.search("lock timeout|time limit", told.cause or "")
    assert dump(target_db) == before


def test_an_older_run_is_not_found_under_another_name(shop: Server, target_db: Server) -> None:
    assert exit_code(run_migration(begin(shop, target_db))) == 0
    other = begin(shop, target_db, spec("shop_two"))
    with pytest.raises(NotStartedError, match="customers, orders were not made by this migration"):
        run_migration(other)
