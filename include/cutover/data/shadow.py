"""The shadow schema: where a run loads, out of everybody's sight."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import psycopg
from psycopg import sql

from cutover.data.load import BOOKKEEPING
from cutover.dialects import postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.schema.ddl import TOUCH, Statement

PREFIX = "cutover_"


def name_for(migration: str, run_id: str) -> str:
    """Return the name of a run's shadow schema."""
    return f"{PREFIX}{migration}_{hashlib.sha256(run_id.encode()).hexdigest()[:8]}"


def create(target: Endpoint, shadow: str, tables: Iterable[Statement]) -> None:
    """Create the shadow schema with bare tables, in one transaction; one that is there stays as it is."""
    with postgresql.session(target) as connection:
        if exists(connection, shadow):
            return
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(shadow)))
        connection.execute("SELECT set_config('search_path', %s, true)", (postgresql.quoted(shadow),))
        for statement in BOOKKEEPING:
            run(connection, statement)
        for table in tables:
            run(connection, table.sql)
            # Autovacuum would fight the load and the index builds for the disk, and its lock the cutover.
            connection.execute(
                sql.SQL("ALTER TABLE {} SET (autovacuum_enabled = false)").format(sql.Identifier(table.table))
            )


def exists(connection: psycopg.Connection, schema: str) -> bool:
    """Whether the schema is there."""
    return connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,)).fetchone() is not None


def drop(target: Endpoint, shadow: str, statement_timeout: int = 0) -> None:
    """Drop a shadow schema with all that is in it; what depends on it from outside stops this.

    Raises:
        PreflightError: something outside depends on it; the message names it.
    """
    with postgresql.session(target, statement_timeout=statement_timeout) as connection:
        drop_within(connection, shadow)


def drop_within(connection: psycopg.Connection, shadow: str) -> None:
    """Drop a shadow schema in the caller's transaction."""
    if not shadow.startswith(PREFIX):
        raise ValueError(f"{shadow!r} is no shadow schema")
    tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (shadow,)).fetchall()
    if tables:
        # All in one statement: they may refer to each other, but nothing outside may refer to them.
        names = sql.SQL(", ").join(sql.Identifier(shadow, name) for (name,) in tables)
        connection.execute(sql.SQL("DROP TABLE {}").format(names))
    for name in functions(connection, shadow):
        connection.execute(sql.SQL("DROP FUNCTION {}()").format(sql.Identifier(shadow, name)))
    connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {}").format(sql.Identifier(shadow)))


def functions(connection: psycopg.Connection, schema: str) -> list[str]:
    """Return the names of the trigger functions of ours in a schema."""
    query = (
        "SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
        "WHERE n.nspname = %s AND starts_with(p.proname, %s) AND p.pronargs = 0 ORDER BY 1"
    )
    return [name for (name,) in connection.execute(query, (schema, TOUCH))]


def run(connection: psycopg.Connection, statement: str) -> None:
    """Execute a statement that holds no parameters: a percent sign in it is only that."""
    connection.execute(statement.encode())
