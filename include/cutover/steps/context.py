"""One run of one migration: who it is, where its databases are, what it was told."""

from __future__ import annotations

import copy
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from cutover import ledger as ledgers
from cutover import window
from cutover.data.shadow import name_for
from cutover.dialects import pools
from cutover.dialects.endpoint import Endpoint, Pool, Resolver, from_connection_variable, from_environment
from cutover.errors import CutoverError, PreflightError
from cutover.ledger import Ledger
from cutover.plan import Plan
from cutover.spec import MigrationSpec
from cutover.spec.endpoint import Endpoint as Access
from cutover.spec.schema import Pool as PoolSpec
from cutover.spec.schema import SourceLogin, TargetLogin

MODES = ("safe", "dry_run")


@dataclass(frozen=True)
class Params:
    """What an operator may say when starting a run.

    Attributes:
        mode: ``safe`` migrates; ``dry_run`` plans, and writes the scripts if the spec asks for them.
        ignore_window: run outside the maintenance window too.
        tables: source tables to restrict the run to; all where empty.
        max_errors: in place of the spec's maxErrors.
        workers: parallel workers, in place of the spec's.
        replace_target: replace live tables that no earlier run of this migration made, or that hold more
            than ``row_limit`` lets through.
        allow_losses: go on when objects of the source cannot be carried; the report names them either way.
        allow_source_changes: cut over though the source was written to during the run; the report names where.
        row_limit: a trial: of each table that has a key only this many rows, the first in key order.
    """

    mode: str = "safe"
    ignore_window: bool = False
    tables: tuple[str, ...] = ()
    max_errors: int | None = None
    workers: int | None = None
    replace_target: bool = False
    allow_losses: bool = False
    allow_source_changes: bool = False
    row_limit: int | None = None

    @staticmethod
    def from_mapping(given: Mapping[str, Any]) -> Params:
        """Read parameters as Airflow or the ledger gives them; raises PreflightError for a bad one."""
        known = Params.__dataclass_fields__
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise PreflightError([f"unknown run parameter {unknown[0]!r}; known: {', '.join(known)}"])
        params = Params(**{**given, "tables": tuple(given.get("tables") or ())})
        if params.mode not in MODES:
            raise PreflightError([f"mode {params.mode!r} is not built; built: {', '.join(MODES)}"])
        for name, least in (("max_errors", 0), ("workers", 1), ("row_limit", 1)):
            value = getattr(params, name)
            if value is not None and (not isinstance(value, int) or value < least):
                raise PreflightError([f"run parameter {name} must be a whole number from {least}, not {value!r}"])
        return params


class Dags(Protocol):
    """The DAGs of the Airflow that a run is at work in."""

    def lacking(self, dag: str) -> str | None:
        """Return why a DAG cannot be run now, with the cure."""

    def ran(self, dag: str, run_id: str, conf: Mapping[str, Any], timeout: float) -> str:
        """Return the state in which a run of a DAG ended, or is after ``timeout`` seconds.

        One of that id that is there already is waited for; one that has failed is run again.
        """


