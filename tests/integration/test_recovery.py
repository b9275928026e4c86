"""A moment of the past is recovered in a private server, of which nothing stays; what cannot be reached is refused."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from helpers import PATIENCE, SECRET, endpoint, one, postgres, role, rows, wait_for

import clusters
from clusters import owned
from cutover.dialects import postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.errors import PreflightError, TerminalError
from cutover.local import servers
from cutover.local.servers import Server
from cutover.rollback import recovery
from cutover.rollback.base import Base, check, lacking, take, unreachable

# Nothing of a path may mean anything to a shell, or to postgresql.conf.
ARCHIVE = "it's the archive, %f\\"
NAMES = "SELECT name FROM people ORDER BY name"
RECOVERS = """
import json, sys, time
from datetime import datetime
from pathlib import Path
from cutover.dialects.endpoint import Endpoint
from cutover.rollback import recovery
base, archive, moment, like = json.loads(sys.stdin.readline())
like = Endpoint(**like)
with recovery.recovered(Path(base), Path(archive), datetime.fromisoformat(moment), like, 120) as there:
    print(there.port, flush=True)
    time.sleep(600)
"""


@dataclass(frozen=True)
class Past:
    """A server that has a past: a base backup, and three moments of which two are archived."""

    server: Server
    archive: Path
    base: Base
    reader: Endpoint
    first: datetime
    second: datetime
    end: datetime


@pytest.fixture(scope="module")
def archive(stage: Path) -> Path:
    return owned(stage / ARCHIVE)


@pytest.fixture(scope="module")
def archiving(archive: Path) -> Iterator[Server]:
    """A server that archives, with settings and a tablespace of its own."""
    settings = {"max_connections": "37", "shared_preload_libraries": "pg_stat_statements"}
    with clusters.archiving(archive, name="people", **settings) as server:
        yield server


@pytest.fixture(scope="module")
def past(stage: Path, archive: Path, archiving: Server) -> Past:
    room = owned(stage / "room=1")
    postgres(
        archiving,
        f"CREATE TABLESPACE room LOCATION '{room}'",
        "CREATE TABLE people (name text) TABLESPACE room",
        "INSERT INTO people VALUES ('Ana')",
        f"CREATE ROLE reader LOGIN PASSWORD '{SECRET}-of-then'",
        "GRANT SELECT ON people TO reader",
    )
    base = take(endpoint(archiving), stage / "bases" / "one", PATIENCE)
    postgres(archiving, "INSERT INTO people VALUES ('Björn')")
    first = now(archiving)
    postgres(archiving, "INSERT INTO people VALUES ('桜')")
    second = now(archiving)
    postgres(archiving, "DROP TABLE people", f"ALTER ROLE reader PASSWORD '{SECRET}'")
    archive_all(archiving)
    reader = endpoint(replace(archiving, user="reader", password=SECRET))
    return Past(archiving, archive, base, reader, first, second, now(archiving))


@pytest.fixture
def lean(stage: Path) -> Path:
    """The folder of servers that lack something."""
    return stage / "lean"


def now(server: Server) -> datetime:
    moment = one(server, "SELECT clock_timestamp()")
    assert isinstance(moment, datetime)
    return moment


def archive_all(server: Server) -> None:
    """Wait until all that was written is archived."""
    segment = one(server, "SELECT pg_walfile_name(pg_switch_wal())")
    wait_for(lambda: one(server, "SELECT last_archived_wal >= %s FROM pg_stat_archiver", segment), "it is archived")


def names(at: Endpoint) -> list[str]:
    with postgresql.session(at) as connection:
        return [name for (name,) in connection.execute(NAMES).fetchall()]


def beside(base: Path) -> list[str]:
    """What is in the folder of base backups that is none."""
    return sorted(entry.name for entry in base.parent.iterdir() if entry.name != base.name)


def listens(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


def refused(past: Past, moment: datetime, base: Path | None = None) -> str:
    """The words with which a recovery is refused; nothing of it stays."""
    with (
        pytest.raises(PreflightError) as caught,
        recovery.recovered(base or past.base.path, past.archive, moment, past.reader, PATIENCE),
    ):
        pass
    assert beside(past.base.path) == []
    return str(caught.value)


def test_each_moment_is_recovered_from_one_base(past: Past) -> None:
    recovered = {}
    for moment in (past.second, past.first):
        with recovery.recovered(past.base.path, past.archive, moment, past.reader, PATIENCE) as there:
            recovered[moment] = names(there)
        assert not listens(there.port)
        assert beside(past.base.path) == []
    assert recovered == {past.first: ["Ana", "Björn"], past.second: ["Ana", "Björn", "桜"]}
    assert check(past.base.path) == []
    assert one(past.server, "SELECT to_regclass('people')") is None


def test_two_moments_are_looked_at_at_once(past: Past) -> None:
    where = past.base.path, past.archive
    with (
        recovery.recovered(*where, past.second, past.reader, PATIENCE) as later,
        recovery.recovered(*where, past.first, past.reader, PATIENCE) as earlier,
    ):
        assert (len(names(earlier)), len(names(later))) == (2, 3)


def test_the_private_server_is_alone(past: Past) -> None:
    like = endpoint(past.server, verify_tls=True, tls_ca="/nowhere")
    with recovery.recovered(past.base.path, past.archive, past.second, like, PATIENCE) as there:
        assert there == endpoint(past.server, port=there.port)
        with postgresql.session(there) as connection:
            found = dict(connection.execute("SELECT name, setting FROM pg_settings").fetchall())
            ours = connection.execute("SELECT pg_is_in_recovery(), pg_tablespace_location(oid) FROM pg_tablespace")
            places = ours.fetchall()
        with psycopg.connect(past.server.url()) as original:
            used = original.execute("SELECT pg_tablespace_location(oid) FROM pg_tablespace").fetchall()
    assert {recovering for recovering, _ in places} == {False}
    assert {place for _, place in places} & {place for (place,) in used} == {""}
    assert found["listen_addresses"] == "127.0.0.1"
    assert (found["archive_mode"], found["ssl"], found["max_worker_processes"]) == ("off", "off", "0")
    assert (found["max_connections"], found["shared_preload_libraries"]) == ("37", "pg_stat_statements")


def test_nothing_stays_when_the_block_fails(past: Past) -> None:
    ports = []

    def interrupted() -> None:
        with recovery.recovered(past.base.path, past.archive, past.first, past.reader, PATIENCE) as there:
            ports.append(there.port)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not listens(ports[0])
    assert beside(past.base.path) == []


def test_what_a_killed_process_left_goes(past: Past) -> None:
    like = {name: getattr(past.reader, name) for name in ("kind", "host", "port", "database", "user", "password")}
    given = json.dumps([str(past.base.path), str(past.archive), past.first.isoformat(), like])
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", RECOVERS], text=True, **pipes) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        print(given, file=child.stdin, flush=True)
        port = int(child.stdout.readline())
        assert listens(port)
        (left,) = beside(past.base.path)
        with recovery.recovered(past.base.path, past.archive, past.first, past.reader, PATIENCE):
            assert left in beside(past.base.path)
        child.send_signal(signal.SIGKILL)
    wait_for(lambda: not listens(port), "the server has ended with its parent")
    assert beside(past.base.path) == [left]
    assert take(endpoint(past.server), past.base.path, PATIENCE) == past.base
    with recovery.recovered(past.base.path, past.archive, past.first, past.reader, PATIENCE):
        assert left not in beside(past.base.path)


def test_a_moment_before_the_base_is_refused(past: Past) -> None:
    taken = datetime.fromisoformat(past.base.taken)
    said = refused(past, taken - timedelta(microseconds=1))
    assert f"moments from {past.base.taken} on can be recovered" in said


def test_a_moment_after_the_archive_is_refused(past: Past) -> None:
    said = refused(past, past.end + timedelta(hours=1))
    assert "the archive ends before it; moments until " in said
    until = datetime.fromisoformat(said.partition("moments until ")[2].partition(" can be")[0].removesuffix("+00"))
    assert past.second <= until.replace(tzinfo=past.end.tzinfo) <= past.end


def test_an_archive_without_the_bases_own_segment_is_refused(past: Past, stage: Path) -> None:
    with (
        pytest.raises(PreflightError, match=f"lacks {past.base.started_wal}"),
        recovery.recovered(past.base.path, stage, past.first, past.reader, PATIENCE),
    ):
        pass


def test_a_user_who_was_not_there_yet_is_named(past: Past) -> None:
    stranger = replace(past.reader, user="stranger")
    with (
        pytest.raises(PreflightError, match=r'user stranger could not use .* role "stranger" does not exist'),
        recovery.recovered(past.base.path, past.archive, past.first, stranger, PATIENCE),
    ):
        pass
    assert beside(past.base.path) == []


def test_a_recovery_ends_when_its_time_is_over(past: Past) -> None:
    with (
        pytest.raises(TerminalError, match="took longer than 0 s"),
        recovery.recovered(past.base.path, past.archive, past.first, past.reader, 0),
    ):
        pass
    assert beside(past.base.path) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"major": 9}, "this machine has no server programs of PostgreSQL 9; install the package postgresql-9"),
        ({"bytes": 10**18}, "has no room for the 1,000,000,000,000,000,000 bytes that"),
        ({"settings": {"shared_preload_libraries": "absent"}}, 'could not access file "absent"'),
    ],
)
def test_what_cannot_run_here_is_refused(past: Past, stage: Path, change: dict[str, object], said: str) -> None:
    other = Path(shutil.copytree(past.base.path, stage / "other" / "base"))
    record = other / "cutover_base.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | change))
    assert said in refused(past, past.first, other)
    assert beside(other) == []
    shutil.rmtree(other)


def test_a_base_is_whole_and_its_owners_alone(past: Past) -> None:
    assert check(past.base.path) == []
    assert past.base.path.stat().st_mode & 0o777 == 0o700
    assert past.base.bytes > 20_000_000
    assert (past.base.path / "pg_wal" / past.base.started_wal).exists()
    assert datetime.fromisoformat(past.base.taken) < past.first
    assert take(endpoint(past.server), past.base.path, 0) == past.base


@pytest.mark.parametrize("name", ["PG_VERSION", "global/pg_control", "cutover_base.json"])
def test_a_missing_file_is_found(past: Past, tmp_path: Path, name: str) -> None:
    copy = Path(shutil.copytree(past.base.path, tmp_path / "base"))
    (copy / name).unlink()
    (finding,) = check(copy)
    assert str(copy) in finding
    assert name in finding
    assert name in refused(past, past.first, copy)


def test_a_changed_file_is_found(past: Past, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(past.base.path, tmp_path / "base"))
    copied = next(path for path in (copy / "pg_tblspc").glob("*/*/*/*") if path.stat().st_size)
    copied.write_bytes(copied.read_bytes()[:-1] + b"\1")
    (finding,) = check(copy)
    assert "checksum mismatch" in finding
    assert copied.name in finding


def test_no_base_is_found(tmp_path: Path) -> None:
    (finding,) = check(tmp_path / "base")
    assert f"{tmp_path / 'base'} is no whole base backup" in finding


def test_a_failed_backup_leaves_nothing(past: Past, tmp_path: Path) -> None:
    into = tmp_path / "base"
    with role(past.server) as name, pytest.raises(PreflightError, match=r"pg_basebackup of .* failed: ") as caught:
        take(endpoint(past.server, user=name, password=SECRET), into, PATIENCE)
    assert SECRET not in str(caught.value)
    with pytest.raises(TerminalError, match="took longer than 0 s"):
        take(endpoint(past.server), into, 0.01)
    assert list(tmp_path.iterdir()) == []


def test_a_role_that_may_replicate_is_enough(past: Past, stage: Path) -> None:
    with role(past.server, options="LOGIN REPLICATION") as name:
        postgres(past.server, f"GRANT EXECUTE ON FUNCTION pg_switch_wal() TO {name}")
        target = endpoint(past.server, user=name, password=SECRET)
        assert lacking(target, past.archive) == []
        base = take(target, stage / "another", PATIENCE)
        postgres(past.server, f"REVOKE EXECUTE ON FUNCTION pg_switch_wal() FROM {name}")
    assert check(base.path) == []


def test_what_the_role_and_the_archive_lack_is_named(past: Past, stage: Path) -> None:
    empty = stage / "empty"
    empty.mkdir()
    with role(past.server) as name:
        target = endpoint(past.server, user=name, password=SECRET)
        not_allowed, not_switched, missing = lacking(target, stage / "nowhere")
    assert f'ALTER ROLE "{name}" REPLICATION' in not_allowed
    assert f'GRANT EXECUTE ON FUNCTION pg_switch_wal() TO "{name}"' in not_switched
    assert f"{stage / 'nowhere'} is no folder of this machine" in missing
    (other,) = lacking(endpoint(past.server), empty)
    assert f"{empty} lacks 0000" in other
    empty.chmod(0)
    (closed,) = lacking(endpoint(past.server), empty)
    user = pwd.getpwuid(os.geteuid() or pwd.getpwnam("postgres").pw_uid).pw_name
    assert f"{empty} cannot be read; let the OS user that recovers, {user}, read it" in closed


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lets another OS user recover")
def test_a_folder_that_the_os_user_cannot_reach_is_named(stage: Path, tmp_path: Path) -> None:
    assert unreachable(stage / "bases" / "not there yet") == []
    tmp_path.chmod(0o700)
    (found,) = unreachable(tmp_path / "bases")
    assert f"the OS user that recovers, postgres, cannot reach {tmp_path}; let it enter there" in found


def test_what_the_server_lacks_is_named(lean: Path, archive: Path) -> None:
    settings = {"wal_level": "minimal", "max_wal_senders": "0", "fsync": "off"}
    with servers.postgresql(lean, settings=settings) as server:
        found = lacking(endpoint(server), archive)
    cures = ["set it to replica", "archive_mode is off; set it to on", "max_wal_senders is 0; set it to 2 or more"]
    assert len(found) == len(cures)
    for finding, cure in zip(found, cures, strict=True):
        assert cure in finding
        assert finding.startswith("postgresql://")


def test_archiving_that_does_not_work_is_named(lean: Path, archive: Path) -> None:
    with servers.postgresql(lean, settings={"archive_mode": "on", "fsync": "off"}) as server:
        (unset,) = lacking(endpoint(server), archive)
        assert "neither archive_command nor archive_library is set; set one that archives into" in unset
        postgres(server, "ALTER SYSTEM SET archive_command = 'false'", "SELECT pg_reload_conf(), pg_switch_wal()")
        wait_for(lambda: one(server, "SELECT failed_count FROM pg_stat_archiver"), "archiving has failed")
        (failing,) = lacking(endpoint(server), archive)
        assert "archiving fails, last for 0000" in failing


def test_a_server_that_lets_no_backup_in_is_named(past: Past) -> None:
    ((rules,),) = rows(past.server, "SHOW hba_file")
    kept = Path(rules).read_text()
    Path(rules).write_text("host all all 127.0.0.1/32 scram-sha-256\n")
    postgres(past.server, "SELECT pg_reload_conf()")
    try:
        (closed,) = wait_for(lambda: lacking(endpoint(past.server), past.archive), "the rules are read")
    finally:
        Path(rules).write_text(kept)
        postgres(past.server, "SELECT pg_reload_conf()")
    assert "no replication connection is let in" in closed
    assert "add a line for it to pg_hba.conf" in closed


def test_a_tablespace_that_was_made_since_is_not_made_again(past: Past, stage: Path) -> None:
    base = take(endpoint(past.server), stage / "bases-of-rooms" / "one", PATIENCE)
    room = owned(stage / "another room")
    postgres(past.server, f"CREATE TABLESPACE another LOCATION '{room}'", "CREATE TABLE inside () TABLESPACE another")
    moment = now(past.server)
    postgres(past.server, "DROP TABLE inside")
    archive_all(past.server)
    assert f"a tablespace was made in {room} after the base backup" in refused(past, moment, base.path)
