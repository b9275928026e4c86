"""The catalogue of a MySQL or MariaDB database."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

# What MariaDB makes of a column that is declared JSON.
_JSON_CHECK = re.compile(r"^json_valid\(`((?:[^`]|``)+)`\)$", re.IGNORECASE)
_TABLES = """
    SELECT table_name, table_type, auto_increment, table_comment FROM information_schema.tables
    WHERE table_schema = DATABASE() ORDER BY table_name"""
_COLUMNS = """
    SELECT table_name, column_name, column_type, is_nullable, column_default, extra, column_comment,
           character_set_name, generation_expression
    FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position"""
_INDEXES = """
    SELECT table_name, index_name, non_unique, index_type, column_name, sub_part, collation
    FROM information_schema.statistics WHERE table_schema = DATABASE()
    ORDER BY table_name, index_name, seq_in_index"""
_FOREIGN_KEYS = """
    SELECT k.table_name, k.constraint_name, k.referenced_table_name, r.delete_rule, r.update_rule,
           k.column_name, k.referenced_column_name
    FROM information_schema.key_column_usage k JOIN information_schema.referential_constraints r
      ON r.constraint_schema = k.constraint_schema AND r.table_name = k.table_name
     AND r.constraint_name = k.constraint_name
    WHERE k.table_schema = DATABASE() AND k.referenced_column_name IS NOT NULL
    ORDER BY k.table_name, k.constraint_name, k.ordinal_position"""
_CHECKS_OF_MARIADB = """
    SELECT table_name, constraint_name, check_clause FROM information_schema.check_constraints
    WHERE constraint_schema = DATABASE()"""
_CHECKS_OF_MYSQL = """
    SELECT t.table_name, t.constraint_name, c.check_clause
    FROM information_schema.table_constraints t JOIN information_schema.check_constraints c
      ON c.constraint_schema = t.constraint_schema AND c.constraint_name = t.constraint_name
    WHERE t.table_schema = DATABASE() AND t.constraint_type = 'CHECK'"""
_VIEWS = "SELECT table_name, view_definition FROM information_schema.views WHERE table_schema = DATABASE()"
_TRIGGERS = """
    SELECT trigger_name, event_object_table, action_timing, event_manipulation FROM information_schema.triggers
    WHERE trigger_schema = DATABASE()"""
_ROUTINES = """
    SELECT routine_name, LOWER(routine_type) FROM information_schema.routines WHERE routine_schema = DATABASE()"""
_EVENTS = "SELECT event_name FROM information_schema.events WHERE event_schema = DATABASE()"
_PARTITIONED = """
    SELECT DISTINCT table_name FROM information_schema.partitions
    WHERE table_schema = DATABASE() AND partition_name IS NOT NULL"""


@dataclass(frozen=True)
class Column:
    """``default`` is an expression of the source's SQL."""

    name: str
    type: str
    nullable: bool
    default: str | None
    auto_increment: bool
    generated: bool
    on_update: bool
    comment: str
    charset: str | None
    json: bool = False


@dataclass(frozen=True)
class Part:
    """One part of an index; without a column it is an expression."""

    column: str | None
    prefix: int | None
    descending: bool


@dataclass(frozen=True)
class Index:
    """``kind`` is btree, hash, fulltext or spatial, or period where no periods may overlap."""

    name: str
    unique: bool
    kind: str
    parts: tuple[Part, ...]


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
    """A condition in the source's SQL."""

    name: str
    clause: str


