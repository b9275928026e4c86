"""Compare every cell of source and target.

Both sides are read again, the source through the same transforms as the load. Where both servers sort
the key alike the two streams are walked in step, chunk by chunk; any other table is compared whole, as a
multiset.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from cutover.data import finish, merge
from cutover.data.extract import extract
from cutover.data.transform import Tally, target_schema, transform
from cutover.data.types import cast
from cutover.dialects import postgresql, postgresql_ranges, postgresql_types
from cutover.dialects.endpoint import Endpoint
from cutover.route import Chunk, TableRoute
from cutover.verify import merged, refused
from cutover.verify.comparison import Comparison, Difference, shown
from cutover.verify.multiset import as_multisets
from cutover.verify.walk import walk


def compared_with(route: TableRoute, chunk: Chunk) -> Chunk | None:
    """Return what is compared when it is a chunk's turn: the whole table with its first, where it is sorted unlike."""
    if route.ordered:
        return chunk
    return replace(chunk, lower=None, upper=None) if chunk.number == 0 else None


def compare(
    source: Endpoint,
    target: Endpoint,
    schema: str,
    route: TableRoute,
    chunk: Chunk,
    batch_rows: int,
    scratch: Path,
) -> Comparison:
    """Compare a chunk cell by cell; what merging made of a table's rows is compared with its first chunk.

    Args:
        source: where the rows came from.
        target: where they went.
        schema: the target's schema that holds the table.
        route: the way of the table.
        chunk: the piece of it, as :func:`compared_with` gives it.
        batch_rows: rows in memory at a time, for each side.
        scratch: folder for what does not fit in memory.

    Raises:
        TransientError: a connection failed.
    """
    read = transform(route, extract(source, route, chunk, batch_rows), Tally())
    expected = refused.without(target, schema, route, read)
    found = read_target(target, schema, route, chunk)
    result = walk(route, expected, found) if route.ordered else as_multisets(route, expected, found, scratch)
    if route.merge and chunk.number == 0:
        _add_merged(result, merged.unlike(target, schema, route), route)
    return result


def _add_merged(result: Comparison, found: Iterable[merged.Unlike], route: TableRoute) -> None:
    """Add what is not as merging the source's rows makes it."""
    changed = set()
    for cell in found:
        expected, now = cell.expected, cell.found
        if cell.column is not None:
            changed.add(cell.key)
            expected, now = shown(expected), shown(now)
        elif now is None:
            result.lost += 1
        else:
            result.extra += 1
        result.show(Difference(route.target, cell.key, cell.column, expected, now))
    result.changed += len(changed)


def read_target(target: Endpoint, schema: str, route: TableRoute, chunk: Chunk) -> Iterator[pa.RecordBatch]:
    """Stream the target's rows of a chunk in the Arrow types of :func:`target_schema`.

    Rows that were loaded and then set aside (duplicates, orphans) are read with them, and one that others were
    merged into as it was before: together they are what the source must give.
    """
    columns = [
        (c.target, postgresql_types.read_expression(c.arrow).replace("{c}", postgresql.quoted(c.target)))
        for c in route.columns
    ]
    order = route.key if route.ordered else ()
    key = [(name, route.column(name).arrow) for name in order]
    within = postgresql_ranges.within(key, chunk.lower, chunk.upper)
    wanted = target_schema(route)
    with postgresql.session(target) as connection:
        aside, kept = finish.removed_table(route), merge.merged_table(route)
        tables = [route.target, *(t for t in (aside, kept) if merge.is_there(connection, schema, t))]
    conditions = {t: _not_in(schema, kept, t, route) for t in tables if t != kept} if kept in tables else {}
    statement = postgresql.select(schema, tables, columns, order, within, conditions)
    for batch in postgresql.read(target, statement):
        arrays = [cast(array, c.arrow) for array, c in zip(batch.columns, route.columns, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=wanted)


def _not_in(schema: str, other: str, table: str, route: TableRoute) -> str:
    alike = (f"o.{postgresql.quoted(name)} = {postgresql.quoted(table, name)}" for name in route.key)
    return f"NOT EXISTS (SELECT 1 FROM {postgresql.quoted(schema, other)} AS o WHERE {' AND '.join(alike)})"  # noqa: S608
