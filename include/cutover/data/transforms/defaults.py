"""Fill NULL with the spec's default."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from cutover.data.transforms.result import Outcome
from cutover.data.types import cast
from cutover.route import ColumnRoute


def applies(route: ColumnRoute) -> bool:
    """Columns for which the spec names a default."""
    return route.default is not None


def apply(route: ColumnRoute, array: pa.Array) -> Outcome:
    """Fill every NULL."""
    if not array.null_count:
        return Outcome(array)
    return Outcome(
        pc.fill_null(array, value(route)),
        altered=pc.is_null(array),
        alteration=f"NULL became {route.default}",
        altered_by_rule=True,
    )


def value(route: ColumnRoute) -> pa.Scalar:
    """Return the default in the column's own type; raises pa.ArrowException where it is no value of it."""
    return cast(pa.array([route.default]), route.arrow)[0]
