"""Read a MySQL or MariaDB database's structure and statistics."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

import sqlalchemy as sa

from cutover.dialects import mysql
from cutover.dialects.endpoint import Endpoint
from cutover.schema.model import Check, Column, ForeignKey, Index, IndexPart, OtherObject, Schema, Statistics, Table

_COLUMNS = sa.text("""
    SELECT table_name, column_name, column_type, is_nullable, column_default, extra,
           generation_expression, column_comment
    FROM information_schema.columns WHERE table_schema = DATABASE()
    ORDER BY table_name, ordinal_position""")
_INDEXES = sa.text("""
    SELECT table_name, index_name, column_name, non_unique, sub_part, index_type, collation
    FROM information_schema.statistics WHERE table_schema = DATABASE()
    ORDER BY table_name, index_name, seq_in_index""")
_KEYS = sa.text("""
    SELECT k.table_name, k.constraint_name, k.column_name, k.referenced_table_name,
           k.referenced_column_name, r.delete_rule, r.update_rule
    FROM information_schema.key_column_usage k
    JOIN information_schema.referential_constraints r
      ON r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name
     AND r.table_name = k.table_name
    WHERE k.table_schema = DATABASE() AND k.referenced_table_name IS NOT NULL
    ORDER BY k.table_name, k.constraint_name, k.ordinal_position""")
_STATISTICS = sa.text("""
    SELECT table_name, table_type, table_rows, data_length, auto_increment
    FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY table_name""")
_OTHERS = sa.text("""
    SELECT 'view', table_name FROM information_schema.views WHERE table_schema = DATABASE()
    UNION ALL SELECT 'trigger', trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()
    UNION ALL SELECT LOWER(routine_type), routine_name FROM information_schema.routines
      WHERE routine_schema = DATABASE()
    UNION ALL SELECT 'event', event_name FROM information_schema.events WHERE event_schema = DATABASE()
    UNION ALL SELECT 'partitioning of table', table_name FROM information_schema.partitions
      WHERE table_schema = DATABASE() AND partition_name IS NOT NULL GROUP BY table_name
    ORDER BY 1, 2""")
_HAS_CHECKS = sa.text("""
    SELECT COUNT(*) FROM information_schema.tables
    WHERE table_schema = 'information_schema' AND table_name = 'CHECK_CONSTRAINTS'""")
# In MariaDB a check's name is unique in its table, in MySQL in its schema (and the table is told elsewhere).
_CHECKS_MARIADB = sa.text("""
    SELECT table_name, constraint_name, check_clause, 'YES' FROM information_schema.check_constraints
    WHERE constraint_schema = DATABASE() ORDER BY table_name, constraint_name""")
_CHECKS_MYSQL = sa.text("""
    SELECT t.table_name, t.constraint_name, c.check_clause, t.enforced
    FROM information_schema.table_constraints t JOIN information_schema.check_constraints c
      ON c.constraint_schema = t.constraint_schema AND c.constraint_name = t.constraint_name
    WHERE t.table_schema = DATABASE() AND t.constraint_type = 'CHECK' ORDER BY t.table_name, t.constraint_name""")
# What MariaDB makes of a column that is declared JSON (MariaDB manual, JSON Data Type).
_JSON_ALIAS = re.compile(r"^json_valid\(`(?P<column>(?:[^`]|``)+)`\)$", re.IGNORECASE)


def inspect(endpoint: Endpoint) -> Schema:
    """Read the structure of the endpoint's database, with row and size estimates and key ranges.

    Raises:
        sqlalchemy.exc.DBAPIError: the server could not be reached or refused.
    """
    engine = mysql.engine(endpoint)
    with engine.connect() as connection:
        version = str(connection.execute(sa.text("SELECT VERSION()")).scalar_one())
        mariadb = "mariadb" in version.lower()
        columns: dict[str, list[Column]] = defaultdict(list)
        for table, *described in connection.execute(_COLUMNS):
            columns[table].append(_column(mariadb, *described))
        indexes = _indexes(connection)
        keys = _foreign_keys(connection)
        checks = _checks(connection, mariadb)
        tables = []
        for name, kind, rows, size, next_identity in connection.execute(_STATISTICS).all():
            if kind != "BASE TABLE":
                continue
            primary = next((i.columns for i in indexes[name] if i.name == "PRIMARY"), ())
            low, high = _key_range(connection, name, primary, columns[name])
            declared, kept = _json_columns(columns[name], checks[name])
            tables.append(
                Table(
                    name,
                    declared,
                    primary,
                    tuple(i for i in indexes[name] if i.name != "PRIMARY"),
                    tuple(keys[name]),
                    kept,
                    Statistics(int(rows or 0), int(size or 0), low, high, next_identity and int(next_identity)),
                )
            )
        others = tuple(OtherObject(kind, name) for kind, name in connection.execute(_OTHERS))
    engine.dispose()
    return Schema(endpoint.database, tuple(tables), others, version)


def _column(
    mariadb: bool,
    name: str,
    type_: str,
    nullable: str,
    default: str | None,
    extra: str,
    generated: str | None,
    comment: str,
) -> Column:
    extra = extra.lower()
    if default is not None:
        default = _default(mariadb, default, type_, extra)
    on_update = extra.partition("on update ")[2] or None
    return Column(
        name,
        type_,
        nullable == "YES",
        default,
        "auto_increment" in extra,
        generated or None,
        on_update,
        comment or None,
    )


def _default(mariadb: bool, default: str, type_: str, extra: str) -> str | None:
    # MariaDB (10.2.7 and later) writes the expression, MySQL the bare value unless EXTRA says otherwise.
    if mariadb:
        return None if default.upper() == "NULL" else default
    if "default_generated" in extra or default.upper().startswith("CURRENT_TIMESTAMP") or default.startswith("b'"):
        return default
    return "'" + default.replace("\\", "\\\\").replace("'", "''") + "'"


def _indexes(connection: sa.Connection) -> dict[str, list[Index]]:
    parts: dict[tuple[str, str], list[tuple[str, int, int | None, str, str | None]]] = defaultdict(list)
    for table, name, *part in connection.execute(_INDEXES):
        parts[table, name].append(tuple(part))
    found: dict[str, list[Index]] = defaultdict(list)
    for (table, name), described in parts.items():
        fulltext = described[0][3] == "FULLTEXT"
        found[table].append(
            Index(
                name,
                tuple(
                    # A FULLTEXT index reads whole columns, whatever the catalogue says of a prefix.
                    IndexPart(column or "", None if fulltext else prefix, direction == "D")
                    for column, _, prefix, _, direction in described
                ),
                not described[0][1],
                "fulltext" if fulltext else "btree",
                next(iter(_unsupported(described)), None),
            )
        )
    return found


def _checks(connection: sa.Connection, mariadb: bool) -> dict[str, list[Check]]:
    found: dict[str, list[Check]] = defaultdict(list)
    # MySQL before 8.0.16 has no checks, and no catalogue of them.
    if connection.execute(_HAS_CHECKS).scalar_one():
        for table, name, clause, enforced in connection.execute(_CHECKS_MARIADB if mariadb else _CHECKS_MYSQL):
            found[table].append(Check(name, clause, enforced == "YES"))
    return found


def _json_columns(columns: list[Column], checks: list[Check]) -> tuple[tuple[Column, ...], tuple[Check, ...]]:
    """Return the columns, JSON where MariaDB keeps it as checked text, and the checks without that one."""
    aliases = {}
    for check in checks:
        found = _JSON_ALIAS.match(check.expression)
        if found is not None and check.name == found["column"].replace("``", "`"):
            aliases[check.name] = check
    declared = tuple(
        replace(column, type="json") if column.name in aliases and column.type == "longtext" else column
        for column in columns
    )
    json = {column.name for column in declared if column.type == "json"}
    return declared, tuple(check for check in checks if check.name not in json or check not in aliases.values())


def _unsupported(parts: list[tuple[str, int, int | None, str, str | None]]) -> Iterator[str]:
    for column, _, _, kind, _ in parts:
        if kind not in ("BTREE", "HASH", "FULLTEXT"):
            yield f"{kind} indexes are not carried yet"
        elif column is None:
            yield "functional indexes are not carried yet"


def _foreign_keys(connection: sa.Connection) -> dict[str, list[ForeignKey]]:
    parts: dict[tuple[str, str], list[tuple[str, str, str, str, str]]] = defaultdict(list)
    for table, name, *part in connection.execute(_KEYS):
        parts[table, name].append(tuple(part))
    found: dict[str, list[ForeignKey]] = defaultdict(list)
    for (table, name), described in parts.items():
        _, referred, _, on_delete, on_update = described[0]
        found[table].append(
            ForeignKey(
                name,
                tuple(part[0] for part in described),
                referred,
                tuple(part[2] for part in described),
                _action(on_delete),
                _action(on_update),
            )
        )
    return found


def _action(rule: str) -> str | None:
    # In MySQL both words mean that the statement fails at once; NO ACTION is PostgreSQL's default.
    return None if rule in ("RESTRICT", "NO ACTION") else rule


def _key_range(
    connection: sa.Connection, table: str, primary: tuple[str, ...], columns: list[Column]
) -> tuple[int | None, int | None]:
    if len(primary) != 1:
        return None, None
    key = next(column for column in columns if column.name == primary[0])
    if "int" not in key.type.lower().split("(")[0]:
        return None, None
    column: sa.ColumnElement[int] = sa.column(key.name)
    low, high = connection.execute(
        sa.select(sa.func.min(column), sa.func.max(column)).select_from(sa.table(table))
    ).one()
    return (None, None) if low is None else (int(low), int(high))
