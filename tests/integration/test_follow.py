"""A target that follows its source: whatever changes there, in whatever order, both are equal afterwards."""

from __future__ import annotations

import os
import random
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from changing import CHANGES, TABLES, equal, writing
from helpers import (
    SECRET,
    access,
    begin,
    differences,
    endpoint,
    finished,
    loaded,
    migrations,
    mysql,
    mysql_rows,
    one,
    postgres,
    ready,
    role,
    rows,
    spec,
    wait_for,
)
from program import cutover, started
from pymysqlreplication.event import QueryEvent
from pymysqlreplication.exceptions import StatusVariableMismatch

from cutover.data.sync import binlog
from cutover.errors import DataError, DriftError, PreflightError, TransientError, VerificationError
from cutover.local.servers import Server
from cutover.run import NotStartedError, run_migration
from cutover.steps import follow, move, switch
from cutover.steps.context import Run

STREAMING = {"types": {"data": {"strategy": "streaming", "streaming": {"flushInterval": 50}}}}


@pytest.fixture
def source(source_db: Server) -> Server:
    mysql(source_db, *TABLES)
    return source_db


@pytest.fixture
def followed(source: Server, target_db: Server) -> Run:
    """A run of the migration ``shop`` whose tables follow the source; a stream goes on with it."""
    return in_place(begin(source, target_db, spec(strategy=STREAMING)))


def in_place(run: Run) -> Run:
    """Put a run's tables in place, unproved."""
    switch.cutover(ready(run))
    return run


def caught_up(run: Run, **settings: object) -> None:
    """Stream until the source has no more to tell."""
    strategy = {"types": {"data": {"strategy": "streaming", "streaming": {"flushInterval": 10} | settings}}}
    this = begin(run.source, run.target, spec(strategy=strategy))
    follow.stream(this, lambda done: not done.complete or done.changes > 0)


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES.keys())
def test_changes_of_every_kind(source: Server, target_db: Server, followed: Run, changes: tuple[str, ...]) -> None:
    before = {name: mysql_rows(source, f"SELECT count(*) FROM {name}") for name in ("people", "pets", "words")}
    mysql(source, "SET foreign_key_checks = 1", *changes)
    caught_up(followed)
    assert {name: rows(target_db, f"SELECT count(*) FROM {name}") for name in before} == {
        name: mysql_rows(source, f"SELECT count(*) FROM {name}") for name in before
    }
    equal(source, target_db)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("INSERT INTO words VALUES ('late', 9)", "in words: what arrived is not what is there"),
        ("UPDATE logs SET n = 5", "in logs: what arrived"),
        ("TRUNCATE prices", "in prices: what arrived"),
        ("SET SESSION binlog_format = STATEMENT; UPDATE words SET n = 0", "in words: what arrived"),
        ("ALTER TABLE words ADD m INT", "source schema changed"),
        ("UPDATE words SET n = n", None),
        ("CREATE TABLE IF NOT EXISTS test.nobodys (id INT); INSERT INTO test.nobodys VALUES (1)", None),
    ],
)
def test_a_bulk_run_is_not_cut_over_once_its_source_has_moved(
    source: Server, target_db: Server, change: str, named: str | None
) -> None:
    this = ready(begin(source, target_db))
    mysql(source, "CREATE DATABASE IF NOT EXISTS test", *change.split("; "))
    if named is None:
        switch.cutover(this)
    else:
        with pytest.raises((VerificationError, DriftError), match=named):
            switch.cutover(this)
        assert rows(target_db, "SELECT 1 FROM pg_tables WHERE schemaname = 'public'") == []


def test_a_source_that_is_written_to_during_the_run(source: Server, target_db: Server) -> None:
    """Rows that change after they were read, before the comparison and during it, are there in the end."""
    this = finished(begin(source, target_db, spec(strategy=STREAMING)))
    mysql(source, "UPDATE people SET name = 'late'", "DELETE FROM prices", "INSERT INTO logs VALUES ('late', 9)")
    assert differences(this) == []
    assert {name for (name,) in rows(target_db, f"SELECT name FROM {this.shadow}.people")} == {"late"}


def test_a_writer_that_never_rests(source: Server, target_db: Server) -> None:
    with writing(source, seed=7) as writer:
        this = loaded(begin(source, target_db, spec(strategy=STREAMING)))
        written = writer.done
        wait_for(lambda: writer.done > written + 200, "the writer has written some more")
        follow.catch_up(this)
        move.finish_schema(this)
        wait_for(lambda: writer.done > written + 400, "the writer has written some more")
    # The comparison needs a moment's rest of the source: that is the application's stop before the cutover.
    assert differences(this) == []


