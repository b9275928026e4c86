"""PostgreSQL: connecting, reading rows as Arrow batches."""

from __future__ import annotations

import atexit
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, cast

import psycopg
import pyarrow as pa
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.dialects import postgresql

from cutover.dialects import pools
from cutover.dialects.endpoint import Endpoint
from cutover.errors import PreflightError, RefusedRowsError, TerminalError, TransientError

DIALECT: sa.Dialect = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]
# Class 08 is connection loss, 40 serialisation and deadlock, 53 out of resources, 55P03 lock
# timeout, 57 operator intervention (PostgreSQL manual, appendix A).
_TRANSIENT_CLASSES = ("08", "40", "53", "57")
_TRANSIENT_STATES = ("55P03",)
# SQLSTATE 53300 in the server's words, which are all that libpq tells of a connection it did not get.
_FULL = re.compile(r"too many (?:connections|clients)|connection slots are reserved|\b53300\b")
# Until a transaction ends, large values are compressed with lz4 where the server has it and nobody set
# default_toast_compression: pglz takes most of the time of loading them. A value says itself how it is compressed.
COMPRESS_FAST = """
    SELECT set_config(name, 'lz4', true) FROM pg_settings
    WHERE name = 'default_toast_compression' AND source = 'default' AND 'lz4' = ANY (enumvals)"""
_arrow_databases: dict[tuple[int, str], Any] = {}
_arrow_lock = threading.Lock()


def quoted(*names: str) -> str:
    """Return the dotted identifier, each part in double quotes."""
    return ".".join(DIALECT.identifier_preparer.quote_identifier(name) for name in names)


def literal(text: str) -> str:
    """Return the text as a literal."""
    return sql.Literal(text).as_string().strip()


def transient(sqlstate: str | None) -> bool:
    """Whether an error of this SQLSTATE may pass when the same call is made again."""
    return sqlstate is None or sqlstate[:2] in _TRANSIENT_CLASSES or sqlstate in _TRANSIENT_STATES


def _engine(endpoint: Endpoint) -> sa.Engine:
    """Return an SQLAlchemy engine whose sessions run in UTC; its pool, where it has one, is this process's."""
    # DISCARD ALL drops prepared statements, of which psycopg would not know.
    options = _options(endpoint) | {"prepare_threshold": None}
    return pools.engine(endpoint, url(endpoint), options, pools.Ways(_prepare, _renew, full))


def _prepare(connection: psycopg.Connection) -> None:
    connection.execute("SET timezone TO 'UTC'")
    connection.commit()


def _renew(connection: psycopg.Connection) -> None:
    connection.autocommit = True
    connection.execute("DISCARD ALL")
    connection.autocommit = False


def full(error: BaseException) -> bool:
    """Whether the server, the database or the role has as many connections as it may."""
    return _FULL.search(str(error)) is not None


def url(endpoint: Endpoint, driver: str | None = "psycopg") -> sa.URL:
    """Return the connection URL; without a driver it is libpq's."""
    return sa.URL.create(
        f"postgresql+{driver}" if driver else "postgresql",
        endpoint.user,
        endpoint.password or None,
        endpoint.host,
        endpoint.port,
        endpoint.database,
        query=_options(endpoint) if driver is None else {},
    )


def _uri(endpoint: Endpoint) -> str:
    """Return libpq's URI, password included; SQLAlchemy leaves spaces as they are, libpq refuses them."""
    return url(endpoint, driver=None).render_as_string(hide_password=False).replace(" ", "%20")


def _options(endpoint: Endpoint) -> dict[str, str]:
    options = {"connect_timeout": str(pools.connect_timeout(endpoint)), "application_name": "cutover"}
    # What rows are written and read in, whatever the database's own encoding is.
    options["client_encoding"] = "UTF8"
    if endpoint.verify_tls:
        options |= {"sslmode": "verify-full", "sslrootcert": endpoint.tls_ca or "system"}
    return options


@contextmanager
def session(
    endpoint: Endpoint,
    search_path: str | None = None,
    statement_timeout: int = 0,
    lock_timeout: int = 0,
    doing: str | None = None,
) -> Iterator[psycopg.Connection]:
    """Open a transaction that commits when the block ends well, with timeouts in milliseconds.

    Errors say what was being done, where ``doing`` tells.

    Raises:
        TransientError: the server could not be reached or was full, or a lock was not to be had in time.
        TerminalError: ``statement_timeout`` ran out.
        RefusedRowsError: a value broke a constraint, or its type.
        PreflightError: the server refused something else; its own words are in the message.
    """
    try:
        with _connected(endpoint) as connection:
            setting = "SELECT set_config(%s, %s, false)"
            connection.execute(setting, ("TimeZone", "UTC"))
            connection.execute(setting, ("statement_timeout", str(statement_timeout)))
            connection.execute(setting, ("lock_timeout", str(lock_timeout)))
            if search_path is not None:
                connection.execute(setting, ("search_path", quoted(search_path)))
            yield connection
    except psycopg.Error as error:
        raise _translated(endpoint, error, doing) from error


