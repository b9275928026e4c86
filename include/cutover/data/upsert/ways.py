"""How the rows of a live table get into the new one of its name, and what keeps them from it.

Both tables are read from the catalogue: versions may have changed what was planned.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from cutover.dialects import postgresql

_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), t.typtype = 'e',
  CASE WHEN a.attcollation <> 0 THEN a.attcollation::regcollation::text END,
  a.attnotnull, a.atthasdef OR a.attidentity <> '', a.attgenerated <> '', a.atttypid::bigint, a.atttypmod
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_class c ON c.oid = a.attrelid
WHERE a.attrelid = to_regclass(%s) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""
# What no two rows share: whole columns, of every row.
_UNIQUE = """
SELECT i.indisprimary, ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE k.place <= i.indnkeyatts ORDER BY place)
FROM pg_index i WHERE i.indrelid = to_regclass(%s) AND i.indisunique AND i.indisvalid
  AND i.indpred IS NULL AND i.indexprs IS NULL"""


@dataclass(frozen=True)
class _Column:
    """A column as the catalogue has it."""

    name: str
    type: str
    is_enum: bool
    collation: str | None
    not_null: bool
    has_default: bool
    computed: bool
    type_oid: int
    modifier: int

    @property
    def same_type(self) -> tuple[int, int]:
        return self.type_oid, self.modifier


@dataclass(frozen=True)
class Passage:
    """The way of one column.

    Attributes:
        name: its name, which is the same in both tables.
        value: SQL that reads it from the live table as a value of the new one.
        changed: SQL that is true of a live row whose value would not be the same; None where that cannot be.
        type: its type in the new table.
    """

    name: str
    value: sql.Composable
    changed: sql.Composable | None
    type: str


@dataclass(frozen=True)
class Way:
    """How the rows of a live table get into the new table of its name.

    Attributes:
        table: the name of both.
        live: the schema that the application reads.
        shadow: the schema of the new table.
        passages: the columns that both have, and that are not computed.
        held: every column of the new table that is not computed.
        keys: what makes two rows one, as columns; the first holds no NULL.
    """

    table: str
    live: str
    shadow: str
    passages: tuple[Passage, ...]
    held: tuple[str, ...]
    keys: tuple[tuple[str, ...], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are carried."""
        return tuple(passage.name for passage in self.passages)

    @property
    def keyed(self) -> tuple[str, ...]:
        """The columns of all keys."""
        return tuple(dict.fromkeys(column for key in self.keys for column in key))


def ways(
    connection: psycopg.Connection,
    live: str,
    shadow: str,
    tables: Iterable[str],
    keys: Mapping[str, Sequence[tuple[str, ...]]],
) -> tuple[list[Way], list[str]]:
    """Return the ways of those tables that both schemas have, and what keeps rows from going them.

    Args:
        connection: a session that finds ``shadow`` and the extensions' operators by its search path.
        live: the schema that the application reads.
        shadow: the schema of the new tables.
        tables: names of new tables.
        keys: what makes two rows of a table one, where that is not its primary key alone.
    """
    found: list[Way] = []
    findings: list[str] = []
    for table in tables:
        new, old = (_columns(connection, schema, table) for schema in (shadow, live))
        chosen = tuple(keys.get(table, ()))
        if new and chosen:
            findings += _unfit_keys(connection, shadow, table, new, chosen)
        if not new or not old:
            continue
        unique = _unique(connection, shadow, table)
        chosen = chosen or tuple(key for primary, key in unique if primary)
        whole = [key for key in chosen if all(name in new and new[name].not_null for name in key)]
        if not chosen:
            findings.append(
                f"{table} has no primary key to tell by which of its rows are there already; name one of its unique "
                "keys in conflictColumns, or exclude the table"
            )
        elif not whole:
            named = " or ".join(map(" and ".join, chosen))
            findings.append(
                f"{table}: {named} may be NULL, and no run would find such a row again; name a key that never is"
            )
        findings += _unfit_columns(table, new, old)
        findings += [
            f"{table}.{name} tells by which row is which, and is not in the live table; add it, or name another key"
            for name in dict.fromkeys(name for key in chosen for name in key)
            if name in new and name not in old
        ]
        passages = [_passage(old[name], new[name]) for name in new if name in old and not new[name].computed]
        findings += _uncastable(connection, live, table, passages, old)
        held = tuple(column.name for column in new.values() if not column.computed)
        ordered = (*whole[:1], *(key for key in chosen if key not in whole[:1]))
        found.append(Way(table, live, shadow, tuple(passages), held, ordered))
    return found, findings


