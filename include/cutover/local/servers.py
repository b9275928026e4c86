"""Private MariaDB and PostgreSQL servers, started from the system's programs.

Each server has its own data folder, a free loopback port and a password of its own; servers that already
run on this machine are never contacted. A server stops when its ``with`` block ends, and when the process
that started it dies: the kernel then sends it the stop signal (prctl(2), PR_SET_PDEATHSIG). Start servers
from the main thread: that signal comes when the *thread* that started them ends. Linux only.

Run as root, MariaDB runs as the OS user ``mysql`` and PostgreSQL as ``postgres``; otherwise as oneself.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import logging
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import MySQLdb
import psycopg
from mirakuru import TCPExecutor
from mirakuru.base import cleanup_subprocesses
from mirakuru.exceptions import (
    AlreadyRunning,
    ProcessExitedWithError,
    ProcessFinishedWithError,
    TimeoutExpired,
)
from psycopg import sql

from cutover.errors import PreflightError

USER = "cutover"
NAME = "camera_counting"
HOST = "127.0.0.1"

_PORTS = {"mysql": 3306, "postgresql": 5432}
_SECONDS_TO_START_OR_STOP = 120
_LOG = logging.getLogger(__name__)

# At exit, mirakuru kills every process whose mark *contains* this process's id: with id 980 also the servers
# that process 9805 started. The kernel's signal to our children (`_as`) makes that sweep needless.
atexit.unregister(cleanup_subprocesses)


@dataclass(frozen=True)
class Server:
    """Where a database is and how to log in; `name` is the database that is meant by default."""

    scheme: str
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    name: str

    def url(self, database: str | None = None) -> str:
        """``scheme://user:password@host:port/database``, percent-encoded; it holds the password."""
        user, password, name = (quote(part, safe="") for part in (self.user, self.password, database or self.name))
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{user}:{password}@{host}:{self.port}/{name}"


def source_from_env(prefix: str = "SOURCE_DB") -> Server | None:
    """The source that ``SOURCE_DB_HOST``, PORT, NAME, USER and PASSWORD name, if HOST is set."""
    return _from_env(prefix, "mysql")


def target_from_env(prefix: str = "TARGET_DB") -> Server | None:
    """The target that the ``TARGET_DB_*`` variables name, if ``TARGET_DB_HOST`` is set."""
    return _from_env(prefix, "postgresql")


@contextmanager
def source(folder: Path) -> Iterator[Server]:
    """The server that ``SOURCE_DB_*`` names, or else a private MariaDB in `folder`."""
    if given := source_from_env():
        yield given
    else:
        with mariadb(folder) as server:
            yield server


@contextmanager
def target(folder: Path) -> Iterator[Server]:
    """The server that ``TARGET_DB_*`` names, or else a private PostgreSQL in `folder`."""
    if given := target_from_env():
        yield given
    else:
        with postgresql(folder) as server:
            yield server


@contextmanager
def mariadb(folder: Path, *, name: str = NAME, buffer_pool: str = "256M") -> Iterator[Server]:
    """A private MariaDB in ``folder/mariadb``, row binlog on, holding the database `name`.

    Its data stay for the next start. Raises PreflightError when it cannot be started.
    """
    package = "mariadb-server"
    daemon = _program("mariadbd", "mysqld", package=package)
    installer = _program("mariadb-install-db", "mysql_install_db", package=package)
    user = _os_user("mysql", package)
    with _home(folder / "mariadb", user) as home:
        data = home / "data"
        pid_file = data / "mariadb.pid"
        _stop_leftover(pid_file, data, signal.SIGTERM)
        if not data.exists():
            with _fresh(data, user) as new:
                options = ["--no-defaults", f"--datadir={new}", "--skip-test-db", "--skip-name-resolve"]
                _run([*_as(user), installer, *options], home)
        password = _password(home, user)
        account = f"'{USER}'@'{HOST}'"
        _write(
            home / "init.sql",
            "SET sql_log_bin = 0;\n"
            f"CREATE USER IF NOT EXISTS {account};\n"
            f"ALTER USER {account} IDENTIFIED BY '{password}';\n"
            f"GRANT ALL PRIVILEGES ON *.* TO {account} WITH GRANT OPTION;\n"
            f"CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;\n",
            user,
        )

        def command(port: int) -> list[str]:
            return [
                *_as(user, signal.SIGTERM),
                daemon,
                "--no-defaults",
                f"--datadir={data}",
                f"--pid-file={pid_file}",
                # Relative to the data folder: a socket's whole path may not pass 107 characters.
                "--socket=mariadb.sock",
                f"--init-file={home / 'init.sql'}",
                "--skip-networking=0",
                f"--bind-address={HOST}",
                f"--port={port}",
                "--skip-name-resolve",
                "--server-id=1",
                "--log-bin=binlog",
                "--binlog-format=ROW",
                "--binlog-row-image=FULL",
                "--expire-logs-days=1",
                "--max-allowed-packet=64M",
                f"--innodb-buffer-pool-size={buffer_pool}",
                "--character-set-server=utf8mb4",
                "--default-time-zone=+00:00",
                # A forgotten lock is an error after a minute, not a day's wait.
                "--lock-wait-timeout=60",
            ]

        def connect(port: int) -> None:
            MySQLdb.connect(host=HOST, port=port, user=USER, password=password).close()

        with _running("MariaDB", command, connect, home, signal.SIGTERM) as port:
            yield Server("mysql", HOST, port, USER, password, name)