@contextmanager
def beside(endpoint: Endpoint) -> Iterator[psycopg.Connection]:
    """Open a session on the endpoint's server, but in a database that is not the endpoint's; each statement commits.

    What is done to a database as a whole (CREATE DATABASE, a rename) is done from another one.

    Raises:
        TransientError: the server could not be reached or was full.
        PreflightError: neither ``postgres`` nor ``template1`` lets us in, or the server refused something.
    """
    problem: psycopg.Error | None = None
    for name in (name for name in ("postgres", "template1") if name != endpoint.database):
        elsewhere = replace(endpoint, database=name).keeping_none()
        try:
            connection = pools.patient(elsewhere, partial(psycopg.connect, _uri(elsewhere), autocommit=True), full)
        except psycopg.OperationalError as error:
            problem = error
            continue
        try:
            with connection:
                yield connection
        except psycopg.Error as error:
            raise _translated(endpoint, error, None) from error
        return
    assert problem is not None
    raise _translated(endpoint, problem, "connecting to another database") from problem


@contextmanager
def transaction(
    endpoint: Endpoint, search_path: str | None = None, statement_timeout: int = 0, lock_timeout: int = 0
) -> Iterator[sa.Connection]:
    """Open a transaction as :func:`session` does, for what SQLAlchemy and Alembic run.

    Raises:
        As :func:`session` does.
    """
    try:
        with _engine(endpoint).begin() as connection:
            settings = {"statement_timeout": str(statement_timeout), "lock_timeout": str(lock_timeout)}
            if search_path is not None:
                settings["search_path"] = quoted(search_path)
            for name, value in settings.items():
                connection.execute(sa.select(sa.func.set_config(name, value, False)))
            yield connection
    except psycopg.Error as error:
        raise _translated(endpoint, error) from error
    except sa.exc.DBAPIError as error:
        if isinstance(error.orig, psycopg.Error):
            raise _translated(endpoint, error.orig) from error
        raise


def driver(connection: sa.Connection) -> psycopg.Connection:
    """Return the psycopg connection below, in the same transaction."""
    return cast(psycopg.Connection, connection.connection.driver_connection)


@contextmanager
def _connected(endpoint: Endpoint) -> Iterator[psycopg.Connection]:
    """Connect, or borrow a connection that is kept; commit when the block ends well."""
    if endpoint.pool is None or not endpoint.keeps:
        with pools.patient(endpoint, lambda: psycopg.connect(_uri(endpoint)), full) as connection:
            yield connection
    else:
        with pools.borrowed(endpoint, _engine(endpoint)) as connection:
            yield connection
            connection.commit()


_WITH_EXTENSIONS = """
    SELECT set_config(
      'search_path', concat_ws(', ', %s::text, string_agg(DISTINCT quote_ident(n.nspname), ', ')), false)
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE n.nspname <> 'pg_catalog'"""


def find_extensions(connection: psycopg.Connection, schema: str) -> None:
    """Let names, of operators too, be found in ``schema`` first and then in the extensions' schemas."""
    connection.execute(_WITH_EXTENSIONS, (quoted(schema),))


def _translated(endpoint: Endpoint, error: psycopg.Error, doing: str | None = None) -> Exception:
    text = f"{doing} on {endpoint}: {first_line(error)}" if doing else f"{endpoint}: {first_line(error)}"
    # A refused login comes without an SQLSTATE, in the words of libpq.
    if "authentication failed" in text or "no password supplied" in text:
        return PreflightError([f"{text}; check the user and password"])
    if endpoint.verify_tls and error.sqlstate is None and ("certificate" in text or "not support SSL" in text):
        return PreflightError([f"{text}; the server's certificate could not be verified"])
    if "does not exist" in text and error.sqlstate is None:
        return PreflightError([text])
    if isinstance(error, psycopg.errors.QueryCanceled):
        return TerminalError(f"{text}; the time limit that the spec sets for this step ran out")
    # In the catalogue itself: a killed attempt's server process makes the same object at this moment.
    if transient(error.sqlstate) or error.diag.schema_name == "pg_catalog":
        return TransientError(text)
    if refuses_rows(error.sqlstate):
        return RefusedRowsError(text)
    return PreflightError([text])


