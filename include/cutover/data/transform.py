"""Turn batches as the source gives them into batches as the target takes them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from cutover.data import functions
from cutover.data.extract import loss_groups
from cutover.data.places import coordinates
from cutover.data.transforms import CHANGES, CHECKS, TRANSFORMS, Transform
from cutover.data.types import arrow_type, cast
from cutover.errors import DataError
from cutover.route import ColumnRoute, Function, Places, TableRoute


@dataclass(frozen=True)
class Reject:
    """A row that was not loaded: its key in the source as JSON, the reason, and whether by rule.

    ``column`` is None where the target has refused the row as a whole.
    """

    key: str
    column: str | None
    reason: str
    by_rule: bool = False


@dataclass
class Tally:
    """What happened to the rows of a chunk on their way.

    ``altered`` counts values that could not be kept, by (target column, what was done, whether by rule). Those of
    refused rows are not among them, but for dates that are none: they may be why a row is refused.
    """

    rows_read: int = 0
    bytes_read: int = 0
    rejects: list[Reject] = field(default_factory=list)
    altered: Counter[tuple[str, str, bool]] = field(default_factory=Counter)


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
        lost = _lost_dates(route, batch)
        passage = _Passage(route, batch, tally)
        steps = TRANSFORMS if route.function is None else CHANGES
        arrays = []
        for position, column in enumerate(route.columns):
            array = cast(batch.column(position), column.wire)
            if column.target in lost:
                array = _replaced(column, array, lost[column.target], tally)
            arrays.append(passage.of(column, array, steps))
        if route.places is not None:
            arrays = passage.placed(route.places, arrays)
        if route.function is not None:
            arrays = passage.through(route.function, arrays)
            arrays = [passage.of(column, array, CHECKS) for column, array in zip(route.columns, arrays, strict=True)]
        yield passage.kept(pa.RecordBatch.from_arrays(arrays, schema=schema))


class _Passage:
    """A batch on its way: which of its rows are refused so far, and which of its values were altered."""

    def __init__(self, route: TableRoute, batch: pa.RecordBatch, tally: Tally) -> None:
        self._route, self._batch, self._tally = route, batch, tally
        self._refused: pa.BooleanArray | None = None
        self._altered: list[tuple[tuple[str, str, bool], pa.BooleanArray]] = []

    def of(self, column: ColumnRoute, array: pa.Array, steps: Sequence[Transform]) -> pa.Array:
        """Send a column through every transform of ``steps`` that it needs."""
        for step in steps:
            if not step.applies(column):
                continue
            outcome = step.apply(column, array)
            array = outcome.array
            if outcome.altered is not None:
                self._altered.append(((column.target, outcome.alteration, outcome.altered_by_rule), outcome.altered))
            if outcome.refused is not None:
                self._refuse(column.target, outcome.refused, outcome.reason, outcome.refused_by_rule)
        return array

    def placed(self, places: Places, arrays: Sequence[pa.Array]) -> list[pa.Array]:
        """Put the coordinates of places where they belong, and count the places that are not known."""
        found = {column.target: array for column, array in zip(self._route.columns, arrays, strict=True)}
        named = found[places.place]
        countries = found[places.country] if places.country else None
        latitudes, longitudes = coordinates(places.service, named, countries)
        unknown = pc.and_(pc.is_valid(named), pc.is_null(latitudes))
        what = (places.latitude, "places that are not known became NULL", False)
        self._altered.append((what, unknown))
        return list((found | {places.latitude: latitudes, places.longitude: longitudes}).values())

    def through(self, function: Function, arrays: Sequence[pa.Array]) -> list[pa.Array]:
        """Call a user's function with the rows that are not refused; those that it leaves out are so by rule.

        Raises:
            DataError: it fails, or returns what does not fit.
        """
        columns, length = self._route.columns, self._batch.num_rows
        given = pc.indices_nonzero(pa.repeat(True, length) if self._refused is None else pc.invert(self._refused))
        if not len(given):
            return list(arrays)
        made, places = functions.called(function, columns, self._route.key, [array.take(given) for array in arrays])
        back = pc.index_in(pa.array(range(length), pa.uint64()), given.take(places))
        after = [array.take(back) for array in made]
        stays = pc.is_valid(back)
        for column, old, new in zip(columns, arrays, after, strict=True):
            if column.added is None:
                what = (column.target, f"values changed by {function.call}", True)
                self._altered.append((what, pc.and_(stays, _differing(old, new))))
        self._refuse("", pc.invert(stays), f"{function.call} leaves it out", by_rule=True)
        return after

    def _refuse(self, column: str, rows: pa.BooleanArray, reason: str, by_rule: bool) -> None:
        """Note each row once, for the first reason found."""
        new = pc.fill_null(rows, False)
        if self._refused is not None:
            new = pc.and_(new, pc.invert(self._refused))
        if pc.any(new).as_py():
            keys = source_keys(self._route, self._batch.filter(new))
            self._tally.rejects += [Reject(key, column, reason, by_rule) for key in keys]
            self._refused = new if self._refused is None else pc.or_(self._refused, new)

    def kept(self, made: pa.RecordBatch) -> pa.RecordBatch:
        """Return the rows that are not refused, and count the values altered in them."""
        kept = None if self._refused is None else pc.invert(self._refused)
        for what, mask in self._altered:
            count = pc.sum(mask if kept is None else pc.and_(mask, kept)).as_py()
            if count:
                self._tally.altered[what] += count
        return made if kept is None else made.filter(kept)


def _differing(one: pa.Array, other: pa.Array) -> pa.BooleanArray:
    """Say which values are not alike, where NULL is like NULL alone."""
    if isinstance(one.type, pa.BaseExtensionType):
        one, other = one.storage, other.storage
    return pc.or_(pc.fill_null(pc.not_equal(one, other), False), pc.xor(pc.is_null(one), pc.is_null(other)))


def source_keys(route: TableRoute, rows: pa.RecordBatch) -> Iterator[str]:
    """Yield each row's key in the source as JSON; a table without a key gives the whole row."""
    told = route.identifying
    named = [(position, column.source) for position, column in enumerate(route.columns) if column in told]
    names = [name for _, name in named]
    for row in range(rows.num_rows):
        yield key_text(names, [rows.column(position)[row].as_py() for position, _ in named])


