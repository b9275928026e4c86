"""Passes: live tables that are brought up to date at intervals, by a time that rows bear or a log of changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from changing import CHANGES, TABLES, equal
from helpers import SECRET, access, account, begin, endpoint, finished, migrations, mysql, ready, rows, spec
from program import cutover

from cutover.data.sync.snapshot import snapshot
from cutover.errors import DataError, DriftError, PreflightError, SpecError
from cutover.local.servers import Server
from cutover.schema import inspect_mysql, tracking
from cutover.steps import check, follow, switch
from cutover.steps.context import Run

TIMED = ("people", "pets", "words", "olden", "hashes", "prices")


def passes(kind: str, **settings: Any) -> Any:
    """A migration whose live tables are brought up to date by passes of one kind."""
    feed = "delta" if kind == "delta" else "incremental"
    given = {"enabled": True} | ({"changeTracking": True} if kind == "log" else {}) | settings
    strategy = {"types": {"data": {"strategy": "incremental", "incremental": {"checkpointTable": "marks"}}}}
    return spec(strategy=strategy, data={"extraction": {"strategy": {feed: given}}})


def prepared(source: Server, kind: str) -> Any:
    """Make the tables of a source that tells its changes in one way, and the migration that reads them so."""
    mysql(source, *TABLES)
    if kind == "rows":
        stamp = "DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)"
        mysql(source, *(f"ALTER TABLE {name} ADD last_sync_timestamp {stamp}" for name in TIMED))
        return passes(kind, overlap=1)
    log, time = ("delta_log", "delta_timestamp") if kind == "delta" else ("change_tracking", "last_sync_timestamp")
    mysql(source, *tracking.statements(inspect_mysql.inspect(endpoint(source)).tables, log, time))
    return passes(kind, overlap=1)


def in_place(source: Server, target: Server, written: Any) -> Run:
    """Put a run's tables in place, unproved."""
    run = ready(begin(source, target, written))
    switch.cutover(run)
    return run


def passed(run: Run) -> follow.Flushed:
    """Make one pass."""
    return follow.sync(begin(run.source, run.target, run.spec))


@pytest.mark.parametrize("kind", ["rows", "log", pytest.param("delta", marks=pytest.mark.slow)])
def test_changes_of_every_kind(source_db: Server, target_db: Server, kind: str) -> None:
    run = in_place(source_db, target_db, prepared(source_db, kind))
    for what, changes in CHANGES.items():
        if kind == "rows":
            changes = tuple(one.replace("INTO words VALUES", "INTO words (word, n) VALUES") for one in changes)
            changes = tuple(one.replace("INTO prices SELECT", "INTO prices (price, at, n) SELECT") for one in changes)
        elif "TRUNCATE" in " ".join(changes):
            continue
        mysql(source_db, "SET foreign_key_checks = 1", *changes)
        assert passed(run).complete, what
        equal(source_db, target_db)
    assert rows(target_db, "SELECT feed FROM marks") == [("delta" if kind == "delta" else "incremental",)]


def test_a_change_that_is_committed_after_the_pass(source_db: Server, target_db: Server) -> None:
    """A transaction that was open during a pass bears times from before it."""
    run = in_place(source_db, target_db, prepared(source_db, "rows"))
    with snapshot(endpoint(source_db)) as writer:
        cursor = writer.cursor()
        cursor.execute("COMMIT")
        cursor.execute("SET SESSION TRANSACTION READ WRITE")
        cursor.execute("BEGIN")
        cursor.execute("UPDATE people SET name = 'late' WHERE id = 1")
        mysql(source_db, "UPDATE people SET name = 'early' WHERE id = 2")
        passed(run)
        assert rows(target_db, "SELECT name FROM people WHERE id < 3 ORDER BY id") == [("Ana",), ("early",)]
        mysql(source_db, "UPDATE people SET name = 'later' WHERE id = 3")
        passed(run)
        cursor.execute("COMMIT")
        cursor.close()
    passed(run)
    assert rows(target_db, "SELECT name FROM people WHERE id < 3 ORDER BY id") == [("late",), ("early",)]
    equal(source_db, target_db)


def test_what_times_cannot_tell(source_db: Server, target_db: Server) -> None:
    """Rows with an old time, of the future, or with none, and rows that went: the keys of all tell."""
    mysql(
        source_db,
        "CREATE TABLE t (id INT PRIMARY KEY, n INT, at TIMESTAMP NULL, KEY (at))",
        "INSERT INTO t VALUES (1, 1, '2020-01-01'), (2, 2, NULL), (3, 3, '2037-01-01'), (4, 4, '2020-01-01')",
    )
    run = in_place(source_db, target_db, passes("rows", lastSyncColumn="at"))
    mysql(
        source_db,
        "INSERT INTO t VALUES (5, 5, '2019-01-01')",
        "UPDATE t SET n = 20 WHERE id = 2",
        "DELETE FROM t WHERE id = 4",
        "UPDATE t SET n = 30 WHERE id = 3",
    )
    passed(run)
    equal(source_db, target_db)
    mysql(source_db, "UPDATE t SET n = 10, at = NOW() WHERE id = 1")
    passed(run)
    equal(source_db, target_db)
    mysql(source_db, "UPDATE t SET n = 11 WHERE id = 5")
    passed(run)
    assert rows(target_db, "SELECT n FROM t WHERE id = 5") == [(5,)]


