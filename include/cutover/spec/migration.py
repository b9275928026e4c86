"""One migration as its user writes it: the root of ``migration.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, model_validator

from cutover.spec.base import Part, refusal
from cutover.spec.data import DataSpec
from cutover.spec.endpoint import Source, Target
from cutover.spec.loading import StreamLoad
from cutover.spec.monitoring import Monitoring
from cutover.spec.rollback import Rollback
from cutover.spec.schema import EXPECTATIONS, Pool, SchemaSpec, SourceLogin, TargetLogin
from cutover.spec.strategy import Strategy, Streaming

# Connections to the source that a follower holds: a snapshot, and two that read the binary log.
FOLLOWING = 3
_LOGIN = ("host", "port", "database", "username", "password")


class MigrationSpec(Part):
    """Everything a user says about one migration."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,29}$")]
    description: str | None = None
    source: Source | None = None
    target: Target | None = None
    strategy: Strategy = Field(default_factory=Strategy)
    schema_: SchemaSpec = Field(default_factory=SchemaSpec)
    data: DataSpec = Field(default_factory=DataSpec)
    rollback: Rollback = Field(default_factory=Rollback)
    monitoring: Monitoring = Field(default_factory=Monitoring)

    @model_validator(mode="after")
    def _room_to_follow(self) -> MigrationSpec:
        pool = self.source_pool
        if self.strategy.types.data.streams and pool is not None and pool.max < FOLLOWING:
            text = f"is too small; with strategy streaming {FOLLOWING} is the least, for so many follow the source"
            raise refusal(("schema.database.source.pool.max", text))
        return self

    @model_validator(mode="after")
    def _feed_and_strategy_agree(self) -> MigrationSpec:
        types, feed = self.strategy.types.data, self.data.extraction.strategy.feed
        if types.strategy == "incremental" and feed is None:
            text = "needs to know what changed: say enabled: true in data.extraction.strategy's incremental or delta"
            raise refusal(("strategy.types.data.strategy", f"incremental {text}"))
        if feed is not None and types.strategy != "incremental":
            key = f"data.extraction.strategy.{type(feed).__name__.lower()}.enabled"
            raise refusal((key, f"is true, and strategy.types.data.strategy is {types.strategy}, not incremental"))
        return self

    @model_validator(mode="after")
    def _summaries_stay_true(self) -> MigrationSpec:
        enrichment = self.data.transformation.enrichment
        given = {"dataAggregation": enrichment.summaries, "dataCalculation.calculatedMetrics": enrichment.metrics}
        types = self.strategy.types.data
        text = f"is of the rows of one moment, and with strategy {types.strategy} these go on changing; leave one out"
        problems = [(f"data.transformation.enrichment.{key}", text) for key, made in given.items() if made]
        if types.follows and problems:
            raise refusal(*problems)
        return self

    @model_validator(mode="after")
    def _loads_one_way(self) -> MigrationSpec:
        data, loading = self.strategy.types.data, self.data.loading.strategy
        said, where = loading.stream.model_fields_set, "data.loading.strategy"
        problems = []
        if "enabled" in said and loading.stream.enabled is not data.streams:
            word = str(loading.stream.enabled).lower()
            problems.append((f"{where}.stream.enabled", f"is {word}, and strategy.types.data says {data.strategy}"))
        if said and "enabled" not in said and not data.streams:
            text = f"has no effect with strategy {data.strategy}; say enabled: false, or remove it"
            problems.append((f"{where}.stream", text))
        if loading.upsert.enabled and data.follows:
            text = "is true, and rows that were there would not follow the source; use strategy bulk, or remove it"
            problems.append((f"{where}.upsert.enabled", text))
        enrichment = self.data.transformation.enrichment
        if loading.upsert.enabled and (enrichment.summaries or enrichment.metrics):
            text = "is true, and dataAggregation or calculatedMetrics would not count rows that were there; remove one"
            problems.append((f"{where}.upsert.enabled", text))
        if problems:
            raise refusal(*problems)
        return self

    @model_validator(mode="after")
    def _measures_what_it_judges(self) -> MigrationSpec:
        rules = self.schema_.validation.rules.performance
        wanted = self.rollback.triggers.automatic.performance_threshold is not None
        if wanted and not (self.schema_.validation.measures and rules.query_performance):
            text = "needs times to judge: say schema.validation.postMigration.performanceValidation: true"
            raise refusal(("rollback.triggers.automatic.performanceThreshold", text))
        return self

    @model_validator(mode="after")
    def _followed_whole(self) -> MigrationSpec:
        if self.strategy.types.data.follows and self.data.extraction.sample is not None:
            text = (
                "follows no source: a sample is of what is there. Remove it, or say strategy.types.data.strategy: bulk"
            )
            raise refusal(("data.extraction.sampling", text))
        return self

    @model_validator(mode="after")
    def _one_way_in(self) -> MigrationSpec:
        problems = ways_in(self.model_dump(by_alias=True, exclude_unset=True))
        if problems:
            raise refusal(*problems)
        return self

    @property
    def feed_name(self) -> str | None:
        """What tells the changes that the live tables follow: binlog, incremental or delta; None for bulk."""
        feed = self.data.extraction.strategy.feed
        return "binlog" if self.strategy.types.data.streams else type(feed).__name__.lower() if feed else None

    @property
    def checkpoint_table(self) -> str | None:
        """The table of the target schema that says how far it follows the source; None where it does not."""
        types = self.strategy.types.data
        return types.incremental.checkpoint_table if types.follows else None

    @property
    def pass_interval(self) -> int:
        """Milliseconds between two passes of strategy incremental."""
        return self._of_passes("interval")

    @property
    def pass_rows(self) -> int:
        """Rows that a pass of strategy incremental asks for at a time."""
        return self._of_passes("batch_size")

    def _of_passes(self, key: str) -> int:
        """Return the smallest number that is said for a key of passes; what the feed means where none is."""
        feed = self.data.extraction.strategy.feed
        assert feed is not None
        said = [part for part in (feed, self.strategy.types.data.incremental) if key in part.model_fields_set]
        return min(int(getattr(part, key)) for part in said or [feed])

    @property
    def source_access(self) -> Source | SourceLogin:
        """How the source is reached: the top-level key, or schema.database.source."""
        return self.source or self.schema_.database.source

    @property
    def target_access(self) -> Target | TargetLogin:
        """How the target is reached: the top-level key, or schema.database.target."""
        return self.target or self.schema_.database.target

    @property
    def source_pool(self) -> Pool | None:
        """How connections to the source are held, however it is reached."""
        return self.schema_.database.source.pool

    @property
    def target_pool(self) -> Pool | None:
        """How connections to the target are held, however it is reached."""
        return self.schema_.database.target.pool

    @property
    def target_schema(self) -> str:
        """The schema of the target that goes live."""
        return self.target.schema_ if self.target else "public"

    @property
    def stream_buffer_size(self) -> int:
        """Row changes after which a batch is applied: the smaller of the two that the spec may set."""
        return min(part.buffer_size for part in self._streaming("buffer_size"))

    @property
    def stream_flush_interval(self) -> int:
        """Milliseconds to wait for changes where there are fewer: the smaller of the two that the spec may set."""
        return min(part.flush_interval for part in self._streaming("flush_interval"))

    def _streaming(self, field: str) -> list[Streaming | StreamLoad]:
        """Return the parts that say a setting of streams, or one that has its default."""
        parts: list[Streaming | StreamLoad] = [self.strategy.types.data.streaming, self.data.loading.strategy.stream]
        return [part for part in parts if field in part.model_fields_set] or parts[:1]

    @property
    def extract_workers(self) -> int:
        """How many chunks are read at once: the smallest of the limits the spec may set."""
        full = self.data.extraction.strategy.full
        limit = min(self.strategy.types.data.bulk.parallel_workers, full.max_parallel_workers)
        return _at_most(limit if full.parallel_extraction else 1, self.source_pool)

    @property
    def load_workers(self) -> int:
        """How many chunks are loaded at once: the smallest of the limits the spec may set."""
        bulk, performance = self.data.loading.strategy.bulk, self.data.loading.options.performance
        limit = min(self.strategy.types.data.bulk.parallel_workers, bulk.max_parallel_workers)
        parallel = bulk.parallel_loading and performance.parallel_loading
        return _at_most(limit if parallel else 1, self.target_pool)

    @property
    def compare_workers(self) -> int:
        """How many chunks are compared at once: each takes a connection to either side, or follows the source."""
        wanted, pool = self.extract_workers, self.source_pool
        if pool is not None and self.strategy.types.data.streams:
            wanted = min(wanted, pool.max // FOLLOWING)
        return _at_most(wanted, self.target_pool)

    @property
    def proves_side_by_side(self) -> bool:
        """Whether there are connections for rows, views and expectations to be proven at once."""
        reading = self.compare_workers + 1
        ranging = self.schema_.validation.rules.data_integrity.check_ranges
        sides = ((reading + ranging, self.source_pool), (reading + EXPECTATIONS, self.target_pool))
        return all(_at_most(wanted, pool) == wanted for wanted, pool in sides)


def _at_most(wanted: int, pool: Pool | None) -> int:
    return wanted if pool is None else min(wanted, pool.max)


def ways_in(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (key, problem) for each end that a raw spec names not at all, or twice."""
    problems = []
    for side in ("source", "target"):
        login = _dig(data, "schema", "database", side)
        given = any(login.get(key) is not None for key in _LOGIN)
        other = f"schema.database.{side}"
        if given and data.get(side) is not None:
            problems.append((other, f"says a second time where the {side} is; keep this or top-level {side}"))
        elif not given and data.get(side) is None:
            problems.append((side, f"is required: {{connection: AIRFLOW_CONNECTION_ID}}, or {other}"))
    return problems


def _dig(data: Any, *keys: str) -> Mapping[str, Any]:
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data if isinstance(data, Mapping) else {}
