"""Turn batches as the source gives them into batches as the target takes them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from cutover.data.extract import loss_groups
from cutover.data.transforms import TRANSFORMS
from cutover.data.types import arrow_type, cast
from cutover.route import ColumnRoute, TableRoute

_NO_DATE = "dates that are none became NULL"


@dataclass(frozen=True)
class Reject:
    """A row that was not loaded: its key in the source as JSON, the column and the reason."""

    key: str
    column: str
    reason: str


@dataclass
class Tally:
    """What happened to the rows of a chunk on their way.

    ``altered`` counts values that could not be kept, by (target column, what was done).
    """

    rows_read: int = 0
    bytes_read: int = 0
    rejects: list[Reject] = field(default_factory=list)
    altered: Counter[tuple[str, str]] = field(default_factory=Counter)


def target_schema(route: TableRoute) -> pa.Schema:
    """Return the Arrow schema of the batches that are loaded."""
    return pa.schema([pa.field(column.target, arrow_type(column.arrow)) for column in route.columns])


def transform(route: TableRoute, batches: Iterable[pa.RecordBatch], tally: Tally) -> Iterator[pa.RecordBatch]:
    """Yield transformed batches; refused rows are left out and noted in ``tally``.

    Args:
        route: the way of the table.
        batches: batches with the route's columns in order, then the loss masks of
            :func:`cutover.data.extract.source_columns`.
        tally: is filled as the batches pass.
    """
    schema = target_schema(route)
    for batch in batches:
        tally.rows_read += batch.num_rows
        tally.bytes_read += batch.nbytes
        _count_losses(route, batch, tally)
        refused: pa.BooleanArray | None = None
        arrays = []
        for position, column in enumerate(route.columns):
            array, column_refused = _travel(column, batch.column(position), batch, route, tally, refused)
            arrays.append(array)
            if column_refused is not None:
                refused = column_refused if refused is None else pc.or_(refused, column_refused)
        made = pa.RecordBatch.from_arrays(arrays, schema=schema)
        yield made if refused is None else made.filter(pc.invert(refused))


def _travel(
    column: ColumnRoute,
    array: pa.Array,
    batch: pa.RecordBatch,
    route: TableRoute,
    tally: Tally,
    refused_before: pa.BooleanArray | None,
) -> tuple[pa.Array, pa.BooleanArray | None]:
    array = cast(array, column.wire)
    refused: pa.BooleanArray | None = None
    for step in TRANSFORMS:
        if not step.applies(column):
            continue
        outcome = step.apply(column, array)
        array = outcome.array
        if outcome.altered:
            tally.altered[column.target, outcome.alteration] += outcome.altered
        if outcome.refused is None:
            continue
        new = pc.fill_null(outcome.refused, False)
        # A row is refused once, for the first reason found.
        for known in (refused, refused_before):
            new = new if known is None else pc.and_(new, pc.invert(known))
        if pc.any(new).as_py():
            tally.rejects += [Reject(key, column.target, outcome.reason) for key in _keys(route, batch.filter(new))]
            refused = new if refused is None else pc.or_(refused, new)
    return array, refused


def _keys(route: TableRoute, rows: pa.RecordBatch) -> Iterator[str]:
    """Yield each row's key in the source as JSON; a table without a key gives the whole row."""
    named = [
        (position, column.source)
        for position, column in enumerate(route.columns)
        if not route.key or column.target in route.key
    ]
    for row in range(rows.num_rows):
        yield json.dumps({name: rows.column(position)[row].as_py() for position, name in named}, default=str)


def _count_losses(route: TableRoute, batch: pa.RecordBatch, tally: Tally) -> None:
    for position, column in enumerate(route.columns):
        if column.may_lose and not column.source_nullable and batch.column(position).null_count:
            tally.altered[column.target, _NO_DATE] += batch.column(position).null_count
    for position, group in enumerate(loss_groups(route), start=len(route.columns)):
        mask = pc.cast(batch.column(position), pa.int64())
        if not pc.any(pc.not_equal(mask, 0)).as_py():
            continue
        for bit, column in enumerate(group):
            count = pc.sum(pc.bit_wise_and(pc.shift_right(mask, bit), 1)).as_py()
            if count:
                tally.altered[column.target, _NO_DATE] += count
