"""Read a MySQL or MariaDB database's structure and statistics."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from cutover.dialects import mysql
from cutover.dialects.endpoint import Endpoint
from cutover.schema import inspect_mysql_programs as programs
from cutover.schema import inspect_mysql_sequences as sequences
from cutover.schema import printed_mysql as printed
from cutover.schema.inspect_mysql_periods import with_periods
from cutover.schema.model import (
    Check,
    Column,
    ForeignKey,
    Index,
    IndexPart,
    OtherObject,
    Partition,
    Partitioning,
    Schema,
    Statistics,
    Table,
)

# The catalogue compares names without regard to case: BINARY keeps the rows of Item and item apart.
_COLUMNS = """
    SELECT table_name, column_name, column_type, is_nullable, column_default, extra,
           generation_expression, column_comment, collation_name, {srs_id}
    FROM information_schema.columns WHERE table_schema = DATABASE()
    ORDER BY BINARY table_name, ordinal_position"""
# MySQL 8 has functional indexes, and geometry columns of one SRID, and columns of the catalogue for both; nobody else
# has either. (MariaDB's REF_SYSTEM_ID is a remark that binds no value: its manual, Geometry Types.)
_INDEXES = """
    SELECT table_name, index_name, column_name, non_unique, sub_part, index_type, collation, {expression}
    FROM information_schema.statistics WHERE table_schema = DATABASE()
    ORDER BY BINARY table_name, BINARY index_name, seq_in_index"""
_EXTRAS = sa.text("""
    SELECT LOWER(column_name) FROM information_schema.columns
    WHERE table_schema = 'information_schema' AND (table_name = 'STATISTICS' AND column_name = 'EXPRESSION'
      OR table_name = 'COLUMNS' AND column_name = 'SRS_ID')""")
_KEYS = sa.text("""
    SELECT k.table_name, k.constraint_name, k.column_name, k.referenced_table_name,
           k.referenced_column_name, r.delete_rule, r.update_rule,
           IF(k.referenced_table_schema = DATABASE(), NULL, k.referenced_table_schema)
    FROM information_schema.key_column_usage k
    JOIN information_schema.referential_constraints r
      ON r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name
     AND r.table_name = k.table_name
    WHERE k.table_schema = DATABASE() AND k.referenced_table_name IS NOT NULL
    ORDER BY BINARY k.table_name, BINARY k.constraint_name, k.ordinal_position""")
_STATISTICS = sa.text("""
    SELECT table_name, table_type, table_rows, data_length, auto_increment, table_comment
    FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY BINARY table_name""")
# What other kinds there are differs between the servers: packages are MariaDB's.
_OTHERS = sa.text("""
    SELECT LOWER(table_type), table_name FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_type NOT IN ('BASE TABLE', 'SYSTEM VERSIONED', 'VIEW', 'SEQUENCE')
    UNION ALL SELECT LOWER(routine_type), routine_name FROM information_schema.routines
      WHERE routine_schema = DATABASE() AND routine_type NOT IN ('FUNCTION', 'PROCEDURE')
    UNION ALL SELECT 'history of table', table_name FROM information_schema.tables
      WHERE table_schema = DATABASE() AND table_type = 'SYSTEM VERSIONED'
    ORDER BY 1, 2""")
_PARTITIONS = sa.text("""
    SELECT table_name, partition_name, partition_method, partition_expression, partition_description,
           subpartition_method, subpartition_expression
    FROM information_schema.partitions WHERE table_schema = DATABASE() AND partition_name IS NOT NULL
    ORDER BY BINARY table_name, partition_ordinal_position, subpartition_ordinal_position""")
_HAS_CHECKS = sa.text("""
    SELECT COUNT(*) FROM information_schema.tables
    WHERE table_schema = 'information_schema' AND table_name = 'CHECK_CONSTRAINTS'""")
# In MariaDB a check's name is unique in its table, in MySQL in its schema (and the table is told elsewhere).
_CHECKS_MARIADB = sa.text("""
    SELECT table_name, constraint_name, check_clause, 'YES' FROM information_schema.check_constraints
    WHERE constraint_schema = DATABASE() ORDER BY BINARY table_name, BINARY constraint_name""")
_CHECKS_MYSQL = sa.text("""
    SELECT t.table_name, t.constraint_name, c.check_clause, t.enforced
    FROM information_schema.table_constraints t JOIN information_schema.check_constraints c
      ON c.constraint_schema = t.constraint_schema AND c.constraint_name = t.constraint_name
    WHERE t.table_schema = DATABASE() AND t.constraint_type = 'CHECK'
    ORDER BY BINARY t.table_name, BINARY t.constraint_name""")
# 10000, or three times 3333: MySQL 9.7 goes on with four digits of the third, MariaDB 10.11 with nine.
_ROUNDS = sa.text("SELECT 1 / 3 * 30000 < 9999.5")
# What MariaDB makes of a column that is declared JSON (MariaDB manual, JSON Data Type).
_JSON_ALIAS = re.compile(r"^json_valid\(`(?P<column>(?:[^`]|``)+)`\)$", re.IGNORECASE)


def inspect(endpoint: Endpoint) -> Schema:
    """Read the structure of the endpoint's database, with row and size estimates and key ranges.

    Raises:
        TransientError: the server could not be reached, or was lost.
        PreflightError: it refused.
    """
    with mysql.session(endpoint) as connection:
        version = str(connection.execute(sa.text("SELECT VERSION()")).scalar_one())
        mariadb = "mariadb" in version.lower()
        columns: dict[str, list[Column]] = defaultdict(list)
        extras = {name for (name,) in connection.execute(_EXTRAS)}
        query = _COLUMNS.format(srs_id="srs_id" if "srs_id" in extras else "NULL")
        garbled: dict[str, set[str]] = defaultdict(set)
        for table, *described in connection.execute(sa.text(query)):
            column = _column(mariadb, *described)
            columns[table].append(column)
            if _is_garbled(column, described[4]):
                garbled[table].add(column.name)
        indexes = _indexes(connection, "expression" if "expression" in extras else "NULL")
        if mariadb:
            indexes = with_periods(connection, indexes, columns)
        keys = _foreign_keys(connection)
        checks = _checks(connection, mariadb)
        partitions = _partitions(connection)
        tables = []
        for name, kind, rows, size, next_identity, comment in connection.execute(_STATISTICS).all():
            if kind not in ("BASE TABLE", "SYSTEM VERSIONED"):
                continue
            primary = next((i.columns for i in indexes[name] if i.name == "PRIMARY"), ())
            low, high = _key_range(connection, name, primary, columns[name])
            declared, kept = _json_columns(columns[name], checks[name])
            if garbled[name]:
                declared = _with_true_defaults(connection, name, declared, garbled[name])
            tables.append(
                Table(
                    name,
                    declared,
                    primary,
                    # A key over prefixes, or that lets no periods overlap, is unique in more than its columns.
                    tuple(i for i in indexes[name] if i.name != "PRIMARY" or not i.whole or i.period),
                    tuple(keys[name]),
                    kept,
                    Statistics(int(rows or 0), int(size or 0), low, high, next_identity and int(next_identity)),
                    comment or None,
                    partitions.get(name),
                )
            )
        return Schema(
            endpoint.database,
            tuple(tables),
            tuple(OtherObject(kind, name) for kind, name in connection.execute(_OTHERS)),
            version,
            programs.views(connection, columns),
            programs.triggers(connection),
            programs.routines(connection),
            programs.events(connection),
            sequences.sequences(connection),
            unseen=programs.unseen(connection),
            rounds_quotients=bool(connection.execute(_ROUNDS).scalar_one()),
        )


def _column(
    mariadb: bool,
    name: str,
    type_: str,
    nullable: str,
    default: str | None,
    extra: str,
    generated: str | None,
    comment: str,
    collation: str | None,
    srid: int | None,
) -> Column:
    extra = extra.lower()
    if mariadb:
        # MariaDB (10.2.7 and later) writes the expression.
        default = None if default is None or default.upper() == "NULL" else default
    else:
        default = None if default is None else printed.default(default, type_, extra)
        generated = generated and printed.expression(generated)
    on_update = extra.partition("on update ")[2].removesuffix(" invisible") or None
    return Column(
        name,
        type_,
        nullable == "YES",
        default,
        "auto_increment" in extra,
        generated or None,
        on_update,
        comment or None,
        collation,
        "invisible" in extra,
        srid,
    )


def _is_garbled(column: Column, extra: str) -> bool:
    """Whether the catalogue, which is text in three-byte UTF-8, may not show the column's literal as it is."""
    if column.default is None or printed.is_expression(extra):
        return False
    literal = column.default.lstrip("_bx").startswith(("'", "0x"))
    return literal and ("?" in column.default or "binary" in column.type.lower())


