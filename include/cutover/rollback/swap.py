"""Exchange the live tables and the shadow's by moving them between schemas, in one transaction.

Moving a table (ALTER TABLE ... SET SCHEMA) takes its indexes, constraints, triggers and owned
sequences along and rewrites nothing (PostgreSQL manual, ALTER TABLE). Views, sequences, routines
and types move by themselves, and what is bound to them stays bound. The exchange is its own reverse:
doing it again brings the old objects back. A flag in the shadow schema, changed in the same
transaction, says which way it stands, so that a retry never exchanges twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import errors, sql
from psycopg.types.json import Jsonb

from cutover.data import shadow
from cutover.dialects import postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.errors import PreflightError, TerminalError
from cutover.rollback import rights
from cutover.schema.target import Movable

STATE = "cutover_state"


@dataclass(frozen=True)
class Exchanged:
    """What a cutover did.

    Attributes:
        brought: what went into the live schema.
        displaced: what went out of it.
        locked_ms: how long the live tables could not be used.
        xid: the transaction that did it: what it left has this xmin or an older one.
        moment: the last one before it was committed, by the server's clock.
        way_back: the statements of its reverse, in order, which were tried before it was committed.
    """

    brought: tuple[Movable, ...]
    displaced: tuple[Movable, ...]
    locked_ms: float
    xid: int | None = None
    moment: datetime | None = None
    way_back: tuple[str, ...] = ()


@dataclass(frozen=True)
class _State:
    """Which way an exchange stands; ``brought`` went into the live schema, ``displaced`` out of it."""

    swapped: bool = False
    made_schema: bool = False
    live: str = ""
    brought: tuple[Movable, ...] = ()
    displaced: tuple[Movable, ...] = ()


def displaced(target: Endpoint, live: str, brought: Collection[Movable], earlier: Collection[Movable]) -> set[Movable]:
    """Return what leaves the live schema when ``brought`` comes, whose routines are known by name alone.

    That is what has the names of what comes, and what is left of ``earlier``: what runs before brought.
    """
    with postgresql.session(target) as connection:
        there = shadow.contents(connection, live).keys()
        leaving = {movable for movable in there if movable.named in brought or movable in earlier}
        return leaving | _partitions(connection, live, leaving)


def _partitions(connection: psycopg.Connection, schema: str, tables: Collection[Movable]) -> set[Movable]:
    """Return the partitions of tables, which go where their table goes."""
    query = (
        "SELECT c.relname FROM pg_inherits i "
        "JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent "
        "WHERE c.relispartition AND p.relnamespace = to_regnamespace(quote_ident(%s)) "
        "AND c.relnamespace = p.relnamespace AND p.relname = ANY (%s)"
    )
    names = [movable.name for movable in tables if movable.kind == "TABLE"]
    return {Movable("TABLE", name) for (name,) in connection.execute(query, (schema, names))}


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
    target: Endpoint,
    live: str,
    shadow_schema: str,
    brought: Collection[Movable],
    earlier: Collection[Movable],
    limit_ms: int,
    settle: Callable[[psycopg.Connection], None] | None = None,
) -> Exchanged:
    """Put the shadow's objects in the place of the live ones; a second call does nothing.

    Args:
        target: the target database.
        live: the schema the application reads; made where it is not there.
        shadow_schema: the run's own schema.
        brought: the new objects; a routine's arguments are read from the shadow schema.
        earlier: what runs before brought; whatever of it is there leaves.
        limit_ms: how long the live tables may be locked, and how long to wait for the lock.
        settle: what is done in the same transaction once nobody else can write to the live tables.

    Raises:
        TransientError: the lock was not to be had; nothing was changed.
        TerminalError: the exchange would have taken longer than ``limit_ms``, or has no way back; nothing was changed.
    """
    with postgresql.session(target, statement_timeout=limit_ms, lock_timeout=min(limit_ms, 5000)) as connection:
        state = _state(connection, shadow_schema)
        if state.swapped:
            return Exchanged(state.brought, state.displaced, 0.0)
        made = not shadow.exists(connection, live)
        if made:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(live)))
        coming = [m for m in shadow.contents(connection, shadow_schema) if m.named in brought]
        leaving = {m for m in shadow.contents(connection, live) if m in coming or m in earlier}
        leaving |= _partitions(connection, live, leaving)
        state = _State(True, made, live, tuple(coming), tuple(leaving))
        _note_state(connection, shadow_schema, state)
        for movable in coming:
            if movable.kind == "TABLE":
                _prepare(connection, shadow_schema, movable.name)
        shadow.bind_routines(connection, shadow_schema, live)
        defaults = rights.defaults(connection, live)
        before = shadow.contents(connection, live)
        started = _exchange(connection, live, leaving, shadow_schema, coming, settle)
        way_back = _tried(connection, shadow_schema, state, before)
        # Once for all: the live tables are locked.
        old, new = shadow.contents(connection, shadow_schema), shadow.contents(connection, live)
        for movable in coming:
            if movable in leaving:
                rights.carry(connection, movable.kind, old[movable].oid, live, new[movable].identity)
            elif movable.kind in defaults:
                rights.grant(connection, movable.kind, live, movable.name, defaults[movable.kind])
        stamp = "SELECT pg_current_xact_id()::text::bigint, clock_timestamp()"
        xid, moment = connection.execute(stamp).fetchone() or (None, None)
        connection.commit()
        return Exchanged(tuple(coming), tuple(leaving), (time.monotonic() - started) * 1000, xid, moment, way_back)


def _tried(
    connection: psycopg.Connection, shadow_schema: str, state: _State, before: Mapping[Movable, shadow.Found]
) -> tuple[str, ...]:
    """Go back and forth again before anything is committed; return the statements that lead back.

    Raises:
        TerminalError: the live schema would not hold what it held.
    """
    said: list[str] = []
    with connection.transaction(force_rollback=True):
        _reverse(connection, shadow_schema, state, said)
        now = shadow.contents(connection, state.live)
        if {movable: found.oid for movable, found in now.items()} != {m: found.oid for m, found in before.items()}:
            differing = ", ".join(sorted({f"{m.kind.lower()} {m.name}" for m in now.keys() ^ before.keys()}))
            raise TerminalError(
                f"the way back does not lead to what schema {state.live} held ({differing}); nothing was changed"
            )
    return tuple(said)


def _reverse(connection: psycopg.Connection, shadow_schema: str, state: _State, said: list[str] | None = None) -> None:
    """Put back what a cutover displaced, and note that it stands so; what is done is written into ``said``."""
    _exchange(connection, state.live, state.brought, shadow_schema, state.displaced, said=said)
    _do(connection, sql.SQL("UPDATE {} SET swapped = false").format(sql.Identifier(shadow_schema, STATE)), said)
    if state.made_schema:
        _do(connection, sql.SQL("DROP SCHEMA {}").format(sql.Identifier(state.live)), said)


def _do(connection: psycopg.Connection, statement: sql.Composed, said: list[str] | None) -> None:
    connection.execute(statement)
    if said is not None:
        said.append(statement.as_string(connection))


def _prepare(connection: psycopg.Connection, schema: str, name: str) -> None:
    """Take a new table's lock before the live ones', so that nobody waits for us to get it; let it be vacuumed."""
    table = sql.Identifier(schema, name)
    connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(table))
    if not _partitioned(connection, schema, name):
        connection.execute(sql.SQL("ALTER TABLE {} RESET (autovacuum_enabled)").format(table))


def _note_state(connection: psycopg.Connection, shadow_schema: str, state: _State) -> None:
    where = sql.Identifier(shadow_schema, STATE)
    columns = "(swapped boolean, made_schema boolean, live text, brought jsonb, displaced jsonb)"
    # One that was taken back, by an attempt that died before it could say so, is there already.
    connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(where))
    connection.execute(sql.SQL("CREATE TABLE {} {}").format(where, sql.SQL(columns)))
    objects = [
        Jsonb([[m.kind, m.name, m.arguments] for m in movables]) for movables in (state.brought, state.displaced)
    ]
    connection.execute(
        sql.SQL("INSERT INTO {} VALUES (%s, %s, %s, %s, %s)").format(where),
        (state.swapped, state.made_schema, state.live, *objects),
    )


def _partitioned(connection: psycopg.Connection, schema: str, name: str) -> bool:
    query = "SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass(%s)"
    row = connection.execute(query, (postgresql.quoted(schema, name),)).fetchone()
    return bool(row and row[0])


def go_back(
    target: Endpoint,
    shadow_schema: str,
    limit_ms: int,
    then: Callable[[psycopg.Connection, Collection[Movable]], None] | None = None,
) -> bool:
    """Put the old objects back in their place; return False where they never left it.

    Args:
        target: the target database.
        shadow_schema: the run's own schema, where they are.
        limit_ms: how long any statement may take.
        then: what is done in the same transaction with what is back.

    Raises:
        TransientError: the lock was not to be had; nothing was changed.
        TerminalError: a statement would have taken longer than ``limit_ms``; nothing was changed.
    """
    with postgresql.session(target, statement_timeout=limit_ms, lock_timeout=min(limit_ms, 5000)) as connection:
        state = _state(connection, shadow_schema)
        if not state.swapped:
            return False
        _reverse(connection, shadow_schema, state)
        if then is not None:
            then(connection, state.displaced)
        return True


def go_forth(target: Endpoint, shadow_schema: str, limit_ms: int) -> bool:
    """Put the new objects in place once more, after :func:`go_back`; return False where they stand there.

    Raises:
        TransientError: the lock was not to be had; nothing was changed.
        TerminalError: a statement would have taken longer than ``limit_ms``; nothing was changed.
        PreflightError: there is nothing that could go back in place.
    """
    with postgresql.session(target, statement_timeout=limit_ms, lock_timeout=min(limit_ms, 5000)) as connection:
        state = _state(connection, shadow_schema)
        if state.swapped:
            return False
        if not state.live:
            raise PreflightError([f"{target} has no schema {shadow_schema} with the new tables: they were not kept"])
        if state.made_schema:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(state.live)))
        _exchange(connection, state.live, state.displaced, shadow_schema, state.brought)
        connection.execute(sql.SQL("UPDATE {} SET swapped = true").format(sql.Identifier(shadow_schema, STATE)))
        return True


def _exchange(
    connection: psycopg.Connection,
    live: str,
    leaving: Collection[Movable],
    shadow_schema: str,
    coming: Collection[Movable],
    settle: Callable[[psycopg.Connection], None] | None = None,
    said: list[str] | None = None,
) -> float:
    """Move objects both ways; return when the live ones' locks were held. What is done is written into ``said``."""
    leaving_now = shadow.contents(connection, live).keys() & set(leaving)
    relations = [
        m for m in sorted(leaving_now, key=lambda m: (m.kind != "VIEW", m.name)) if m.kind in ("TABLE", "VIEW")
    ]
    if relations:
        _make_autovacuum_give_way(connection)
        # Views first: locking one locks what it reads, in the order in which a query would.
        names = sql.SQL(", ").join(sql.Identifier(live, movable.name) for movable in relations)
        _do(connection, sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(names), said)
    started = time.monotonic()
    if settle is not None:
        settle(connection)
    between = shadow_schema[:58] + "_swap"
    _do(connection, sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(between)), said)
    for movables, origin, destination in (
        (leaving, live, between),
        (coming, shadow_schema, live),
        (leaving, between, shadow_schema),
    ):
        there = shadow.contents(connection, origin)
        # Routines first: their arguments' types are named where they are now.
        for movable in sorted(movables, key=lambda m: (m.kind != "ROUTINE", m.kind, m.name, m.arguments)):
            if movable in there:
                move = sql.SQL("ALTER {} {}.{} SET SCHEMA {}").format(
                    sql.SQL(movable.kind),
                    sql.Identifier(origin),
                    sql.SQL(there[movable].identity),
                    sql.Identifier(destination),
                )
                _do(connection, move, said)
    _do(connection, sql.SQL("DROP SCHEMA {}").format(sql.Identifier(between)), said)
    return started


