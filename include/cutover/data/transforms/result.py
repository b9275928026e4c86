"""What a transform returns."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class Outcome:
    """A transformed column.

    Attributes:
        array: the values, as many as came in.
        refused: which rows must not be loaded; None where all may be.
        reason: why they are refused.
        altered: how many values could not be kept as they were.
        alteration: what was done to them.
    """

    array: pa.Array
    refused: pa.BooleanArray | None = None
    reason: str = ""
    altered: int = 0
    alteration: str = ""
