"""What PostgreSQL makes of a statement that it is shown but never runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg.pq import ExecStatus

from cutover.dialects import postgresql
from cutover.dialects.endpoint import Endpoint


@dataclass(frozen=True)
class ResultColumn:
    """A column of what a statement gives: its name, and its type's OID and modifier."""

    name: str
    oid: int
    modifier: int


@contextmanager
def looking(target: Endpoint, schema: str, timeout: int = 0) -> Iterator[psycopg.Connection]:
    """Open a session that sees ``schema`` as the application will, can change nothing, and leaves nothing behind.

    Args:
        target: the target database.
        schema: the schema in which names are found, and after it those of extensions.
        timeout: milliseconds that a statement may take; 0 is without end.

    Raises:
        As :func:`cutover.dialects.postgresql.session` does.
    """
    with postgresql.session(target, statement_timeout=timeout) as connection:
        postgresql.find_extensions(connection, schema)
        connection.execute("SET TRANSACTION READ ONLY")
        yield connection
        connection.rollback()


def prepare(connection: psycopg.Connection, statement: str) -> tuple[ResultColumn, ...]:
    """Have one statement parsed and planned, and return the columns that it would give.

    It goes in the extended protocol, which takes no second statement behind a semicolon.

    Raises:
        psycopg.Error: the server does not take it; the session goes on.
    """
    with connection.transaction():
        _checked(connection, connection.pgconn.prepare(b"", statement.encode()))
        described = connection.pgconn.describe_prepared(b"")
        _checked(connection, described)
        return tuple(
            ResultColumn((described.fname(n) or b"").decode(), described.ftype(n), described.fmod(n))
            for n in range(described.nfields)
        )


def problem(connection: psycopg.Connection, statement: str) -> str | None:
    """Return why the server does not take a statement, in its own words; None where it does.

    Raises:
        psycopg.Error: the connection was lost.
    """
    try:
        prepare(connection, statement)
    except psycopg.Error as error:
        return said(error)
    return None


def said(error: psycopg.Error) -> str:
    """Return a server's error as it says it, on one line.

    Raises:
        psycopg.Error: the same one, where it may pass: it is none about the statement.
    """
    if postgresql.transient(error.sqlstate):
        raise error
    return " ".join((error.diag.message_primary or str(error)).split())


def _checked(connection: psycopg.Connection, result: psycopg.pq.abc.PGresult) -> None:
    if result.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
        raise psycopg.errors.error_from_result(result, connection.info.encoding)
