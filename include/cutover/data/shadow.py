"""The shadow schema: where a run loads, out of everybody's sight."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import psycopg
from psycopg import sql

from cutover.data.load import BOOKKEEPING
from cutover.dialects import postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.errors import PreflightError
from cutover.schema.ddl import Statement
from cutover.schema.target import Movable

PREFIX = "cutover_"


def name_for(migration: str, run_id: str) -> str:
    """Return the name of a run's shadow schema."""
    return f"{PREFIX}{migration}_{hashlib.sha256(run_id.encode()).hexdigest()[:8]}"


def create(target: Endpoint, shadow: str, types: Iterable[Statement], tables: Iterable[Statement]) -> None:
    """Create the shadow schema with bare tables and their types, in one transaction; one that is there stays."""
    with postgresql.session(target) as connection:
        if exists(connection, shadow):
            return
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(shadow)))
        connection.execute("SELECT set_config('search_path', %s, true)", (postgresql.quoted(shadow),))
        for statement in BOOKKEEPING:
            run(connection, statement)
        for type_ in types:
            run(connection, type_.sql)
        for table in tables:
            run(connection, table.sql)
        whole = "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(quote_ident(%s)) AND relkind = 'r'"
        for (name,) in connection.execute(whole, (shadow,)).fetchall():
            # Autovacuum would fight the load and the index builds for the disk, and its lock the cutover.
            connection.execute(sql.SQL("ALTER TABLE {} SET (autovacuum_enabled = false)").format(sql.Identifier(name)))


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
    there = contents(connection, shadow)
    # What one kind depends on is of a later kind; nothing outside may depend on any of them.
    for kind in ("VIEW", "TABLE", "SEQUENCE", "ROUTINE", "TYPE", "COLLATION"):
        identities = [found.identity for movable, found in there.items() if movable.kind == kind]
        if identities:
            names = [sql.SQL(".").join((sql.Identifier(shadow), sql.SQL(identity))) for identity in identities]
            # All in one statement, where it takes several: they may refer to each other.
            for group in [sql.SQL(", ").join(names)] if kind != "COLLATION" else names:
                connection.execute(sql.SQL("DROP {} {}").format(sql.SQL(kind), group))
    connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {}").format(sql.Identifier(shadow)))


# A sequence that belongs to a column goes where its table goes, and what belongs to an extension stays.
_CONTENTS = """
WITH extensions AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e')
SELECT CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, c.relname, '', quote_ident(c.relname), c.oid
FROM pg_class c WHERE c.relnamespace = to_regnamespace(quote_ident(%(schema)s)) AND c.relkind IN ('r', 'p', 'v')
  AND NOT EXISTS (SELECT 1 FROM extensions e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid)
UNION ALL
SELECT 'SEQUENCE', c.relname, '', quote_ident(c.relname), c.oid
FROM pg_class c WHERE c.relnamespace = to_regnamespace(quote_ident(%(schema)s)) AND c.relkind = 'S'
  AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                    AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i'))
  AND NOT EXISTS (SELECT 1 FROM extensions e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid)
UNION ALL
SELECT 'ROUTINE', p.proname, oidvectortypes(p.proargtypes),
  quote_ident(p.proname) || '(' || pg_get_function_identity_arguments(p.oid) || ')', p.oid
FROM pg_proc p WHERE p.pronamespace = to_regnamespace(quote_ident(%(schema)s)) AND p.prokind IN ('f', 'p')
  AND NOT EXISTS (SELECT 1 FROM extensions e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid)
UNION ALL
SELECT 'TYPE', t.typname, '', quote_ident(t.typname), t.oid
FROM pg_type t WHERE t.typnamespace = to_regnamespace(quote_ident(%(schema)s)) AND t.typtype = 'e'
  AND NOT EXISTS (SELECT 1 FROM extensions e WHERE e.classid = 'pg_type'::regclass AND e.objid = t.oid)
UNION ALL
SELECT 'COLLATION', c.collname, '', quote_ident(c.collname), c.oid
FROM pg_collation c WHERE c.collnamespace = to_regnamespace(quote_ident(%(schema)s))
  AND NOT EXISTS (SELECT 1 FROM extensions e WHERE e.classid = 'pg_collation'::regclass AND e.objid = c.oid)
ORDER BY 1, 2, 3"""


@dataclass(frozen=True)
class Found:
    """An object that is there: how ALTER and DROP call it within its schema, and its number in the catalogue."""

    identity: str
    oid: int


def contents(connection: psycopg.Connection, schema: str) -> dict[Movable, Found]:
    """Return what a schema holds."""
    return {
        Movable(kind, name, arguments): Found(identity, oid)
        for kind, name, arguments, identity, oid in connection.execute(_CONTENTS, {"schema": schema})
    }


_IMMOVABLE = """
WITH here AS (SELECT to_regnamespace(quote_ident(%(schema)s))::oid AS oid),
found AS (
  SELECT 'pg_class'::regclass AS class, c.oid,
    CASE c.relkind WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' ELSE 'type' END AS kind, c.relname
  FROM pg_class c, here WHERE c.relnamespace = here.oid AND c.relkind IN ('m', 'f', 'c')
  UNION ALL
  SELECT 'pg_type'::regclass, t.oid, CASE t.typtype WHEN 'd' THEN 'domain' ELSE 'range type' END, t.typname
  FROM pg_type t, here WHERE t.typnamespace = here.oid AND t.typtype IN ('d', 'r')
  UNION ALL
  SELECT 'pg_proc'::regclass, p.oid, 'aggregate', p.proname
  FROM pg_proc p, here WHERE p.pronamespace = here.oid AND p.prokind IN ('a', 'w'))
SELECT kind || ' ' || relname FROM found f
WHERE NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = f.class AND d.objid = f.oid AND d.deptype IN ('i', 'e'))
ORDER BY 1"""


def refuse_immovable(connection: psycopg.Connection, schema: str) -> None:
    """Refuse what a version has made in a schema, and no exchange would take along.

    Raises:
        PreflightError: with the name of each.
    """
    found = connection.execute(_IMMOVABLE, {"schema": schema}).fetchall()
    if found:
        raise PreflightError(
            [
                f"a version makes {what}, which the cutover cannot exchange; make it in another schema"
                for (what,) in found
            ]
        )


def bind_routines(
    connection: psycopg.Connection, schema: str, to: str, only: Collection[Movable] | None = None
) -> None:
    """Let a schema's routines find the tables they name in the schema ``to``, whoever calls them."""
    for movable, found in contents(connection, schema).items():
        if movable.kind == "ROUTINE" and (only is None or movable in only):
            connection.execute(
                sql.SQL("ALTER ROUTINE {}.{} SET search_path = {}, pg_temp").format(
                    sql.Identifier(schema), sql.SQL(found.identity), sql.Identifier(to)
                )
            )


def run(connection: psycopg.Connection, statement: str) -> None:
    """Execute a statement that holds no parameters: a percent sign in it is only that."""
    connection.execute(statement.encode())