@dataclass(frozen=True)
class Table:
    """A table, or a view with nothing but columns."""

    name: str
    columns: tuple[Column, ...]
    auto_increment: int | None = None
    comment: str = ""
    primary_key: tuple[str, ...] = ()
    indexes: tuple[Index, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    checks: tuple[Check, ...] = ()
    partitioned: bool = False
    versioned: bool = False


@dataclass(frozen=True)
class View:
    """A view, seen as a table, and its text."""

    table: Table
    text: str


@dataclass(frozen=True)
class Trigger:
    """When a trigger fires: BEFORE or AFTER, and INSERT, UPDATE or DELETE."""

    name: str
    table: str
    timing: str
    event: str


@dataclass(frozen=True)
class Source:
    """A whole database; ``routines`` are (name, kind)."""

    tables: list[Table] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    sequences: list[str] = field(default_factory=list)
    triggers: list[Trigger] = field(default_factory=list)
    routines: list[tuple[str, str]] = field(default_factory=list)
    events: list[str] = field(default_factory=list)


def quoted(name: str) -> str:
    """The identifier as the source quotes it."""
    return "`" + name.replace("`", "``") + "`"


def fetch(connection: Any, query: str) -> list[tuple[Any, ...]]:
    """Every row of a query."""
    cursor = connection.cursor()
    cursor.execute(query)
    return list(cursor.fetchall())


def read_source(connection: Any) -> Source:
    """Read the catalogue of the connection's database."""
    mariadb = "mariadb" in connection.get_server_info().lower()
    checks = _checks(connection, mariadb)
    columns = _columns(connection, mariadb, checks)
    indexes, keys = _indexes(connection), _foreign_keys(connection)
    partitioned = {name for (name,) in fetch(connection, _PARTITIONED)}
    texts = dict(fetch(connection, _VIEWS))
    found = Source(
        triggers=[Trigger(*row) for row in fetch(connection, _TRIGGERS)],
        routines=[(name, kind) for name, kind in fetch(connection, _ROUTINES)],
        events=[name for (name,) in fetch(connection, _EVENTS)],
    )
    for name, kind, auto_increment, comment in fetch(connection, _TABLES):
        if kind == "SEQUENCE":
            found.sequences.append(name)
        elif kind.endswith("VIEW"):
            found.views.append(View(Table(name, tuple(columns[name])), texts[name]))
        else:
            primary = next((index for index in indexes[name] if index.name == "PRIMARY"), None)
            overlaps = _without_overlaps(connection, name) if mariadb else set()
            found.tables.append(
                Table(
                    name,
                    tuple(columns[name]),
                    auto_increment,
                    comment,
                    tuple(part.column or "" for part in primary.parts) if primary else (),
                    tuple(
                        replace(index, kind="period") if index.name in overlaps else index
                        for index in indexes[name]
                        if index is not primary or index.name in overlaps
                    ),
                    tuple(keys[name]),
                    tuple(check for check in checks[name] if not _declares_json(check, columns[name])),
                    name in partitioned,
                    kind == "SYSTEM VERSIONED",
                )
            )
    return found


def _without_overlaps(connection: Any, table: str) -> set[str]:
    """The keys that let no periods overlap, by their names; no catalogue tells of them."""
    cursor = connection.cursor()
    cursor.execute("SET character_set_results = binary")
    ((_, shown),) = fetch(connection, f"SHOW CREATE TABLE {quoted(table)}")
    cursor.execute("SET character_set_results = @@character_set_client")
    lines = [line for line in shown.decode(errors="replace").split("\n") if re.search(r"` WITHOUT OVERLAPS\)", line)]
    named = [re.match(r"\s*UNIQUE KEY `((?:[^`]|``)+)`", line) for line in lines]
    return {match[1].replace("``", "`") if match else "PRIMARY" for match in named}


def _columns(connection: Any, mariadb: bool, checks: dict[str, list[Check]]) -> dict[str, list[Column]]:
    found: dict[str, list[Column]] = defaultdict(list)
    for table, name, type_, nullable, default, extra, comment, charset, generation in fetch(connection, _COLUMNS):
        extra = extra.lower()
        json = type_ == "json" or (type_ == "longtext" and any(_json_column(check) == name for check in checks[table]))
        found[table].append(
            Column(
                name,
                type_,
                nullable == "YES",
                _default(mariadb, default, extra),
                "auto_increment" in extra,
                bool(generation),
                "on update" in extra,
                comment,
                charset,
                json,
            )
        )
    return found


def _default(mariadb: bool, written: str | None, extra: str) -> str | None:
    """The default as an expression: MariaDB writes one, MySQL writes a literal's bare value."""
    if written is None or (mariadb and written.upper() == "NULL"):
        return None
    if mariadb or "default_generated" in extra or re.fullmatch(r"[bx]'\w*'|0x\w+", written):
        return written
    return "'" + written.replace("\\", "\\\\").replace("'", "''") + "'"


def _json_column(check: Check) -> str | None:
    match = _JSON_CHECK.match(check.clause)
    return match[1].replace("``", "`") if match and match[1].replace("``", "`") == check.name else None


def _declares_json(check: Check, columns: Iterable[Column]) -> bool:
    return any(column.json and column.name == _json_column(check) for column in columns)


def _indexes(connection: Any) -> dict[str, list[Index]]:
    grouped: dict[tuple[str, str], list[tuple[Any, ...]]] = defaultdict(list)
    for table, name, *rest in fetch(connection, _INDEXES):
        grouped[table, name].append(tuple(rest))
    found: dict[str, list[Index]] = defaultdict(list)
    for (table, name), rows in grouped.items():
        kind = {"RTREE": "spatial"}.get(rows[0][1], rows[0][1].lower())
        # What the catalogue calls a prefix of a whole-text or a spatial index is none.
        parts = (
            Part(column, prefix if kind in ("btree", "hash") else None, direction == "D")
            for _, _, column, prefix, direction in rows
        )
        found[table].append(Index(name, not rows[0][0], kind, tuple(parts)))
    return found


def _foreign_keys(connection: Any) -> dict[str, list[ForeignKey]]:
    grouped: dict[tuple[str, ...], list[tuple[str, str]]] = defaultdict(list)
    for *key, column, referred in fetch(connection, _FOREIGN_KEYS):
        grouped[tuple(key)].append((column, referred))
    found: dict[str, list[ForeignKey]] = defaultdict(list)
    for (table, name, parent, on_delete, on_update), pairs in grouped.items():
        found[table].append(ForeignKey(name, parent, on_delete, on_update, tuple(pairs)))
    return found


def _checks(connection: Any, mariadb: bool) -> dict[str, list[Check]]:
    found: dict[str, list[Check]] = defaultdict(list)
    catalogue = "SELECT 1 FROM information_schema.tables WHERE UPPER(table_name) = 'CHECK_CONSTRAINTS'"
    # MySQL before 8.0.16 has no checks, and no catalogue of them.
    if fetch(connection, catalogue):
        for table, name, clause in fetch(connection, _CHECKS_OF_MARIADB if mariadb else _CHECKS_OF_MYSQL):
            # MySQL escapes what it prints.
            found[table].append(Check(name, clause if mariadb else re.sub(r"\\(.)", r"\1", clause, flags=re.DOTALL)))
    return found
