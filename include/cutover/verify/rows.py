"""Compare every cell of source and target.

Both sides are read again, the source through the same transforms as the load. Where both servers sort
the key alike the two streams are walked in step, chunk by chunk; any other table is compared whole, as a
multiset.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from cutover.data import canonical, finish, merge
from cutover.data.extract import extract
from cutover.data.transform import Tally, target_schema, transform
from cutover.data.types import cast
from cutover.dialects import mysql_types, postgresql, postgresql_found, postgresql_ranges
from cutover.dialects.endpoint import Endpoint
from cutover.errors import PreflightError
from cutover.route import Chunk, ColumnRoute, TableRoute
from cutover.verify import merged, refused
from cutover.verify.comparison import Comparison, Difference, shown
from cutover.verify.differing import Differing
from cutover.verify.multiset import as_multisets
from cutover.verify.walk import walk


def compared_with(route: TableRoute, chunk: Chunk) -> Chunk | None:
    """Return what is compared when it is a chunk's turn: the whole table with its first, where it is sorted unlike."""
    if route.ordered:
        return chunk
    return replace(chunk, lower=None, upper=None) if chunk.number == 0 else None


@dataclass(frozen=True)
class Sides:
    """Where rows are compared.

    Attributes:
        source: where the rows came from.
        target: where they went.
        schema: the target's schema that holds the tables.
        aside: the schema with the rows that were set aside, refused or merged; None where nothing tells of any.
        batch_rows: rows in memory at a time, for each side.
        scratch: folder for what does not fit in memory.
    """

    source: Endpoint
    target: Endpoint
    schema: str
    aside: str | None
    batch_rows: int
    scratch: Path


def compare(
    sides: Sides, route: TableRoute, chunk: Chunk, tally: Tally | None = None, differing: Differing | None = None
) -> Comparison:
    """Compare a chunk cell by cell; what merging made of a table's rows is compared with its first chunk.

    Args:
        sides: where the rows are.
        route: the way of the table.
        chunk: the piece of it, as :func:`compared_with` gives it.
        tally: is filled with what the route changes or refuses of the source's rows, and what stands for them.
        differing: where every row that differs is written, of a table that is sorted alike on both sides.

    Raises:
        TransientError: a connection failed.
    """
    result = Comparison()
    tally = Tally() if tally is None else tally
    batches = extract(sides.source, route, chunk, sides.batch_rows)
    expected: Iterable[pa.RecordBatch] = transform(route, batches, tally)
    if sides.aside is not None:
        expected = refused.without(sides.target, sides.aside, route, expected)
    found = read_target(sides, route, chunk, tally)
    if not route.ordered:
        as_multisets(route, expected, found, sides.scratch, result)
    elif differing is not None:
        differing.write(route, walk(route, expected, found, result))
    else:
        for _ in walk(route, expected, found, result):
            pass
    if route.merge and chunk.number == 0 and sides.aside is not None:
        _add_merged(result, merged.unlike(sides.target, sides.schema, sides.aside, route), route)
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


def read_target(sides: Sides, route: TableRoute, chunk: Chunk, tally: Tally) -> Iterator[pa.RecordBatch]:
    """Stream the target's rows of a chunk in the Arrow types of :func:`target_schema`.

    Rows that were loaded and then set aside (duplicates, orphans) are read with them, and one that others were
    merged into as it was before: together they are what the source must give.
    """
    columns = [
        (c.target, postgresql_found.read_expression(c.arrow, c.target_type).replace("{c}", postgresql.quoted(c.target)))
        for c in route.columns
    ]
    order = route.key if route.ordered else ()
    key = [(name, route.column(name).arrow) for name in order]
    within = postgresql_ranges.within(key, chunk.lower, chunk.upper)
    own = (sides.schema, route.target)
    tables, conditions = [own], dict[tuple[str, str], str]()
    if sides.aside is not None:
        kept = (sides.aside, merge.merged_table(route))
        with postgresql.session(sides.target) as connection:
            beside = ((sides.aside, finish.removed_table(route)), kept)
            tables += [table for table in beside if merge.is_there(connection, *table)]
        if kept in tables:
            conditions = {table: _not_in(kept, table[1], route) for table in tables if table != kept}
    wanted = target_schema(route)
    for batch in postgresql.read(sides.target, postgresql.select(tables, columns, order, within, conditions)):
        pairs = zip(batch.columns, route.columns, strict=True)
        arrays = [_as_read(column, _cast(route, column, array), tally) for array, column in pairs]
        yield pa.RecordBatch.from_arrays(arrays, schema=wanted)


def _cast(route: TableRoute, column: ColumnRoute, array: pa.Array) -> pa.Array:
    try:
        return cast(array, column.arrow)
    except pa.ArrowInvalid as error:
        where = f"table {route.target}, column {column.target}"
        raise PreflightError(
            [f"{where}: the target holds a value that cannot be compared, such as NaN or infinity: {error}"]
        ) from None


def _as_read(column: ColumnRoute, array: pa.Array, tally: Tally) -> pa.Array:
    """Take a double in place of a FLOAT for what it was made of, and count it."""
    if column.arrow != "float64" or not mysql_types.is_float(column.source_type):
        return array
    array, brought = canonical.widened(array)
    count = pc.sum(brought).as_py()
    if count:
        what = (column.target, "doubles are the shortest decimal of their FLOAT, and not its value", False)
        tally.altered[what] += count
    return array


def _not_in(other: tuple[str, str], table: str, route: TableRoute) -> str:
    alike = (f"o.{postgresql.quoted(name)} = {postgresql.quoted(table, name)}" for name in route.key)
    return f"NOT EXISTS (SELECT 1 FROM {postgresql.quoted(*other)} AS o WHERE {' AND '.join(alike)})"  # noqa: S608
