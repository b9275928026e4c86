"""Fill NULL with the spec's default."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from cutover.data.transforms.result import Outcome
from cutover.route import ColumnRoute


def applies(route: ColumnRoute) -> bool:
    """Columns for which the spec names a default."""
    return route.default is not None


def apply(route: ColumnRoute, array: pa.Array) -> Outcome:
    """Fill every NULL."""
    return Outcome(pc.fill_null(array, pa.scalar(route.default, array.type)))
