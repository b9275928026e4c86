"""Base backups: the whole cluster as it is, from which a moment of its future can be recovered.

A base backup is a copy of the whole cluster; the write-ahead log that the server archives says what became of it
since (PostgreSQL manual, 26.3: Continuous Archiving and Point-in-Time Recovery).
"""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from cutover.dialects import postgresql, postgresql_programs
from cutover.dialects.endpoint import Endpoint
from cutover.errors import PreflightError, TerminalError

# What is known of a base, in the base's own folder.
_RECORD = "cutover_base.json"
# Settings of the original without which its data cannot be read, or its prepared transactions not be kept.
_SETTINGS = ["max_connections", "max_locks_per_transaction", "max_prepared_transactions", "shared_preload_libraries"]
_FACTS = """
SELECT r.rolsuper OR r.rolreplication, current_setting('wal_level'), current_setting('archive_mode'),
       current_setting('archive_command'), coalesce(current_setting('archive_library', true), ''),
       current_setting('max_wal_senders')::int, current_setting('server_version_num')::int / 10000,
       a.last_archived_wal, a.last_failed_wal,
       coalesce(a.last_failed_time > coalesce(a.last_archived_time, '-infinity'), false),
       has_function_privilege('pg_switch_wal()', 'EXECUTE')
FROM pg_roles r, pg_stat_archiver a WHERE r.rolname = current_user"""
_TABLESPACES = """
SELECT oid::text, pg_tablespace_location(oid) FROM pg_tablespace WHERE pg_tablespace_location(oid) LIKE '/%'"""
_START = re.compile(r"^START WAL LOCATION: ([0-9A-F/]+) \(file ([0-9A-F]{24})\)", re.MULTILINE)


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
class Record:
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
    replicates, level, mode, command, library, senders, major, archived, failed, failing, switches = row
    grant = f"ALTER ROLE {postgresql.quoted(target.user)} REPLICATION"
    unset = mode != "off" and not command and not library
    states = (
        (not replicates, f"the role {target.user} may take no base backup; {grant}"),
        (level == "minimal", "wal_level is minimal; set it to replica and restart the server"),
        (mode == "off", "archive_mode is off; set it to on and restart the server"),
        (unset, f"neither archive_command nor archive_library is set; set one that archives into {archive}"),
        (senders == 0, "max_wal_senders is 0; set it to 2 or more and restart the server"),
        (
            not switches,
            f"the role {target.user} may not have the log archived that has just been written; "
            f"GRANT EXECUTE ON FUNCTION pg_switch_wal() TO {postgresql.quoted(target.user)}",
        ),
        (failing, f"archiving fails, last for {failed}; the server's log says why"),
    )
    found = [f"{target}: {what}" for holds, what in states if holds]
    if replicates and senders:
        found += _not_let_in(target)
    return found + _unready(major) + unreadable(archive, archived)


def _unready(major: int) -> list[str]:
    """Return what this machine lacks to run a server of the major version."""
    found: list[str] = []
    for need in (os_user, partial(server_program, major), partial(program, "pg_basebackup", major)):
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


def enters(folder: Path) -> bool:
    """Whether the OS user of a recovery gets into a folder.

    Raises:
        PreflightError: as root, there is no ``postgres``.
    """
    return subprocess.run(["test", "-x", folder], check=False, **as_os_user()).returncode == 0


def unreachable(folder: Path) -> list[str]:
    """Return that the OS user of a recovery cannot get into a folder, which need not be there yet; with the cure."""
    there = next(path for path in (folder, *folder.parents) if path.is_dir())
    try:
        if enters(there):
            return []
    except PreflightError:
        return []
    return [
        f"the OS user that recovers, {os_name()}, cannot reach {there}; let it enter there, or keep backups elsewhere "
        "(backupLocation, CUTOVER_HOME)"
    ]


def unreadable(archive: Path, archived: str | None = None) -> list[str]:
    """Return why a recovery could not read the archive, with the cure.

    Args:
        archive: the folder.
        archived: a segment that must be in it.
    """
    try:
        readable = subprocess.run(["test", "-r", archive, "-a", "-x", archive], check=False, **as_os_user())
    except PreflightError:
        return []
    if not archive.is_dir():
        return [f"the archive {archive} is no folder of this machine; mount it, or name the one that it is"]
    if readable.returncode:
        return [f"the archive {archive} cannot be read; let the OS user that recovers, {os_name()}, read it"]
    if archived is not None and not (archive / archived).exists():
        return [
            f"the archive {archive} lacks {archived}, which the server has archived last; name the folder into which "
            f"archive_command copies, under the names and in the form that the segments have"
        ]
    return []


def os_user() -> pwd.struct_passwd | None:
    """Return whom a server runs as: ``postgres`` for root, whom it refuses, else oneself (None).

    Raises:
        PreflightError: as root, there is no ``postgres``.
    """
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        raise PreflightError(
            ["as root, a recovery runs as the OS user postgres, which is missing; install the package postgresql"]
        ) from None


def os_name() -> str:
    """Return the name of :func:`os_user`, or one's own.

    Raises:
        PreflightError: as root, there is no ``postgres``.
    """
    return (os_user() or pwd.getpwuid(os.geteuid())).pw_name


def as_os_user() -> dict[str, Any]:
    """Return what makes a subprocess run as :func:`os_user`.

    Raises:
        PreflightError: as root, there is no ``postgres``.
    """
    user = os_user()
    if user is None:
        return {}
    groups = os.getgrouplist(user.pw_name, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": groups}


def server_program(major: int) -> Path:
    """Return the ``postgres`` of a major version: no other can read what that one wrote.

    Raises:
        PreflightError: it is not installed.
    """
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


def program(name: str, major: int) -> str:
    """Return the path of a server's program, that of the major version where there is one.

    Raises:
        PreflightError: it is not installed.
    """
    with suppress(PreflightError):
        if (found := shutil.which(name, path=str(server_program(major).parent))) is not None:
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
        return _base(into, read(into))
    into.parent.mkdir(parents=True, exist_ok=True)
    with postgresql.session(target) as connection:
        major = connection.info.server_version // 10000
        asked = "SELECT name, setting FROM pg_settings WHERE name = ANY (%s)"
        settings = dict(connection.execute(asked, (_SETTINGS,)).fetchall())
        tablespaces = connection.execute(_TABLESPACES).fetchall()
    with beside(into) as folder:
        data = folder / "data"
        command = [program("pg_basebackup", major), f"--pgdata={data}", "--format=plain", "--checkpoint=fast"]
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
        record = Record(major, size, now[0].isoformat(), start[2], start[1], settings)
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


def read(path: Path) -> Record:
    """Return what was written down of a base.

    Raises:
        PreflightError: it is missing or damaged.
    """
    try:
        return Record(**json.loads((path / _RECORD).read_text()))
    except (OSError, ValueError, TypeError):
        raise PreflightError(
            [f"{path} is no whole base backup: its {_RECORD} is missing or damaged; remove it and take another"]
        ) from None


def _base(path: Path, record: Record) -> Base:
    return Base(path, record.bytes, record.taken, record.started_wal)


def check(path: Path) -> list[str]:
    """Return what is wrong with a base: that it is missing, or what pg_verifybackup, where there is one, says."""
    try:
        major = read(path).major
    except PreflightError as error:
        return list(error.findings)
    try:
        verifier = program("pg_verifybackup", major)
    except PreflightError:
        return []
    command = [verifier, "--quiet", f"--ignore={_RECORD}", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [f"{path}: {line}" for line in done.stderr.splitlines()] if done.returncode else []


@contextmanager
def beside(path: Path) -> Iterator[Path]:
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
