"""The ``rollback`` part: how a run is taken back, and what starts that."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic.alias_generators import to_camel

from cutover.spec.base import (
    AlwaysTrue,
    Count,
    Identifier,
    Many,
    Milliseconds,
    Name,
    Part,
    Share,
    refusal,
)
from cutover.spec.hooks import Applications
from cutover.spec.planning import Cron

Way = Literal["ddl_rollback", "data_restore", "backup_restore", "snapshot_restore", "point_in_time"]


class DdlRollback(Part):
    """The old tables, which the cutover has put aside, come back by the reverse of what it did.

    reverseScripts: those statements are written into the run's folder too, for psql.
    validation: they are tried in the cutover's own transaction, before that is committed.
    """

    enabled: AlwaysTrue = True
    reverse_scripts: bool = True
    validation: AlwaysTrue = True
    timeout: Milliseconds = 300_000


class BackupRestore(Part):
    """The whole database from a dump that is taken before the run.

    enabled: it is taken, also where another strategy is the one that is chosen, and ``--strategy`` may choose it.
    backupLocation: a folder for backups; the run's own where it is not given. It may hold ${NAME}.
    encryptionKey: the name of an environment variable with the passphrase that backups are sealed with.
    keep: how many backups of the migration stay in backupLocation.
    """

    enabled: bool = False
    backup_location: Name | None = None
    restore_timeout: Milliseconds = 1_800_000
    validation: AlwaysTrue = True
    encryption_key: Name | None = None
    keep: Count | None = None


class SnapshotRestore(Part):
    """The whole database from a clone that the server makes before the run, while nobody else is connected.

    snapshotLocation: the tablespace that the clone is put in.
    """

    enabled: bool = False
    snapshot_location: Identifier | None = None
    restore_timeout: Milliseconds = 3_600_000
    validation: AlwaysTrue = True


class SchemaRollback(Part):
    """How the schema goes back: by itself, or with the whole database."""

    enabled: AlwaysTrue = True
    strategy: Literal["ddl_rollback", "backup_restore", "snapshot_restore"] = "ddl_rollback"
    ddl_rollback: DdlRollback = Field(default_factory=DdlRollback)
    backup_restore: BackupRestore = Field(default_factory=BackupRestore)
    snapshot_restore: SnapshotRestore = Field(default_factory=SnapshotRestore)


class DataRestore(Part):
    """The old tables' rows from the dump that is taken before the run; the tables come back as with ddl_rollback.

    backupLocation: a folder for backups; the run's own where it is not given. It may hold ${NAME}.
    """

    enabled: bool = False
    backup_location: Name | None = None
    restore_timeout: Milliseconds = 3_600_000
    validation: AlwaysTrue = True


class TransactionRollback(Part):
    """Cutover is one transaction; the old tables come back with their rows in one, too.

    transactionLog: until the cutover, each chunk's rows and the note that they are there are one transaction.
    """

    enabled: AlwaysTrue = True
    transaction_log: AlwaysTrue = True
    rollback_timeout: Milliseconds = 300_000
    validation: AlwaysTrue = True


class PointInTime(Part):
    """The whole database as it was at a moment, from a base backup of its cluster and the log archived since.

    recoveryPoint: a moment, which whoever asks may give; that of the cutover otherwise.
    archiveLocation: the folder, on the machine that runs Cutover, into which the server's archive_command copies.
    """

    enabled: bool = False
    recovery_point: Literal["timestamp"] = "timestamp"
    restore_timeout: Milliseconds = 7_200_000
    validation: AlwaysTrue = True
    archive_location: Name | None = None

    @model_validator(mode="after")
    def _has_an_archive(self) -> PointInTime:
        if self.enabled and self.archive_location is None:
            raise refusal(("archiveLocation", "is needed: the folder into which the server archives its log"))
        return self


class DataRollback(Part):
    """How the data goes back."""

    enabled: AlwaysTrue = True
    strategy: Literal["data_restore", "transaction_rollback", "point_in_time"] = "transaction_rollback"
    data_restore: DataRestore = Field(default_factory=DataRestore)
    transaction_rollback: TransactionRollback = Field(default_factory=TransactionRollback)
    point_in_time: PointInTime = Field(default_factory=PointInTime)


Restore = BackupRestore | SnapshotRestore | DataRestore | PointInTime


class RollbackTypes(Part):
    """How schema and data go back.

    backup_restore and snapshot_restore bring the whole database, rows and all: ``data.strategy`` is left out then. So
    does point_in_time, with its schema.
    """

    schema_: SchemaRollback = Field(default_factory=SchemaRollback)
    data: DataRollback = Field(default_factory=DataRollback)

    @model_validator(mode="after")
    def _says_one_thing(self) -> RollbackTypes:
        problems = []
        if self.schema_.strategy != "ddl_rollback" and "strategy" in self.data.model_fields_set:
            why = f"says how rows go back, and schema.strategy {self.schema_.strategy} brings them along; leave it out"
            problems.append(("data.strategy", why))
        if self.way == "point_in_time" and self.data.point_in_time.archive_location is None:
            problems.append(("data.pointInTime.archiveLocation", "is needed: where the server archives its log to"))
        for way, (key, part) in self._restoring.items():
            said = part.model_fields_set
            if "enabled" in said and not part.enabled and way == self.way:
                problems.append((f"{key}.enabled", f"is false, and strategy says {way}"))
            elif said and "enabled" not in said and way != self.way:
                problems.append((key, f"has no effect where strategy is not {way}; say enabled: true, or remove it"))
        if problems:
            raise refusal(*problems)
        return self

    @property
    def way(self) -> Way:
        """How a run goes back where nobody says otherwise."""
        if self.schema_.strategy != "ddl_rollback":
            return self.schema_.strategy
        return "ddl_rollback" if self.data.strategy == "transaction_rollback" else self.data.strategy

    @property
    def ways(self) -> tuple[Way, ...]:
        """Every way back that a run prepares; the one by which it goes where nobody says otherwise is the first."""
        enabled = [way for way, (_, part) in self._restoring.items() if part.enabled]
        return tuple(dict.fromkeys((self.way, "ddl_rollback", *enabled)))

    @property
    def _restoring(self) -> dict[Way, tuple[str, Restore]]:
        """Return the part of each way back that brings what was there before from elsewhere, and its key."""
        return {
            "data_restore": ("data.dataRestore", self.data.data_restore),
            "backup_restore": ("schema.backupRestore", self.schema_.backup_restore),
            "snapshot_restore": ("schema.snapshotRestore", self.schema_.snapshot_restore),
            "point_in_time": ("data.pointInTime", self.data.point_in_time),
        }

    def timeout(self, way: Way) -> int:
        """Return how many milliseconds a way back may take."""
        if way == "ddl_rollback":
            return min(self.schema_.ddl_rollback.timeout, self.data.transaction_rollback.rollback_timeout)
        return self._restoring[way][1].restore_timeout


class Automatic(Part):
    """A failed run goes back by itself, and one that passes a threshold fails.

    errorThreshold: the share of a run's rows that may be refused; the smaller of this and the loading's own holds.
    timeoutThreshold: how long a run may take.
    performanceThreshold: the share by which a query may be slower than at the source; a warning beyond it is an error.
    """

    enabled: bool = True
    error_threshold: Share | None = None
    timeout_threshold: Milliseconds | None = None
    performance_threshold: Annotated[float, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _does_what_it_says(self) -> Automatic:
        said = sorted(self.model_fields_set - {"enabled"})
        if said and not self.enabled:
            raise refusal((to_camel(said[0]), "has no effect with enabled: false; remove one of them"))
        return self

    @property
    def wants_errors(self) -> bool:
        """Whether the share of refused rows is judged while rows are still loaded."""
        return self.error_threshold is not None


class Manual(Part):
    """Somebody asks for it, in the DAG for that or on the command line.

    approvalRequired: somebody else approves first, in Airflow; the command line refuses to go back then.
    approvalWorkflow: by Airflow's required actions.
    approvalTimeout: how long the request waits; then nothing is done.
    selfApproval: whoever asked may approve.
    rollbackWindow: how long after its cutover a run may be taken back; for ever where it is not given.
    """

    enabled: bool = True
    approval_required: bool = False
    approval_workflow: AlwaysTrue = True
    approval_timeout: Milliseconds = 3_600_000
    self_approval: bool = False
    rollback_window: Milliseconds | None = None


Condition = Literal["performance", "errors", "validation"]


class Scheduled(Part):
    """The run in place is judged at fixed times, by validations of its own, and goes back where one fails.

    conditions: performance is that kind of validation; errors are the application's: its queries and endpoints;
    validation is schema, data and constraints.
    """

    enabled: bool = False
    schedule: Cron = "0 3 * * *"
    conditions: Annotated[Many[Condition], Field(min_length=1)] = ("performance", "errors", "validation")

    @model_validator(mode="after")
    def _says_whether(self) -> Scheduled:
        if self.model_fields_set and "enabled" not in self.model_fields_set:
            raise refusal(("enabled", "is needed: true judges at these times, false does not"))
        return self


class Triggers(Part):
    """What starts a rollback."""

    automatic: Automatic = Field(default_factory=Automatic)
    manual: Manual = Field(default_factory=Manual)
    scheduled: Scheduled = Field(default_factory=Scheduled)

    @model_validator(mode="after")
    def _may_be_taken_back(self) -> Triggers:
        if self.scheduled.enabled and not self.manual.enabled:
            raise refusal(("scheduled.enabled", "is true, and manual.enabled is false: nobody may take a run back"))
        return self


class PreRollback(Part):
    """What happens before a run that has been cut over is taken back.

    backupCurrentState: what the way back replaces is kept, so that the way back can be taken back.
    notifyStakeholders: Slack is told that it begins.
    stopApplications: what ``applications.stop`` names is done.
    validation: what it is taken back from is looked at first; the application's tables are not touched before.
    """

    enabled: AlwaysTrue = True
    backup_current_state: bool = True
    notify_stakeholders: bool = False
    stop_applications: bool = False
    validation: AlwaysTrue = True


class RollbackRun(Part):
    """The rollback itself; timeout is the longest that any strategy may take."""

    enabled: AlwaysTrue = True
    parallel_execution: bool = True
    max_parallel_workers: Count = 3
    timeout: Milliseconds = 3_600_000
    monitoring: AlwaysTrue = True

    @property
    def workers(self) -> int:
        """How many tables are dumped or restored at once."""
        return self.max_parallel_workers if self.parallel_execution else 1


class PostRollback(Part):
    """What happens after it.

    restartApplications: what ``applications.restart`` names is done.
    notifyStakeholders: Slack is told.
    documentation: a report of the way back is written into the run's folder.
    """

    enabled: AlwaysTrue = True
    validation: AlwaysTrue = True
    restart_applications: bool = False
    notify_stakeholders: bool = True
    documentation: bool = True


class Drill(Part):
    """The ways back of the run in place are rehearsed at fixed times, in databases that are dropped again."""

    enabled: bool = False
    schedule: Cron = "0 4 * * 1"

    @model_validator(mode="after")
    def _says_whether(self) -> Drill:
        if self.model_fields_set and "enabled" not in self.model_fields_set:
            raise refusal(("enabled", "is needed: true rehearses at these times, false does not"))
        return self


class RollbackExecution(Part):
    """How a rollback is carried out."""

    pre_rollback: PreRollback = Field(default_factory=PreRollback)
    rollback: RollbackRun = Field(default_factory=RollbackRun)
    post_rollback: PostRollback = Field(default_factory=PostRollback)


class Rollback(Part):
    """RollbackStrategyConfig of the requirement."""

    types: RollbackTypes = Field(default_factory=RollbackTypes)
    triggers: Triggers = Field(default_factory=Triggers)
    execution: RollbackExecution = Field(default_factory=RollbackExecution)
    applications: Applications = Field(default_factory=Applications)
    drill: Drill = Field(default_factory=Drill)

    @model_validator(mode="after")
    def _knows_the_applications(self) -> Rollback:
        for key, wanted, hooks in (
            ("preRollback.stopApplications", self.execution.pre_rollback.stop_applications, self.applications.stop),
            (
                "postRollback.restartApplications",
                self.execution.post_rollback.restart_applications,
                self.applications.restart,
            ),
        ):
            name = "stop" if "stop" in key else "restart"
            if wanted and not hooks:
                raise refusal((f"execution.{key}", f"needs rollback.applications.{name}, which says how"))
            if hooks and not wanted:
                raise refusal((f"applications.{name}", f"has no effect; say execution.{key}: true, or remove it"))
        return self

    def timeout(self, way: Way) -> int:
        """Return how many milliseconds a way back may take."""
        return min(self.types.timeout(way), self.execution.rollback.timeout)
