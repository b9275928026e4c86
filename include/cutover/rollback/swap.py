"""Exchange the live tables and the shadow's by moving them between schemas, in one transaction.

Moving a table (ALTER TABLE ... SET SCHEMA) takes its indexes, constraints, triggers and owned
sequences along and rewrites nothing (PostgreSQL manual, ALTER TABLE). Views, routines and types
move by themselves, and what is bound to them stays bound. The exchange is its own reverse:
doing it again brings the old objects back. A flag in the shadow schema, changed in the same
transaction, says which way it stands, so that a retry never exchanges twice.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from cutover.data import shadow
from cutover.dialects import postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.schema.target import Movable

STATE = "cutover_state"

# What binds to a table by identity and would stay with the old one after the exchange.
_BOUND = """
WITH ours AS (
    SELECT c.oid, c.relname, c.relnamespace FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND c.relname = ANY (%(tables)s) AND c.relkind IN ('r', 'p'))
SELECT DISTINCT 'view ' || v.oid::regclass::text || ' reads ' || o.relname
FROM ours o JOIN pg_depend d ON d.refobjid = o.oid AND d.refclassid = 'pg_class'::regclass
JOIN pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass
JOIN pg_class v ON v.oid = r.ev_class
WHERE v.oid <> o.oid AND NOT (v.relnamespace = o.relnamespace AND v.relname = ANY (%(views)s))
UNION ALL
SELECT 'foreign key ' || k.conname || ' of ' || k.conrelid::regclass::text || ' refers to ' || o.relname
FROM ours o JOIN pg_constraint k ON k.confrelid = o.oid AND k.contype = 'f'
WHERE k.conrelid NOT IN (SELECT oid FROM ours)
UNION ALL
SELECT 'trigger ' || t.tgname || ' on ' || o.relname FROM ours o JOIN pg_trigger t ON t.tgrelid = o.oid
JOIN pg_proc f ON f.oid = t.tgfoid
WHERE NOT t.tgisinternal AND NOT (f.proname = ANY (%(routines)s) AND f.pronamespace = o.relnamespace)
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
WHERE NOT (i.inhrelid IN (SELECT oid FROM ours) AND i.inhparent IN (SELECT oid FROM ours))
UNION ALL
SELECT 'function ' || f.oid::regprocedure::text || ' uses the row type of ' || o.relname
FROM ours o JOIN pg_class c ON c.oid = o.oid
JOIN pg_depend d ON d.refobjid = c.reltype AND d.refclassid = 'pg_type'::regclass
JOIN pg_proc f ON f.oid = d.objid AND d.classid = 'pg_proc'::regclass
WHERE NOT (f.proname = ANY (%(routines)s) AND f.pronamespace = o.relnamespace)
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


@dataclass(frozen=True)
class _State:
    """Which way an exchange stands; ``brought`` went into the live schema, ``displaced`` out of it."""

    swapped: bool = False
    made_schema: bool = False
    live: str = ""
    brought: tuple[Movable, ...] = ()
    displaced: tuple[Movable, ...] = ()


def bound_objects(target: Endpoint, schema: str, displaced: Collection[Movable]) -> list[str]:
    """Name what is bound to the live tables among ``displaced`` from outside, and would stay with the old ones."""
    names = {kind: [m.name for m in displaced if m.kind == kind] for kind in ("TABLE", "VIEW", "ROUTINE")}
    known = {"tables": names["TABLE"], "views": names["VIEW"], "routines": names["ROUTINE"]}
    with postgresql.session(target) as connection:
        found = connection.execute(_BOUND, {"schema": schema, **known}).fetchall()
    return [row[0] for row in found]


def displaced(target: Endpoint, migration: str, live: str, brought: Collection[Movable]) -> set[Movable]:
    """Return what leaves the live schema when ``brought`` comes.

    That is what has the names of what comes, and, when all tables of an earlier run are replaced,
    whatever else that run brought: a view or trigger that the source has no longer.
    """
    with postgresql.session(target) as connection:
        return _displaced(connection, migration, live, brought)