@pytest.mark.parametrize("statement", ["ALTER TABLE people ADD age INT", "DROP TABLE logs", "RENAME TABLE logs TO old"])
def test_a_change_of_the_schema_ends_the_stream(
    source: Server, target_db: Server, followed: Run, statement: str
) -> None:
    mysql(source, "INSERT INTO words VALUES ('before', 1)")
    before = binlog.position(followed.source)
    mysql(source, statement, "INSERT INTO words VALUES ('after', 1)")
    with pytest.raises(DriftError) as ended:
        caught_up(followed)
    assert statement.split()[0] in str(ended.value)
    assert f"table {statement.split()[2]}" in str(ended.value)
    assert str(before).split(":")[0] in str(ended.value)
    assert one(target_db, "SELECT count(*) FROM words WHERE word = 'after'") == 0


def test_statements_in_place_of_rows_end_the_stream(source: Server, followed: Run) -> None:
    mysql(source, "SET SESSION binlog_format = 'STATEMENT'", "UPDATE people SET name = 'x' WHERE id = 1")
    with pytest.raises(PreflightError, match=r"statement in place of rows: UPDATE people.*Set binlog_format to ROW"):
        caught_up(followed)


def test_a_statement_that_the_reader_does_not_know_ends_the_stream(
    source: Server, followed: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one in place of rows of MySQL 9.7, which says more of a statement than the reader knows."""

    def unknown(*_: object) -> None:
        raise StatusVariableMismatch

    monkeypatch.setattr(QueryEvent, "_read_status_vars_value_for_key", unknown)
    mysql(source, "SET SESSION binlog_format = 'STATEMENT'", "UPDATE people SET name = 'x' WHERE id = 1")
    with pytest.raises(
        PreflightError, match=r"a statement after \S+:\d+ that cannot be read.*Set binlog_format to ROW"
    ):
        caught_up(followed)


def test_a_log_that_cannot_be_read_is_told(source: Server, target_db: Server, followed: Run) -> None:
    """A server that compresses its log is refused before a run, and ends a stream: nothing is passed over."""
    try:
        mysql(source, "SET GLOBAL log_bin_compress = ON", "SET GLOBAL log_bin_compress_min_len = 10")
        with pytest.raises(NotStartedError, match="log_bin_compress is ON; to follow its changes it must be OFF"):
            run_migration(begin(source, target_db, spec(name="other", strategy=STREAMING)))
        mysql(source, f"INSERT INTO words VALUES ('packed', 1), ('{'x' * 20}', 2)")
    finally:
        mysql(source, "SET GLOBAL log_bin_compress = OFF")
    with pytest.raises(PreflightError, match=r"an event of type 16\d at binlog.*cannot be read"):
        caught_up(followed)
    assert one(target_db, "SELECT count(*) FROM words WHERE word = 'packed'") == 0


def test_what_concerns_nobody_moves_the_checkpoint_alone(source: Server, target_db: Server, followed: Run) -> None:
    mysql(
        source,
        "CREATE TABLE new_one (id INT)",
        "INSERT INTO new_one VALUES (1)",
        "CREATE DATABASE IF NOT EXISTS nobodys",
    )
    caught_up(followed)
    position, changes = rows(target_db, "SELECT position, changes FROM migration_checkpoints")[0]
    assert (position, changes) == (binlog.position(followed.source), 0)


@pytest.mark.parametrize("handling", ["retry", "skip"])
def test_rows_that_a_rule_refuses(source: Server, target_db: Server, handling: str) -> None:
    data = {"transformation": {"mapping": {"valueMapping": {"words.n": {"1": 10, "2": 20, "3": 30}}}}}
    settings = {"strategy": "streaming", "streaming": {"errorHandling": handling, "flushInterval": 10}}
    written = spec(strategy={"types": {"data": settings}}, data=data)
    in_place(begin(source, target_db, written))
    mysql(source, "UPDATE words SET n = 3 WHERE n = 1", "UPDATE words SET n = 4 WHERE n = 2")
    this = begin(source, target_db, written)
    if handling == "retry":
        with pytest.raises(DataError, match=r"1 changed rows are refused, and nothing was applied: words .*Zwei"):
            follow.stream(this, lambda done: not done.complete or done.changes > 0)
        assert rows(target_db, "SELECT n FROM words ORDER BY n") == [(10,), (20,), (30,)]
    else:
        follow.stream(this, lambda done: not done.complete or done.changes > 0)
        assert rows(target_db, "SELECT n FROM words ORDER BY n") == [(30,), (30,)]
        refused = [entry for event in this.ledger.events(this.id, "followed") for entry in event.detail["refused"]]
        assert [entry[0] for entry in refused] == ["words"]


def test_what_keeps_a_source_from_being_followed_is_told_before(source: Server, target_db: Server) -> None:
    unique = {"transformation": {"cleaning": {"duplicateRemoval": {"keyFields": ["people.mail"]}}}}
    with pytest.raises(NotStartedError, match="duplicateRemoval decides over whole tables"):
        run_migration(begin(source, target_db, spec(strategy=STREAMING, data=unique)))
    with role(
        target_db, "GRANT CREATE ON DATABASE " + target_db.name + " TO {role}", "GRANT ALL ON SCHEMA public TO {role}"
    ) as name:
        poor = replace(endpoint(target_db), user=name, password=SECRET)
        with pytest.raises(NotStartedError, match="may not set session_replication_role"):
            run_migration(begin(endpoint(source), poor, spec(strategy=STREAMING)))


def test_a_log_that_begins_later_is_told(source: Server, target_db: Server, followed: Run) -> None:
    postgres(target_db, "UPDATE migration_checkpoints SET position = 'binlog.000000:4'")
    with pytest.raises((PreflightError, TransientError), match=r"binlog\.000000|no longer has|not find first log"):
        caught_up(followed)


def test_followers_do_not_overtake_each_other(source: Server, target_db: Server, followed: Run) -> None:
    """One that read an older position than the schema now has changes nothing."""
    mysql(source, "INSERT INTO words VALUES ('new', 1)")
    one_ = follow.live(begin(source, target_db, spec(strategy=STREAMING)))
    stale = one_.since()
    one_.flush(1000)
    object.__setattr__(one_, "since", lambda: stale)
    mysql(source, "DELETE FROM words WHERE word = 'new'")
    with pytest.raises(TransientError, match="somebody else has moved schema public on meanwhile"):
        one_.flush(1000)


@pytest.mark.slow
def test_the_command_streams_and_the_next_goes_on(source: Server, target_db: Server, tmp_path: Path) -> None:
    folder, environment = migrations(tmp_path, spec(strategy=STREAMING)), access(source, target_db)
    done = cutover(["run", "shop", "--migrations", str(folder), "--allow-losses"], environment)
    assert done.returncode in (0, 3), done.stdout + done.stderr
    for number in range(2):
        mysql(source, f"INSERT INTO words VALUES ('word {number}', 1)")
        done = cutover(["stream", "shop", "--migrations", str(folder), "--until-caught-up"], environment)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "1 changes, 1 rows, up to binlog" in done.stdout
    equal(source, target_db)
    # The next run replaces what followed, checkpoint included.
    done = cutover(["run", "shop", "--migrations", str(folder), "--allow-losses"], environment)
    assert done.returncode in (0, 3), done.stdout + done.stderr
    assert one(target_db, "SELECT changes FROM migration_checkpoints") == 0


def test_a_stream_without_a_run_is_told(source: Server, target_db: Server) -> None:
    with pytest.raises(PreflightError, match="no run of shop has put its tables in place"):
        caught_up(begin(source, target_db, spec(strategy=STREAMING)))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1))
def test_a_stream_that_is_killed_while_the_source_changes(
    source: Server, target_db: Server, tmp_path: Path, seed: int
) -> None:
    killed_streams(source, target_db, tmp_path, seed, kills=3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 20))
def test_a_stream_that_is_killed_many_times(source: Server, target_db: Server, tmp_path: Path, seed: int) -> None:
    killed_streams(source, target_db, tmp_path, seed, kills=5)


def moved_on(target: Server, changes: int) -> None:
    wait_for(lambda: one(target, "SELECT changes FROM migration_checkpoints") >= changes, "the stream has moved on")


def killed_streams(source: Server, target: Server, folder: Path, seed: int, kills: int) -> None:
    """Kill streams at random moments; once the writer stops, the last one brings both sides together."""
    in_place(begin(source, target, spec(strategy=STREAMING)))
    home, environment = migrations(folder, spec(strategy=STREAMING)), access(source, target)
    chance = random.Random(seed)
    with writing(source, seed) as writer:
        for _ in range(kills):
            process = started(["stream", "shop", "--migrations", str(home)], environment)
            before = one(target, "SELECT changes FROM migration_checkpoints")
            moved_on(target, before + chance.randint(1, 300))
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        assert writer.done
    caught_up(begin(source, target, spec(strategy=STREAMING)))
    equal(source, target)
    assert one(target, "SELECT position FROM migration_checkpoints") == binlog.position(
        begin(source, target, spec(strategy=STREAMING)).source
    )
