"""The ``rollback`` part: how a run is taken back, and what starts that."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cutover.spec.base import AlwaysTrue, Count, Many, Milliseconds, NotYet, Part, UnbuiltPart, UnbuiltSwitch

UnbuiltNumber = Annotated[float | None, NotYet()]
UnbuiltMilliseconds = Annotated[Milliseconds | None, NotYet()]
UnbuiltCount = Annotated[Count | None, NotYet()]


class DdlRollback(Part):
    """The reverse of every statement that changed the schema, derived from the run."""

    enabled: AlwaysTrue = True
    reverse_scripts: AlwaysTrue = True
    validation: AlwaysTrue = True
    timeout: Milliseconds = 300_000


class BackupRestore(UnbuiltPart):
    """The schema from a backup."""

    enabled: bool = False
    backup_location: str | None = None
    restore_timeout: Milliseconds | None = None
    validation: bool | None = None


class SnapshotRestore(UnbuiltPart):
    """The schema from a snapshot."""

    enabled: bool = False
    snapshot_location: str | None = None
    restore_timeout: Milliseconds | None = None
    validation: bool | None = None


class SchemaRollback(Part):
    """How the schema goes back."""

    enabled: AlwaysTrue = True
    strategy: Annotated[Literal["ddl_rollback"], NotYet("backup_restore", "snapshot_restore")] = "ddl_rollback"
    ddl_rollback: DdlRollback = Field(default_factory=DdlRollback)
    backup_restore: BackupRestore | None = None
    snapshot_restore: SnapshotRestore | None = None


class DataRestore(UnbuiltPart):
    """The data from a backup."""

    enabled: bool = False
    backup_location: str | None = None
    restore_timeout: Milliseconds | None = None
    validation: bool | None = None


class TransactionRollback(Part):
    """Cutover is one transaction; the old tables come back in one, too."""

    enabled: AlwaysTrue = True
    transaction_log: AlwaysTrue = True
    rollback_timeout: Milliseconds = 300_000
    validation: AlwaysTrue = True


class PointInTime(UnbuiltPart):
    """The data as of a moment."""

    enabled: bool = False
    recovery_point: str | None = None
    restore_timeout: Milliseconds | None = None
    validation: bool | None = None


class DataRollback(Part):
    """How the data goes back."""

    enabled: AlwaysTrue = True
    strategy: Annotated[Literal["transaction_rollback"], NotYet("data_restore", "point_in_time")] = (
        "transaction_rollback"
    )
    data_restore: DataRestore | None = None
    transaction_rollback: TransactionRollback = Field(default_factory=TransactionRollback)
    point_in_time: PointInTime | None = None


class RollbackTypes(Part):
    """How schema and data go back."""

    schema_: SchemaRollback = Field(default_factory=SchemaRollback)
    data: DataRollback = Field(default_factory=DataRollback)


class Automatic(Part):
    """A failed run goes back by itself."""

    enabled: bool = True
    error_threshold: UnbuiltNumber = None
    timeout_threshold: UnbuiltMilliseconds = None
    performance_threshold: UnbuiltNumber = None


class Manual(UnbuiltPart):
    """Somebody asks for it, somebody approves."""

    enabled: bool = False
    approval_required: bool | None = None
    approval_workflow: bool | None = None
    rollback_window: Milliseconds | None = None


class Scheduled(UnbuiltPart):
    """Conditions checked at fixed times."""

    enabled: bool = False
    schedule: str | None = None
    conditions: Many[Literal["performance", "errors", "validation"]] | None = None


class Triggers(Part):
    """What starts a rollback."""

    automatic: Automatic = Field(default_factory=Automatic)
    manual: Manual | None = None
    scheduled: Scheduled | None = None


class PreRollback(UnbuiltPart):
    """What happens before it."""

    enabled: bool = False
    backup_current_state: bool | None = None
    notify_stakeholders: bool | None = None
    stop_applications: bool | None = None
    validation: bool | None = None


class RollbackRun(Part):
    """The rollback itself."""

    enabled: AlwaysTrue = True
    parallel_execution: UnbuiltSwitch = None
    max_parallel_workers: UnbuiltCount = None
    timeout: Milliseconds = 3_600_000
    monitoring: AlwaysTrue = True


class PostRollback(Part):
    """What happens after it; notifyStakeholders sends the Slack message."""

    enabled: AlwaysTrue = True
    validation: AlwaysTrue = True
    restart_applications: UnbuiltSwitch = None
    notify_stakeholders: bool = True
    documentation: UnbuiltSwitch = None


class RollbackExecution(Part):
    """How a rollback is carried out."""

    pre_rollback: PreRollback | None = None
    rollback: RollbackRun = Field(default_factory=RollbackRun)
    post_rollback: PostRollback = Field(default_factory=PostRollback)


class Rollback(Part):
    """RollbackStrategyConfig of the requirement."""

    types: RollbackTypes = Field(default_factory=RollbackTypes)
    triggers: Triggers = Field(default_factory=Triggers)
    execution: RollbackExecution = Field(default_factory=RollbackExecution)