def key_text(names: Sequence[str], values: Sequence[object]) -> str:
    """Write a row's key down as JSON, by which it is found again: what is stored in a target is compared with it."""
    return json.dumps(dict(zip(names, values, strict=True)), default=str)


def _lost_dates(route: TableRoute, batch: pa.RecordBatch) -> dict[str, pa.BooleanArray]:
    """Say, for each target column that has any, which of its values are dates that are none."""
    lost = {}
    for position, column in enumerate(route.columns):
        # Where the source forbids NULL, every NULL was such a date.
        if column.may_lose and not column.source_nullable and batch.column(position).null_count:
            lost[column.target] = pc.is_null(batch.column(position))
    for position, group in enumerate(loss_groups(route), start=len(route.columns)):
        mask = pc.cast(batch.column(position), pa.int64())
        if not pc.any(pc.not_equal(mask, 0)).as_py():
            continue
        for bit, column in enumerate(group):
            found = pc.equal(pc.bit_wise_and(pc.shift_right(mask, bit), 1), 1)
            if pc.any(found).as_py():
                lost[column.target] = found
    return lost


def _replaced(column: ColumnRoute, array: pa.Array, lost: pa.BooleanArray, tally: Tally) -> pa.Array:
    """Count dates that are none, and put in their place what the spec says.

    Raises:
        DataError: it says that there must be none.
    """
    count = pc.sum(lost).as_py()
    if column.no_date == "fail":
        raise DataError(
            f"{column.target}: {count} dates that are none, such as 0000-00-00, and zeroDates is fail. Mend them in "
            "the source, or say data.transformation.cleaning.zeroDates: nullify, or a date"
        )
    tally.altered[column.target, f"dates that are none became {column.no_date or 'NULL'}", False] += count
    if column.no_date is None:
        return array
    return pc.if_else(lost, pa.scalar(date.fromisoformat(column.no_date), pa.date32()).cast(array.type), array)
