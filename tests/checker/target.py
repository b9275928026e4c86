"""The catalogue of a PostgreSQL schema."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import psycopg

_RELATIONS = """
    SELECT c.relname, c.relkind::text, obj_description(c.oid, 'pg_class'), c.oid FROM pg_class c
    WHERE c.relnamespace = %(schema)s::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')"""
_COLUMNS = """
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), t.typtype::text, a.attnotnull,
           pg_get_expr(d.adbin, d.adrelid), a.attgenerated::text, a.attidentity::text, col_description(c.oid, a.attnum),
           array(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder)
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE c.relnamespace = %(schema)s::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname, a.attnum"""
_INDEXES = """
    SELECT c.relname, x.relname, m.amname, i.indisunique, i.indisprimary,
           array(SELECT (SELECT attname::text FROM pg_attribute WHERE attrelid = i.indrelid AND attnum = i.indkey[k])
                 FROM generate_series(0, i.indnkeyatts - 1) AS k ORDER BY k),
           array(SELECT pg_get_indexdef(i.indexrelid, k + 1, false)
                 FROM generate_series(0, i.indnkeyatts - 1) AS k ORDER BY k),
           array(SELECT i.indoption[k] & 1 = 1 FROM generate_series(0, i.indnkeyatts - 1) AS k ORDER BY k),
           i.indisexclusion
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
    JOIN pg_am m ON m.oid = x.relam
    WHERE c.relnamespace = %(schema)s::regnamespace AND i.indisvalid AND i.indpred IS NULL ORDER BY 1, 2"""
# A check keeps later rows out although it was never held against those that are there, as in the source.
_CONSTRAINTS = """
    SELECT c.relname, k.conname, k.contype::text, p.relname, k.confdeltype::text, k.confupdtype::text,
           pg_get_expr(k.conbin, k.conrelid),
           array(SELECT (SELECT attname::text FROM pg_attribute WHERE attrelid = k.conrelid AND attnum = n)
                 FROM unnest(k.conkey) WITH ORDINALITY AS u (n, place) ORDER BY place),
           array(SELECT (SELECT attname::text FROM pg_attribute WHERE attrelid = k.confrelid AND attnum = n)
                 FROM unnest(k.confkey) WITH ORDINALITY AS u (n, place) ORDER BY place)
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid LEFT JOIN pg_class p ON p.oid = k.confrelid
    WHERE k.connamespace = %(schema)s::regnamespace AND (k.convalidated OR k.contype = 'c') ORDER BY 1, 2"""
_TRIGGERS = """
    SELECT t.tgname, c.relname, t.tgtype FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE c.relnamespace = %(schema)s::regnamespace AND NOT t.tgisinternal AND t.tgenabled <> 'D'"""
_ROUTINES = """
    SELECT p.proname, CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END FROM pg_proc p
    WHERE p.pronamespace = %(schema)s::regnamespace"""
