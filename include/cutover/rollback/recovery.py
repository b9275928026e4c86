"""A moment of the past: a base backup and the log archive, recovered in a private server.

A base backup is a copy of the whole cluster; the write-ahead log that the server archives says what became of it
since (PostgreSQL manual, 26.3: Continuous Archiving and Point-in-Time Recovery). A private server on this machine
replays that log as far as the moment that is asked for. The base stays as it is: the server works on a copy.

Nothing of the copy may reach the original or anybody else: it has settings of its own instead of the original's, no
background workers (they would run the original's jobs and subscriptions once more), and its tablespaces beside it.
"""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from cutover.dialects import postgresql, postgresql_programs
from cutover.dialects.endpoint import Endpoint
from cutover.errors import PreflightError, TerminalError, TransientError

_HOST = "127.0.0.1"
# What is known of a base, in the base's own folder.
_RECORD = "cutover_base.json"
# Settings of the original without which its data cannot be read, or its prepared transactions not be kept.
_SETTINGS = ["max_connections", "max_locks_per_transaction", "max_prepared_transactions", "shared_preload_libraries"]
_FACTS = """
SELECT r.rolsuper OR r.rolreplication, current_setting('wal_level'), current_setting('archive_mode'),
       current_setting('archive_command'), coalesce(current_setting('archive_library', true), ''),
       current_setting('max_wal_senders')::int, current_setting('server_version_num')::int / 10000,
       a.last_archived_wal, a.last_failed_wal,
       coalesce(a.last_failed_time > coalesce(a.last_archived_time, '-infinity'), false)
FROM pg_roles r, pg_stat_archiver a WHERE r.rolname = current_user"""
_TABLESPACES = """
SELECT oid::text, pg_tablespace_location(oid) FROM pg_tablespace WHERE pg_tablespace_location(oid) LIKE '/%'"""
_START = re.compile(r"^START WAL LOCATION: ([0-9A-F/]+) \(file ([0-9A-F]{24})\)", re.MULTILINE)
_SEGMENT = re.compile(r"[0-9A-F]{24}")
_MADE_TABLESPACE = re.compile(r'\bCREATE \d+ "(.*)"')
_LAST_TRANSACTION = re.compile(r"last completed transaction was at log time (.+)")


@dataclass(frozen=True)
class Base:
    """A base backup.

    Attributes:
        path: its folder, as a server's data directory is.
        bytes: how much it takes.
        taken: when it was whole by the server's clock, ISO 8601; the earliest moment that can be recovered.
        started_wal: the segment of the log with which its recovery begins; the archive keeps this one and all later.
    """

    path: Path
    bytes: int
    taken: str
    started_wal: str


@dataclass(frozen=True)
class _Record:
    """What is written down of a base; ``settings`` are those of the original that a copy needs too."""

    major: int
    bytes: int
    taken: str
    started_wal: str
    start: str
    settings: dict[str, str]


def lacking(target: Endpoint, archive: Path) -> list[str]:
    """Return what a recovery of the target's past lacks, each with its cure; nothing if it can be done.

    Args:
        target: the database; the role takes the base backup.
        archive: the folder, on this machine, into which the target's server archives its log.

    Raises:
        TransientError: the server could not be reached.
    """
    with postgresql.session(target) as connection:
        row = connection.execute(_FACTS).fetchone()
    assert row is not None
    replicates, level, mode, command, library, senders, major, archived, failed, failing = row
    grant = f"ALTER ROLE {postgresql.quoted(target.user)} REPLICATION"
    unset = mode != "off" and not command and not library
    states = (
        (not replicates, f"the role {target.user} may take no base backup; {grant}"),
        (level == "minimal", "wal_level is minimal; set it to replica and restart the server"),
        (mode == "off", "archive_mode is off; set it to on and restart the server"),
        (unset, f"neither archive_command nor archive_library is set; set one that archives into {archive}"),
        (senders == 0, "max_wal_senders is 0; set it to 2 or more and restart the server"),
        (failing, f"archiving fails, last for {failed}; the server's log says why"),
    )
    found = [f"{target}: {what}" for holds, what in states if holds]
    if replicates and senders:
        found += _not_let_in(target)
    return found + _unready(major) + _unreadable(archive, archived)


