"""The ``data`` part: which rows leave, how they change (transformation.py), and how they are loaded."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cutover.spec.base import (
    AlwaysFalse,
    AlwaysTrue,
    Count,
    Many,
    Milliseconds,
    Name,
    Part,
    Share,
    UnbuiltPart,
    UnbuiltSwitch,
)
from cutover.spec.transformation import Transformation


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


class Sampling(UnbuiltPart):
    """Some rows only."""

    enabled: bool = False
    sample_size: Count | None = None
    sample_method: Literal["random", "systematic", "stratified"] | None = None
    sample_percentage: float | None = None


class Extraction(Part):
    """What leaves the source."""

    strategy: ExtractionStrategy = Field(default_factory=ExtractionStrategy)
    filtering: Filtering = Field(default_factory=Filtering)
    sampling: Sampling | None = None


class BulkLoad(Part):
    """Rows go in by COPY, in batches."""

    enabled: AlwaysTrue = True
    batch_size: Count = 10_000
    parallel_loading: bool = True
    max_parallel_workers: Count = 5
    timeout: Milliseconds = 3_600_000


class StreamLoad(UnbuiltPart):
    """Rows go in as they come."""

    enabled: bool = False
    buffer_size: Count | None = None
    flush_interval: Milliseconds | None = None
    backpressure: bool | None = None


class UpsertLoad(UnbuiltPart):
    """Rows replace those already there."""

    enabled: bool = False
    conflict_resolution: Literal["update", "ignore", "fail"] | None = None
    conflict_columns: Many[str] | None = None


class LoadingStrategy(Part):
    """How rows are written."""

    bulk: BulkLoad = Field(default_factory=BulkLoad)
    stream: StreamLoad | None = None
    upsert: UpsertLoad | None = None


class Transaction(Part):
    """A chunk's rows and its marker commit together."""

    enabled: AlwaysTrue = True
    auto_commit: AlwaysFalse = False
    batch_commit: AlwaysTrue = True
    rollback_on_error: AlwaysTrue = True


class Performance(Part):
    """Indexes, keys and triggers are made after the rows."""

    enabled: AlwaysTrue = True
    disable_indexes: AlwaysTrue = True
    disable_constraints: AlwaysTrue = True
    disable_triggers: AlwaysTrue = True
    parallel_loading: bool = True


class ErrorHandling(Part):
    """How many refused rows (a number, and a share of a table's rows) end the run."""

    enabled: AlwaysTrue = True
    error_logging: AlwaysTrue = True
    error_recovery: UnbuiltSwitch = None
    max_errors: Annotated[int, Field(ge=0)] = 100
    error_threshold: Share = 0.01


class LoadingOptions(Part):
    """What holds while rows are written."""

    transaction: Transaction = Field(default_factory=Transaction)
    performance: Performance = Field(default_factory=Performance)
    error_handling: ErrorHandling = Field(default_factory=ErrorHandling)


class Loading(Part):
    """How rows get into the target."""

    strategy: LoadingStrategy = Field(default_factory=LoadingStrategy)
    options: LoadingOptions = Field(default_factory=LoadingOptions)


class DataSpec(Part):
    """DataMigrationConfig of the requirement."""

    extraction: Extraction = Field(default_factory=Extraction)
    transformation: Transformation = Field(default_factory=Transformation)
    loading: Loading = Field(default_factory=Loading)
