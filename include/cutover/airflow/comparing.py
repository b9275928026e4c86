"""The DAGs that compare a migration's source and target, or validate it, whenever somebody asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Param, TriggerRule, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from cutover.airflow.connections import in_run
from cutover.airflow.following import shared
from cutover.spec import MigrationSpec

if TYPE_CHECKING:
    from cutover.steps.compare import Options

_SHOWN = 10


def validate_dag(spec: MigrationSpec, folder: Path) -> DAG:
    """Build the DAG that validates the migration by itself; it connects to nothing."""

    @dag(
        dag_id=f"{spec.name}__validate",
        description=f"Validate {spec.name} before it, after it, or after it was taken back",
        doc_md=f"# {spec.name}\n\nValidates schema, data, constraints, performance and the application by themselves, "
        "and fails where one does. Nothing is changed.",
        params={
            "type": Param("post_migration", type="string", enum=["pre_migration", "post_migration", "rollback"]),
            "kinds": Param(
                [],
                type="array",
                items={"type": "string", "enum": ["schema", "data", "constraint", "performance", "application"]},
                description="kinds of validation; all if empty",
            ),
        },
        **_shared(spec, "validate"),
    )
    def validating() -> None:
        @task
        def validate() -> dict[str, Any]:
            from cutover import validating, verifying

            context = get_current_context()
            with in_run(folder, context) as run:
                params = context["params"]
                found = validating.validate(run, params["type"], params["kinds"], verifying.verify_here)
                run.folder.mkdir(parents=True, exist_ok=True)
                (run.folder / "validation.json").write_text(found.to_json())
            if found.failed:
                shown = [f"{o.kind}: {line}" for o in found.outcomes for line in o.errors]
                raise AirflowFailException("\n".join([f"{found.type} failed", *shown[:_SHOWN]]))
            return found.results

        validate()

    return validating()


def verify_dag(spec: MigrationSpec, folder: Path) -> DAG:
    """Build the DAG that compares every row of the live tables with the source; it connects to nothing."""

    @dag(
        dag_id=f"{spec.name}__verify",
        description=f"Compare the live tables of {spec.name} with their source",
        doc_md=f"# {spec.name}\n\nCompares every cell of schema `{spec.target_schema}` of the target with the source, "
        "and fails where they differ. With `repair` it makes the target's rows those of the source.",
        params=_params(),
        **_shared(spec, "verify"),
    )
    def comparing() -> None:
        @task
        def prepare() -> list[int]:
            from cutover.steps import compare

            context = get_current_context()
            with in_run(folder, context) as run:
                compare.prepare(run, _options(context))
                return list(range(len(run.plan.batches)))

        @task(max_active_tis_per_dagrun=spec.compare_workers)
        def compare(batch: int) -> None:
            from cutover.steps import compare

            context = get_current_context()
            with in_run(folder, context) as run:
                compare.compare_batch(run, _options(context), batch)

        # Also where no table is on both sides, and there was nothing to compare.
        @task(trigger_rule=TriggerRule.NONE_FAILED)
        def conclude() -> str:
            from cutover import render_verdict, verdict, verifying

            context = get_current_context()
            with in_run(folder, context) as run:
                options = _options(context)
                found = verifying.conclude(run, options, verifying.one_by_one(run, options))
                told = render_verdict.markdown(found)
                run.folder.mkdir(parents=True, exist_ok=True)
                (run.folder / "verdict.md").write_text(told)
                (run.folder / "verdict.json").write_text(found.to_json())
            if found.status != verdict.SAME:
                shown = [*found.unlike, *found.differences][:_SHOWN]
                raise AirflowFailException("\n".join([render_verdict.headline(found), *shown]))
            return render_verdict.headline(found)

        compare.expand(batch=prepare()) >> conclude()

    return comparing()


def _shared(spec: MigrationSpec, tag: str) -> dict[str, Any]:
    return shared(spec, on_failure_callback=_on_failure) | {"schedule": None, "tags": ["cutover", tag]}


def _params() -> dict[str, Param]:
    return {
        "tables": Param(
            [], type="array", items={"type": "string"}, description="source tables to compare; all if empty"
        ),
        "fast": Param(
            False, type="boolean", description="both servers make one number of each range of keys; read what differs"
        ),
        "sample": Param(
            None,
            type=["null", "number"],
            exclusiveMinimum=0,
            maximum=1,
            description="compare this share of each table's ranges of keys only; not together with repair",
        ),
        "repair": Param(False, type="boolean", description="make the target's rows those of the source"),
    }


def _options(context: Any) -> Options:
    from cutover.steps.compare import Options

    params = context["params"]
    return Options(params["fast"], params["repair"], params["sample"])


def _on_failure(context: Any) -> None:
    from cutover.airflow import alerts

    alerts.on_task_failure(context)
