"""Compare every cell of source and target.

Both sides are read again, the source through the same transforms as the load. Where the key is one
integer both servers sort it alike, so the two streams are walked in step; any other table is
compared as a multiset in DuckDB, which spills to disk.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cutover.data import finish, merge
from cutover.data.extract import extract
from cutover.data.transform import Tally, target_schema, transform
from cutover.data.types import cast
from cutover.dialects import postgresql, postgresql_types
from cutover.dialects.endpoint import Endpoint
from cutover.route import Chunk, TableRoute
from cutover.verify import merged

# Differences are counted to the last one, but only this many of a chunk are shown.
SHOWN = 20


@dataclass(frozen=True)
class Difference:
    """One cell, or one whole row, that is not alike on both sides."""

    table: str
    key: str
    column: str | None
    source: str | None
    target: str | None

    def __str__(self) -> str:
        where = f"{self.table}[{self.key}]"
        if self.column is None:
            return f"{where}: only in the {'source' if self.target is None else 'target'}"
        return f"{where}.{self.column}: source {self.source}, target {self.target}"


@dataclass
class Comparison:
    """What comparing a chunk found; ``rows`` are the rows of the target that were looked at."""

    rows: int = 0
    lost: int = 0
    extra: int = 0
    changed: int = 0
    shown: list[Difference] = field(default_factory=list)

    @property
    def differences(self) -> int:
        """Rows that are not alike on both sides."""
        return self.lost + self.extra + self.changed

    def show(self, difference: Difference) -> None:
        """Keep a difference for the report, as long as there is room."""
        if len(self.shown) < SHOWN:
            self.shown.append(difference)


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
        chunk: the piece of it.
        batch_rows: rows in memory at a time, for each side.
        scratch: folder for what does not fit in memory.

    Raises:
        TransientError: a connection failed.
    """
    expected = transform(route, extract(source, route, chunk, batch_rows), Tally())
    found = read_target(target, schema, route, chunk)
    result = _walk(route, expected, found) if route.ranged else _as_multisets(route, expected, found, scratch)
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
            expected, now = _shown(expected), _shown(now)
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
        (postgresql_types.read_expression(c.arrow).replace("{c}", postgresql.quoted(c.target)), c.target)
        for c in route.columns
    ]
    key = route.key[0] if route.ranged else None
    wanted = target_schema(route)
    with postgresql.session(target) as connection:
        aside, kept = finish.removed_table(route), merge.merged_table(route)
        tables = [route.target, *(t for t in (aside, kept) if merge.is_there(connection, schema, t))]
    conditions = {t: _not_in(schema, kept, t, route) for t in tables if t != kept} if kept in tables else {}
    statement = postgresql.select(schema, tables, columns, key, chunk.lower, chunk.upper, conditions)
    for batch in postgresql.read(target, statement):
        arrays = [cast(array, c.arrow) for array, c in zip(batch.columns, route.columns, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=wanted)


def _not_in(schema: str, other: str, table: str, route: TableRoute) -> str:
    alike = (f"o.{postgresql.quoted(name)} = {postgresql.quoted(table, name)}" for name in route.key)
    return f"NOT EXISTS (SELECT 1 FROM {postgresql.quoted(schema, other)} AS o WHERE {' AND '.join(alike)})"  # noqa: S608


def _walk(route: TableRoute, expected: Iterable[pa.RecordBatch], found: Iterable[pa.RecordBatch]) -> Comparison:
    """Walk two streams that are sorted by the same integer key."""
    result = Comparison()
    left, right = _Stream(route, expected), _Stream(route, found)
    while left.more() and right.more():
        boundary = min(left.last_key(), right.last_key())
        mine, theirs = left.take(boundary), right.take(boundary)
        result.rows += theirs.num_rows
        if not mine.equals(theirs):
            _explain(route, mine, theirs, result)
    empty = target_schema(route).empty_table()
    while left.more():
        _explain(route, left.take(left.last_key()), empty, result)
    while right.more():
        rest = right.take(right.last_key())
        result.rows += rest.num_rows
        _explain(route, empty, rest, result)
    return result


class _Stream:
    """A sorted stream of batches of which a prefix, up to a key, can be taken."""

    def __init__(self, route: TableRoute, batches: Iterable[pa.RecordBatch]) -> None:
        self._key = route.key[0]
        self._batches = iter(batches)
        self._held: pa.Table | None = None

    def more(self) -> bool:
        while self._held is None or not self._held.num_rows:
            batch = next(self._batches, None)
            if batch is None:
                return False
            self._held = pa.Table.from_batches([batch])
        return True

    def last_key(self) -> int:
        assert self._held is not None
        return int(self._held.column(self._key)[-1].as_py())

    def take(self, boundary: int) -> pa.Table:
        assert self._held is not None
        keys = self._held.column(self._key)
        count = self._held.num_rows
        if keys[-1].as_py() > boundary:
            count = pc.sum(pc.less_equal(keys, boundary)).as_py() or 0
        taken, self._held = self._held.slice(0, count), self._held.slice(count)
        return taken


def _explain(route: TableRoute, mine: pa.Table, theirs: pa.Table, result: Comparison) -> None:
    """Say which cells of two tables with the same key range differ."""
    key = route.key[0]
    left, right = _by_key(_rows(mine, theirs, key), key), _by_key(_rows(theirs, mine, key), key)
    # A target without its primary key may hold a key twice.
    pairs = [
        (value, *pair)
        for value in sorted(left.keys() | right.keys())
        for pair in zip_longest(left[value], right[value])
    ]
    for value, ours, other in pairs:
        if ours is None:
            result.extra += 1
            result.show(Difference(route.target, str(value), None, None, "present"))
        elif other is None:
            result.lost += 1
            result.show(Difference(route.target, str(value), None, "present", None))
        else:
            cells = [name for name in ours if not _same(ours[name], other[name])]
            result.changed += bool(cells)
            for name in cells:
                result.show(Difference(route.target, str(value), name, _shown(ours[name]), _shown(other[name])))


def _by_key(rows: list[dict[str, Any]], key: str) -> defaultdict[Any, list[dict[str, Any]]]:
    found = defaultdict(list)
    for row in rows:
        found[row[key]].append(row)
    return found


def _rows(table: pa.Table, other: pa.Table, key: str) -> list[dict[str, Any]]:
    """Return the rows that are not at the same place in both tables, to keep the slow path short."""
    if table.num_rows == other.num_rows and table.column(key).equals(other.column(key)):
        differs = pa.chunked_array([pa.array([False] * table.num_rows)])
        for name in table.column_names:
            a, b = _plain(table.column(name)), _plain(other.column(name))
            unequal = pc.fill_null(pc.not_equal(a, b), False)
            differs = pc.or_(differs, pc.or_(unequal, pc.xor(pc.is_null(a), pc.is_null(b))))
        table = table.filter(differs)
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if isinstance(column.type, pa.BaseExtensionType):
        return pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)
    return column


