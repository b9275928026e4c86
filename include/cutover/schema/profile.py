"""Look at the values of columns whose type depends on what they hold."""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa

from cutover.dialects import mysql
from cutover.dialects.endpoint import Endpoint
from cutover.schema.columns import is_boolean_by_name, mapped_type
from cutover.schema.model import Column, Schema, Table
from cutover.spec import MigrationSpec


def profile(endpoint: Endpoint, source: Schema, spec: MigrationSpec, tables: set[str]) -> Schema:
    """Return the schema with what its tinyint(1) and enum columns were seen to hold.

    Each table that has such a column is read once; a tinyint(1) that the spec gives a type is not looked at.

    Args:
        endpoint: the source database.
        source: its structure.
        spec: whose typeMapping says which columns need no look.
        tables: the tables that travel.

    Raises:
        sqlalchemy.exc.DBAPIError: the server could not be reached or refused.
    """
    engine = mysql.engine(endpoint)
    with engine.connect() as connection:
        profiled = tuple(_profiled(connection, t, spec) if t.name in tables else t for t in source.tables)
    return replace(source, tables=profiled)


def _profiled(connection: sa.Connection, table: Table, spec: MigrationSpec) -> Table:
    flags = [c for c in table.columns if is_boolean_by_name(c) and mapped_type(c.type, spec) is None]
    flags = [c for c in flags if c.default is None or c.default.strip("'") in ("0", "1")]
    enums = [column for column in table.columns if column.type.lower().startswith("enum")]
    if not flags and not enums:
        return table
    # In an enum, the number 0 is that of no label (MySQL manual, The ENUM Type).
    # A column that holds nothing yet is no evidence either.
    seen: list[sa.ColumnElement[int]] = [
        sa.func.coalesce(sa.func.max(_of(column).not_in((0, 1))), 1) for column in flags
    ]
    seen += [sa.func.max((_of(column) + 0) == 0) for column in enums]
    row = connection.execute(sa.select(*seen).select_from(sa.table(table.name))).one()
    strange = {column.name for column, found in zip([*flags, *enums], row, strict=True) if found}
    return replace(
        table,
        statistics=replace(
            table.statistics,
            booleans=tuple(column.name for column in flags if column.name not in strange),
            unlabelled=tuple(column.name for column in enums if column.name in strange),
        ),
    )


def _of(column: Column) -> sa.ColumnClause[int]:
    return sa.column(column.name, sa.Integer)