# Each gives one row, the first also where the table has none. It is NULL to MySQL of a column that may
# not be, and then a row tells, or none counted.
_DEFAULTS = (
    "SELECT HEX({shown}) FROM (SELECT 1) AS one LEFT JOIN {table} AS t ON 0",
    "SELECT HEX({shown}) FROM {table} AS t LIMIT 1",
    "SELECT HEX({shown}) FROM {table} AS t HAVING COUNT(*) = 0",
)


def _with_true_defaults(
    connection: sa.Connection, table: str, columns: tuple[Column, ...], garbled: set[str]
) -> tuple[Column, ...]:
    """Ask for the garbled defaults' bytes: text as UTF-8, in MySQL's words for hexadecimal literals."""
    made = []
    for column in columns:
        value = None
        if column.name in garbled:
            name = mysql.quoted(column.name)
            shown = f"DEFAULT(t.{name})"
            if "binary" not in column.type.lower():
                shown = f"CONVERT({shown} USING utf8mb4)"
            for query in _DEFAULTS:
                asked = query.format(shown=shown, table=mysql.quoted(table)).replace(":", r"\:")
                value = connection.execute(sa.text(asked)).scalar()
                if value is not None:
                    break
        made.append(column if value is None else replace(column, default=f"0x{value}" if value else "''"))
    return tuple(made)


