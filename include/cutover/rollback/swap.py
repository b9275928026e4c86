"""Exchange the live tables and the shadow's by moving them between schemas, in one transaction.

Moving a table (ALTER TABLE ... SET SCHEMA) takes its indexes, constraints and owned sequences
along and rewrites nothing (PostgreSQL manual, ALTER TABLE). The exchange is its own reverse:
doing it again brings the old tables back. A flag in the shadow schema, changed in the same
transaction, says which way it stands, so that a retry never exchanges twice.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from cutover.data import shadow
from cutover.dialects import postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.schema.ddl import TOUCH

STATE = "cutover_state"

# What binds to a table by identity and would stay with the old one after the exchange.
_BOUND = """
WITH ours AS (
    SELECT c.oid, c.relname, c.relnamespace FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND c.relname = ANY (%(tables)s) AND c.relkind IN ('r', 'p'))
SELECT DISTINCT 'view ' || v.oid::regclass::text || ' reads ' || o.relname
FROM ours o JOIN pg_depend d ON d.refobjid = o.oid AND d.refclassid = 'pg_class'::regclass
JOIN pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass
JOIN pg_class v ON v.oid = r.ev_class WHERE v.oid <> o.oid
UNION ALL
SELECT 'foreign key ' || k.conname || ' of ' || k.conrelid::regclass::text || ' refers to ' || o.relname
FROM ours o JOIN pg_constraint k ON k.confrelid = o.oid AND k.contype = 'f'
WHERE k.conrelid NOT IN (SELECT oid FROM ours)
UNION ALL
SELECT 'trigger ' || t.tgname || ' on ' || o.relname FROM ours o JOIN pg_trigger t ON t.tgrelid = o.oid
JOIN pg_proc f ON f.oid = t.tgfoid
WHERE NOT t.tgisinternal AND NOT (starts_with(f.proname, %(touch)s) AND f.pronamespace = o.relnamespace)
UNION ALL
SELECT 'policy ' || p.polname || ' on ' || o.relname FROM ours o JOIN pg_policy p ON p.polrelid = o.oid
UNION ALL
SELECT 'row security on ' || o.relname FROM ours o JOIN pg_class c ON c.oid = o.oid WHERE c.relrowsecurity
UNION ALL
SELECT 'publication ' || p.pubname || ' of ' || o.relname FROM ours o JOIN pg_publication_rel r ON r.prrelid = o.oid
JOIN pg_publication p ON p.oid = r.prpubid
UNION ALL
SELECT 'inheritance or partitioning of ' || o.relname FROM ours o
JOIN pg_inherits i ON o.oid IN (i.inhrelid, i.inhparent)
UNION ALL
SELECT 'function ' || f.oid::regprocedure::text || ' uses the row type of ' || o.relname
FROM ours o JOIN pg_class c ON c.oid = o.oid
JOIN pg_depend d ON d.refobjid = c.reltype AND d.refclassid = 'pg_type'::regclass
JOIN pg_proc f ON f.oid = d.objid AND d.classid = 'pg_proc'::regclass
UNION ALL
SELECT 'column grants on ' || o.relname FROM ours o JOIN pg_attribute a ON a.attrelid = o.oid
WHERE a.attacl IS NOT NULL
ORDER BY 1"""

_GRANTS = """
SELECT a.privilege_type, CASE WHEN a.grantee = 0 THEN NULL ELSE pg_get_userbyid(a.grantee) END, a.is_grantable
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) a
WHERE n.nspname = %s AND c.relname = %s AND a.grantee <> c.relowner"""

_DEFAULT_GRANTS = """
SELECT a.privilege_type, CASE WHEN a.grantee = 0 THEN NULL ELSE pg_get_userbyid(a.grantee) END, a.is_grantable
FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace, aclexplode(d.defaclacl) a
WHERE d.defaclobjtype = 'r' AND (n.nspname = %s OR n.nspname IS NULL)
  AND d.defaclrole = (SELECT oid FROM pg_roles WHERE rolname = current_user) AND a.grantee <> d.defaclrole"""


@dataclass(frozen=True)
class Exchanged:
    """What an exchange did; ``locked_ms`` is how long the live tables could not be used."""

    tables: tuple[str, ...]
    locked_ms: float


def bound_objects(target: Endpoint, schema: str, tables: Sequence[str]) -> list[str]:
    """Name what is bound to the live tables from outside and would stay with the old ones."""
    with postgresql.session(target) as connection:
        found = connection.execute(_BOUND, {"schema": schema, "tables": list(tables), "touch": TOUCH}).fetchall()
    return [row[0] for row in found]


def swapped(target: Endpoint, shadow_schema: str) -> bool:
    """Whether the shadow schema holds the old tables already."""
    with postgresql.session(target) as connection:
        return _state(connection, shadow_schema)[0]


def _state(connection: psycopg.Connection, shadow_schema: str) -> tuple[bool, bool]:
    exists = connection.execute(
        "SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename = %s", (shadow_schema, STATE)
    ).fetchone()
    if exists is None:
        return False, False
    query = sql.SQL("SELECT swapped, made_schema FROM {}").format(sql.Identifier(shadow_schema, STATE))
    row = connection.execute(query).fetchone()
    return (bool(row[0]), bool(row[1])) if row else (False, False)


def cut_over(target: Endpoint, live: str, shadow_schema: str, tables: Sequence[str], limit_ms: int) -> Exchanged:
    """Put the shadow's tables in the place of the live ones; a second call does nothing.

    Args:
        target: the target database.
        live: the schema the application reads; made where it is not there.
        shadow_schema: the run's own schema.
        tables: the new tables.
        limit_ms: how long the live tables may be locked, and how long to wait for the lock.

    Raises:
        TransientError: the lock was not to be had; nothing was changed.
        TerminalError: the exchange would have taken longer than ``limit_ms``; nothing was changed.
    """
    with postgresql.session(target, statement_timeout=limit_ms, lock_timeout=min(limit_ms, 5000)) as connection:
        if _state(connection, shadow_schema)[0]:
            return Exchanged(tuple(tables), 0.0)
        made = not shadow.exists(connection, live)
        if made:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(live)))
        state = sql.Identifier(shadow_schema, STATE)
        columns = sql.SQL("CREATE TABLE {} (swapped boolean, made_schema boolean, live text, tables text[])")
        connection.execute(columns.format(state))
        values = (made, live, list(tables))
        connection.execute(sql.SQL("INSERT INTO {} VALUES (true, %s, %s, %s)").format(state), values)
        for name in tables:
            # Takes the new tables' locks before the live ones', so that nobody waits for us to get them.
            new = sql.Identifier(shadow_schema, name)
            connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(new))
            connection.execute(sql.SQL("ALTER TABLE {} RESET (autovacuum_enabled)").format(new))
        defaults = connection.execute(_DEFAULT_GRANTS, (live,)).fetchall()
        started, old = _exchange(connection, live, shadow_schema, tables)
        for name in tables:
            if name in old:
                _carry_rights(connection, live, shadow_schema, name)
            else:
                _grant(connection, live, name, defaults)
        connection.commit()
        return Exchanged(tuple(tables), (time.monotonic() - started) * 1000)


def go_back(target: Endpoint, live: str, shadow_schema: str, tables: Sequence[str], limit_ms: int) -> bool:
    """Put the old tables back in their place; return False where they never left it."""
    with postgresql.session(target, statement_timeout=limit_ms, lock_timeout=min(limit_ms, 5000)) as connection:
        was_swapped, made_schema = _state(connection, shadow_schema)
        if not was_swapped:
            return False
        _exchange(connection, live, shadow_schema, tables)
        connection.execute(sql.SQL("UPDATE {} SET swapped = false").format(sql.Identifier(shadow_schema, STATE)))
        if made_schema:
            connection.execute(sql.SQL("DROP SCHEMA {}").format(sql.Identifier(live)))
        return True


def _exchange(
    connection: psycopg.Connection, live: str, shadow_schema: str, tables: Sequence[str]
) -> tuple[float, set[str]]:
    """Move tables both ways; return when the locks were held, and which tables had an old one."""
    there = connection.execute(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY (%s) AND tablename = ANY (%s)",
        ([live, shadow_schema], list(tables)),
    ).fetchall()
    in_live = {name for schema, name in there if schema == live}
    in_shadow = {name for schema, name in there if schema == shadow_schema}
    if in_live:
        names = sql.SQL(", ").join(sql.Identifier(live, name) for name in sorted(in_live))
        connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(names))
    started = time.monotonic()
    between = shadow_schema[:58] + "_swap"
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(between)))
    for names_to_move, origin, destination in (
        (in_live, live, between),
        (in_shadow, shadow_schema, live),
        (in_live, between, shadow_schema),
    ):
        for name in sorted(names_to_move):
            # The triggers come with their table, their function does not.
            for function in _touching(connection, origin, name):
                _move(connection, "FUNCTION", origin, function, destination)
            _move(connection, "TABLE", origin, name, destination)
    connection.execute(sql.SQL("DROP SCHEMA {}").format(sql.Identifier(between)))
    return started, in_live


def _touching(connection: psycopg.Connection, schema: str, table: str) -> list[str]:
    """Return the functions of ours, in the table's schema, that its triggers call."""
    query = (
        "SELECT DISTINCT f.proname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
        "JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_proc f ON f.oid = t.tgfoid "
        "WHERE n.nspname = %s AND c.relname = %s AND f.pronamespace = n.oid AND starts_with(f.proname, %s)"
    )
    return [name for (name,) in connection.execute(query, (schema, table, TOUCH))]