def _displaced(connection: psycopg.Connection, migration: str, live: str, brought: Collection[Movable]) -> set[Movable]:
    there = shadow.contents(connection, live).keys()
    leaving = there & set(brought)
    for name in _schemas_of(connection, migration):
        earlier = _state(connection, name)
        if earlier.swapped and earlier.live == live:
            tables = {movable for movable in earlier.brought if movable.kind == "TABLE"}
            if tables & there <= leaving:
                leaving |= there & set(earlier.brought)
    return leaving


def swapped(target: Endpoint, shadow_schema: str) -> bool:
    """Whether the shadow schema holds the old tables already."""
    with postgresql.session(target) as connection:
        return _state(connection, shadow_schema).swapped


def _state(connection: psycopg.Connection, shadow_schema: str) -> _State:
    exists = connection.execute(
        "SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename = %s", (shadow_schema, STATE)
    ).fetchone()
    if exists is None:
        return _State()
    query = sql.SQL("SELECT swapped, made_schema, live, brought, displaced FROM {}")
    row = connection.execute(query.format(sql.Identifier(shadow_schema, STATE))).fetchone()
    if row is None:
        return _State()
    swapped_, made, live, brought, displaced_ = row
    return _State(swapped_, made, live, *(tuple(Movable(*pair) for pair in pairs) for pairs in (brought, displaced_)))


def cut_over(
    target: Endpoint, migration: str, live: str, shadow_schema: str, brought: Sequence[Movable], limit_ms: int
) -> Exchanged:
    """Put the shadow's objects in the place of the live ones; a second call does nothing.

    Args:
        target: the target database.
        migration: its name; what its earlier runs brought may leave.
        live: the schema the application reads; made where it is not there.
        shadow_schema: the run's own schema.
        brought: the new objects.
        limit_ms: how long the live tables may be locked, and how long to wait for the lock.

    Raises:
        TransientError: the lock was not to be had; nothing was changed.
        TerminalError: the exchange would have taken longer than ``limit_ms``; nothing was changed.
    """
    tables = tuple(movable.name for movable in brought if movable.kind == "TABLE")
    with postgresql.session(target, statement_timeout=limit_ms, lock_timeout=min(limit_ms, 5000)) as connection:
        if _state(connection, shadow_schema).swapped:
            return Exchanged(tables, 0.0)
        made = not shadow.exists(connection, live)
        if made:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(live)))
        leaving = sorted(_displaced(connection, migration, live, brought), key=lambda m: (m.kind, m.name))
        _note_state(connection, shadow_schema, _State(True, made, live, tuple(brought), tuple(leaving)))
        for name in tables:
            # Takes the new tables' locks before the live ones', so that nobody waits for us to get them.
            new = sql.Identifier(shadow_schema, name)
            connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(new))
            if not _partitioned(connection, shadow_schema, name):
                connection.execute(sql.SQL("ALTER TABLE {} RESET (autovacuum_enabled)").format(new))
        shadow.bind_routines(connection, shadow_schema, live)
        defaults = connection.execute(_DEFAULT_GRANTS, (live,)).fetchall()
        started = _exchange(connection, live, leaving, shadow_schema, brought)
        for movable in brought:
            if movable.kind in ("TABLE", "VIEW"):
                if movable in leaving:
                    _carry_rights(connection, live, shadow_schema, movable.name)
                else:
                    _grant(connection, live, movable.name, defaults)
        connection.commit()
        return Exchanged(tables, (time.monotonic() - started) * 1000)


