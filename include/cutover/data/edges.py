"""Ask the source where the chunks of its large tables begin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import sqlalchemy as sa

from cutover.data.chunks import is_dense, wanted
from cutover.dialects import mysql, mysql_ranges
from cutover.dialects.endpoint import Endpoint
from cutover.route import CutColumn
from cutover.schema.cutting import cut_by
from cutover.schema.model import Schema, Table


def measured(endpoint: Endpoint, source: Schema, tables: set[str]) -> Schema:
    """Return the schema with the edges of ``tables`` that are larger than one chunk and arithmetic would cut unevenly.

    The key of each such table is read once, from end to end.

    Raises:
        TransientError: the server could not be reached, or was lost.
        PreflightError: it refused.
    """
    with mysql.session(endpoint) as connection:
        found = tuple(_measured(connection, t) if t.name in tables else t for t in source.tables)
    return replace(source, tables=found)


def _measured(connection: sa.Connection, table: Table) -> Table:
    columns, count = cut_by(table), wanted(table.statistics)
    if not columns or count == 1 or is_dense(table.statistics):
        return table
    edges = tuple(_edges(connection, table, columns, count))
    return replace(table, statistics=replace(table.statistics, edges=edges))


def _edges(
    connection: sa.Connection, table: Table, columns: Sequence[CutColumn], count: int
) -> Iterator[tuple[str, ...]]:
    """Yield a row at every step in the order of ``columns``, which an index has.

    The estimate of rows may be far off. Where there are twice as many edges as it lets expect, the steps are doubled,
    and so on: a table of which the server knows little is not cut into single rows.
    """
    step, budget, found = -(-table.statistics.rows // count) or 1, 2 * count, 0
    last: tuple[str, ...] | None = None
    skip = step
    while (edge := _row(connection, table, columns, last, skip)) is not None:
        if None in edge:
            # A date that is none cannot stand at an edge; look further on.
            skip = 2 * skip + 1
            continue
        last = tuple(map(str, edge))
        yield last
        found += 1
        if found == budget:
            step, budget = 2 * step, 2 * budget
        # The edge itself is the first row of its chunk.
        skip = step - 1


def _row(
    connection: sa.Connection,
    table: Table,
    columns: Sequence[CutColumn],
    last: tuple[str, ...] | None,
    skip: int,
) -> Sequence[str | None] | None:
    """Return the row that comes after ``last`` and ``skip`` others."""
    values = [mysql_ranges.written(column, table.column(column.name).type) for column in columns]
    return connection.execute(
        sa.select(*values)
        .select_from(sa.table(table.name))
        .where(*mysql_ranges.after(columns, last))
        .order_by(*(sa.column(column.name) for column in columns))
        .limit(1)
        .offset(skip)
    ).first()