_ACTIONS = {"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}
# pg_trigger.tgtype, as the server's source (pg_trigger.h) numbers its bits.
_BEFORE, _EVENTS = 2, {"INSERT": 4, "DELETE": 8, "UPDATE": 16}


@dataclass(frozen=True)
class Column:
    """``default`` is an expression; ``labels`` are those of an enumerated type."""

    name: str
    type: str
    not_null: bool
    default: str | None
    generated: bool
    identity: bool
    comment: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """One part of an index; where it is no column, ``expression`` is all there is."""

    column: str | None
    expression: str
    descending: bool


@dataclass(frozen=True)
class Index:
    """``method`` is the access method; ``excludes`` says that it keeps rows out that overlap with others."""

    name: str
    method: str
    unique: bool
    primary: bool
    parts: tuple[Part, ...]
    excludes: bool = False


@dataclass(frozen=True)
class ForeignKey:
    """``pairs`` are (column, column it refers to)."""

    name: str
    parent: str
    on_delete: str
    on_update: str
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Check:
    """A condition, and the columns it reads."""

    name: str
    expression: str
    columns: frozenset[str]


@dataclass(frozen=True)
class Trigger:
    """When a trigger fires."""

    name: str
    table: str
    before: bool
    events: frozenset[str]


@dataclass
class Table:
    """A table or a view; ``name`` is the whole name, quoted."""

    name: str
    kind: str
    comment: str
    columns: dict[str, Column] = field(default_factory=dict)
    primary_key: tuple[str, ...] = ()
    indexes: list[Index] = field(default_factory=list)
    foreign_keys: list[ForeignKey] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    triggers: list[Trigger] = field(default_factory=list)


@dataclass
class Target:
    """A whole schema."""

    tables: dict[str, Table] = field(default_factory=dict)
    views: dict[str, Table] = field(default_factory=dict)
    sequences: dict[str, str] = field(default_factory=dict)
    triggers: list[Trigger] = field(default_factory=list)
    routines: set[tuple[str, str]] = field(default_factory=set)


def quoted(name: str) -> str:
    """The identifier as the target quotes it."""
    return '"' + name.replace('"', '""') + '"'


def fetch(connection: psycopg.Connection, query: str, **values: Any) -> list[tuple[Any, ...]]:
    """Every row of a query."""
    return connection.execute(query.encode(), values or None).fetchall()


def read_target(connection: psycopg.Connection, schema: str) -> Target:
    """Read the catalogue of a schema."""
    bound = quoted(schema)
    found = Target(routines={(name, kind) for name, kind in fetch(connection, _ROUTINES, schema=bound)})
    for name, kind, comment, _ in fetch(connection, _RELATIONS, schema=bound):
        whole = f"{bound}.{quoted(name)}"
        if kind == "S":
            found.sequences[name] = whole
        else:
            (found.views if kind in ("v", "m") else found.tables)[name] = Table(whole, kind, comment or "")
    relations = found.tables | found.views
    for table, *described in fetch(connection, _COLUMNS, schema=bound):
        column = _column(*described)
        relations[table].columns[column.name] = column
    for table, *described in fetch(connection, _INDEXES, schema=bound):
        relations[table].indexes.append(_index(*described))
    for table, *described in fetch(connection, _CONSTRAINTS, schema=bound):
        _add_constraint(relations[table], *described)
    for name, table, bits in fetch(connection, _TRIGGERS, schema=bound):
        trigger = Trigger(name, table, bool(bits & _BEFORE), frozenset(e for e, bit in _EVENTS.items() if bits & bit))
        found.triggers.append(trigger)
        relations[table].triggers.append(trigger)
    return found


def _column(
    name: str,
    type_: str,
    type_kind: str,
    not_null: bool,
    default: str | None,
    generated: str,
    identity: str,
    comment: str | None,
    labels: list[str],
) -> Column:
    return Column(
        name,
        "enum " + type_ if type_kind == "e" else type_,
        not_null,
        None if generated else default,
        generated == "s",
        bool(identity) or bool(default and re.match(r"nextval\(", default)),
        comment or "",
        tuple(labels),
    )


def _index(
    name: str,
    method: str,
    unique: bool,
    primary: bool,
    names: list[str | None],
    expressions: list[str],
    descending: list[bool],
    excludes: bool,
) -> Index:
    parts = tuple(Part(*part) for part in zip(names, expressions, descending, strict=True))
    return Index(name, method, unique, primary, parts, excludes)


def _add_constraint(
    table: Table,
    name: str,
    kind: str,
    parent: str | None,
    on_delete: str,
    on_update: str,
    expression: str | None,
    columns: list[str],
    referred: list[str],
) -> None:
    if kind == "p":
        table.primary_key = tuple(columns)
    elif kind == "f":
        pairs = tuple(zip(columns, referred, strict=True))
        table.foreign_keys.append(ForeignKey(name, parent or "", _ACTIONS[on_delete], _ACTIONS[on_update], pairs))
    elif kind == "c":
        table.checks.append(Check(name, expression or "", frozenset(columns)))


def next_value(connection: psycopg.Connection, sequence: str) -> int:
    """What nextval would give, without taking it."""
    step = "(SELECT seqincrement FROM pg_sequence WHERE seqrelid = %(name)s::regclass)"
    query = f"SELECT CASE WHEN is_called THEN last_value::numeric + {step} ELSE last_value END FROM {sequence}"
    return int(fetch(connection, query, name=sequence)[0][0])


def counting(connection: psycopg.Connection, sequence: str) -> tuple[Any, ...]:
    """A sequence's step, least and greatest value, and whether it begins again."""
    query = "SELECT seqincrement, seqmin, seqmax, seqcycle FROM pg_sequence WHERE seqrelid = %(name)s::regclass"
    return fetch(connection, query, name=sequence)[0]


def sequence_of(connection: psycopg.Connection, table: Table, column: Column) -> str | None:
    """The sequence that a column counts with."""
    query = "SELECT pg_get_serial_sequence(%(table)s, %(column)s)"
    ((owned,),) = fetch(connection, query, table=table.name, column=column.name)
    if owned is not None:
        return str(owned)
    named = re.match(r"nextval\('(.*)'::regclass\)$", column.default or "")
    return named[1].replace("''", "'") if named else None
