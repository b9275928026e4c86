"""How far a schema of the target follows the source: a row of a table of that schema, which goes where it goes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql

from cutover.dialects import postgresql


@dataclass(frozen=True)
class Mark:
    """Where a checkpoint is: the schema that follows ``feed``, and the table in it that says how far."""

    schema: str
    table: str
    feed: str


@dataclass(frozen=True)
class Checkpoint:
    """Up to where the changes of a feed are in the schema; ``changes`` counts them since the load."""

    feed: str
    position: str
    changes: int
    applied_at: datetime


def create(connection: psycopg.Connection, mark: Mark, position: str) -> None:
    """Begin to follow: make the table where it is not there, and note the position that the load began at."""
    where = sql.Identifier(mark.schema, mark.table)
    connection.execute(
        sql.SQL(
            "CREATE TABLE IF NOT EXISTS {} (feed text PRIMARY KEY, position text NOT NULL, changes bigint NOT NULL, "
            "applied_at timestamp with time zone NOT NULL)"
        ).format(where)
    )
    connection.execute(
        sql.SQL("INSERT INTO {} VALUES (%s, %s, 0, now()) ON CONFLICT DO NOTHING").format(where), (mark.feed, position)
    )


def read(connection: psycopg.Connection, mark: Mark) -> Checkpoint | None:
    """Return how far the schema follows the feed, or None where it does not."""
    there = connection.execute("SELECT to_regclass(%s)", (postgresql.quoted(mark.schema, mark.table),)).fetchone()
    if there is None or there[0] is None:
        return None
    query = sql.SQL("SELECT feed, position, changes, applied_at FROM {} WHERE feed = %s")
    row = connection.execute(query.format(sql.Identifier(mark.schema, mark.table)), (mark.feed,)).fetchone()
    return None if row is None else Checkpoint(*row)


def locked(connection: psycopg.Connection, mark: Mark) -> str:
    """Return the position, which no other transaction moves until this one ends."""
    query = sql.SQL("SELECT position FROM {} WHERE feed = %s FOR UPDATE")
    row = connection.execute(query.format(sql.Identifier(mark.schema, mark.table)), (mark.feed,)).fetchone()
    return "" if row is None else str(row[0])


def move(connection: psycopg.Connection, mark: Mark, position: str, changes: int) -> None:
    """Move a checkpoint on, in the connection's transaction."""
    update = sql.SQL("UPDATE {} SET position = %s, changes = changes + %s, applied_at = now() WHERE feed = %s")
    connection.execute(
        update.format(sql.Identifier(mark.schema, mark.table)),
        (position, changes, mark.feed),
    )