def test_a_run_catches_up_and_is_told_where_it_stands(source_db: Server, target_db: Server) -> None:
    written = prepared(source_db, "log")
    run = begin(source_db, target_db, written)
    check.preflight(run)
    with pytest.raises(PreflightError, match="no run of shop has put its tables in place"):
        passed(run)
    run = finished(begin(source_db, target_db, written))
    assert {name for (name,) in rows(target_db, "SELECT relname FROM pg_class WHERE relname LIKE 'change%'")} == set()
    notes = {note.object: note.text for note in run.plan.notes if note.behind}
    assert sum(text == "stays behind: it fills the source's log of changes" for text in notes.values()) == 30
    mysql(
        source_db, "UPDATE people SET name = 'x'", "INSERT INTO change_tracking (table_name, row_key) VALUES ('x', 1)"
    )
    follow.catch_up(run)
    assert rows(target_db, f"SELECT DISTINCT name FROM {run.shadow}.people") == [("x",)]
    mysql(source_db, "INSERT INTO change_tracking (table_name, row_key) VALUES ('people', '[1, 2]')")
    with pytest.raises(PreflightError, match=r"change_tracking: '\[1, 2\]' is no key of people"):
        follow.catch_up(run)
    mysql(source_db, "ALTER TABLE people ADD age INT")
    with pytest.raises(DriftError, match="source schema changed after the plan was made: table people was changed"):
        follow.catch_up(run)


def test_a_pass_that_fails_has_changed_nothing(source_db: Server, target_db: Server) -> None:
    """A row that a rule refuses ends a pass; what it had read comes with the next one."""
    mysql(
        source_db,
        "CREATE TABLE t (id INT PRIMARY KEY, mail VARCHAR(30), at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) "
        "ON UPDATE CURRENT_TIMESTAMP(6), KEY (at))",
        "INSERT INTO t (id, mail) VALUES (1, 'a@example.com'), (2, 'b@example.com')",
    )
    written = passes("rows", lastSyncColumn="at")
    data = written.model_dump(mode="json", by_alias=True, exclude_unset=True)
    data["data"]["transformation"] = {"cleaning": {"dataValidation": {"emailValidation": ["t.mail"]}}}
    run = in_place(source_db, target_db, type(written).model_validate(data))
    mysql(source_db, "UPDATE t SET mail = 'c@example.com' WHERE id = 1", "UPDATE t SET mail = 'none' WHERE id = 2")
    before = rows(target_db, "SELECT * FROM marks")
    with pytest.raises(DataError, match=r't \{"id": 2\}: mail holds no valid e-mail address'):
        passed(run)
    assert rows(target_db, "SELECT * FROM marks") == before
    assert rows(target_db, "SELECT mail FROM t ORDER BY id") == [("a@example.com",), ("b@example.com",)]
    mysql(source_db, "UPDATE t SET mail = 'd@example.com' WHERE id = 2")
    passed(run)
    equal(source_db, target_db)


def test_what_keeps_passes_from_being_made(source_db: Server, target_db: Server) -> None:
    mysql(source_db, "CREATE TABLE t (id INT PRIMARY KEY, at DATE, n INT)", "CREATE TABLE u (id INT PRIMARY KEY)")
    for written, text in (
        (passes("log"), "has no table 'change_tracking'; `cutover tracking NAME` prints the statements"),
        (passes("log", changeTable="t"), "t has no column table_name, row_key, last_sync_timestamp"),
        (passes("rows"), "no table of .* has a column 'last_sync_timestamp'"),
        (passes("rows", lastSyncColumn="at"), "t.at is date; it must be TIMESTAMP or DATETIME"),
    ):
        run = begin(source_db, target_db, written)
        with pytest.raises(SpecError, match=text):
            check.make_plan(run)
    with account(source_db, f"GRANT SELECT ON {source_db.name}.* TO {{account}}") as name:
        reader = endpoint(source_db, user=name, password=SECRET)
        with pytest.raises(PreflightError, match=r"may not see the open transactions .* GRANT PROCESS ON \*\.\* TO it"):
            check.preflight(begin(reader, target_db, passes("rows")))
        check.preflight(begin(reader, target_db, passes("rows", overlap="1h")))


@pytest.mark.slow
def test_the_commands(source_db: Server, target_db: Server, tmp_path: Path) -> None:
    """As a DBA does it: print the log's SQL, run it, migrate, and bring what changed."""
    mysql(
        source_db,
        "CREATE TABLE `it's` (id BIGINT UNSIGNED, name VARBINARY(9), at TIMESTAMP(3), PRIMARY KEY (id, name, at))",
        "INSERT INTO `it's` VALUES (18446744073709551615, 0x0027FF, '2024-01-01 00:00:00.001')",
    )
    home = migrations(tmp_path, passes("delta", overlap=1))
    environment = access(source_db, target_db) | {"CUTOVER_HOME": str(tmp_path / "home")}
    options = ["--migrations", str(home)]
    printed = cutover(["tracking", "shop", *options], environment)
    mysql(source_db, *(line for line in printed.stdout.splitlines() if line))
    assert cutover(["run", "shop", *options], environment).returncode == 0
    mysql(
        source_db,
        "SET time_zone = '+05:00'",
        "UPDATE `it's` SET name = 0x0A, at = at + INTERVAL 1 SECOND",
        "INSERT INTO `it's` VALUES (1, '', '2024-01-01 05:00:00')",
    )
    done = cutover(["sync", "shop", *options], environment)
    assert (done.returncode, done.stdout[:20]) == (0, "3 changes, 2 rows, u")
    equal(source_db, target_db)
    refused = cutover(["stream", "shop", *options], environment)
    assert refused.returncode == 1
    assert "strategy is incremental, not streaming: cutover sync brings what changed" in refused.stderr
