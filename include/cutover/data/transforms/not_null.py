"""Refuse rows that have NULL where the target forbids it."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from cutover.data.transforms.result import Outcome
from cutover.route import ColumnRoute


def applies(route: ColumnRoute) -> bool:
    """Columns declared NOT NULL."""
    return not route.nullable


def apply(route: ColumnRoute, array: pa.Array) -> Outcome:
    """Refuse every NULL."""
    if not array.null_count:
        return Outcome(array)
    return Outcome(array, pc.is_null(array), f"{route.target} is NULL, which the target forbids")