def _arrow_database(uri: str) -> Any:
    """Return what connections to a database are made from; it holds none itself.

    To know every type, the driver reads the whole catalogue of types and columns first: half a second where there are
    a thousand tables. Once for each process is enough, for nothing is read but in types that are always there
    (:func:`cutover.dialects.postgresql_types.read_expression`).
    """
    from adbc_driver_postgresql import dbapi

    key = os.getpid(), uri
    with _arrow_lock:
        if key not in _arrow_databases:
            opened = dbapi.connect(uri, autocommit=True)
            opened.adbc_connection.close()
            _arrow_databases[key] = opened
        return _arrow_databases[key]


@atexit.register
def _forget_arrow_databases() -> None:
    """Close what is kept while the driver is still whole; at the interpreter's own end it is no more."""
    while _arrow_databases:
        _, kept = _arrow_databases.popitem()
        kept.close()


@contextmanager
def _arrow_connection(endpoint: Endpoint) -> Iterator[Any]:
    """Open an ADBC connection, whose errors become ours.

    Raises:
        TransientError: the server could not be reached, or the connection was lost; trying again may help.
        PreflightError: it refused something.
    """
    from adbc_driver_postgresql import dbapi

    try:
        connection = pools.patient(endpoint, lambda: _arrow_database(_uri(endpoint)).adbc_clone(), full)
    except dbapi.Error as error:
        raise TransientError(f"connecting to {endpoint}: {first_line(error)}") from None
    try:
        yield connection
    except dbapi.Error as error:
        text = f"reading on {endpoint}: {first_line(error)}"
        raise TransientError(text) if transient(error.sqlstate) else PreflightError([text]) from None
    except OSError as error:
        # What comes of a connection that is lost while rows stream.
        raise TransientError(f"reading on {endpoint}: {first_line(error)}") from None
    finally:
        connection.close()


def refuses_rows(sqlstate: str | None) -> bool:
    """Whether an error of this SQLSTATE is about the rows: a data exception, or an integrity constraint violation."""
    return (sqlstate or "")[:2] in ("22", "23")


def first_line(error: Exception) -> str:
    """Return an error's words in one line of no more than 500 letters."""
    return " ".join(str(error).split())[:500]


def select(
    tables: Sequence[tuple[str, str]],
    columns: Sequence[tuple[str, str]],
    order: Sequence[str] = (),
    within: Sequence[sa.ColumnElement[bool]] = (),
    conditions: Mapping[tuple[str, str], str] | None = None,
) -> str:
    """Return the SELECT of ``columns`` (name, expression that reads it) over all of ``tables`` (schema, name).

    Ordered by the columns ``order`` as they are, not as they are read, and limited to the rows that are ``within``;
    ``conditions`` are SQL for single tables.
    """
    own: list[sa.ColumnClause[object]] = [sa.column(name) for name, _ in columns]
    parts = []
    for table in tables:
        part = sa.select(*own).select_from(sa.table(table[1], schema=table[0])).where(*within)
        if conditions and table in conditions:
            part = part.where(sa.literal_column(conditions[table], sa.Boolean))
        parts.append(part)
    rows = (sa.union_all(*parts) if len(parts) > 1 else parts[0]).subquery("cutover_rows")
    chosen: list[sa.Label[object]] = [sa.literal_column(expression).label(name) for name, expression in columns]
    sorting: list[sa.ColumnElement[object]] = [sa.column(name, _selectable=rows) for name in order]
    statement = sa.select(*chosen).select_from(rows).order_by(*sorting)
    return str(statement.compile(dialect=DIALECT, compile_kwargs={"literal_binds": True}))


def summed(
    schema: str, table: str, columns: Sequence[tuple[str, str]], within: Sequence[sa.ColumnElement[bool]]
) -> str:
    """Return the SELECT of aggregates (expression, alias) over a table's rows that are ``within``."""
    chosen: list[sa.Label[object]] = [sa.literal_column(expression).label(alias) for expression, alias in columns]
    statement = sa.select(*chosen).select_from(sa.table(table, schema=schema)).where(*within)
    return str(statement.compile(dialect=DIALECT, compile_kwargs={"literal_binds": True}))


def read(endpoint: Endpoint, statement: str) -> Iterator[pa.RecordBatch]:
    """Stream a SELECT's rows as record batches (binary COPY underneath)."""
    with _arrow_connection(endpoint) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(statement)
        yield from cursor.fetch_record_batch()