@contextmanager
def postgresql(folder: Path, *, name: str = NAME, shared_buffers: str = "256MB") -> Iterator[Server]:
    """A private PostgreSQL in ``folder/postgresql``, wal_level logical, holding the database `name`.

    Its data stay for the next start. Raises PreflightError when it cannot be started.
    """
    package = "postgresql"
    bins = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -float(path.parent.name))
    daemon = _program("postgres", package=package, first=bins[:1])
    initdb = _program("initdb", package=package, first=bins[:1])
    user = _os_user("postgres", package)
    with _home(folder / "postgresql", user) as home:
        # One data folder for each major version: a newer server cannot read an older one's.
        version = re.search(r"\d+", _run([daemon, "--version"], home))
        data = home / f"data-{version.group() if version else 'any'}"
        _stop_leftover(data / "postmaster.pid", data, signal.SIGINT)
        password = _password(home, user)
        if not data.exists():
            with _fresh(data, user) as new:
                options = ["-A", "scram-sha-256", "-U", USER, f"--pwfile={home / 'password'}", "--no-sync"]
                _run([*_as(user), initdb, *options, "-E", "UTF8", "--locale=C.UTF-8", "-D", str(new)], home)

        def command(port: int) -> list[str]:
            settings = {
                "listen_addresses": HOST,
                "unix_socket_directories": "",
                "wal_level": "logical",
                "fsync": "on",
                "shared_buffers": shared_buffers,
                "max_wal_size": "4GB",
                "max_connections": "100",
                "timezone": "UTC",
                "log_timezone": "UTC",
            }
            options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
            # SIGINT is the fast shutdown; SIGTERM would wait for every client to leave.
            return [*_as(user, signal.SIGINT), daemon, "-D", str(data), "-p", str(port), *options]

        def connect(port: int) -> None:
            psycopg.connect(Server("postgresql", HOST, port, USER, password, "postgres").url()).close()

        with _running("PostgreSQL", command, connect, home, signal.SIGINT) as port:
            server = Server("postgresql", HOST, port, USER, password, name)
            with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
                found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
                if not found:
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            yield server


class _Program(TCPExecutor):
    """A server program that counts as started once it lets us log in."""

    def __init__(self, command: list[str], port: int, connect: Callable[[int], None], **kwargs: object) -> None:
        super().__init__(command, HOST, port, **kwargs)
        self._connect = connect

    def after_start_check(self) -> bool:
        """Whether a log-in succeeds: an open port may still be a server that recovers."""
        try:
            self._connect(self.port)
        except (psycopg.OperationalError, MySQLdb.OperationalError):
            return False
        return True


@contextmanager
def _running(
    title: str,
    command: Callable[[int], list[str]],
    connect: Callable[[int], None],
    home: Path,
    stop_signal: signal.Signals,
) -> Iterator[int]:
    """Run the server on a free port, which is yielded, and stop it afterwards."""
    log = home / "server.log"
    with log.open("ab") as output:
        program = _start(title, command, connect, output.fileno(), log, stop_signal)
    try:
        yield program.port
    finally:
        _stop(title, program)


