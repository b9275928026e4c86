"""Compare two streams of rows that are sorted alike, in step: in the memory of a batch of each."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import zip_longest
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cutover.route import TableRoute
from cutover.verify.comparison import SHOWN, Comparison, Difference, shown
from cutover.verify.differing import Pair

# The values of a row in the key's columns, as Python has them: numbers, dates or bytes.
Key = tuple[Any, ...]
# A row's place in its table, and the row.
_Row = tuple[int, dict[str, Any]]


def walk(
    route: TableRoute, expected: Iterable[pa.RecordBatch], found: Iterable[pa.RecordBatch], result: Comparison
) -> Iterator[Pair]:
    """Walk two streams that are sorted by the same key, and count in ``result``; yield what differs on the way."""
    left, right = _Stream(route, expected), _Stream(route, found)
    while left.more() and right.more():
        boundary = min(left.last_key(), right.last_key())
        mine, theirs = left.take(boundary), right.take(boundary)
        result.rows += theirs.num_rows
        if not mine.equals(theirs):
            yield from _explained(route, mine, theirs, result)
    while left.more():
        rest = left.take(left.last_key())
        _alone(route, rest, result, lost=True)
        yield rest, rest.slice(0, 0)
    while right.more():
        rest = right.take(right.last_key())
        result.rows += rest.num_rows
        _alone(route, rest, result, lost=False)
        yield rest.slice(0, 0), rest


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
        return tuple(_order(self._held.column(name)[row]) for name in self._key)


def _order(value: pa.Scalar) -> Any:
    """Return a key's value as it sorts: a day or moment as its number, for Python has none beyond the year 9999."""
    return value.value if pa.types.is_temporal(value.type) else value.as_py()


def _alone(route: TableRoute, rows: pa.Table, result: Comparison, *, lost: bool) -> None:
    """Count rows that one side alone has."""
    if lost:
        result.lost += rows.num_rows
    else:
        result.extra += rows.num_rows
    for row in _rows(rows.select(route.key).slice(0, SHOWN)):
        name, there = _name(tuple(row.values())), ("present", None) if lost else (None, "present")
        result.show(Difference(route.target, name, None, *there))


def _explained(route: TableRoute, mine: pa.Table, theirs: pa.Table, result: Comparison) -> Iterator[Pair]:
    """Say which cells of two tables with the same range of keys differ."""
    mine, theirs = _unlike(mine, theirs, route.key), _unlike(theirs, mine, route.key)
    left, right = _by_key(mine, route), _by_key(theirs, route)
    wanted, seen = [], []
    for key in sorted(left.keys() | right.keys()):
        # A target without its primary key may hold a key twice: where one row differs, all of the key's belong to it.
        pairs = list(zip_longest(left[key], right[key]))
        unlike = [_compared(route, _name(key), ours, other, result) for ours, other in pairs]
        if any(unlike):
            wanted += [ours[0] for ours, _ in pairs if ours]
            seen += [other[0] for _, other in pairs if other]
    if wanted or seen:
        yield mine.take(pa.array(wanted, pa.int64())), theirs.take(pa.array(seen, pa.int64()))


def _compared(route: TableRoute, name: str, ours: _Row | None, other: _Row | None, result: Comparison) -> bool:
    """Count a row that is not alike on both sides, and say so."""
    if other is None:
        result.lost += 1
        result.show(Difference(route.target, name, None, "present", None))
        return True
    if ours is None:
        result.extra += 1
        result.show(Difference(route.target, name, None, None, "present"))
        return True
    cells = [column for column in ours[1] if not _same(ours[1][column], other[1][column])]
    result.changed += bool(cells)
    for column in cells:
        result.show(Difference(route.target, name, column, shown(ours[1][column]), shown(other[1][column])))
    return bool(cells)


def _name(key: Key) -> str:
    return ", ".join(map(_part, key))


def _part(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _by_key(table: pa.Table, route: TableRoute) -> defaultdict[Key, list[_Row]]:
    found = defaultdict(list)
    for number, row in enumerate(_rows(table)):
        found[tuple(row[name] for name in route.key)].append((number, row))
    return found


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    """Return rows as Python has them; days and moments as text where it has not all of them."""
    try:
        found: list[dict[str, Any]] = table.to_pylist()
    except (OverflowError, ValueError):
        columns = [pc.cast(c, pa.string()) if pa.types.is_temporal(c.type) else c for c in table.columns]
        found = pa.table(columns, names=table.column_names).to_pylist()
    return found


def _unlike(table: pa.Table, other: pa.Table, key: Sequence[str]) -> pa.Table:
    """Return the rows that are not at the same place in both tables, to keep the slow path short."""
    if table.num_rows != other.num_rows or not table.select(key).equals(other.select(key)):
        return table
    differs = pa.chunked_array([pa.array([False] * table.num_rows)])
    for name in table.column_names:
        a, b = _plain(table.column(name)), _plain(other.column(name))
        unequal = pc.fill_null(pc.not_equal(a, b), False)
        differs = pc.or_(differs, pc.or_(unequal, pc.xor(pc.is_null(a), pc.is_null(b))))
    return table.filter(differs)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if isinstance(column.type, pa.BaseExtensionType):
        return pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)
    return column


def _same(ours: object, other: object) -> bool:
    # NaN is the one value that is not equal to itself.
    return ours == other or (ours != ours and other != other)
