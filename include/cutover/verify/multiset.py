"""Compare two streams of rows in any order, as multisets in DuckDB, which spills to disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cutover.data import scratch as scratches
from cutover.data.transform import target_schema
from cutover.route import TableRoute
from cutover.verify.comparison import SHOWN, Comparison, Difference, shown

_Texts = Sequence[str | None]


def as_multisets(
    route: TableRoute,
    expected: Iterable[pa.RecordBatch],
    found: Iterable[pa.RecordBatch],
    scratch: Path,
    result: Comparison,
) -> None:
    """Compare two unordered streams, and count in ``result``; a row that is there twice must be there twice on both."""
    with scratches.database(scratch) as database:
        rows = {}
        for name, batches in (("source", expected), ("target", found)):
            scratches.create(database, f"{name}_rows", _text_schema(route), _as_text(route, batches))
            rows[name] = database.execute(f"SELECT count(*) FROM {name}_rows").fetchall()[0][0]  # noqa: S608
        result.rows = rows["target"]
        _pair_up(database, route, result)


def columns_as_multisets(
    route: TableRoute, expected: Iterable[pa.RecordBatch], found: Iterable[list[pa.Array]], scratch: Path
) -> Comparison:
    """Compare two unordered streams of rows; ``found`` are a batch's columns in the route's Arrow types."""
    wanted = target_schema(route)
    batches = (pa.RecordBatch.from_arrays(arrays, schema=wanted) for arrays in found)
    result = Comparison()
    as_multisets(route, expected, batches, scratch, result)
    return result


def _pair_up(database: Any, route: TableRoute, result: Comparison) -> None:
    """Rows that are on both sides with the same key are changed; the others are lost or extra.

    Of a key that one side has several times, each row has one partner.
    """
    key = [position for position, c in enumerate(route.columns) if c.target in route.key]
    numbered = ", ".join(f"c{position}" for position in key)
    for name, one, other in (("lost", "source", "target"), ("extra", "target", "source")):
        place = f"row_number() OVER (PARTITION BY {numbered})" if key else "1"
        only = f"SELECT * FROM {one}_rows EXCEPT ALL SELECT * FROM {other}_rows"  # noqa: S608
        database.execute(f"CREATE TABLE {name} AS SELECT *, {place} AS n FROM ({only})")  # noqa: S608
    alike = " AND ".join(f"lost.c{position} IS NOT DISTINCT FROM extra.c{position}" for position in key) or "false"
    both = f"FROM lost JOIN extra ON {alike} AND lost.n = extra.n"
    (result.changed,) = database.execute(f"SELECT count(*) {both}").fetchone()
    columns = range(len(route.columns))
    sides = ", ".join(f"{name}.c{position}" for name in ("lost", "extra") for position in columns)
    # Without a key, a row is told by all that it holds.
    told = key or list(columns)
    for row in database.execute(f"SELECT {sides} {both} LIMIT {SHOWN}").fetchall():
        _show_cells(route, told, row[: len(columns)], row[len(columns) :], result)
    for name, other, there in (("lost", "extra", ("present", None)), ("extra", "lost", (None, "present"))):
        alone = f"FROM {name} WHERE NOT EXISTS (SELECT 1 FROM {other} WHERE {alike} AND lost.n = extra.n)"  # noqa: S608
        (count,) = database.execute(f"SELECT count(*) {alone}").fetchone()
        setattr(result, name, count)
        shown_columns = ", ".join(f"c{position}" for position in told)
        for row in database.execute(f"SELECT {shown_columns} {alone} LIMIT {SHOWN}").fetchall():
            result.show(Difference(route.target, _name(row), None, *there))


def _show_cells(route: TableRoute, key: Sequence[int], ours: _Texts, theirs: _Texts, result: Comparison) -> None:
    name = _name(ours[position] for position in key)
    for column, mine, other in zip(route.columns, ours, theirs, strict=True):
        if mine != other:
            result.show(Difference(route.target, name, column.target, shown(mine), shown(other)))


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
