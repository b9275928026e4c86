"""The ``strategy`` part: which kind of migration, what comes before a run, and in which modes it runs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic.alias_generators import to_camel

from cutover.spec.base import (
    AlwaysFalse,
    AlwaysTrue,
    Count,
    Identifier,
    Milliseconds,
    Part,
    UnbuiltPart,
    UnbuiltSwitch,
    refusal,
)
from cutover.spec.planning import Planning


class ForwardOnly(Part):
    """The target's versions are applied in order, and have no way back but the run's own rollback.

    autoApply: a run applies every version; false leaves those to come for ``cutover schema upgrade``.
    validation: they are rehearsed on empty tables first.
    """

    enabled: bool = True
    auto_apply: bool = True
    validation: bool = True
    rollback: AlwaysFalse = False


class Versioned(Part):
    """The target's versions go up and down; a table of the target schema says which are applied.

    rollback: each version has a way back, and is rehearsed up, down and up again.
    """

    enabled: bool = False
    version_table: Identifier = "schema_migrations"
    version_column: Identifier = "version"
    applied_column: Identifier = "applied_at"
    auto_apply: bool = True
    rollback: bool = True

    @model_validator(mode="after")
    def _two_columns(self) -> Versioned:
        if self.version_column == self.applied_column:
            raise refusal(("appliedColumn", "is versionColumn's name too"))
        return self


class Branching(Part):
    """Versions as in ``versioned``, whose keys hold here too, in lines that branch and come together.

    mergeStrategy: merge joins two lines by a version of its own; rebase puts the branch behind the main line.
    conflictResolution: manual refuses two lines whose order matters; auto puts the branch last.
    """

    enabled: bool = False
    branch_table: Identifier = "migration_branches"
    merge_strategy: Literal["merge", "rebase"] = "merge"
    conflict_resolution: Literal["manual", "auto"] = "manual"


class SchemaType(Part):
    """How the target's schema changes beyond what comes from the source: by versions, see ``cutover schema``."""

    enabled: AlwaysTrue = True
    strategy: Literal["forward_only", "versioned", "branching"] = "forward_only"
    forward_only: ForwardOnly = Field(default_factory=ForwardOnly)
    versioned: Versioned = Field(default_factory=Versioned)
    branching: Branching = Field(default_factory=Branching)

    @model_validator(mode="after")
    def _says_one_thing(self) -> SchemaType:
        problems = []
        for name, part in (
            ("forward_only", self.forward_only),
            ("versioned", self.versioned),
            ("branching", self.branching),
        ):
            key, said = to_camel(name), part.model_fields_set
            chosen = name == self.strategy or (name == "versioned" and self.strategy == "branching")
            if name == self.strategy and "enabled" in said and not part.enabled:
                problems.append((f"{key}.enabled", f"is false, and strategy says {self.strategy}"))
            elif not chosen and "enabled" in said and part.enabled:
                problems.append((f"{key}.enabled", f"is true, and strategy says {self.strategy}"))
            elif not chosen and said and "enabled" not in said:
                problems.append((key, f"has no effect with strategy {self.strategy}; say enabled: false, or remove it"))
        if problems:
            raise refusal(*problems)
        return self

    @property
    def auto_apply(self) -> bool:
        """Whether a run applies versions that the target has not yet."""
        return self.forward_only.auto_apply if self.strategy == "forward_only" else self.versioned.auto_apply

    @property
    def reversible(self) -> bool:
        """Whether versions have a way back."""
        return self.strategy != "forward_only" and self.versioned.rollback

    @property
    def rehearsed(self) -> bool:
        """Whether versions are tried on empty tables before they are applied."""
        return self.strategy != "forward_only" or self.forward_only.validation


class Bulk(Part):
    """Everything at once, in batches."""

    enabled: AlwaysTrue = True
    batch_size: Count = 10_000
    parallel_workers: Count = 5
    timeout: Milliseconds = 3_600_000
    retry_on_failure: bool = True
    max_retries: Annotated[int, Field(ge=0)] = 3