def _columns(connection: psycopg.Connection, schema: str, table: str) -> dict[str, _Column]:
    rows = connection.execute(_COLUMNS, (postgresql.quoted(schema, table),))
    return {row[0]: _Column(*row) for row in rows}


def _unique(connection: psycopg.Connection, schema: str, table: str) -> list[tuple[bool, tuple[str, ...]]]:
    rows = connection.execute(_UNIQUE, (postgresql.quoted(schema, table),))
    return [(primary, tuple(columns)) for primary, columns in rows]


def _unfit_keys(
    connection: psycopg.Connection,
    shadow: str,
    table: str,
    new: Mapping[str, _Column],
    keys: Iterable[tuple[str, ...]],
) -> Iterator[str]:
    unique = {frozenset(columns) for _, columns in _unique(connection, shadow, table)}
    for key in keys:
        where = f"data.loading.strategy.upsert.conflictColumns: {table}.{' and '.join(key)}"
        if lost := [name for name in key if name not in new]:
            yield f"{where}: the new table has no column {lost[0]}"
        elif computed := [name for name in key if new[name].computed]:
            yield f"{where}: the target computes {computed[0]} itself; name another key"
        elif frozenset(key) not in unique:
            yield f"{where} is no key or unique index of the new table; write table.column, or make it unique"


def _unfit_columns(table: str, new: Mapping[str, _Column], old: Mapping[str, _Column]) -> Iterator[str]:
    for name in (name for name in old if name not in new):
        yield (
            f"{table}.{name} is in the live table and not in the new one, and its values would be lost; drop it, "
            "or let a version add it"
        )
    for name, column in new.items():
        if name in old and column.computed and not old[name].computed:
            yield f"{table}.{name} is computed in the new table, and the live one's own values would be lost; drop it"
        if name not in old and column.not_null and not column.has_default:
            yield (
                f"{table}.{name} is not in the live table, may not be NULL and has no default, so the rows that are "
                "there could not have it; add it to the live table"
            )


def _passage(old: _Column, new: _Column) -> Passage:
    column, changed = sql.Identifier(new.name), None
    value: sql.Composable = column
    if old.is_enum and new.is_enum:
        value = _cast(_cast(column, "text"), new.type)
    elif old.same_type != new.same_type:
        value = _cast(column, new.type)
        changed = sql.SQL("{} IS DISTINCT FROM {}").format(_cast(_cast(value, old.type), "text"), _cast(column, "text"))
    if new.collation is not None and new.collation != old.collation:
        value = sql.SQL("({} COLLATE {})").format(value, sql.SQL(new.collation))
    return Passage(new.name, value, changed, new.type)


def _cast(value: sql.Composable, type_: str) -> sql.Composed:
    return sql.SQL("CAST({} AS {})").format(value, sql.SQL(type_))


def _uncastable(
    connection: psycopg.Connection, live: str, table: str, passages: Iterable[Passage], old: Mapping[str, _Column]
) -> Iterator[str]:
    for passage in passages:
        if passage.changed is None:
            continue
        try:
            with connection.transaction():
                connection.execute(
                    sql.SQL("SELECT {} FROM {} WHERE false").format(passage.changed, sql.Identifier(live, table))
                )
        except psycopg.ProgrammingError as error:
            yield (
                f"{table}.{passage.name} is {old[passage.name].type} in the live table and {passage.type} in the new "
                f"one: {error.diag.message_primary}; change its type"
            )
