"""Only some rows of each table leave, for a trial."""

from __future__ import annotations

from typing import Literal

from cutover.spec.base import Count, UnbuiltPart


class Sampling(UnbuiltPart):
    """Some rows only."""

    enabled: bool = False
    sample_size: Count | None = None
    sample_method: Literal["random", "systematic", "stratified"] | None = None
    sample_percentage: float | None = None
