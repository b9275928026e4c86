"""The DAGs that let a migration's live tables follow its source: as it changes, or in passes."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Param, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from cutover.airflow.connections import in_run
from cutover.spec import MigrationSpec

if TYPE_CHECKING:
    from cutover.steps.context import Run

RETRY_DELAY = timedelta(seconds=5)
_WHEN_DONE = "Pause it when the application has moved to the target."


def stream_dag(spec: MigrationSpec, folder: Path) -> DAG:
    """Build the DAG whose runs follow the source, one after the other; each ends after some minutes."""

    @dag(
        dag_id=f"{spec.name}__stream",
        description=f"Let the live tables of {spec.name} follow their source",
        doc_md=f"# {spec.name}\n\nLets schema `{spec.target_schema}` of the target follow its source, from where "
        f"the last run or stream left off. {_WHEN_DONE}",
        schedule=timedelta(minutes=1),
        params={
            "minutes": Param(
                10, type="number", exclusiveMinimum=0, description="how long to follow before the next run"
            )
        },
        tags=["cutover", "stream"],
        **shared(spec),
    )
    def streaming() -> None:
        @task(on_failure_callback=_on_failure)
        def stream() -> dict[str, int | str]:
            from cutover.steps import follow

            context = get_current_context()
            end = time.monotonic() + 60 * context["params"]["minutes"]
            with in_run(folder, context) as run:
                _skip_before_the_first_run(run)
                follow.stream(run, lambda done: time.monotonic() < end)
                run.record("completed")
                done = run.finished("stream") or {}
            return {"changes": done["changes"], "position": done["position"]}

        stream()

    return streaming()


def pass_dag(spec: MigrationSpec, folder: Path) -> DAG:
    """Build the DAG each of whose runs brings the live tables up to date, at the spec's interval."""

    @dag(
        dag_id=f"{spec.name}__{spec.feed_name}",
        description=f"Bring the live tables of {spec.name} up to date with their source",
        doc_md=f"# {spec.name}\n\nBrings schema `{spec.target_schema}` of the target up to date with its source, from "
        f"where the last run or pass ended. {_WHEN_DONE}",
        schedule=timedelta(milliseconds=spec.pass_interval),
        tags=["cutover", str(spec.feed_name)],
        **shared(spec),
    )
    def passing() -> None:
        @task(on_failure_callback=_on_failure)
        def sync() -> dict[str, int | str]:
            from cutover.steps import follow

            with in_run(folder, get_current_context()) as run:
                _skip_before_the_first_run(run)
                done = follow.sync(run)
                run.record("completed")
            return {"changes": done.changes, "rows": done.rows, "position": done.position}

        sync()

    return passing()


def shared(spec: MigrationSpec, **defaults: Any) -> dict[str, Any]:
    """Return what every DAG beside a migration's own is made with; ``defaults`` are further ones of its tasks."""
    bulk = spec.strategy.types.data.bulk
    return {
        "start_date": datetime(2026, 1, 1, tzinfo=UTC),
        "catchup": False,
        "max_active_runs": 1,
        "default_args": {"retries": bulk.max_retries if bulk.retry_on_failure else 0, "retry_delay": RETRY_DELAY}
        | defaults,
    }


def _skip_before_the_first_run(run: Run) -> None:
    from cutover.steps import history

    if history.standing(run) is None:
        raise AirflowSkipException(f"no run of {run.spec.name} has put its tables in place yet")


def _on_failure(context: Any) -> None:
    from cutover.airflow import alerts

    alerts.on_task_failure(context)
