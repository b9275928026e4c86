"""One DAG for each folder of migrations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Param, TriggerRule, chain, dag, get_current_context, task, task_group
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from cutover.airflow.comparing import validate_dag, verify_dag
from cutover.airflow.connections import in_run
from cutover.airflow.drilling import drill_dag
from cutover.airflow.following import pass_dag, stream_dag
from cutover.airflow.rolling_back import rollback_dag, scheduled_dag
from cutover.airflow.timetable import MaintenanceWindowTimetable
from cutover.errors import SpecError
from cutover.spec import MigrationSpec, load_spec

RETRY_DELAY = timedelta(seconds=5)
# Every task that changes something, or proves what was changed: one that fails leads to the way back.
GUARDED = (
    "backup",
    "create_schema",
    "chunks.extract",
    "chunks.transform",
    "chunks.load",
    "catch_up",
    "finish_schema",
    "validate.rows",
    "validate.views",
    "validate.expectations",
    "validate.application",
    "validate.performance",
    "upgrade_schema",
    "carry_over",
    "cutover",
    "validate_cutover",
    "validate_endpoints",
)


def build_dags(folder: Path) -> list[DAG]:
    """Build the DAGs of one migration: it runs, is compared, is validated, and follows its source.

    Connects to nothing.

    Raises:
        SpecError: the migration's YAML is wrong, or its schedule never meets its window.
    """
    spec = load_spec(folder / "migration.yaml")
    following = {"streaming": stream_dag, "incremental": pass_dag}.get(spec.strategy.types.data.strategy)
    # What it raises, it raises before Airflow has taken note of the others.
    migration = _migration_dag(spec, folder)
    return [
        migration,
        verify_dag(spec, folder),
        validate_dag(spec, folder),
        *([rollback_dag(spec, folder)] if spec.rollback.triggers.manual.enabled else []),
        *([drill_dag(spec, folder)] if spec.rollback.drill.enabled else []),
        *([scheduled_dag(spec, folder)] if spec.rollback.triggers.scheduled.enabled else []),
        *([following(spec, folder)] if following else []),
    ]


def _migration_dag(spec: MigrationSpec, folder: Path) -> DAG:
    bulk = spec.strategy.types.data.bulk

    @dag(
        dag_id=spec.name,
        description=spec.description or f"Migrate {spec.name} to PostgreSQL",
        doc_md=describe(spec),
        schedule=_schedule(spec, folder),
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        params=_params(spec),
        tags=["cutover", "migration"],
        default_args={
            "retries": bulk.max_retries if bulk.retry_on_failure else 0,
            "retry_delay": RETRY_DELAY,
            "on_failure_callback": _on_failure,
        },
    )
    def migration() -> None:
        _wire(spec, folder)

    return migration()


def _on_failure(context: Any) -> None:
    from cutover.airflow import alerts

    alerts.on_task_failure(context)


def _schedule(spec: MigrationSpec, folder: Path) -> MaintenanceWindowTimetable | None:
    scheduling = spec.strategy.planning.scheduling
    if not (scheduling.enabled and scheduling.automated.enabled):
        return None
    timetable = MaintenanceWindowTimetable(spec)
    now = datetime.now(UTC)
    if timetable.next_slot(now, now, taken=False) is None:
        raise SpecError(
            [
                f"{folder / 'migration.yaml'}: strategy.planning.scheduling.automated.schedule "
                f"{scheduling.automated.schedule!r} never falls into the maintenance window"
            ]
        )
    return timetable


def _params(spec: MigrationSpec) -> dict[str, Param]:
    modes = spec.strategy.execution.modes
    enabled = [name for name, on in (("safe", modes.safe.enabled), ("dry_run", modes.dry_run.enabled)) if on]
    if not enabled:
        raise SpecError([f"{spec.name}: strategy.execution.modes switches every mode off"])
    return {
        "mode": Param(
            enabled[0],
            type="string",
            enum=enabled,
            description="safe migrates; dry_run plans and changes nothing",
        ),
        "ignore_window": Param(False, type="boolean", description="run outside the maintenance window too"),
        "tables": Param(
            [],
            type="array",
            items={"type": "string"},
            description="source tables to restrict the run to; all if empty",
        ),
        "max_errors": Param(
            None,
            type=["null", "integer"],
            minimum=0,
            description="rows that may be refused, in place of the spec's",
        ),
        "workers": Param(None, type=["null", "integer"], minimum=1, description="batches, in place of the spec's"),
        "replace_target": Param(
            False,
            type="boolean",
            description="replace live tables that no earlier run of this migration made",
        ),
        "allow_losses": Param(
            spec.schema_.settings.allow_losses,
            type="boolean",
            description="go on when objects of the source cannot be carried; the report names them either way",
        ),
        "allow_source_changes": Param(
            False,
            type="boolean",
            description="cut over though the source was written to during the run; the report names where",
        ),
        "row_limit": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            description="a trial: only so many rows of each table, the first in key order",
        ),
    }


def describe(spec: MigrationSpec) -> str:
    """Return what the migration does, in Markdown, from its spec."""
    data, scheduling = spec.data, spec.strategy.planning.scheduling
    window = scheduling.maintenance_window
    lines = [f"# {spec.name}", "", spec.description or "", ""]
    lines.append(f"Moves its source into schema `{spec.target_schema}` of its target, and proves every cell.")
    if scheduling.enabled and scheduling.automated.enabled:
        lines.append(f"* Starts at `{scheduling.automated.schedule}` ({window.timezone}).")
    if scheduling.enabled and window.enabled:
        lines.append(
            f"* Runs only on {', '.join(window.days)}, {window.start_time} to {window.end_time} {window.timezone}; "
            "a manual run outside needs `ignore_window`."
        )
    patterns = spec.schema_.settings.tables.patterns
    lines.append(f"* Takes tables {', '.join(patterns.include)}, but not {', '.join(patterns.exclude) or 'none'}.")
    mapping, cleaning = data.transformation.mapping, data.transformation.cleaning
    for table, fields in mapping.fields.items():
        lines.append(f"* Renames in `{table}`: " + ", ".join(f"`{a}` to `{b}`" for a, b in fields.items()) + ".")
    for column, values in mapping.values.items():
        lines.append(f"* Maps `{column}`: " + ", ".join(f"{a} to {b}" for a, b in values.items()) + ".")
    for table, condition in data.extraction.filtering.rows.items():
        lines.append(f"* Takes rows of `{table}` where `{condition}`.")
    if cleaning.duplicates:
        lines.append(f"* Sets duplicates of {', '.join(map(' and '.join, cleaning.duplicates.keys))} aside.")
    if cleaning.nulls and cleaning.nulls.columns:
        lines.append(f"* Leaves rows out that have NULL in {', '.join(cleaning.nulls.columns)}.")
    if cleaning.validation:
        asked = [kind for kind, choice in cleaning.validation.choices().items() if choice is not False]
        lines += [f"* Refuses rows whose {', '.join(asked)} are none."] if asked else []
    for column in dict.fromkeys((*data.transformation.enrichment.normal, *data.transformation.enrichment.standard)):
        lines.append(f"* Brings `{column}` to one form.")
    upsert = data.loading.strategy.upsert
    if upsert.enabled:
        wins = {"update": "the source's wins", "ignore": "the one that is there wins", "fail": "the run ends"}
        alike = wins[upsert.conflict_resolution]
        lines.append(f"* Upserts: the rows that the live tables hold stay; where two are alike in a key, {alike}.")
    lines.append("* A failed run takes itself back; the target is then as it was before.")
    return "\n".join(lines)


def _wire(spec: MigrationSpec, folder: Path) -> None:
    """Draw the tasks as docs/design.md shows them."""
    extracting = spec.data.extraction.strategy.full.timeout
    loading = min(spec.data.loading.strategy.bulk.timeout, spec.strategy.types.data.bulk.timeout)
    readers = {
        "max_active_tis_per_dagrun": spec.extract_workers,
        "execution_timeout": timedelta(milliseconds=extracting),
    }
    writers = {
        "max_active_tis_per_dagrun": spec.load_workers,
        "execution_timeout": timedelta(milliseconds=loading),
    }
    step = partial(_step, folder)
    extract = step("move.extract_batch", "extract", **readers)
    transform = step("move.transform_batch", "transform", **readers)
    load = step("move.load_batch", "load", **writers)
    rows = step("prove.validate_rows", "rows", **readers | {"max_active_tis_per_dagrun": spec.compare_workers})

    @task
    def plan() -> list[int]:
        from cutover.steps import check

        with in_run(folder, get_current_context()) as run:
            return list(range(len(check.make_plan(run).batches)))

    @task
    def backup() -> None:
        from cutover.steps import ways

        with in_run(folder, get_current_context()) as run:
            if run.params.mode == "dry_run":
                raise AirflowSkipException("a dry run changes nothing")
            ways.backup(run)

    @task_group
    def chunks(batch: int) -> None:
        load(transform(extract(batch)))

    @task_group
    def validate(batches: Any) -> None:
        proofs = (
            rows.expand(batch=batches),
            step("prove.validate_views", "views")(),
            step("prove.validate_expectations", "expectations")(),
        )
        # What is timed must not stand beside what loads both servers.
        later = [step(f"{name}.validate_{name}", name)() for name in _trials(spec)]
        chain(*([proofs] if spec.proves_side_by_side else proofs), *later)

    @task(trigger_rule=TriggerRule.ALL_DONE, retries=0)
    def rollback_gate() -> list[str]:
        context = get_current_context()
        ti, this = context["ti"], context["dag_run"].run_id
        states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[this], task_ids=list(GUARDED))[this]
        failed = sorted(name for name, state in states.items() if state == "failed")
        if not failed:
            raise AirflowSkipException("nothing to roll back")
        with in_run(folder, context) as run:
            if not run.rolls_back:
                raise AirflowSkipException("automatic rollback is switched off in the spec")
        return failed

    @task
    def validate_rollback() -> None:
        from cutover.airflow import alerts
        from cutover.steps import automatic

        context = get_current_context()
        with in_run(folder, context) as run:
            automatic.validate_rollback(run)
            alerts.rolled_back(run, context)

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def report() -> str:
        from cutover.airflow import alerts
        from cutover.steps import publish

        context = get_current_context()
        with in_run(folder, context) as run:
            status = publish.publish(run)
            if run.ledger.last(run.id, "completed") is not None:
                alerts.succeeded(run, context)
        return status

    planned = plan()
    saved, made, moved = backup(), step("move.create_schema")(), chunks.expand(batch=planned)
    finished, proved = [step("move.finish_schema")()], validate(planned)
    if spec.strategy.types.data.follows:
        finished.insert(0, step("follow.catch_up")())
    last = [step("versions.upgrade_schema")()]
    if spec.data.loading.strategy.upsert.enabled:
        last.append(step("carry.carry_over")())
    last += [step("switch.cutover")(), step("switch.validate_cutover")()]
    if spec.strategy.execution.modes.safe.validate_after_migration and spec.schema_.validation.calls:
        last.append(step("application.validate_endpoints")())
    checked = last[-1]
    before = (step("check.check_window")(), step("check.preflight")(), planned)
    chain(*before, saved, made, moved, *finished, proved, *last)
    gate, undone, told = rollback_gate(), validate_rollback(), report()
    [saved, made, moved, *finished, proved, *last] >> gate
    gate >> step("automatic.rollback")() >> undone
    # A dry run skips what changes anything, and is complete all the same.
    completed = step("switch.complete", trigger_rule=TriggerRule.NONE_FAILED)()
    checked >> completed
    [completed, undone] >> told
    # The only leaf: it succeeds when the run did, and is upstream_failed after every rollback.
    [completed, told] >> EmptyOperator(task_id="end")


def _trials(spec: MigrationSpec) -> list[str]:
    """Name what the spec wants to have tried on the new tables."""
    if not spec.strategy.execution.modes.safe.validate_after_migration:
        return []
    validation = spec.schema_.validation
    return [name for name, on in (("application", validation.tries), ("performance", validation.measures)) if on]


def _step(folder: Path, where: str, task_id: str | None = None, **options: Any) -> Any:
    """Return a task that calls one step of the library, with the batch number it is mapped over, if any.

    The step is imported when the task runs, not when the DAG file is parsed.
    """
    module, name = where.split(".")

    @task(task_id=task_id or name, **options)
    def call(batch: int | None = None) -> int | None:
        function = getattr(import_module(f"cutover.steps.{module}"), name)
        with in_run(folder, get_current_context()) as run:
            function(run, *([] if batch is None else [batch]))
        return batch

    return call


def broken_dag(name: str, problem: str) -> DAG:
    """Build a DAG that shows what is wrong with a migration, and fails when it is run."""

    @dag(
        dag_id=f"{name}__broken",
        description="This migration's spec is wrong",
        doc_md=f"# {name}\n\nThis migration cannot run:\n\n```\n{problem}\n```",
        schedule=None,
        tags=["cutover", "broken"],
    )
    def migration() -> None:
        @task(retries=0)
        def show_the_problem() -> None:
            raise AirflowFailException(problem)

        show_the_problem()

    return migration()
