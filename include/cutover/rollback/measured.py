"""What a database holds, in numbers that two databases can be compared by."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import psycopg
from psycopg import sql

from cutover.dialects import postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.errors import TransientError

# A value's text is the same in every session, and a dump of hours ends no transaction that waits for it.
_SETTINGS = {
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "idle_in_transaction_session_timeout": "0",
    "lc_monetary": "C",
    "row_security": "off",
    "search_path": "",
    "transaction_timeout": "0",
}
_SET = """
    SELECT set_config(s.name, given.value, false)
    FROM pg_settings s JOIN unnest(%s::text[], %s::text[]) given (name, value) USING (name)"""
# The catalogue is read in the snapshot, but pg_relation_filenode() tells where the rows are now.
_RELATIONS = """
    SELECT n.nspname, c.relname, c.oid::bigint, c.relkind = 'S',
      c.relkind = 'r' AND c.relfilenode IS DISTINCT FROM pg_relation_filenode(c.oid),
      ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            ORDER BY a.attname)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'S') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND (cardinality(%(schemas)s::text[]) = 0 OR n.nspname = ANY (%(schemas)s::text[]))
    AND NOT EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY n.nspname, c.relname"""
# A column is named with its table's alias, for the table may have a column of the alias's name.
_MEASURE = "SELECT count(*), coalesce(sum(hashtextextended(ROW({})::text, 0)::numeric), 0)::text FROM ONLY {} cutover_t"
# What pg_dump prints and what says nothing about the schema.
_NOISE = re.compile(rb"--|\s*$|SET |SELECT pg_catalog\.set_config\(|\\(?:un)?restrict ")
# PostgreSQL prints IN ('a', 'b') of a varchar as the cast of an array; read again, that becomes an array of casts:
# a database that was restored says the same in other words.
_MEMBER = rb"E?'(?:[^']|'')*'::[a-z ]+"
_CAST_ARRAY = re.compile(rb"\(ARRAY\[(%b(?:, %b)*)\]\)::([a-z ]+)\[\]" % (_MEMBER, _MEMBER))


@dataclass(frozen=True)
class Table:
    """What a table's rows come to: how many they are, and a number that they make whatever their order."""

    schema: str
    name: str
    oid: int
    rows: int
    content: str


@dataclass(frozen=True)
class Position:
    """Where a sequence stands."""

    schema: str
    name: str
    last_value: int
    is_called: bool


_Measured = TypeVar("_Measured", Table, Position)


@contextmanager
def snapshot(database: Endpoint) -> Iterator[psycopg.Connection]:
    """Open a transaction that sees one moment, changes nothing, and writes every value out whole."""
    # A connection of its own: what is set here is no pool's.
    with postgresql.session(database.keeping_none()) as connection:
        write_whole(connection)
        connection.commit()
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        yield connection


def write_whole(connection: psycopg.Connection) -> None:
    """Have a session write every value out whole, and find no table by its bare name."""
    connection.execute(_SET, (list(_SETTINGS), list(_SETTINGS.values())))


def again(connection: psycopg.Connection, table: Table) -> Table:
    """Measure a table as it is now, in whichever transaction."""
    query = (
        "SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped "
        "ORDER BY a.attname"
    )
    columns = [name for (name,) in connection.execute(query, (table.oid,))]
    return _table(connection, table.schema, table.name, table.oid, columns)


def _table(connection: psycopg.Connection, schema: str, name: str, oid: int, columns: Sequence[str]) -> Table:
    row = sql.SQL(", ").join(sql.Identifier("cutover_t", column) for column in columns)
    found = connection.execute(sql.SQL(_MEASURE).format(row, sql.Identifier(schema, name))).fetchone()
    assert found is not None
    return Table(schema, name, oid, *found)


def measured(connection: psycopg.Connection, schemas: Sequence[str]) -> tuple[tuple[Table, ...], tuple[Position, ...]]:
    """Return what the rows of each table come to, whatever their order, and where each sequence stands.

    Columns are taken in their names' order: a table that inherits may get its own in another one when it is restored.
    """
    tables, sequences = [], []
    given = {"schemas": list(schemas)}
    for schema, name, oid, is_sequence, _, columns in connection.execute(_RELATIONS, given).fetchall():
        relation = sql.Identifier(schema, name)
        if is_sequence:
            position = connection.execute(sql.SQL("SELECT last_value, is_called FROM {}").format(relation)).fetchone()
            assert position is not None
            sequences.append(Position(schema, name, *position))
        else:
            try:
                tables.append(_table(connection, schema, name, oid, columns))
            except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
                raise _altered(schema, name) from None
    for schema, name, _, _, rewritten, _ in connection.execute(_RELATIONS, given).fetchall():
        if rewritten:
            # The rows that the snapshot saw went with the old file (PostgreSQL manual, 13.6 Caveats).
            raise _altered(schema, name)
    return tuple(tables), tuple(sequences)


def _altered(schema: str, name: str) -> TransientError:
    return TransientError(
        f"table {schema}.{name} was altered, emptied or moved while it was read "
        "(ALTER TABLE, DROP TABLE, TRUNCATE or VACUUM FULL); try again when nobody does that"
    )


def definitions(lines: Iterable[bytes]) -> str:
    """Return the SHA-256 of a schema as pg_dump and pg_restore print it, in the words it has after a restore."""
    digest = hashlib.sha256()
    for line in lines:
        if not _NOISE.match(line):
            digest.update(_CAST_ARRAY.sub(_cast_members, line))
    return digest.hexdigest()


def _cast_members(found: re.Match[bytes]) -> bytes:
    members = re.findall(_MEMBER, found[1])
    return b"ARRAY[" + b", ".join(b"(%b)::%b" % (member, found[2]) for member in members) + b"]"


def row_differences(backed_up: Sequence[Table], there: Sequence[Table]) -> list[str]:
    """Say in which tables, and how, the rows differ."""

    def how(then: Table, now: Table) -> str | None:
        if now.rows != then.rows:
            return f": {now.rows} rows, {then.rows} were backed up"
        return ": rows differ" if now.content != then.content else None

    return _differences("table", backed_up, there, how)


def position_differences(backed_up: Sequence[Position], there: Sequence[Position]) -> list[str]:
    """Say which sequences stand elsewhere."""

    def how(then: Position, now: Position) -> str | None:
        return f" stands at {_place(now)}, {_place(then)} was backed up" if now != then else None

    return _differences("sequence", backed_up, there, how)


def _differences(
    kind: str,
    backed_up: Sequence[_Measured],
    there: Sequence[_Measured],
    how: Callable[[_Measured, _Measured], str | None],
) -> list[str]:
    found, now = [], {(each.schema, each.name): each for each in there}
    for then in backed_up:
        other = now.pop((then.schema, then.name), None)
        if differs := " is missing" if other is None else how(then, other):
            found.append(f"{kind} {then.schema}.{then.name}{differs}")
    return found + [f"{kind} {schema}.{name} was not backed up" for schema, name in now]


def _place(position: Position) -> str:
    return f"{position.last_value}{'' if position.is_called else ' (not used yet)'}"
