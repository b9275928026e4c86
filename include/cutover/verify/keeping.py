"""What of a table's constraints the server does not look after while triggers are off, and a repair must itself.

Foreign keys, and keys that are checked late, are triggers (PostgreSQL manual, session_replication_role).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from cutover.dialects import postgresql
from cutover.errors import PreflightError

# A partition is bound by the keys of the tables that it is a part of, too.
_BOUND = """
    WITH of AS (
      SELECT %(table)s::regclass::oid AS oid UNION SELECT relid FROM pg_partition_ancestors(%(table)s::regclass))
    SELECT k.conname, cn.nspname, c.relname, pn.nspname, p.relname, k.confmatchtype = 'f', k.conrelid IN (TABLE of),
      k.confrelid IN (TABLE of),
      ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u (n, place)
            JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n ORDER BY u.place),
      ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS u (n, place)
            JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.n ORDER BY u.place)
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace
    JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
    WHERE k.contype = 'f' AND k.conparentid = 0 AND (k.conrelid IN (TABLE of) OR k.confrelid IN (TABLE of))
    ORDER BY 1, 2, 3"""
_LATE = """
    SELECT 'constraint ' || conname || ' is DEFERRABLE' FROM pg_constraint
    WHERE conrelid = %(table)s::regclass AND contype IN ('p', 'u', 'x') AND condeferrable
    UNION ALL SELECT 'trigger ' || tgname || ' is ENABLE ALWAYS' FROM pg_trigger
    WHERE tgrelid = %(table)s::regclass AND NOT tgisinternal AND tgenabled IN ('A', 'R') ORDER BY 1"""


@dataclass(frozen=True)
class Bound:
    """A foreign key that binds a table to others, or to itself.

    Attributes:
        name: the constraint's.
        child: schema and name of the table that refers.
        parent: schema and name of the table that is referred to.
        columns: the child's.
        referred: the parent's.
        full: whether a row that has NULL in some of its columns, and not in all, is refused (MATCH FULL).
        comes: whether rows that come into the table have to find a parent.
        goes: whether rows that go from it may leave a child.
    """

    name: str
    child: tuple[str, str]
    parent: tuple[str, str]
    columns: tuple[str, ...]
    referred: tuple[str, ...]
    full: bool
    comes: bool
    goes: bool


def bound(connection: psycopg.Connection, schema: str, table: str) -> list[Bound]:
    """Return the foreign keys that bind a table, wherever the other one is.

    Raises:
        PreflightError: the table has a constraint or a trigger that a repair cannot look after.
    """
    given = {"table": postgresql.quoted(schema, table)}
    late = [str(what) for (what,) in connection.execute(_LATE, given)]
    if late:
        raise PreflightError([f"{', '.join(late)}: it does not act, or acts on its own, while a repair is at work"])
    return [
        Bound(name, (c, child), (p, parent), tuple(columns), tuple(referred), full, comes, goes)
        for name, c, child, p, parent, full, comes, goes, columns, referred in connection.execute(_BOUND, given)
    ]


def without_parent(connection: psycopg.Connection, rows: sql.Identifier, keys: Sequence[Bound]) -> Iterator[Found]:
    """Yield the places in ``rows`` of those that refer to a row that is not there; the others' parents stay.

    Nobody can take those away until the transaction ends: they are locked as a foreign key's trigger would.
    """
    for key in (each for each in keys if each.comes):
        parts = {
            "rows": rows,
            "parent": sql.Identifier(*key.parent),
            "found": alike("p", key.referred, "c", key.columns),
            "whole": sql.SQL(" OR " if key.full else " AND ").join(
                sql.SQL("c.{} IS NOT NULL").format(sql.Identifier(name)) for name in key.columns
            ),
        }
        locked = "SELECT 1 FROM {parent} AS p WHERE EXISTS (SELECT 1 FROM {rows} AS c WHERE {found}) FOR KEY SHARE OF p"
        connection.execute(sql.SQL(locked).format(**parts))
        missing = "NOT EXISTS (SELECT 1 FROM {parent} AS p WHERE {found})"
        lonely = "SELECT c.ctid::text FROM {rows} AS c WHERE ({whole}) AND " + missing  # noqa: S608
        places = connection.execute(sql.SQL(lonely).format(**parts)).fetchall()
        if places:
            why = f"{key.parent[1]} has no row they refer to (foreign key {key.name})"
            yield Found([place for (place,) in places], why)


def still_referred_to(connection: psycopg.Connection, gone: sql.Identifier, keys: Sequence[Bound]) -> Iterator[Found]:
    """Yield the places in ``gone`` of rows that have gone, and that a row refers to which stays."""
    for key in (each for each in keys if each.goes):
        query = (
            "SELECT DISTINCT g.ctid::text FROM {gone} AS g JOIN {child} AS c ON {refers} WHERE NOT EXISTS "
            "(SELECT 1 FROM {parent} AS p WHERE {found})"
        )
        places = connection.execute(
            sql.SQL(query).format(
                gone=gone,
                child=sql.Identifier(*key.child),
                refers=alike("c", key.columns, "g", key.referred),
                parent=sql.Identifier(*key.parent),
                found=alike("p", key.referred, "c", key.columns),
            )
        ).fetchall()
        if places:
            why = f"{key.child[1]} has rows that refer to them (foreign key {key.name})"
            yield Found([place for (place,) in places], why)


@dataclass(frozen=True)
class Found:
    """Rows of a temporary table, by their places, that cannot be changed, and why."""

    places: list[str]
    why: str


def alike(one: str, columns: Sequence[str], other: str, others: Sequence[str]) -> sql.Composed:
    """Return the condition that two rows, by their names in a statement, have the same values in some columns."""
    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier(one, a), sql.Identifier(other, b))
        for a, b in zip(columns, others, strict=True)
    )
