"""Which rows of a live table were carried, or gave way: those that a later look need not care about.

A version of a row is known by where it is and which transaction made it: the system columns tableoid, ctid and xmin
(PostgreSQL manual, System Columns). Nothing else ever has all three, and whatever changes a row or moves it makes
another version. So what the application does in between is found exactly, and where it did nothing, one look at each
row tells.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import psycopg
from psycopg import sql

from cutover.data.merge import alike, is_there, names
from cutover.data.upsert.ways import Way

VERSION = ("cutover_part", "cutover_place", "cutover_made")
# How many live rows of each table were seen, and the first transaction that might have been under way then.
_LAST = "cutover_carried"


def _name(table: str) -> str:
    """Return what the table is called, in the shadow schema, that holds the versions of a live table's rows."""
    return "cutover_carried_" + hashlib.sha256(table.encode()).hexdigest()[:12]


def table(way: Way) -> sql.Identifier:
    """Return the table of the versions that were seen, with their keys, and whether the new table has the row."""
    return sql.Identifier(way.shadow, _name(way.table))


def begun(connection: psycopg.Connection, shadow: str, tables: Iterable[str]) -> bool:
    """Whether rows of one of the tables were carried."""
    return any(is_there(connection, shadow, _name(table)) for table in tables)


def make_room(connection: psycopg.Connection, way: Way) -> None:
    """Make the tables that hold what was seen, where they are not there."""
    connection.execute(
        sql.SQL(
            "CREATE TABLE IF NOT EXISTS {} "
            "(table_name text PRIMARY KEY, live_rows bigint NOT NULL, since xid8 NOT NULL)"
        ).format(sql.Identifier(way.shadow, _LAST))
    )
    connection.execute(
        sql.SQL(
            "CREATE TABLE IF NOT EXISTS {} AS SELECT tableoid AS cutover_part, ctid AS cutover_place, "
            "xmin AS cutover_made, true AS cutover_carried, {} FROM {} WITH NO DATA"
        ).format(table(way), names(way.keyed), sql.Identifier(way.shadow, way.table))
    )


def leave(connection: psycopg.Connection, way: Way) -> None:
    """Take away what is known of a table's rows."""
    last = sql.Identifier(way.shadow, _LAST)
    connection.execute(sql.SQL("DELETE FROM {} WHERE table_name = {}").format(last, sql.Literal(way.table)))
    connection.execute(sql.SQL("DROP TABLE {}").format(table(way)))


def note(connection: psycopg.Connection, way: Way) -> None:
    """Write down that every row of the live table was seen, as the transaction sees it."""
    connection.execute(
        sql.SQL(
            "INSERT INTO {} SELECT {}, count(*), pg_snapshot_xmin(pg_current_snapshot()) FROM {} "
            "ON CONFLICT (table_name) DO UPDATE SET live_rows = excluded.live_rows, since = excluded.since"
        ).format(sql.Identifier(way.shadow, _LAST), sql.Literal(way.table), table(way))
    )


def has_changed(connection: psycopg.Connection, way: Way) -> bool:
    """Whether the live table has rows that were not seen, or not all that were.

    A row that came since is of a transaction that was under way then, or later; so as many rows as then, and all of
    earlier transactions, are the same rows. Where that cannot be told, the versions are compared one by one.
    """
    live = sql.Identifier(way.live, way.table)
    same = connection.execute(
        sql.SQL(
            "SELECT l.rows = seen.live_rows AND coalesce(l.youngest > age(seen.since::xid), true) FROM {} AS seen, "
            "(SELECT count(*) AS rows, min(age(xmin)) AS youngest FROM {}) AS l WHERE table_name = {}"
        ).format(sql.Identifier(way.shadow, _LAST), live, sql.Literal(way.table))
    ).fetchone()
    if same and same[0]:
        return False
    query = sql.SQL(
        "SELECT EXISTS (SELECT 1 FROM (SELECT tableoid AS cutover_part, ctid AS cutover_place, xmin AS cutover_made "
        "FROM {}) AS l FULL JOIN {} AS seen ON {} WHERE l.cutover_part IS NULL OR seen.cutover_part IS NULL)"
    ).format(live, table(way), alike("l", "seen", VERSION))
    row = connection.execute(query).fetchone()
    return bool(row and row[0])
