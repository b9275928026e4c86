"""Refuse rows whose date is none, or lies outside the days that the spec allows."""

from __future__ import annotations

import re
from datetime import date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from cutover.data.transforms.result import Outcome
from cutover.route import ColumnRoute

# ISO 8601's extended form, of which datetime.fromisoformat takes more.
_TIME = r"[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,6})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?"
_WRITTEN = re.compile(rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:{_TIME})?")


def applies(route: ColumnRoute) -> bool:
    """Columns with a range of days."""
    return route.dates is not None


def apply(route: ColumnRoute, array: pa.Array) -> Outcome:
    """Refuse every date before the first day or after the last, and text that is no date; NULL passes.

    The day of an instant is that of UTC; the day of text is the one that is written.
    """
    assert route.dates is not None
    days = _written(array) if pa.types.is_string(array.type) else pc.cast(array, pa.date32(), safe=False)
    first, last = (pa.scalar(date.fromisoformat(day), pa.date32()) for day in route.dates)
    good = pc.fill_null(pc.and_(pc.greater_equal(days, first), pc.less_equal(days, last)), False)
    refused = pc.and_(pc.is_valid(array), pc.invert(good))
    if not pc.any(refused).as_py():
        return Outcome(array)
    return Outcome(array, refused, f"{route.source} holds no date from {route.dates[0]} to {route.dates[1]}")


def _written(array: pa.Array) -> pa.Array:
    known = pc.unique(array)
    days = [None if text is None else _day(text) for text in known.to_pylist()]
    return pa.array(days, pa.date32()).take(pc.index_in(array, known))


def _day(text: str) -> date | None:
    if _WRITTEN.fullmatch(text) is None:
        return None
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return None
    return date.fromisoformat(text[:10])