def _unready(major: int) -> list[str]:
    """Return what this machine lacks to run a server of the major version."""
    found: list[str] = []
    for need in (_os_user, partial(_server, major), partial(_program, "pg_basebackup", major)):
        try:
            need()
        except PreflightError as error:
            found += error.findings
    return found


def _not_let_in(target: Endpoint) -> list[str]:
    """Log in as pg_basebackup does: pg_hba.conf has lines of its own for that."""
    login: dict[str, Any] = dict(postgresql.url(target, driver=None).query) | {"password": target.password}
    try:
        psycopg.connect(host=target.host, port=target.port, user=target.user, replication="true", **login).close()
    except psycopg.OperationalError as error:
        said = postgresql.first_line(error)
        return [f"{target}: no replication connection is let in: {said}; add a line for it to pg_hba.conf"]
    return []


def _unreadable(archive: Path, archived: str | None) -> list[str]:
    try:
        readable = subprocess.run(["test", "-r", archive, "-a", "-x", archive], check=False, **_as_os_user())
    except PreflightError:
        return []
    if not archive.is_dir():
        return [f"the archive {archive} is no folder of this machine; mount it, or name the one that it is"]
    if readable.returncode:
        return [f"the archive {archive} cannot be read; let the OS user that recovers, {_os_name()}, read it"]
    if archived is not None and not (archive / archived).exists():
        return [
            f"the archive {archive} lacks {archived}, which the server has archived last; name the folder into which "
            f"archive_command copies, under the names and in the form that the segments have"
        ]
    return []


def _os_user() -> pwd.struct_passwd | None:
    """Return whom the private server runs as: ``postgres`` for root, whom it refuses, else oneself (None)."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        raise PreflightError(
            ["as root, a recovery runs as the OS user postgres, which is missing; install the package postgresql"]
        ) from None


def _os_name() -> str:
    return (_os_user() or pwd.getpwuid(os.geteuid())).pw_name


def _as_os_user() -> dict[str, Any]:
    """Return what makes a subprocess run as :func:`_os_user`."""
    user = _os_user()
    if user is None:
        return {}
    groups = os.getgrouplist(user.pw_name, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": groups}


def _server(major: int) -> Path:
    """Return the ``postgres`` of a major version: no other can read what that one wrote."""
    folders = [f"/usr/lib/postgresql/{major}/bin", *os.environ.get("PATH", "").split(os.pathsep)]
    if (asked := shutil.which("pg_config")) is not None:
        folders.append(subprocess.run([asked, "--bindir"], capture_output=True, text=True, check=False).stdout.strip())
    for folder in folders:
        if (found := shutil.which("postgres", path=folder)) is not None:
            said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
            if (version := re.search(r"\d+", said)) is not None and int(version[0]) == major:
                # Its companions are where it is, not where a link to it is.
                return Path(found).resolve()
    raise PreflightError(
        [f"this machine has no server programs of PostgreSQL {major}; install the package postgresql-{major}"]
    )


def _program(name: str, major: int) -> str:
    """Return the path of a server's program, that of the major version where there is one."""
    with suppress(PreflightError):
        if (found := shutil.which(name, path=str(_server(major).parent))) is not None:
            return found
    return postgresql_programs.program(name)


def take(target: Endpoint, into: Path, timeout: float) -> Base:
    """Take a base backup of the target's whole cluster, verified; one that is there already is returned as it is.

    Args:
        target: the database; its role may replicate.
        into: the base's folder, which only its owner may enter; it is there only when it is whole.
        timeout: seconds that the backup may take.

    Raises:
        PreflightError: pg_basebackup is missing or failed, or its backup is damaged; its own words are in the message.
        TerminalError: it took longer than ``timeout``; it was ended.
        TransientError: the server could not be reached.
    """
    if into.exists():
        return _base(into, _read(into))
    into.parent.mkdir(parents=True, exist_ok=True)
    with postgresql.session(target) as connection:
        major = connection.info.server_version // 10000
        asked = "SELECT name, setting FROM pg_settings WHERE name = ANY (%s)"
        settings = dict(connection.execute(asked, (_SETTINGS,)).fetchall())
        tablespaces = connection.execute(_TABLESPACES).fetchall()
    with _beside(into) as folder:
        data = folder / "data"
        command = [_program("pg_basebackup", major), f"--pgdata={data}", "--format=plain", "--checkpoint=fast"]
        command += ["--wal-method=fetch", "--no-password"]
        command += [f"--host={target.host}", f"--port={target.port}", f"--username={target.user}"]
        for number, location in tablespaces:
            command.append("--tablespace-mapping={}={}".format(location.replace("=", "\\="), folder / number))
        _back_up(target, command, timeout)
        for number, _ in tablespaces:
            # In the place of the link to it: a base is one folder, wherever it is moved.
            (data / "pg_tblspc" / number).unlink()
            (folder / number).rename(data / "pg_tblspc" / number)
        with postgresql.session(target) as connection:
            now = connection.execute("SELECT clock_timestamp()").fetchone()
        start = _START.search((data / "backup_label").read_text())
        assert now is not None
        assert start is not None
        size = sum(path.lstat().st_size for path in data.rglob("*") if path.is_file())
        record = _Record(major, size, now[0].isoformat(), start[2], start[1], settings)
        (data / _RECORD).write_text(json.dumps(asdict(record), indent=1))
        if damage := check(data):
            raise PreflightError(damage)
        data.chmod(0o700)
        data.rename(into)
    return _base(into, record)