def _make_autovacuum_give_way(connection: psycopg.Connection) -> None:
    """Have the server see to it soon that its own maintenance is not waited for.

    An autovacuum that holds a table's lock is cancelled when whoever waits for it has waited deadlock_timeout, a
    second by default (PostgreSQL manual, Routine Vacuuming; Lock Management). Not every role may say another.
    """
    with suppress(errors.InsufficientPrivilege), connection.transaction():
        connection.execute("SET LOCAL deadlock_timeout = '20ms'")


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


def adopt(
    connection: psycopg.Connection, migration: str, live: str, made: Collection[Movable], gone: Collection[Movable]
) -> None:
    """Let what was made in the live schema go back with the tables of the run that stands there, if one does."""
    for name in _schemas_of(connection, migration):
        state = _state(connection, name)
        if state.swapped and state.live == live:
            brought = [m for m in state.brought if m not in gone] + [m for m in made if m not in state.brought]
            connection.execute(
                sql.SQL("UPDATE {} SET brought = %s").format(sql.Identifier(name, STATE)),
                (Jsonb([[m.kind, m.name, m.arguments] for m in brought]),),
            )


def drop_older(target: Endpoint, migration: str, keep: str) -> tuple[list[str], list[str]]:
    """Drop what earlier runs of the migration kept; return what was dropped, and what stays with the reason."""
    dropped, kept = [], []
    with postgresql.session(target) as connection:
        for name in _schemas_of(connection, migration):
            if name == keep:
                continue
            try:
                with connection.transaction():
                    shadow.drop_within(connection, name)
            except psycopg.Error as error:
                if postgresql.transient(error.sqlstate):
                    raise
                kept.append(f"schema {name} of an earlier run stays: {error.diag.message_detail or error}")
            else:
                dropped.append(name)
    return dropped, kept


def _schemas_of(connection: psycopg.Connection, migration: str) -> list[str]:
    pattern = f"^{shadow.PREFIX}{migration}_[0-9a-f]{{8}}$"
    found = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname ~ %s ORDER BY 1", (pattern,)).fetchall()
    return [name for (name,) in found]
