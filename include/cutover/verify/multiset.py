"""Compare two streams of rows in any order, as multisets in DuckDB, which spills to disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cutover.data import scratch as scratches
from cutover.data.transform import target_schema
from cutover.route import TableRoute
from cutover.verify.comparison import Comparison, Difference, shown


def as_multisets(
    route: TableRoute, expected: Iterable[pa.RecordBatch], found: Iterable[pa.RecordBatch], scratch: Path
) -> Comparison:
    """Compare two unordered streams; a row that is there twice must be there twice on both sides."""
    with scratches.database(scratch) as database:
        rows = {}
        for name, batches in (("source", expected), ("target", found)):
            scratches.create(database, f"{name}_rows", _text_schema(route), _as_text(route, batches))
            rows[name] = database.execute(f"SELECT count(*) FROM {name}_rows").fetchall()[0][0]  # noqa: S608
        result = Comparison(rows=rows["target"])
        lost = _only_in(database, "source", "target")
        extra = _only_in(database, "target", "source")
        key = [position for position, c in enumerate(route.columns) if not route.key or c.target in route.key]
        _pair_up(route, key, lost, extra, result)
    return result


def columns_as_multisets(
    route: TableRoute, expected: Iterable[pa.RecordBatch], found: Iterable[list[pa.Array]], scratch: Path
) -> Comparison:
    """Compare two unordered streams of rows; ``found`` are a batch's columns in the route's Arrow types."""
    wanted = target_schema(route)
    batches = (pa.RecordBatch.from_arrays(arrays, schema=wanted) for arrays in found)
    return as_multisets(route, expected, batches, scratch)


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
                        shown(row[position]),
                        shown(partner[position]),
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
