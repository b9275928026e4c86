"""Where a database is and how to log in, without ever showing the password."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs, unquote, urlsplit

from cutover.errors import PreflightError

KINDS = {"mysql": "mysql", "mariadb": "mysql", "postgres": "postgresql", "postgresql": "postgresql"}
# Options of the command line that take a URL, and where the URL's password may be instead.
PASSWORDS = {"--source": "CUTOVER_SOURCE_PASSWORD", "--target": "CUTOVER_TARGET_PASSWORD"}
DEFAULT_PORTS = {"mysql": 3306, "postgresql": 5432}


@dataclass(frozen=True)
class Pool:
    """How many connections a run holds to a server, and how it comes by them; times are milliseconds.

    Attributes:
        min: so many a process keeps open, however long nobody uses them.
        max: so many the whole run holds at once, at most.
        acquire: how long to try for a connection.
        idle: how long a connection that nobody uses stays open.
    """

    min: int = 5
    max: int = 20
    acquire: int = 60_000
    idle: int = 10_000


@dataclass(frozen=True)
class Endpoint:
    """A database server and the database on it; ``repr`` and ``str`` leave the password out.

    Without a ``pool`` connections are plain: as many as there is work for, opened and closed each time.
    With one that is not to keep them (``keeps`` is false) they are closed each time too.
    """

    kind: str
    host: str
    port: int
    database: str
    user: str
    password: str = field(default="", repr=False)
    verify_tls: bool = False
    tls_ca: str | None = None
    pool: Pool | None = None
    keeps: bool = True

    def __str__(self) -> str:
        return f"{self.kind}://{self.user}@{self.host}:{self.port}/{self.database}"

    @property
    def identity(self) -> str:
        """What tells this database from every other: kind, host, port and name, but not the user."""
        return f"{self.kind}://{self.host}:{self.port}/{self.database}"

    def keeping_none(self) -> Endpoint:
        """Return the endpoint for a piece of work that holds one connection at a time, and none between."""
        return replace(self, keeps=False)

    def at_most(self, wanted: int) -> int:
        """Return how many of the connections that are wanted may be held at once."""
        return wanted if self.pool is None else min(wanted, self.pool.max)


Resolver = Callable[[str], Endpoint]


def from_url(url: str, password: str | None = None) -> Endpoint:
    """Parse ``mysql://user:password@host:port/database?tls=verify&tlsCa=FILE``.

    Raises:
        PreflightError: the URL names no known database kind, host or database.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise PreflightError([f"a database URL cannot be read: {error}"]) from None
    try:
        port = parts.port
    except ValueError:
        raise PreflightError([f"the port in {parts.scheme}://{parts.hostname}:... is no number up to 65535"]) from None
    kind = KINDS.get(parts.scheme.split("+")[0])
    database = unquote(parts.path.lstrip("/"))
    if kind is None or not parts.hostname or not database:
        raise PreflightError(
            [
                f"a database URL must read mysql://user@host:port/database or postgresql://..., "
                f"not {parts.scheme or '(no scheme)'}://{parts.hostname or '(no host)'}/{database or '(no database)'}"
            ]
        )
    query = parse_qs(parts.query)
    unknown = sorted(set(query) - {"tls", "tlsCa"})
    if unknown:
        raise PreflightError([f"unknown URL option {unknown[0]!r}; known: tls=verify, tlsCa=FILE"])
    return Endpoint(
        kind=kind,
        host=parts.hostname,
        port=port or DEFAULT_PORTS[kind],
        database=database,
        user=unquote(parts.username or ""),
        password=password if password is not None else unquote(parts.password or ""),
        verify_tls=query.get("tls", [""])[0] == "verify",
        tls_ca=query.get("tlsCa", [None])[0],
    )


def from_environment(prefix: str, kind: str, environment: Mapping[str, str] = os.environ) -> Endpoint:
    """Read ``PREFIX_HOST``, ``_PORT``, ``_NAME``, ``_USER`` and ``_PASSWORD``.

    Raises:
        PreflightError: one of them, other than the port, is not set.
    """
    missing = [f"{prefix}_{part}" for part in ("HOST", "NAME", "USER") if f"{prefix}_{part}" not in environment]
    if missing:
        raise PreflightError([f"environment variable {name} is not set" for name in missing])
    return Endpoint(
        kind=kind,
        host=environment[f"{prefix}_HOST"],
        port=int(environment.get(f"{prefix}_PORT", DEFAULT_PORTS[kind])),
        database=environment[f"{prefix}_NAME"],
        user=environment[f"{prefix}_USER"],
        password=environment.get(f"{prefix}_PASSWORD", ""),
    )


def from_connection_variable(connection_id: str) -> Endpoint:
    """Read an Airflow connection from ``AIRFLOW_CONN_<ID>``, as URI or JSON, without Airflow.

    Raises:
        PreflightError: the variable is not set, or describes no database.
    """
    name = f"AIRFLOW_CONN_{connection_id.upper()}"
    value = os.environ.get(name)
    if value is None:
        raise PreflightError([f"connection {connection_id!r} is not known here: set {name}, or run under Airflow"])
    if not value.lstrip().startswith("{"):
        return from_url(value)
    given = json.loads(value)
    kind = KINDS.get(given.get("conn_type", ""))
    if kind is None:
        raise PreflightError([f"connection {connection_id!r} has conn_type {given.get('conn_type')!r}, no database"])
    return Endpoint(
        kind=kind,
        host=given.get("host", ""),
        port=int(given.get("port") or DEFAULT_PORTS[kind]),
        database=given.get("schema", ""),
        user=given.get("login", ""),
        password=given.get("password") or "",
    )
