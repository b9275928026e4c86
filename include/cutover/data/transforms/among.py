"""Leave out rows whose value is none of those that the spec lets through (dataFilters)."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from cutover.data.transforms.result import Outcome
from cutover.data.types import cast
from cutover.route import ColumnRoute, Scalar


def applies(route: ColumnRoute) -> bool:
    """Columns that a data filter names."""
    return route.among is not None


def apply(route: ColumnRoute, array: pa.Array) -> Outcome:
    """Leave out the row of every other value, by rule; NULL is a value that may be listed."""
    assert route.among is not None
    wanted = pa.chunked_array([value(route, each) for each in route.among]).combine_chunks()
    left_out = pc.invert(pc.is_in(_stored(array), _stored(wanted)))
    if not pc.any(left_out).as_py():
        return Outcome(array)
    return Outcome(array, left_out, f"{route.target} is no value that dataFilters lets through", refused_by_rule=True)


def value(route: ColumnRoute, written: Scalar) -> pa.Array:
    """Return a value of a filter in the column's own type, alone.

    Raises:
        pa.ArrowException, ValueError: the column cannot hold it.
    """
    text = str(written).lower() if isinstance(written, bool) else None if written is None else str(written)
    if text is not None and route.labels and route.arrow != "set" and text not in route.labels:
        raise ValueError(f"{text!r} is none of {route.labels}")
    return cast(pa.array([text], pa.string()), route.arrow)


def _stored(array: pa.Array) -> pa.Array:
    return array.storage if isinstance(array.type, pa.BaseExtensionType) else array