@dataclass
class Run:
    """One run; steps take it and record what they do through it.

    ``home`` is the migration's own folder; a migration that was given as two URLs has none. ``dags`` are there
    only within Airflow.
    """

    id: str
    spec: MigrationSpec
    source: Endpoint
    target: Endpoint
    ledger: Ledger
    params: Params = field(default_factory=Params)
    home: Path | None = None
    dags: Dags | None = field(default=None, repr=False, compare=False)

    @property
    def suites(self) -> Path | None:
        """The folder with the user's own expectation suites, where the migration has one."""
        found = self.home / "expectations" if self.home is not None else None
        return found if found is not None and found.is_dir() else None

    @property
    def folder(self) -> Path:
        """The run's own folder for staging, backup, scripts and report."""
        return ledgers.home() / self.spec.name / re.sub(r"[^\w.-]", "_", self.id)

    @property
    def staging(self) -> Path:
        """Where batches wait between extract, transform and load; CUTOVER_STAGING moves it elsewhere."""
        elsewhere = os.environ.get("CUTOVER_STAGING")
        return Path(elsewhere, self.spec.name, self.folder.name) if elsewhere else self.folder / "staging"

    @property
    def staging_room(self) -> int:
        """Bytes that are free where the staging folder is, or will be."""
        return shutil.disk_usage(next(path for path in (self.staging, *self.staging.parents) if path.exists())).free

    @property
    def shadow(self) -> str:
        """The schema of the target that belongs to this run alone."""
        return name_for(self.spec.name, self.id)

    @property
    def live(self) -> str:
        """The schema that the application reads."""
        return self.spec.target_schema

    @cached_property
    def plan(self) -> Plan:
        """The plan that the plan step made.

        Raises:
            PreflightError: the plan step has not run.
        """
        event = self.ledger.last(self.id, "planned")
        if event is None:
            raise PreflightError([f"run {self.id} has no plan; its plan step has not run"])
        return Plan.from_json(event.detail["plan"])

    @property
    def batch_rows(self) -> int:
        """Rows in memory at a time: the smallest of the batch sizes that the spec sets."""
        return min(
            self.spec.strategy.types.data.bulk.batch_size,
            self.spec.data.extraction.strategy.full.chunk_size,
            self.spec.data.loading.strategy.bulk.batch_size,
        )

    @property
    def follow_rows(self) -> int:
        """Rows that are asked for at a time when what changed is read anew."""
        incremental = self.spec.strategy.types.data.strategy == "incremental"
        return min(self.batch_rows, self.spec.pass_rows) if incremental else self.batch_rows

    @property
    def max_errors(self) -> int:
        """How many refused rows are too many."""
        given = self.params.max_errors
        return self.spec.data.loading.options.error_handling.max_errors if given is None else given

    @property
    def error_threshold(self) -> float:
        """The share of rows that may be refused: the smaller of the two that the spec may set."""
        own, automatic = self.spec.data.loading.options.error_handling, self.spec.rollback.triggers.automatic
        wanted = automatic.error_threshold
        if wanted is None or not automatic.wants_errors:
            return own.error_threshold
        return min(own.error_threshold, wanted)

    @property
    def losses_allowed(self) -> bool:
        """Whether objects of the source may stay behind."""
        return self.params.allow_losses or self.spec.schema_.settings.allow_losses

    @property
    def rolls_back(self) -> bool:
        """Whether it takes itself back when it fails: unless one of the spec's three switches says no."""
        return (
            self.spec.strategy.execution.modes.safe.auto_rollback_on_error
            and self.spec.strategy.planning.scheduling.automated.auto_rollback
            and self.spec.rollback.triggers.automatic.enabled
        )

    def beside_others(self) -> Run:
        """Return the run as a piece of work sees it that others are done beside: it keeps no connection.

        So a piece holds one connection to a server at a time, the expectations two. What this process has
        kept until now is closed.
        """
        pools.close()
        piece = copy.copy(self)  # with the plan, if it has been read
        piece.source, piece.target = self.source.keeping_none(), self.target.keeping_none()
        return piece

    def record(self, kind: str, /, **detail: Any) -> None:
        """Add an event to the ledger."""
        self.ledger.append(self.id, self.spec.name, kind, detail)

    def finished(self, step: str) -> Mapping[str, Any] | None:
        """Return what a step recorded at its end, or None where it has not ended."""
        events = [e for e in self.ledger.events(self.id, "step_finished") if e.detail["step"] == step]
        return events[-1].detail if events else None

    def check_time(self) -> None:
        """Refuse to go on when the window has closed or the run takes too long.

        Raises:
            WindowClosedError: it has, or does.
        """
        first = self.ledger.last(self.id, "run_started")
        if first is not None:
            window.check(self.spec, first.at, self.params.ignore_window)

    @contextmanager
    def noting_failure(self, step: str) -> Iterator[None]:
        """Record that a part of a step failed; its success is recorded by events of its own."""
        try:
            yield
        except BaseException as error:
            self.record("step_failed", step=step, error=type(error).__name__, cause=_cause(error))
            raise

    @contextmanager
    def step(self, name: str, guarded: bool = True) -> Iterator[dict[str, Any]]:
        """Record a step's start and end; what is put in the yielded dictionary goes into its last event.

        Args:
            name: the step.
            guarded: whether the window and the longest duration are checked first.
        """
        started = time.monotonic()
        self.record("step_started", step=name)
        detail: dict[str, Any] = {}
        with self.noting_failure(name):
            if guarded:
                self.check_time()
            yield detail
        self.record("step_finished", step=name, seconds=round(time.monotonic() - started, 3), **detail)


