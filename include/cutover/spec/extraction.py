"""The ``data.extraction`` part: which rows leave the source, and how they are read."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from cutover.spec.base import AlwaysTrue, ColumnName, Count, Many, Milliseconds, Name, Part, Scalar, refusal
from cutover.spec.sampling import Sampling

OVERLAP = 60_000


class Full(Part):
    """Every row, in chunks."""

    enabled: AlwaysTrue = True
    parallel_extraction: bool = True
    max_parallel_workers: Count = 10
    chunk_size: Count = 10_000
    timeout: Milliseconds = 3_600_000


class _Passes(Part):
    enabled: bool = False
    batch_size: Count = 1_000
    interval: Milliseconds = 300_000
    overlap: Milliseconds | None = None
    compare_keys: bool | None = None

    @property
    def looks_back(self) -> int:
        """How many milliseconds a pass looks back behind the end of the one before, besides open transactions."""
        return OVERLAP if self.overlap is None else self.overlap


class Incremental(_Passes):
    """Passes over what changed since, by a time that every row bears, or a log of changes in the source.

    lastSyncColumn: the column that says when its row changed last. Tables that have none are read whole.
    changeTracking: changeTable has a row for each change, and lastSyncColumn is its time (see ``cutover tracking``).
    batchSize: rows asked for in one statement.
    interval: time between passes.
    overlap: how far a pass looks back behind the end of the one before, for changes that were made before and
    committed after it; transactions that were open then are looked back to in any case, where the account may see
    them. A minute where nothing is said.
    compareKeys: each pass compares the keys of all rows, too, and so finds rows that went, or came with an older
    time. It is so without changeTracking, where nothing else is said.
    """

    change_tracking: bool = False
    change_table: Name = "change_tracking"
    last_sync_column: Name = "last_sync_timestamp"

    @model_validator(mode="after")
    def _table_has_a_use(self) -> Incremental:
        if "change_table" in self.model_fields_set and not self.change_tracking:
            raise refusal(("changeTable", "has no effect without changeTracking: true"))
        return self

    @property
    def log(self) -> str | None:
        """The source's table of changes, or None where rows bear their time themselves."""
        return self.change_table if self.change_tracking else None

    @property
    def time(self) -> str:
        """The column that bears the time."""
        return self.last_sync_column

    @property
    def compares_keys(self) -> bool:
        """Whether each pass compares the keys of all rows."""
        return not self.change_tracking if self.compare_keys is None else self.compare_keys


class Delta(_Passes):
    """Passes over what changed since, by a log of deltas in the source; the keys mean what they do in incremental.

    deltaTable: the log, with a row for each change (see ``cutover tracking``).
    deltaColumn: its time.
    """

    interval: Milliseconds = 60_000
    delta_table: Name = "delta_log"
    delta_column: Name = "delta_timestamp"

    @property
    def log(self) -> str:
        """The source's table of changes."""
        return self.delta_table

    @property
    def time(self) -> str:
        """The column that bears the time."""
        return self.delta_column

    @property
    def compares_keys(self) -> bool:
        """Whether each pass compares the keys of all rows."""
        return bool(self.compare_keys)


class ExtractionStrategy(Part):
    """How rows are read."""

    full: Full = Field(default_factory=Full)
    incremental: Incremental = Field(default_factory=Incremental)
    delta: Delta = Field(default_factory=Delta)

    @model_validator(mode="after")
    def _one_feed(self) -> ExtractionStrategy:
        if self.incremental.enabled and self.delta.enabled:
            raise refusal(("delta.enabled", "is true, and so is incremental.enabled: one of them tells what changed"))
        for name, part in (("incremental", self.incremental), ("delta", self.delta)):
            if part.model_fields_set and "enabled" not in part.model_fields_set:
                raise refusal((name, "has no effect without enabled: true"))
        return self

    @property
    def feed(self) -> Incremental | Delta | None:
        """What tells the changes that passes bring, where that is not the binary log."""
        return next((part for part in (self.incremental, self.delta) if part.enabled), None)


class Filtering(Part):
    """Which rows and columns leave the source; names are the source's.

    dataFilters judges rows by what they become: for each column the values that may arrive, after mapping and
    cleaning; null among them lets NULL arrive. Rows with any other value are left out and noted, each with its key.
    """

    enabled: bool = True
    row_filtering: bool = True
    column_filtering: bool = True
    data_filtering: bool = True
    row_filters: dict[Name, Name] = Field(default_factory=dict)
    column_filters: dict[Name, Annotated[Many[Name], Field(min_length=1)]] = Field(default_factory=dict)
    data_filters: dict[ColumnName, Annotated[Many[Scalar], Field(min_length=1)]] = Field(default_factory=dict)

    @property
    def rows(self) -> dict[str, str]:
        """The row filters in force: table to condition; empty when switched off."""
        return self.row_filters if self.enabled and self.row_filtering else {}

    @property
    def columns(self) -> dict[str, tuple[str, ...]]:
        """The column filters in force: table to columns; empty when switched off."""
        return self.column_filters if self.enabled and self.column_filtering else {}

    @property
    def values(self) -> dict[str, tuple[Scalar, ...]]:
        """The data filters in force: 'table.column' to the values that arrive; empty when switched off."""
        return self.data_filters if self.enabled and self.data_filtering else {}


class Extraction(Part):
    """What leaves the source."""

    strategy: ExtractionStrategy = Field(default_factory=ExtractionStrategy)
    filtering: Filtering = Field(default_factory=Filtering)
    sampling: Sampling | None = None

    @property
    def sample(self) -> Sampling | None:
        """The sampling in force, or None where every row leaves."""
        return self.sampling if self.sampling is not None and self.sampling.enabled else None