class Incremental(Part):
    """Repeated passes: the live tables are brought up to date at intervals, from a checkpoint.

    What tells the changes is data.extraction.strategy.incremental or delta. batchSize and interval mean what they
    do there; where both say one, the smaller holds.
    checkpointTable: the table of the target schema that says how far it follows the source.
    resumeOnFailure: a pass that failed has changed nothing, and the next one begins where it began.
    """

    enabled: bool = False
    batch_size: Count = 1_000
    interval: Milliseconds = 300_000
    checkpoint_table: Identifier = "migration_checkpoints"
    resume_on_failure: AlwaysTrue = True


class Streaming(Part):
    """Changes as they happen: a run catches up with its source, and the live tables follow it from then on.

    bufferSize: row changes after which a batch is applied; a transaction of the source is never divided.
    flushInterval: how long to wait for changes where there are fewer.
    backpressure: no more is read than is applied; there is no other way here.
    errorHandling: fail ends with the first failure; retry tries passing ones again; skip also leaves rows out
    that a rule refuses, and notes them.
    """

    enabled: bool = False
    buffer_size: Count = 1_000
    flush_interval: Milliseconds = 5_000
    backpressure: AlwaysTrue = True
    error_handling: Literal["skip", "retry", "fail"] = "retry"


class DataType(Part):
    """How the data migrates."""

    enabled: AlwaysTrue = True
    strategy: Literal["bulk", "incremental", "streaming"] = "bulk"
    bulk: Bulk = Field(default_factory=Bulk)
    incremental: Incremental = Field(default_factory=Incremental)
    streaming: Streaming = Field(default_factory=Streaming)

    @model_validator(mode="after")
    def _says_one_thing(self) -> DataType:
        for name, part in (("incremental", self.incremental), ("streaming", self.streaming)):
            said, chosen = part.model_fields_set, self.strategy == name
            if "enabled" in said and part.enabled is not chosen:
                raise refusal((f"{name}.enabled", f"is {str(part.enabled).lower()}, and strategy says {self.strategy}"))
            if said and "enabled" not in said and not chosen:
                raise refusal((name, f"has no effect with strategy {self.strategy}; say enabled: false, or remove it"))
        return self

    @property
    def streams(self) -> bool:
        """Whether the target follows the source's changes as they happen."""
        return self.strategy == "streaming"

    @property
    def follows(self) -> bool:
        """Whether the target goes on following the source once it is live."""
        return self.strategy != "bulk"


class Types(Part):
    """The kinds of migration: of the schema and of the data."""

    schema_: SchemaType = Field(default_factory=SchemaType)
    data: DataType = Field(default_factory=DataType)


class DryRun(Part):
    """Plan and report, change nothing."""

    enabled: bool = True
    validate_only: AlwaysTrue = True
    no_data_changes: AlwaysTrue = True
    generate_scripts: bool = True


class Safe(Part):
    """Keep a way back and check the result."""

    enabled: bool = True
    backup_before_migration: bool = True
    validate_after_migration: bool = True
    auto_rollback_on_error: bool = True
    max_downtime: Milliseconds = 300_000


class Production(UnbuiltPart):
    """Blue-green and canary deployment."""

    enabled: bool = False
    zero_downtime: bool | None = None
    blue_green_deployment: bool | None = None
    canary_deployment: bool | None = None
    monitoring: bool | None = None


class Modes(Part):
    """The ways a run can be run."""

    dry_run: DryRun = Field(default_factory=DryRun)
    safe: Safe = Field(default_factory=Safe)
    production: Production | None = None


class ExecutionMonitoring(Part):
    """What is watched while it runs."""

    enabled: AlwaysTrue = True
    progress_tracking: AlwaysTrue = True
    performance_monitoring: UnbuiltSwitch = None
    error_tracking: AlwaysTrue = True
    alerting: bool = True


class Execution(Part):
    """How a run is carried out."""

    modes: Modes = Field(default_factory=Modes)
    monitoring: ExecutionMonitoring = Field(default_factory=ExecutionMonitoring)


class Strategy(Part):
    """MigrationStrategyConfig of the requirement."""

    types: Types = Field(default_factory=Types)
    planning: Planning = Field(default_factory=Planning)
    execution: Execution = Field(default_factory=Execution)