def _start(
    title: str,
    command: Callable[[int], list[str]],
    connect: Callable[[int], None],
    output: int,
    log: Path,
    stop_signal: signal.Signals,
) -> _Program:
    """Start the server; a second and third port are tried, for another program may take the first."""
    for _ in range(3):
        port = free_port()
        program = _Program(
            command(port),
            port,
            connect,
            cwd=str(log.parent),
            timeout=_SECONDS_TO_START_OR_STOP,
            stop_signal=stop_signal,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            program.start()
        except (AlreadyRunning, ProcessExitedWithError):
            continue
        except TimeoutExpired:
            break
        except BaseException:  # Ctrl-C while waiting
            _stop(title, program)
            raise
        return program
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    raise PreflightError([f"the private {title} did not start; its log {log} ends:\n{tail}"])


def _stop(title: str, program: _Program) -> None:
    """Stop the server; that it had died already is only said, so as not to hide an error on its way out."""
    try:
        program.stop(expected_returncode=0)
    except ProcessFinishedWithError as error:
        _LOG.warning("the private %s did not end well: %s", title, error)


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
    return port


def _from_env(prefix: str, scheme: str) -> Server | None:
    host = os.environ.get(f"{prefix}_HOST")
    if not host:
        return None
    values = {part: os.environ.get(f"{prefix}_{part}", "") for part in ("NAME", "USER", "PASSWORD")}
    port = os.environ.get(f"{prefix}_PORT") or str(_PORTS[scheme])
    findings = [f"{prefix}_HOST is set, so {prefix}_{part} must be too" for part, value in values.items() if not value]
    if not port.isdigit():
        findings.append(f"{prefix}_PORT must be a number, not {port!r}")
    if findings:
        raise PreflightError(findings)
    return Server(scheme, host, int(port), values["USER"], values["PASSWORD"], values["NAME"])


def _program(*names: str, package: str, first: Sequence[Path] = ()) -> str:
    # A plain user's PATH lacks the sbin folders on Debian.
    folders = os.pathsep.join([*map(str, first), os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin"])
    for name in names:
        if found := shutil.which(name, path=folders):
            return found
    raise PreflightError([f"{names[0]} was not found; run `make setup`, or `apt-get install {package}`"])


def _os_user(name: str, package: str) -> pwd.struct_passwd | None:
    """Whom a server runs as: `name` for root, which both servers refuse to run as, else oneself (None)."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(name)
    except KeyError:
        cure = f"`apt-get install {package}` makes it"
        raise PreflightError([f"as root, the server runs as the OS user {name}, which is missing; {cure}"]) from None


def _as(user: pwd.struct_passwd | None, dies_with_parent: signal.Signals | None = None) -> list[str]:
    """The words before a command that run it as `user`."""
    words = [_program("setpriv", package="util-linux")]
    if dies_with_parent:
        words += ["--pdeathsig", dies_with_parent.name]
    if user:
        words += ["--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--init-groups"]
    return [*words, "--"] if len(words) > 1 else []


@contextmanager
def _home(folder: Path, user: pwd.struct_passwd | None) -> Iterator[Path]:
    """The server's folder, made, within reach of `user`, and locked while in use."""
    home = folder.absolute()
    home.mkdir(parents=True, exist_ok=True)
    if user and not _reachable(home, user):
        digest = hashlib.sha256(str(home).encode()).hexdigest()[:12]
        home = Path(tempfile.gettempdir()) / f"cutover-{folder.name}-{digest}"
        _LOG.warning("the OS user %s cannot reach %s; the server's data are in %s", user.pw_name, folder, home)
        home.mkdir(mode=0o755, exist_ok=True)
        if home.is_symlink() or home.lstat().st_uid != os.geteuid():
            raise PreflightError([f"{home} belongs to somebody else; remove it, or use another folder"])
        if not _reachable(home, user):
            raise PreflightError([f"the OS user {user.pw_name} can reach neither {folder} nor {home}"])
    with (home / "lock").open("a+") as lock:
        try:
            # A record lock: it goes when this process dies, and children do not inherit it.
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            raise PreflightError([f"{home} is in use by the process {owner}; wait until it ends"]) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield home


def _reachable(home: Path, user: pwd.struct_passwd) -> bool:
    return subprocess.run([*_as(user), "test", "-x", str(home)], check=False).returncode == 0


@contextmanager
def _fresh(data: Path, user: pwd.struct_passwd | None) -> Iterator[Path]:
    """A folder to fill, which becomes `data` only when it is whole."""
    new = data.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    if user:
        os.chown(new, user.pw_uid, user.pw_gid)
    yield new
    new.rename(data)


def _run(command: Sequence[str], cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise PreflightError([f"this failed, with exit code {done.returncode}: {' '.join(command)}\n{said}"])
    return done.stdout


def _password(home: Path, user: pwd.struct_passwd | None) -> str:
    """The server's password, made on its first start and kept in `home`."""
    path = home / "password"
    if not path.exists() or not path.read_text():
        _write(path, secrets.token_hex(16), user)
    return path.read_text()


def _write(path: Path, text: str, user: pwd.struct_passwd | None) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
    if user:
        os.chown(path, user.pw_uid, user.pw_gid)


def _stop_leftover(pid_file: Path, data: Path, stop_signal: signal.Signals) -> None:
    """Stop the server that a killed run left over on `data`; a pid that now serves something else stays."""
    try:
        pid = int(pid_file.read_text().split()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return
    if not _serves(pid, data):
        if Path(f"/proc/{pid}").exists():
            pid_file.unlink()  # PostgreSQL would take the process that has this id now for itself
        return
    _LOG.warning("stopping process %s, a server that an earlier run left over on %s", pid, data)
    for attempt in (stop_signal, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(pid, attempt)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if not _serves(pid, data):
                return
            time.sleep(0.05)
    raise PreflightError([f"process {pid} still serves {data} and cannot be stopped; end it by hand"])


def _serves(pid: int, data: Path) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return any(word.removeprefix(b"--datadir=") == os.fsencode(data) for word in words)
