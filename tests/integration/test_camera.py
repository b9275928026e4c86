"""The camera migration from one end to the other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

import pytest
from helpers import (
    CAMERA,
    begin,
    camera_spec,
    mysql_rows,
    one,
    postgres,
    rows,
    schemas,
    source_database,
    target_database,
)

from cutover import report
from cutover.local import seed
from cutover.local.servers import Server
from cutover.report import Report
from cutover.run import EXIT_LOSSES, exit_code, run_migration
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
        assert rows(target, f"SELECT last_value, is_called FROM {sequence}") == [(next_id - 1, True)]
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
