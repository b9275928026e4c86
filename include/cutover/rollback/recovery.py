"""A moment of the past: a base backup and the log archive, recovered in a private server.

A private server on this machine replays the archived log as far as the moment that is asked for. The base stays as it
is: the server works on a copy.

Nothing of the copy may reach the original or anybody else: it has settings of its own instead of the original's, no
background workers (they would run the original's jobs and subscriptions once more), and its tablespaces beside it.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg import sql

from cutover.dialects import postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.errors import PreflightError, TerminalError, TransientError
from cutover.rollback.base import (
    Record,
    as_os_user,
    beside,
    check,
    enters,
    os_name,
    os_user,
    program,
    read,
    server_program,
)

_HOST = "127.0.0.1"
# Seconds that a server may take to end at once.
_PATIENCE = 10
_SEGMENT = re.compile(r"[0-9A-F]{24}")
_MADE_TABLESPACE = re.compile(r'\bCREATE \d+ "(.*)"')
_LAST_TRANSACTION = re.compile(r"last completed transaction was at log time (.+)")


@contextmanager
def recovered(base: Path, archive: Path, moment: datetime, like: Endpoint, timeout: float) -> Iterator[Endpoint]:
    """Run a private server that holds the cluster as it was at a moment; it goes when the block ends.

    The log must reach beyond the moment: a transaction that was committed after it has to be archived.

    Args:
        base: the base backup, which stays as it is; beside it there is room for another one.
        archive: the folder of the archived log.
        moment: what was committed by then is there; with its time zone, by the clock of the base's server.
        like: the database and the user of the endpoint that is yielded, with their password.
        timeout: seconds until the server is to be there.

    Raises:
        PreflightError: the base is damaged, the moment is before it or after the archive's end, or the server could not
            be started; its own words are in the message.
        TerminalError: the recovery took longer than ``timeout``.
        TransientError: another program took the server's port.
    """
    if damage := check(base):
        raise PreflightError(damage)
    record = read(base)
    server = server_program(record.major)
    _refuse_moment(base, archive, moment, record)
    _refuse_tablespaces(server, archive, record)
    # A socket's whole path may not pass 107 characters; beside the base it might.
    with beside(base) as folder, tempfile.TemporaryDirectory(prefix="cutover-") as sockets:
        if shutil.disk_usage(folder).free < record.bytes:
            raise PreflightError([f"{folder.parent} has no room for the {record.bytes:,} bytes that {base} takes"])
        data = folder / "data"
        _copy(base, data)
        (data / "postgresql.conf").write_text(_settings(record, archive, moment, sockets))
        # Whoever can enter the sockets' folder, which nobody else can, needs no password.
        (data / "pg_hba.conf").write_text("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        (data / "recovery.signal").touch()
        for name in ("standby.signal", "postgresql.auto.conf"):
            (data / name).unlink(missing_ok=True)
        _give_away(folder, Path(sockets))
        log = folder / "server.log"
        with _running(server, data, log, timeout, f"{base} at {_utc(moment)}") as port:
            yield _logged_in(like, sockets, port, moment)


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(" ")


def _refuse_moment(base: Path, archive: Path, moment: datetime, record: Record) -> None:
    """Refuse what recovery itself would not: where nothing is committed meanwhile, it ends at the base unasked."""
    if moment < datetime.fromisoformat(record.taken):
        raise PreflightError(
            [
                f"{_utc(moment)} is before the base backup {base}: moments from {record.taken} on can be recovered; "
                f"name one of those, or an older base"
            ]
        )
    if not (archive / record.started_wal).exists():
        raise PreflightError(
            [f"the archive {archive} lacks {record.started_wal}, with which the recovery of {base} begins; bring it"]
        )


def _refuse_tablespaces(server: Path, archive: Path, record: Record) -> None:
    """Refuse a log that makes a tablespace: replaying it would write into the original's, where it is on this machine.

    A gap, at which pg_waldump ends with an error, is where the recovery ends too.
    """
    timeline = record.started_wal[:8]
    # Without its end, pg_waldump waits 5 s for the next segment.
    last = max(entry.name for entry in archive.glob(f"{timeline}*") if _SEGMENT.fullmatch(entry.name))
    command = [program("pg_waldump", record.major), f"--path={archive}", "--rmgr=Tablespace"]
    command += [f"--start={record.start}", record.started_wal, last]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    if made := _MADE_TABLESPACE.search(said):
        raise PreflightError(
            [
                f"a tablespace was made in {made[1]} after the base backup, and a recovery on this machine might write "
                f"into it; recover by hand, on another machine"
            ]
        )


def _copy(base: Path, data: Path) -> None:
    shutil.copytree(base, data, symlinks=True)
    for tablespace in (data / "pg_tblspc").iterdir():
        outside = data.parent / tablespace.name
        tablespace.rename(outside)
        tablespace.symlink_to(outside)


def _settings(record: Record, archive: Path, moment: datetime, sockets: str) -> str:
    settings = record.settings | {
        "listen_addresses": _HOST,
        "unix_socket_directories": sockets,
        "restore_command": f'cp -- {shlex.quote(str(archive.absolute())).replace("%", "%%")}/%f "%p"',
        "recovery_target_time": _utc(moment),
        "recovery_target_inclusive": "on",
        "recovery_target_action": "promote",
        # Nobody is to read before the end. And a hot standby needs whatever room the original had.
        "hot_standby": "off",
        "max_worker_processes": "0",
        "autovacuum": "off",
        # It does not outlive the block.
        "fsync": "off",
        # Its log is read.
        "lc_messages": "C",
        "timezone": "UTC",
    }
    return "".join(f"{name} = {_quoted(value)}\n" for name, value in settings.items())


def _quoted(value: str) -> str:
    """Quote a value as postgresql.conf has it (PostgreSQL manual, 20.1.2), where a line ends nowhere else."""
    escaped = value.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n")
    return f"'{escaped}'"


def _give_away(folder: Path, sockets: Path) -> None:
    """Make the OS user of the server the owner of what it works on."""
    if (user := os_user()) is not None:
        for path in (folder, *folder.rglob("*"), sockets):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
    if not enters(folder):
        raise PreflightError([f"the OS user {os_name()} cannot reach {folder.parent}; keep base backups elsewhere"])


@contextmanager
def _running(server: Path, data: Path, log: Path, timeout: float, what: str) -> Iterator[int]:
    """Run the server on a free port, which is yielded when the recovery has ended; end it afterwards."""
    with socket.socket() as listener:
        listener.bind((_HOST, 0))
        port: int = listener.getsockname()[1]
    command = [str(server), "-D", str(data), "-p", str(port)]
    if (setpriv := shutil.which("setpriv")) is not None:
        # It ends with us, even where we are killed.
        command = [setpriv, "--pdeathsig", "QUIT", "--", *command]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=data, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **as_os_user()
        )
    try:
        deadline = time.monotonic() + timeout
        while not _open(data):
            if process.poll() is not None:
                raise _failure(log.read_text(errors="replace"), what)
            if time.monotonic() > deadline:
                raise TerminalError(f"recovering {what} was ended: it took longer than {timeout:.0f} s")
            time.sleep(0.05)
        yield port
    finally:
        # Without a checkpoint: nothing of it is to be kept.
        process.send_signal(signal.SIGQUIT)
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            # A shell's background jobs ignore the signal, and so does the server that one starts, for a moment.
            process.kill()
            process.wait()


def _open(data: Path) -> bool:
    """Whether the server lets us in, by the last line of its postmaster.pid; pg_ctl waits for the same."""
    try:
        return (data / "postmaster.pid").read_text().rstrip().endswith("\nready")
    except FileNotFoundError:
        return False


def _failure(log: str, what: str) -> Exception:
    if "Address already in use" in log:
        return TransientError(f"recovering {what}: another program took the private server's port meanwhile")
    if "recovery ended before configured recovery target was reached" in log:
        last = _LAST_TRANSACTION.search(log)
        reached = f"moments until {last[1]}" if last else "no moments after the base backup's own"
        return PreflightError(
            [
                f"recovering {what}: the archive ends before it; {reached} can be recovered; name one of those, or let "
                f"the server archive more (SELECT pg_switch_wal())"
            ]
        )
    tail = "\n".join(log.splitlines()[-15:])
    return PreflightError([f"recovering {what}: the private server ended; its log ends:\n{tail}"])


def _logged_in(like: Endpoint, sockets: str, port: int, moment: datetime) -> Endpoint:
    """Return the endpoint of the private server; its user's password becomes today's, whatever it was."""
    password = like.password or secrets.token_hex(16)
    # Logging in may not be by password, and a database may be read-only for everybody.
    options = "-c default_transaction_read_only=off"
    try:
        with psycopg.connect(host=sockets, port=port, user=like.user, dbname=like.database, options=options) as session:
            verifier = session.pgconn.encrypt_password(password.encode(), like.user.encode(), b"scram-sha-256")
            change = sql.SQL("ALTER ROLE CURRENT_USER PASSWORD {}").format(sql.Literal(verifier.decode()))
            session.execute(change)
    except psycopg.Error as error:
        said = postgresql.first_line(error)
        raise PreflightError(
            [f"at {_utc(moment)} the user {like.user} could not use the database {like.database}: {said}"]
        ) from None
    return replace(like, host=_HOST, port=port, password=password, verify_tls=False, tls_ca=None, pool=None)
