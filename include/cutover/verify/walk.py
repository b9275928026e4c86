"""Compare two streams of rows that are sorted alike, in step: in the memory of a batch of each."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import zip_longest
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cutover.data.transform import target_schema
from cutover.route import TableRoute
from cutover.verify.comparison import Comparison, Difference, shown

# The values of a row in the key's columns, as Python has them: numbers, dates or bytes.
Key = tuple[Any, ...]


def walk(route: TableRoute, expected: Iterable[pa.RecordBatch], found: Iterable[pa.RecordBatch]) -> Comparison:
    """Walk two streams that are sorted by the same key."""
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
        self._key = route.key
        self._batches = iter(batches)
        self._held: pa.Table | None = None

    def more(self) -> bool:
        while self._held is None or not self._held.num_rows:
            batch = next(self._batches, None)
            if batch is None:
                return False
            self._held = pa.Table.from_batches([batch])
        return True

    def last_key(self) -> Key:
        assert self._held is not None
        return self._key_of(self._held.num_rows - 1)

    def take(self, boundary: Key) -> pa.Table:
        assert self._held is not None
        count = self._held.num_rows
        if self.last_key() > boundary:
            count = bisect_right(range(count), boundary, key=self._key_of)
        taken, self._held = self._held.slice(0, count), self._held.slice(count)
        return taken

    def _key_of(self, row: int) -> Key:
        assert self._held is not None
        return tuple(self._held.column(name)[row].as_py() for name in self._key)


def _explain(route: TableRoute, mine: pa.Table, theirs: pa.Table, result: Comparison) -> None:
    """Say which cells of two tables with the same range of keys differ."""
    left, right = _by_key(_rows(mine, theirs, route.key), route), _by_key(_rows(theirs, mine, route.key), route)
    # A target without its primary key may hold a key twice.
    pairs = [
        (_name(key), *pair) for key in sorted(left.keys() | right.keys()) for pair in zip_longest(left[key], right[key])
    ]
    for name, ours, other in pairs:
        if ours is None:
            result.extra += 1
            result.show(Difference(route.target, name, None, None, "present"))
        elif other is None:
            result.lost += 1
            result.show(Difference(route.target, name, None, "present", None))
        else:
            cells = [column for column in ours if not _same(ours[column], other[column])]
            result.changed += bool(cells)
            for column in cells:
                result.show(Difference(route.target, name, column, shown(ours[column]), shown(other[column])))


def _name(key: Key) -> str:
    return ", ".join(map(_part, key))


def _part(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _by_key(rows: list[dict[str, Any]], route: TableRoute) -> defaultdict[Key, list[dict[str, Any]]]:
    found = defaultdict(list)
    for row in rows:
        found[tuple(row[name] for name in route.key)].append(row)
    return found


def _rows(table: pa.Table, other: pa.Table, key: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows that are not at the same place in both tables, to keep the slow path short."""
    if table.num_rows == other.num_rows and table.select(key).equals(other.select(key)):
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