def _back_up(target: Endpoint, command: Sequence[str], timeout: float) -> None:
    login = postgresql_programs.login(target)
    try:
        done = subprocess.run(command, env=login, capture_output=True, text=True, check=False, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise TerminalError(f"pg_basebackup of {target} was ended: it took longer than {timeout:.0f} s") from None
    if done.returncode:
        raise PreflightError([f"pg_basebackup of {target} failed: {done.stderr.strip()}"])


def _read(path: Path) -> _Record:
    try:
        return _Record(**json.loads((path / _RECORD).read_text()))
    except (OSError, ValueError, TypeError):
        raise PreflightError(
            [f"{path} is no whole base backup: its {_RECORD} is missing or damaged; remove it and take another"]
        ) from None


def _base(path: Path, record: _Record) -> Base:
    return Base(path, record.bytes, record.taken, record.started_wal)


def check(path: Path) -> list[str]:
    """Return what is wrong with a base: that it is missing, or what pg_verifybackup, where there is one, says."""
    try:
        major = _read(path).major
    except PreflightError as error:
        return list(error.findings)
    try:
        program = _program("pg_verifybackup", major)
    except PreflightError:
        return []
    command = [program, "--quiet", f"--ignore={_RECORD}", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [f"{path}: {line}" for line in done.stderr.splitlines()] if done.returncode else []


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Make a folder of our own beside ``path``, which goes afterwards; those that killed processes left go first."""
    ours = f"{path.name}.private-"
    for left in [entry for entry in path.parent.iterdir() if entry.name.startswith(ours)]:
        with suppress(OSError), (left / "lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left)
    made = Path(tempfile.mkdtemp(prefix=".", dir=path.parent))
    with (made / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Under its name only once it is locked: before, another process would take it for one that was left.
        folder = made.rename(path.parent / f"{ours}{made.name[1:]}")
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


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
    record = _read(base)
    server = _server(record.major)
    _refuse_moment(base, archive, moment, record)
    _refuse_tablespaces(server, archive, record)
    # A socket's whole path may not pass 107 characters; beside the base it might.
    with _beside(base) as folder, tempfile.TemporaryDirectory(prefix="cutover-") as sockets:
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


def _refuse_moment(base: Path, archive: Path, moment: datetime, record: _Record) -> None:
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


def _refuse_tablespaces(server: Path, archive: Path, record: _Record) -> None:
    """Refuse a log that makes a tablespace: replaying it would write into the original's, where it is on this machine.

    A gap, at which pg_waldump ends with an error, is where the recovery ends too.
    """
    timeline = record.started_wal[:8]
    # Without its end, pg_waldump waits 5 s for the next segment.
    last = max(entry.name for entry in archive.glob(f"{timeline}*") if _SEGMENT.fullmatch(entry.name))
    command = [_program("pg_waldump", record.major), f"--path={archive}", "--rmgr=Tablespace"]
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


def _settings(record: _Record, archive: Path, moment: datetime, sockets: str) -> str:
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
    if (user := _os_user()) is not None:
        for path in (folder, *folder.rglob("*"), sockets):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
    if subprocess.run(["test", "-x", folder], check=False, **_as_os_user()).returncode:
        raise PreflightError([f"the OS user {_os_name()} cannot reach {folder.parent}; keep base backups elsewhere"])


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
            command, cwd=data, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **_as_os_user()
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
