"""Put changed rows in the place of what the target has, many tables and the checkpoint in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
import pyarrow as pa
from psycopg import sql

from cutover.data.load import checked, load_schema
from cutover.data.sync import checkpoint, snapshot
from cutover.data.sync.changes import Changes, Followed, Key
from cutover.data.sync.checkpoint import Mark
from cutover.data.transform import Reject, Tally, transform
from cutover.dialects import postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.dialects.postgresql_copy import copy
from cutover.errors import DataError, TransientError
from cutover.route import TableRoute
from cutover.schema import ddl
from cutover.schema.target import TargetTable

_CASCADES = ("CASCADE", "SET NULL", "SET DEFAULT")


@dataclass
class Applied:
    """What a batch did: rows that it brought, and those that a rule refused, by source table; they are not there."""

    rows: int = 0
    rejects: dict[str, list[Reject]] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """Where changes go: the tables of a schema that follows a feed, as its checkpoint tells."""

    target: Endpoint
    checkpoint: Mark
    tables: Sequence[TargetTable]

    @property
    def schema(self) -> str:
        """The schema of the tables, and of the checkpoint."""
        return self.checkpoint.schema


def apply(
    source: Any, place: Place, followed: Mapping[str, Followed], changes: Changes, batch_rows: int, *, refuse: bool
) -> Applied:
    """Make the target's rows those of the source's snapshot, for every row that changed, and move the checkpoint on.

    Triggers and foreign keys of the target do not act meanwhile (PostgreSQL manual, session_replication_role): what
    they would do has happened in the source. Rows that the source changes without a word in its binary log, by a
    foreign key's action, are found by the target's own.

    Args:
        source: a session of :func:`cutover.data.sync.snapshot.snapshot`.
        place: where the changes go.
        followed: what is followed, by source table.
        changes: the rows that changed.
        batch_rows: rows asked for at a time.
        refuse: whether a row that a rule refuses is an error; otherwise it is left out and told.

    Raises:
        TransientError: a connection was lost, or another follower was faster; nothing was changed.
        DataError: the target or a rule refused rows; nothing was changed.
    """
    done = Applied()
    with postgresql.session(place.target, place.schema, doing="applying changes") as connection:
        if checkpoint.locked(connection, place.checkpoint) != changes.since:
            raise TransientError(f"somebody else has moved schema {place.schema} on meanwhile")
        connection.execute("SET LOCAL session_replication_role = replica")
        work = _Work(source, connection, place, followed, batch_rows, done)
        work.keys_of(changes)
        for table in place.tables:
            work.bring(table)
        if refuse and done.rejects:
            raise DataError(_refused(done.rejects))
        checkpoint.move(connection, place.checkpoint, changes.position, changes.events)
    return done


def _refused(rejects: Mapping[str, Sequence[Reject]]) -> str:
    shown = [f"{table} {r.key}: {r.reason}" for table, some in rejects.items() for r in some]
    return f"{len(shown)} changed rows are refused, and nothing was applied: {'; '.join(shown[:5])}"


@dataclass
class _Work:
    source: Any
    connection: psycopg.Connection
    place: Place
    followed: Mapping[str, Followed]
    batch_rows: int
    done: Applied
    staged: dict[str, set[Key]] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)

    def keys_of(self, changes: Changes) -> None:
        """Stage the keys of what changed, and of what foreign keys changed because of it."""
        self.whole = set(changes.whole)
        waiting = {table: set(keys) for table, keys in changes.keys.items()}
        while waiting:
            for name, keys in waiting.items():
                self._stage_keys(self.followed[name], keys)
            waiting = self._following(waiting)

    def _stage_keys(self, table: Followed, keys: set[Key]) -> None:
        route = table.route
        if route.source not in self.staged:
            self._empty(self._keys(route), route, route.key)
        self.staged.setdefault(route.source, set()).update(keys)
        narrow = keys_alone(route)
        batches = snapshot.keys_as_read(self.source, table, sorted(keys, key=repr), self.batch_rows)
        self._ingest(self._keys(route), narrow, transform(narrow, batches, Tally()))

    def _following(self, changed: Mapping[str, set[Key]]) -> dict[str, set[Key]]:
        """Return rows that an action of a foreign key may have changed together with what they refer to.

        The target has those that referred to a changed key before, the source those that refer to one now.
        """
        by_name = {table.name: table for table in self.place.tables}
        found: dict[str, set[Key]] = {}
        for child in self.place.tables:
            for key in child.foreign_keys:
                parent = by_name.get(key.referred_table)
                if not {key.on_delete, key.on_update} & {*_CASCADES} or parent is None:
                    continue
                keys = changed.get(parent.route.source)
                if not keys:
                    continue
                followed = self.followed[child.route.source]
                if not followed.key or {*key.referred_columns} != {*parent.route.key}:
                    self.whole.add(child.route.source)
                    continue
                # In the order of the parent's key, in which its changed keys are.
                columns = [key.columns[key.referred_columns.index(name)] for name in parent.route.key]
                new = self._referring_before(child, parent, columns) | self._referring_now(child, parent, columns, keys)
                new -= self.staged.get(child.route.source, set())
                found.setdefault(child.route.source, set()).update(new)
        return {table: keys for table, keys in found.items() if keys}

    def _referring_before(self, child: TargetTable, parent: TargetTable, columns: Sequence[str]) -> set[Key]:
        names = ", ".join(f"c.{postgresql.quoted(name)}" for name in child.route.key)
        live, changed = postgresql.quoted(self.place.schema, child.name), _alike("c", columns, "k", parent.route.key)
        return set(self._run(f"SELECT DISTINCT {names} FROM {live} c JOIN {self._keys(parent.route)} k ON {changed}"))  # noqa: S608

    def _referring_now(
        self, child: TargetTable, parent: TargetTable, columns: Sequence[str], keys: set[Key]
    ) -> set[Key]:
        sources = [child.route.column(name).source for name in columns]
        like = [replace(k, name=name) for k, name in zip(self.followed[parent.route.source].key, sources, strict=True)]
        return set(snapshot.referring(self.source, self.followed[child.route.source], like, sorted(keys, key=repr)))

    def bring(self, table: TargetTable) -> None:
        """Take the changed rows of one table away, and put those there that the source has."""
        name = table.route.source
        if name in self.whole:
            self._exchange(table, snapshot.whole(self.source, self.followed[name], self.batch_rows), everything=True)
        elif name in self.staged:
            keys = sorted(self.staged[name], key=repr)
            self._exchange(
                table, snapshot.rows(self.source, self.followed[name], keys, self.batch_rows), everything=False
            )

    def _exchange(self, table: TargetTable, batches: Iterator[pa.RecordBatch], *, everything: bool) -> None:
        route = table.route.loaded
        live, staged = postgresql.quoted(self.place.schema, table.name), f"cutover_rows_{self._number(route)}"
        tally = Tally()
        names = self._empty(staged, route, [column.target for column in route.columns])
        self.done.rows += self._ingest(staged, route, transform(route, batches, tally))
        # What the spec leaves out by rule is left out here too.
        if errors := [reject for reject in tally.rejects if not reject.by_rule]:
            self.done.rejects[route.source] = errors
        if everything:
            self._run(f"DELETE FROM {live}")  # noqa: S608
        else:
            changed = _alike("t", route.key, "k", route.key)
            self._run(f"DELETE FROM {live} t USING {self._keys(route)} k WHERE {changed}")  # noqa: S608
            for key in self._unique(table):
                # Whoever has a value that another row has now in the source will have changed too, later in the log.
                self._run(f"DELETE FROM {live} t USING {staged} s WHERE {_alike('t', key, 's', key)}")  # noqa: S608
        self._run(f"INSERT INTO {live} ({names}) SELECT {names} FROM {staged}")  # noqa: S608
        if restart := ddl.restart_identity(table):
            self._run(restart.sql)

    def _empty(self, name: str, route: TableRoute, columns: Sequence[str]) -> str:
        """Make a table for a while, of some columns of the target's as they are there; return their names, as SQL."""
        names = ", ".join(map(postgresql.quoted, columns))
        empty = f"SELECT {names} FROM {postgresql.quoted(self.place.schema, route.target)} WITH NO DATA"  # noqa: S608
        self._run(f"CREATE TEMP TABLE {name} ON COMMIT DROP AS {empty}")
        return names

    @staticmethod
    def _unique(table: TargetTable) -> list[Sequence[str]]:
        return [table.route.key, *(index.columns for index in table.indexes if index.unique and index.whole)]

    def _ingest(self, into: str, route: TableRoute, batches: Iterator[pa.RecordBatch]) -> int:
        return copy(self.connection, sql.Identifier("pg_temp", into), load_schema(route), checked(route, batches))

    def _keys(self, route: TableRoute) -> str:
        return f"cutover_keys_{self._number(route)}"

    def _number(self, route: TableRoute) -> int:
        return [table.route.source for table in self.place.tables].index(route.source)

    def _run(self, statement: str) -> psycopg.Cursor[Any]:
        return self.connection.execute(statement.encode())


def _alike(one: str, columns: Sequence[str], other: str, others: Sequence[str]) -> str:
    pairs = zip(columns, others, strict=True)
    return " AND ".join(f"{one}.{postgresql.quoted(a)} = {other}.{postgresql.quoted(b)}" for a, b in pairs)


def keys_alone(route: TableRoute) -> TableRoute:
    """Return the route of the key's columns, of which no row is refused: a key that cannot be is not there."""
    columns = tuple(replace(route.column(name), may_lose=False, nullable=True) for name in route.key)
    return replace(route, columns=columns, where=None, function=None, places=None)