def _same(ours: object, other: object) -> bool:
    # NaN is the one value that is not equal to itself.
    return ours == other or (ours != ours and other != other)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."


def _as_multisets(
    route: TableRoute, expected: Iterable[pa.RecordBatch], found: Iterable[pa.RecordBatch], scratch: Path
) -> Comparison:
    """Compare two unordered streams; a row that is there twice must be there twice on both sides."""
    import duckdb

    scratch.mkdir(parents=True, exist_ok=True)
    with (
        TemporaryDirectory(dir=scratch) as folder,
        duckdb.connect(str(Path(folder) / "compare.db")) as database,
    ):
        database.execute("SET memory_limit = '256MB'")
        rows = {}
        for name, batches in (("source", expected), ("target", found)):
            reader = pa.RecordBatchReader.from_batches(_text_schema(route), _as_text(route, batches))
            database.register("incoming", reader)
            database.execute(f"CREATE TABLE {name}_rows AS SELECT * FROM incoming")  # noqa: S608
            database.unregister("incoming")
            rows[name] = database.execute(f"SELECT count(*) FROM {name}_rows").fetchall()[0][0]  # noqa: S608
        result = Comparison(rows=rows["target"])
        lost = _only_in(database, "source", "target")
        extra = _only_in(database, "target", "source")
        key = [position for position, c in enumerate(route.columns) if not route.key or c.target in route.key]
        _pair_up(route, key, lost, extra, result)
    return result


def compare_unordered(
    route: TableRoute, expected: Iterable[pa.RecordBatch], found: Iterable[list[pa.Array]], scratch: Path
) -> Comparison:
    """Compare two unordered streams of rows; ``found`` are a batch's columns in the route's Arrow types."""
    wanted = target_schema(route)
    batches = (pa.RecordBatch.from_arrays(arrays, schema=wanted) for arrays in found)
    return _as_multisets(route, expected, batches, scratch)


def _only_in(database: Any, one: str, other: str) -> list[tuple[str | None, ...]]:
    query = f"SELECT * FROM {one}_rows EXCEPT ALL SELECT * FROM {other}_rows"  # noqa: S608
    found: list[tuple[str | None, ...]] = database.execute(query).fetchall()
    return found


def _pair_up(
    route: TableRoute,
    key: list[int],
    lost: list[tuple[str | None, ...]],
    extra: list[tuple[str | None, ...]],
    result: Comparison,
) -> None:
    """Rows that are on both sides with the same key are changed; the others are lost or extra."""
    others = {tuple(row[p] for p in key): row for row in extra} if route.key else {}
    for row in lost:
        identity = tuple(row[p] for p in key)
        partner = others.pop(identity, None)
        if partner is None:
            result.lost += 1
            result.show(Difference(route.target, _name(identity), None, "present", None))
            continue
        result.changed += 1
        for position, column in enumerate(route.columns):
            if row[position] != partner[position]:
                result.show(
                    Difference(
                        route.target,
                        _name(identity),
                        column.target,
                        _shown(row[position]),
                        _shown(partner[position]),
                    )
                )
    for identity in others if route.key else [tuple(row) for row in extra]:
        result.extra += 1
        result.show(Difference(route.target, _name(identity), None, None, "present"))


def _name(identity: Iterable[str | None]) -> str:
    return ", ".join("NULL" if part is None else part for part in identity)


def _text_schema(route: TableRoute) -> pa.Schema:
    return pa.schema([pa.field(f"c{position}", pa.string()) for position in range(len(route.columns))])


def _as_text(route: TableRoute, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Give every value a text of its own: one text for each value, no two values with one text."""
    for batch in batches:
        arrays = [_text(array) for array in batch.columns]
        yield pa.RecordBatch.from_arrays(arrays, schema=_text_schema(route))


def _text(array: pa.Array) -> pa.Array:
    if isinstance(array.type, pa.BaseExtensionType):
        array = array.storage
    if pa.types.is_binary(array.type) or pa.types.is_fixed_size_binary(array.type):
        return pa.array([None if v is None else v.hex() for v in array.to_pylist()], pa.string())
    if pa.types.is_duration(array.type):
        array = pc.cast(array, pa.int64())
    return pc.cast(array, pa.string())
