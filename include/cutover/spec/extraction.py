"""The ``data.extraction`` part: which rows leave the source, and how they are read."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cutover.spec.base import AlwaysTrue, Count, Many, Milliseconds, Name, Part, UnbuiltPart, UnbuiltSwitch
from cutover.spec.sampling import Sampling


class Full(Part):
    """Every row, in chunks."""

    enabled: AlwaysTrue = True
    parallel_extraction: bool = True
    max_parallel_workers: Count = 10
    chunk_size: Count = 10_000
    timeout: Milliseconds = 3_600_000


class Incremental(UnbuiltPart):
    """Rows changed since the last pass, from a change table."""

    enabled: bool = False
    change_tracking: bool | None = None
    change_table: str | None = None
    last_sync_column: str | None = None
    batch_size: Count | None = None
    interval: Milliseconds | None = None


class Delta(UnbuiltPart):
    """Rows changed since the last pass, from a log of deltas."""

    enabled: bool = False
    delta_table: str | None = None
    delta_column: str | None = None
    batch_size: Count | None = None
    interval: Milliseconds | None = None


class ExtractionStrategy(Part):
    """How rows are read."""

    full: Full = Field(default_factory=Full)
    incremental: Incremental | None = None
    delta: Delta | None = None


class Filtering(Part):
    """Which rows and columns leave the source; names are the source's."""

    enabled: bool = True
    row_filtering: bool = True
    column_filtering: bool = True
    data_filtering: UnbuiltSwitch = None
    row_filters: dict[Name, Name] = Field(default_factory=dict)
    column_filters: dict[Name, Annotated[Many[Name], Field(min_length=1)]] = Field(default_factory=dict)

    @property
    def rows(self) -> dict[str, str]:
        """The row filters in force: table to condition; empty when switched off."""
        return self.row_filters if self.enabled and self.row_filtering else {}

    @property
    def columns(self) -> dict[str, tuple[str, ...]]:
        """The column filters in force: table to columns; empty when switched off."""
        return self.column_filters if self.enabled and self.column_filtering else {}


class Extraction(Part):
    """What leaves the source."""

    strategy: ExtractionStrategy = Field(default_factory=ExtractionStrategy)
    filtering: Filtering = Field(default_factory=Filtering)
    sampling: Sampling | None = None
