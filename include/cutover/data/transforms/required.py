"""Leave out rows with NULL where the spec wants a value (nullHandling: remove)."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from cutover.data.transforms.result import Outcome
from cutover.route import ColumnRoute


def applies(route: ColumnRoute) -> bool:
    """Columns that the spec names."""
    return route.required


def apply(route: ColumnRoute, array: pa.Array) -> Outcome:
    """Leave out the row of every NULL, by rule."""
    if not array.null_count:
        return Outcome(array)
    return Outcome(
        array, pc.is_null(array), f"{route.target} is NULL, and nullHandling is remove", refused_by_rule=True
    )
