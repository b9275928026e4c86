"""Private servers start beside foreign ones, and nothing of theirs stays behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import MySQLdb
import psycopg
import pytest

from cutover.errors import PreflightError
from cutover.local import servers
from cutover.local.servers import mariadb, postgresql, source, target

BOTH = """
import sys, time
from pathlib import Path
from cutover.local import servers
if "orphans" in sys.argv:  # as if the kernel had not passed the parent's death on
    with_signal = servers.as_user
    servers.as_user = lambda user, dies_with_parent=None: with_signal(user)
with servers.mariadb(Path(sys.argv[1])), servers.postgresql(Path(sys.argv[1])):
    print("up", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cutover-tests-") as name:
        Path(name).chmod(0o755)
        yield Path(name)
        for pid in running(Path(name)):  # a failed test's
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: not running(Path(name)))


def running(folder: Path) -> list[int]:
    """The processes whose command line names a data folder in `folder`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (entry / "cmdline").read_bytes()
            if b"data" in command and os.fsencode(folder) in command:
                found.append(int(entry.name))
    return found


def eventually(condition: Callable[[], bool], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def start_both(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    child = subprocess.Popen([sys.executable, "-c", BOTH, str(folder), *arguments], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    child.stdout.close()
    assert len(running(folder)) >= 2
    return child


@pytest.fixture
def foreign_listeners() -> Iterator[None]:
    listeners = []
    for port in (3306, 5432, 8080):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen()
            listeners.append(listener)
        except OSError:  # a real foreign server has it already
            listener.close()
    yield
    for listener in listeners:
        listener.close()


@pytest.mark.usefixtures("foreign_listeners")
def test_servers_start_beside_foreign_ones_and_leave_nothing_running(folder: Path) -> None:
    with mariadb(folder) as my, postgresql(folder) as pg:
        assert not {my.port, pg.port} & {3306, 5432, 8080}
        with closing(MySQLdb.connect(my.host, my.user, my.password, my.name, my.port)) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT @@log_bin, @@binlog_format, @@binlog_row_image, @@max_allowed_packet, @@datadir")
            assert cursor.fetchone() == (1, "ROW", "FULL", 64 << 20, f"{folder}/mariadb/data/")
        with psycopg.connect(pg.url()) as session:
            found = [session.execute(f"SHOW {name}").fetchone() for name in ("wal_level", "fsync", "max_connections")]
        assert found == [("logical",), ("on",), ("100",)]
        assert running(folder)

    assert not running(folder)


def test_a_second_start_finds_the_data_of_the_first(folder: Path) -> None:
    with postgresql(folder) as pg, psycopg.connect(pg.url()) as session:
        session.execute("CREATE TABLE kept (n int)")
    with postgresql(folder) as pg, psycopg.connect(pg.url()) as session:
        session.execute("SELECT n FROM kept")


def test_an_error_in_the_block_stops_the_servers(folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt), mariadb(folder), postgresql(folder):
        raise KeyboardInterrupt
    assert not running(folder)


def test_a_server_that_died_does_not_hide_the_error_of_the_block(folder: Path) -> None:
    def kill_and_fail() -> None:
        for pid in running(folder):
            os.kill(pid, signal.SIGKILL)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), mariadb(folder):
        kill_and_fail()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_servers_stop_when_their_starter_is_killed(folder: Path, how: signal.Signals) -> None:
    child = start_both(folder)

    child.send_signal(how)
    child.wait()

    assert eventually(lambda: not running(folder))


def test_the_next_start_stops_what_a_killed_run_left_over(folder: Path) -> None:
    child = start_both(folder, "orphans")
    child.kill()
    child.wait()
    left_over = set(running(folder))
    assert len(left_over) >= 2

    with mariadb(folder), postgresql(folder):
        assert not left_over & set(running(folder))

    assert not running(folder)


def test_a_stale_pid_file_does_not_stop_a_foreign_process(folder: Path) -> None:
    with mariadb(folder), postgresql(folder):
        pass
    foreign = subprocess.Popen(["sleep", "60"])
    try:
        (folder / "mariadb/data/mariadb.pid").write_text(f"{foreign.pid}\n")
        (data,) = (folder / "postgresql").glob("data-*")
        (data / "postmaster.pid").write_text(f"{foreign.pid}\n{data}\n")
        with mariadb(folder), postgresql(folder):
            assert foreign.poll() is None
    finally:
        foreign.kill()
        foreign.wait()


def test_a_folder_in_use_is_refused(folder: Path) -> None:
    child = start_both(folder)

    with pytest.raises(PreflightError, match=f"in use by the process {child.pid}"), mariadb(folder):
        pass

    assert running(folder)
    child.terminate()
    child.wait()
    assert eventually(lambda: not running(folder))


def test_a_server_that_cannot_start_says_why(folder: Path) -> None:
    with (
        pytest.raises(PreflightError, match=r"(?s)MariaDB did not start.*innodb"),
        mariadb(folder, buffer_pool="x"),
    ):
        pass
    assert not running(folder)


def test_a_missing_program_is_named_with_its_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(PreflightError, match=r"mariadbd was not found.*apt-get install mariadb-server"):
        mariadb(folder).__enter__()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run as another user")
def test_a_folder_out_of_reach_moves_to_the_temp_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    closed = folder / "closed"
    closed.mkdir(mode=0o700)

    with postgresql(closed) as pg, psycopg.connect(pg.url()) as session:
        session.execute("SELECT 1")

    assert "cannot reach" in caplog.text
    assert len(list(folder.glob("cutover-postgresql-*/data-*"))) == 1


def test_servers_named_by_the_environment_are_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for prefix in ("SOURCE_DB", "TARGET_DB"):
        for part, value in {"HOST": "db.example", "NAME": "cams", "USER": "me@x", "PASSWORD": "p/w"}.items():
            monkeypatch.setenv(f"{prefix}_{part}", value)
    monkeypatch.setenv("TARGET_DB_PORT", "6000")

    with source(folder) as from_, target(folder) as to:
        assert from_.url() == "mysql://me%40x:p%2Fw@db.example:3306/cams"
        assert to.url("other") == "postgresql://me%40x:p%2Fw@db.example:6000/other"
        assert "p/w" not in repr(from_)
    assert not list(folder.iterdir())


def test_half_an_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DB_HOST", "db.example")
    monkeypatch.setenv("SOURCE_DB_PORT", "abc")
    with pytest.raises(PreflightError, match=r"(?s)SOURCE_DB_NAME must be too.*SOURCE_DB_PORT must be a number"):
        servers.source_from_env()
