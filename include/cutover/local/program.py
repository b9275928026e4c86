"""A server program of the system's, run privately: in a folder of its own, for as long as we live."""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import logging
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

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

from cutover.errors import PreflightError

HOST = "127.0.0.1"

_SECONDS_TO_START_OR_STOP = 120
_LOG = logging.getLogger(__name__)

# At exit, mirakuru kills every process whose mark *contains* this process's id: with id 980 also the servers
# that process 9805 started. The kernel's signal to our children (`_as`) makes that sweep needless.
atexit.unregister(cleanup_subprocesses)


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
def running(
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


def find_program(*names: str, package: str, first: Sequence[Path] = ()) -> str:
    """Return the path of the first of the programs that is installed; raises PreflightError for none."""
    # A plain user's PATH lacks the sbin folders on Debian.
    folders = os.pathsep.join([*map(str, first), os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin"])
    for name in names:
        if found := shutil.which(name, path=folders):
            return found
    raise PreflightError([f"{names[0]} was not found; run `make setup`, or `apt-get install {package}`"])


def os_user(name: str, package: str) -> pwd.struct_passwd | None:
    """Whom a server runs as: `name` for root, which both servers refuse to run as, else oneself (None)."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(name)
    except KeyError:
        cure = f"`apt-get install {package}` makes it"
        raise PreflightError([f"as root, the server runs as the OS user {name}, which is missing; {cure}"]) from None


def as_user(user: pwd.struct_passwd | None, dies_with_parent: signal.Signals | None = None) -> list[str]:
    """The words before a command that run it as `user`."""
    words = [find_program("setpriv", package="util-linux")]
    if dies_with_parent:
        words += ["--pdeathsig", dies_with_parent.name]
    if user:
        words += ["--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--init-groups"]
    return [*words, "--"] if len(words) > 1 else []


@contextmanager
def own_folder(folder: Path, user: pwd.struct_passwd | None) -> Iterator[Path]:
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
    return subprocess.run([*as_user(user), "test", "-x", str(home)], check=False).returncode == 0


@contextmanager
def fresh(data: Path, user: pwd.struct_passwd | None) -> Iterator[Path]:
    """A folder to fill, which becomes `data` only when it is whole."""
    new = data.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    if user:
        os.chown(new, user.pw_uid, user.pw_gid)
    yield new
    new.rename(data)


def run_tool(command: Sequence[str], cwd: Path) -> str:
    """Run a tool to its end and return what it said; raises PreflightError when it fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise PreflightError([f"this failed, with exit code {done.returncode}: {' '.join(command)}\n{said}"])
    return done.stdout


def password_in(home: Path, user: pwd.struct_passwd | None) -> str:
    """The server's password, made on its first start and kept in `home`."""
    path = home / "password"
    if not path.exists() or not path.read_text():
        write_for(path, secrets.token_hex(16), user)
    return path.read_text()


def write_for(path: Path, text: str, user: pwd.struct_passwd | None) -> None:
    """Write a file that only `user` may read."""
    path.touch(mode=0o600)
    path.write_text(text)
    if user:
        os.chown(path, user.pw_uid, user.pw_gid)


def stop_leftover(pid_file: Path, data: Path, stop_signal: signal.Signals) -> None:
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