def _cause(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text if isinstance(error, CutoverError) else f"{type(error).__name__}: {text}"


def start(
    run_id: str,
    spec: MigrationSpec,
    params: Params,
    ledger: Ledger,
    source: Endpoint,
    target: Endpoint,
    home: Path | None = None,
) -> Run:
    """Begin a run, or come back to one that has begun.

    Raises:
        PreflightError: that one has other databases.
    """
    run = Run(run_id, spec, source, target, ledger, params, home)
    before = ledger.last(run_id, "run_started")
    ends = {"source": str(source), "target": f"{target}, schema {spec.target_schema}"}
    if before is not None and any(before.detail[side] != end for side, end in ends.items()):
        others = " to ".join(str(before.detail[side]) for side in ends)
        raise PreflightError([f"run {run_id} is from {others}: give these, or begin another"])
    if before is None:
        run.record(
            "run_started",
            spec=spec.model_dump(mode="json", by_alias=True, exclude_unset=True),
            params=asdict(params),
            home=str(home.absolute()) if home is not None else None,
            **ends,
        )
    return run


def resume(
    run_id: str,
    ledger: Ledger,
    resolver: Resolver = from_connection_variable,
    ends: tuple[Endpoint, Endpoint] | None = None,
) -> Run:
    """Return a run that has begun, with the spec and parameters it began with.

    Its databases are found as the spec says, or are ``ends``.

    Raises:
        PreflightError: there is no such run.
    """
    event = ledger.last(run_id, "run_started")
    if event is None:
        raise PreflightError([f"no run {run_id!r} in the ledger"])
    spec = MigrationSpec.model_validate(event.detail["spec"])
    source, target = ends or endpoints(spec, resolver)
    migration_home = event.detail["home"]
    return Run(
        run_id,
        spec,
        source,
        target,
        ledger,
        Params.from_mapping(event.detail["params"]),
        Path(migration_home) if migration_home else None,
    )


def endpoints(spec: MigrationSpec, resolver: Resolver = from_connection_variable) -> tuple[Endpoint, Endpoint]:
    """Find out where the spec's databases are and how to log in.

    Raises:
        PreflightError: a connection or variable is missing, or names another kind of database.
    """
    source = replace(_endpoint(spec.source_access, "mysql", resolver), pool=_pool(spec.source_pool))
    target = replace(_endpoint(spec.target_access, "postgresql", resolver), pool=_pool(spec.target_pool))
    for side, endpoint, kind in (("source", source, "mysql"), ("target", target, "postgresql")):
        if endpoint.kind != kind:
            raise PreflightError([f"{side} must be a {kind} database, but {endpoint} is not"])
    return source, target


def _endpoint(access: Access | SourceLogin | TargetLogin, kind: str, resolver: Resolver) -> Endpoint:
    if isinstance(access, SourceLogin | TargetLogin):
        port = substituted(access.port)
        return Endpoint(
            kind,
            substituted(access.host),
            int(port) if port else {"mysql": 3306, "postgresql": 5432}[kind],
            substituted(access.database),
            substituted(access.username),
            substituted(access.password),
        )
    if access.env is not None:
        found = from_environment(access.env, kind)
    else:
        assert access.connection is not None
        found = resolver(access.connection)
    if access.tls is None:
        return found
    return replace(found, verify_tls=access.tls == "verify", tls_ca=access.tls_ca)


def _pool(given: PoolSpec | None) -> Pool | None:
    return None if given is None else Pool(given.kept, given.max, given.acquire, given.idle)


def substituted(value: object) -> str:
    """Put environment variables in place of ``${NAME}``.

    Raises:
        PreflightError: one is not set.
    """
    text = "" if value is None else str(value)
    for name in re.findall(r"\$\{(\w+)\}", text):
        if name not in os.environ:
            raise PreflightError([f"environment variable {name} is not set"])
        text = text.replace(f"${{{name}}}", os.environ[name])
    return text
