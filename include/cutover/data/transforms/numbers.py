"""Refuse rows whose number is none, or lies outside the bounds that the spec sets."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

import pyarrow as pa
import pyarrow.compute as pc

from cutover.data.transforms.result import Outcome
from cutover.route import ColumnRoute

_WRITTEN = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
# The longest decimal of either server has 65 digits before the point and 30 after it.
_EXACT = Context(prec=400)


def applies(route: ColumnRoute) -> bool:
    """Columns that must hold numbers within bounds."""
    return route.numbers is not None


def apply(route: ColumnRoute, array: pa.Array) -> Outcome:
    """Refuse every number below or above the bounds, and text that is no number; NULL passes."""
    assert route.numbers is not None
    low, high = (None if bound is None else Decimal(bound) for bound in route.numbers)
    if pa.types.is_string(array.type):
        bad = [v for v in pc.unique(array).to_pylist() if v is not None and not _good(v, low, high)]
        refused = pc.is_in(array, pa.array(bad, array.type))
    else:
        outside = pc.or_(_outside(array, low, below=True), _outside(array, high, below=False))
        refused = pc.and_(pc.is_valid(array), pc.fill_null(outside, False))
    if not pc.any(refused).as_py():
        return Outcome(array)
    bounds = [f"{word} {bound}" for word, bound in zip(("from", "to"), route.numbers, strict=True) if bound is not None]
    return Outcome(array, refused, " ".join([f"{route.source} holds no number", *bounds]))


def _good(text: str, low: Decimal | None, high: Decimal | None) -> bool:
    if _WRITTEN.fullmatch(text) is None:
        return False
    number = Decimal(text)
    return (low is None or number >= low) and (high is None or number <= high)


def _outside(array: pa.Array, bound: Decimal | None, below: bool) -> pa.BooleanArray:
    """Say which numbers lie beyond a bound, without changing either to compare them."""
    compare = pc.less if below else pc.greater
    if bound is None:
        return pa.repeat(False, len(array))
    if pa.types.is_floating(array.type):
        # The bound as the column would hold it: 0.1 in a float32 is not the 0.1 of a double.
        return compare(array, pa.scalar(float(bound), array.type))
    # Whole numbers and decimals lie on a grid: the bound moves to the next point of it within the range.
    scale = getattr(array.type, "scale", 0)
    digits = getattr(array.type, "precision", 19)
    grid = bound.quantize(Decimal(1).scaleb(-scale), ROUND_CEILING if below else ROUND_FLOOR, _EXACT)
    if abs(grid) >= Decimal(10) ** (digits - scale):
        # Every value that the type has is on the same side of it.
        return pa.repeat((grid > 0) == below, len(array))
    return compare(pc.cast(array, pa.decimal256(76, scale)), pa.scalar(grid, pa.decimal256(76, scale)))