def _indexes(connection: sa.Connection, expression: str) -> dict[str, list[Index]]:
    found: dict[str, list[Index]] = defaultdict(list)
    described = connection.execute(sa.text(_INDEXES.format(expression=expression)))
    for (table, name), rows in groupby(described, key=lambda row: (row[0], row[1])):
        parts = list(rows)
        unique, type_ = not parts[0][3], parts[0][5]
        kind = {"FULLTEXT": "fulltext", "SPATIAL": "spatial", "RTREE": "spatial"}.get(type_, "btree")
        found[table].append(Index(name, tuple(_part(kind, row) for row in parts), unique, kind))
    return found


def _part(kind: str, row: Sequence[Any]) -> IndexPart:
    _, _, column, _, prefix, _, direction, expression = row
    if column is None:
        return IndexPart("", descending=direction == "D", expression=printed.expression(expression))
    # These read whole columns, whatever the catalogue says of a prefix.
    return IndexPart(column, prefix if kind == "btree" else None, direction == "D")


def _partitions(connection: sa.Connection) -> dict[str, Partitioning]:
    found = {}
    for table, rows in groupby(connection.execute(_PARTITIONS), key=lambda row: row[0]):
        parts = list(rows)
        _, _, method, by, _, again, again_by = parts[0]
        values = {name: value for _, name, _, _, value, _, _ in parts}
        found[table] = Partitioning(
            method,
            by or "",
            tuple(Partition(name, value) for name, value in values.items()),
            f"{again} ({again_by})" if again else None,
        )
    return found


def _checks(connection: sa.Connection, mariadb: bool) -> dict[str, list[Check]]:
    found: dict[str, list[Check]] = defaultdict(list)
    # MySQL before 8.0.16 has no checks, and no catalogue of them.
    if connection.execute(_HAS_CHECKS).scalar_one():
        for table, name, clause, enforced in connection.execute(_CHECKS_MARIADB if mariadb else _CHECKS_MYSQL):
            found[table].append(Check(name, clause if mariadb else printed.expression(clause), enforced == "YES"))
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


def _foreign_keys(connection: sa.Connection) -> dict[str, list[ForeignKey]]:
    parts: dict[tuple[str, str], list[tuple[str, str, str, str, str, str | None]]] = defaultdict(list)
    for table, name, *part in connection.execute(_KEYS):
        parts[table, name].append(tuple(part))
    found: dict[str, list[ForeignKey]] = defaultdict(list)
    for (table, name), described in parts.items():
        _, referred, _, on_delete, on_update, elsewhere = described[0]
        found[table].append(
            ForeignKey(
                name,
                tuple(part[0] for part in described),
                f"{elsewhere}.{referred}" if elsewhere else referred,
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
