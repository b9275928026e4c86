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
        refused_by_rule: whether the spec asks for that, so that it is no error of the data.
        altered: which values could not be kept as they were; None where all were.
        alteration: what was done to them.
        altered_by_rule: whether the spec asks for that and nothing is lost by it.
    """

    array: pa.Array
    refused: pa.BooleanArray | None = None
    reason: str = ""
    refused_by_rule: bool = False
    altered: pa.BooleanArray | None = None
    alteration: str = ""
    altered_by_rule: bool = False
