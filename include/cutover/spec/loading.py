"""The ``data.loading`` part: how rows get into the target."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cutover.spec.base import (
    AlwaysFalse,
    AlwaysTrue,
    Count,
    Many,
    Milliseconds,
    Part,
    Share,
    refusal,
)
from cutover.spec.transformation import KeyField


class BulkLoad(Part):
    """Rows go in by COPY, in batches."""

    enabled: AlwaysTrue = True
    batch_size: Count = 10_000
    parallel_loading: bool = True
    max_parallel_workers: Count = 5
    timeout: Milliseconds = 3_600_000


class StreamLoad(Part):
    """How changes go in, with strategy streaming; where ``strategy.types.data.streaming`` says it too, the less holds.

    bufferSize: row changes after which a batch is applied; flushInterval: how long to wait where there are fewer.
    backpressure: no more is read than is applied; there is no other way here.
    """

    enabled: bool = False
    buffer_size: Count = 1_000
    flush_interval: Milliseconds = 5_000
    backpressure: AlwaysTrue = True


class UpsertLoad(Part):
    """The rows that the live tables hold stay, and the source's come in among them.

    conflictResolution says which of two rows that are alike in a key is there afterwards: update, the source's;
    ignore, the one that was there; with fail the run ends, and names them.

    Each entry of conflictColumns is a key by itself, 'field' or 'table.field'; a list in the list is one key of
    several fields together. Each is unique in the new table. A table of which none is named has its primary key.
    """

    enabled: bool = False
    conflict_resolution: Literal["update", "ignore", "fail"] = "update"
    conflict_columns: Many[KeyField] = ()

    @model_validator(mode="after")
    def _says_one_thing(self) -> UpsertLoad:
        if self.model_fields_set and "enabled" not in self.model_fields_set:
            raise refusal(("enabled", "is needed: true loads so, false does not"))
        for key in self.keys:
            if len({field.rpartition(".")[0] for field in key}) > 1:
                raise refusal(("conflictColumns", f"{' and '.join(key)}: the fields of one key are of one table"))
        return self

    @property
    def keys(self) -> tuple[tuple[str, ...], ...]:
        """The fields of each key."""
        return tuple((field,) if isinstance(field, str) else field for field in self.conflict_columns)


class LoadingStrategy(Part):
    """How rows are written."""

    bulk: BulkLoad = Field(default_factory=BulkLoad)
    stream: StreamLoad = Field(default_factory=StreamLoad)
    upsert: UpsertLoad = Field(default_factory=UpsertLoad)


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