def _move(connection: psycopg.Connection, kind: str, origin: str, name: str, destination: str) -> None:
    connection.execute(
        sql.SQL("ALTER {} {} SET SCHEMA {}").format(
            sql.SQL(kind), sql.Identifier(origin, name), sql.Identifier(destination)
        )
    )


def _carry_rights(connection: psycopg.Connection, live: str, shadow_schema: str, name: str) -> None:
    """Give the new table the owner and the grants of the old one."""
    owner = connection.execute(
        "SELECT tableowner FROM pg_tables WHERE schemaname = %s AND tablename = %s AND tableowner <> current_user",
        (shadow_schema, name),
    ).fetchone()
    _grant(connection, live, name, connection.execute(_GRANTS, (shadow_schema, name)).fetchall())
    if owner is not None:
        connection.execute(
            sql.SQL("ALTER TABLE {} OWNER TO {}").format(sql.Identifier(live, name), sql.Identifier(owner[0]))
        )


def _grant(
    connection: psycopg.Connection, live: str, name: str, grants: Sequence[tuple[str, str | None, bool]]
) -> None:
    for privilege, grantee, grantable in grants:
        connection.execute(
            sql.SQL("GRANT {} ON {} TO {}{}").format(
                # The server's own word for the privilege, from its catalogue.
                sql.SQL(privilege),
                sql.Identifier(live, name),
                sql.SQL("PUBLIC") if grantee is None else sql.Identifier(grantee),
                sql.SQL(" WITH GRANT OPTION" if grantable else ""),
            )
        )


def made_here(target: Endpoint, migration: str, live: str) -> set[str]:
    """Return the tables of the live schema that earlier runs of a migration put there.

    The target itself tells: each run that was cut over left its schema, until the next one succeeds.
    """
    tables: set[str] = set()
    with postgresql.session(target) as connection:
        for name in _schemas_of(connection, migration):
            if not _state(connection, name)[0]:
                continue
            query = sql.SQL("SELECT unnest(tables) FROM {} WHERE live = %s").format(sql.Identifier(name, STATE))
            tables |= {row[0] for row in connection.execute(query, (live,))}
    return tables


def drop_older(target: Endpoint, migration: str, keep: str) -> list[str]:
    """Drop what earlier runs of the migration kept; return the names of the dropped schemas."""
    with postgresql.session(target) as connection:
        older = [name for name in _schemas_of(connection, migration) if name != keep]
        for name in older:
            shadow.drop_within(connection, name)
    return older


def _schemas_of(connection: psycopg.Connection, migration: str) -> list[str]:
    pattern = f"^{shadow.PREFIX}{migration}_[0-9a-f]{{8}}$"
    found = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname ~ %s ORDER BY 1", (pattern,)).fetchall()
    return [name for (name,) in found]
