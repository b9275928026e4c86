"""Read a chunk of the source."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from cutover.dialects import mysql, mysql_ranges
from cutover.dialects.endpoint import Endpoint
from cutover.route import Chunk, ColumnRoute, TableRoute

# How many columns share one mask; a signed 64-bit integer holds them with room to spare.
LOSS_GROUP = 32


def loss_groups(route: TableRoute) -> list[tuple[ColumnRoute, ...]]:
    """Return the nullable columns whose reading may turn a value into NULL, in groups that share a mask.

    Where the source forbids NULL no mask is needed: every NULL that arrives was a value.
    """
    losing = [column for column in route.columns if column.may_lose and column.source_nullable]
    return [tuple(losing[start : start + LOSS_GROUP]) for start in range(0, len(losing), LOSS_GROUP)]


def source_columns(route: TableRoute) -> list[tuple[str, str]]:
    """Return (expression, alias) of what is read: every column, then one mask for each loss group.

    A mask has a bit for each column of its group, set where the source has a value and the
    expression gives NULL: nothing is lost without being counted.
    """
    columns = [(column.read, f"c{position}") for position, column in enumerate(route.columns)]
    for number, group in enumerate(loss_groups(route)):
        bits = [
            f"(({mysql.quoted(column.source)} IS NOT NULL AND ({column.read}) IS NULL) << {bit})"
            for bit, column in enumerate(group)
        ]
        columns.append(("CAST(" + " | ".join(bits) + " AS SIGNED)", f"lost{number}"))
    return columns


def statement(route: TableRoute, chunk: Chunk) -> str:
    """Return the SELECT of a chunk, in key order where the proof walks along it or it says which rows come first."""
    ordered = route.key if route.ordered or route.limit is not None else ()
    within = mysql_ranges.within(route.cut_by, chunk.lower, chunk.upper)
    key = [route.column(name).source for name in ordered]
    return mysql.select(
        route.source,
        source_columns(route),
        route.condition,
        key,
        within,
        route.limit,
        recursive=route.sample is not None,
    )


def extract(endpoint: Endpoint, route: TableRoute, chunk: Chunk, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Stream a chunk's rows as the source gives them.

    Raises:
        TransientError: the connection failed or was lost.
        PreflightError: the server refused the statement.
    """
    return mysql.read(endpoint, statement(route, chunk), batch_rows)
