"""Private MariaDB and PostgreSQL servers, started from the system's programs.

Each server has its own data folder, a free loopback port and a password of its own; servers that already
run on this machine are never contacted. A server stops when its ``with`` block ends, and when the process
that started it dies: the kernel then sends it the stop signal (prctl(2), PR_SET_PDEATHSIG). Start servers
from the main thread: that signal comes when the *thread* that started them ends. Linux only.

Run as root, MariaDB runs as the OS user ``mysql`` and PostgreSQL as ``postgres``; otherwise as oneself.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

import MySQLdb
import psycopg
from psycopg import sql

from cutover.errors import PreflightError
from cutover.local.program import (
    HOST,
    as_user,
    find_program,
    fresh,
    os_user,
    own_folder,
    password_in,
    run_tool,
    running,
    stop_leftover,
    write_for,
)

USER = "cutover"
NAME = "camera_counting"

_PORTS = {"mysql": 3306, "postgresql": 5432}


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
def mariadb(
    folder: Path, *, name: str = NAME, buffer_pool: str = "256M", options: Sequence[str] = ()
) -> Iterator[Server]:
    """A private MariaDB in ``folder/mariadb``, row binlog on, holding the database `name`.

    The program's `options` win over ours. Its data stay for the next start.
    Raises PreflightError when it cannot be started.
    """
    package = "mariadb-server"
    daemon = find_program("mariadbd", "mysqld", package=package)
    installer = find_program("mariadb-install-db", "mysql_install_db", package=package)
    user = os_user("mysql", package)
    with own_folder(folder / "mariadb", user) as home:
        data = home / "data"
        pid_file = data / "mariadb.pid"
        stop_leftover(pid_file, data, signal.SIGTERM)
        if not data.exists():
            with fresh(data, user) as new:
                # A server that starts removes every other's temporary tables from a folder that they share.
                words = ["--no-defaults", f"--datadir={new}", f"--tmpdir={new}"]
                words += ["--skip-test-db", "--skip-name-resolve"]
                run_tool([*as_user(user), installer, *words], home)
        password = password_in(home, user)
        account = f"'{USER}'@'{HOST}'"
        write_for(
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
                *as_user(user, signal.SIGTERM),
                daemon,
                "--no-defaults",
                f"--datadir={data}",
                f"--pid-file={pid_file}",
                f"--tmpdir={data}",
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
                *options,
            ]

        def connect(port: int) -> None:
            MySQLdb.connect(host=HOST, port=port, user=USER, password=password).close()

        with running("MariaDB", command, connect, home, signal.SIGTERM) as port:
            yield Server("mysql", HOST, port, USER, password, name)


@contextmanager
def postgresql(
    folder: Path, *, name: str = NAME, shared_buffers: str = "256MB", settings: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Server]:
    """A private PostgreSQL in ``folder/postgresql``, wal_level logical, holding the database `name`.

    The server's `settings` win over ours. Its data stay for the next start.
    Raises PreflightError when it cannot be started.
    """
    package = "postgresql"
    bins = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -float(path.parent.name))
    daemon = find_program("postgres", package=package, first=bins[:1])
    initdb = find_program("initdb", package=package, first=bins[:1])
    user = os_user("postgres", package)
    with own_folder(folder / "postgresql", user) as home:
        # One data folder for each major version: a newer server cannot read an older one's.
        version = re.search(r"\d+", run_tool([daemon, "--version"], home))
        data = home / f"data-{version.group() if version else 'any'}"
        stop_leftover(data / "postmaster.pid", data, signal.SIGINT)
        password = password_in(home, user)
        if not data.exists():
            with fresh(data, user) as new:
                options = ["-A", "scram-sha-256", "-U", USER, f"--pwfile={home / 'password'}", "--no-sync"]
                run_tool([*as_user(user), initdb, *options, "-E", "UTF8", "--locale=C.UTF-8", "-D", str(new)], home)

        def command(port: int) -> list[str]:
            ours = {
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
            options = [part for key, value in {**ours, **settings}.items() for part in ("-c", f"{key}={value}")]
            # SIGINT is the fast shutdown; SIGTERM would wait for every client to leave.
            return [*as_user(user, signal.SIGINT), daemon, "-D", str(data), "-p", str(port), *options]

        def connect(port: int) -> None:
            psycopg.connect(Server("postgresql", HOST, port, USER, password, "postgres").url()).close()

        with running("PostgreSQL", command, connect, home, signal.SIGINT) as port:
            server = Server("postgresql", HOST, port, USER, password, name)
            with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
                found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
                if not found:
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            yield server


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
