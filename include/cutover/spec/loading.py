"""The ``data.loading`` part: how rows get into the target."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cutover.spec.base import (
    AlwaysFalse,
    AlwaysTrue,
    Count,
    Many,
    Milliseconds,
    Part,
    Share,
    UnbuiltPart,
)


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
    """How many refused rows (a number, and a share of a table's rows) end the run.

    errorRecovery: rows that the target itself refuses are found by halving their batch, rejected with the server's
    words and counted, and the others are loaded; without it the first one ends the run.
    """

    enabled: AlwaysTrue = True
    error_logging: AlwaysTrue = True
    error_recovery: bool = True
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