def _note_state(connection: psycopg.Connection, shadow_schema: str, state: _State) -> None:
    where = sql.Identifier(shadow_schema, STATE)
    columns = "(swapped boolean, made_schema boolean, live text, brought jsonb, displaced jsonb)"
    connection.execute(sql.SQL("CREATE TABLE {} {}").format(where, sql.SQL(columns)))
    objects = [Jsonb([[m.kind, m.name] for m in movables]) for movables in (state.brought, state.displaced)]
    connection.execute(
        sql.SQL("INSERT INTO {} VALUES (%s, %s, %s, %s, %s)").format(where),
        (state.swapped, state.made_schema, state.live, *objects),
    )


def _partitioned(connection: psycopg.Connection, schema: str, name: str) -> bool:
    query = "SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass(%s)"
    row = connection.execute(query, (postgresql.quoted(schema, name),)).fetchone()
    return bool(row and row[0])


def go_back(target: Endpoint, live: str, shadow_schema: str, limit_ms: int) -> bool:
    """Put the old objects back in their place; return False where they never left it."""
    with postgresql.session(target, statement_timeout=limit_ms, lock_timeout=min(limit_ms, 5000)) as connection:
        state = _state(connection, shadow_schema)
        if not state.swapped:
            return False
        _exchange(connection, live, state.brought, shadow_schema, state.displaced)
        connection.execute(sql.SQL("UPDATE {} SET swapped = false").format(sql.Identifier(shadow_schema, STATE)))
        if state.made_schema:
            connection.execute(sql.SQL("DROP SCHEMA {}").format(sql.Identifier(live)))
        return True


def _exchange(
    connection: psycopg.Connection,
    live: str,
    leaving: Collection[Movable],
    shadow_schema: str,
    coming: Collection[Movable],
) -> float:
    """Move objects both ways; return when the live ones' locks were held."""
    there = shadow.contents(connection, live).keys() & set(leaving)
    relations = [m for m in sorted(there, key=lambda m: (m.kind != "VIEW", m.name)) if m.kind in ("TABLE", "VIEW")]
    if relations:
        # Views first: locking one locks what it reads, in the order in which a query would.
        names = sql.SQL(", ").join(sql.Identifier(live, movable.name) for movable in relations)
        connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(names))
    started = time.monotonic()
    between = shadow_schema[:58] + "_swap"
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(between)))
    for movables, origin, destination in (
        (leaving, live, between),
        (coming, shadow_schema, live),
        (leaving, between, shadow_schema),
    ):
        identities = shadow.contents(connection, origin)
        # Routines first: their arguments' types are named where they are now.
        for movable in sorted(movables, key=lambda m: (m.kind != "ROUTINE", m.kind, m.name)):
            for identity in identities.get(movable, ()):
                _move(connection, movable.kind, origin, identity, destination)
    connection.execute(sql.SQL("DROP SCHEMA {}").format(sql.Identifier(between)))
    return started


def _move(connection: psycopg.Connection, kind: str, origin: str, identity: str, destination: str) -> None:
    connection.execute(
        sql.SQL("ALTER {} {}.{} SET SCHEMA {}").format(
            sql.SQL(kind), sql.Identifier(origin), sql.SQL(identity), sql.Identifier(destination)
        )
    )


def _carry_rights(connection: psycopg.Connection, live: str, shadow_schema: str, name: str) -> None:
    """Give the new table the owner and the grants of the old one."""
    owner = connection.execute(
        "SELECT pg_get_userbyid(relowner) FROM pg_class "
        "WHERE oid = to_regclass(%s) AND pg_get_userbyid(relowner) <> current_user",
        (postgresql.quoted(shadow_schema, name),),
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


def made_here(target: Endpoint, migration: str, live: str) -> set[Movable]:
    """Return the objects of the live schema that earlier runs of a migration put there.

    The target itself tells: each run that was cut over left its schema, until the next one succeeds.
    """
    found: set[Movable] = set()
    with postgresql.session(target) as connection:
        for name in _schemas_of(connection, migration):
            state = _state(connection, name)
            if state.swapped and state.live == live:
                found |= set(state.brought)
    return found


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
