"""The DAG that lets a migration's live tables follow its source."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Param, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from cutover.airflow.connections import in_run
from cutover.spec import MigrationSpec

RETRY_DELAY = timedelta(seconds=5)


def stream_dag(spec: MigrationSpec, folder: Path) -> DAG:
    """Build the DAG whose runs follow the source, one after the other; each ends after some minutes."""
    bulk = spec.strategy.types.data.bulk

    @dag(
        dag_id=f"{spec.name}__stream",
        description=f"Let the live tables of {spec.name} follow their source",
        doc_md=f"# {spec.name}\n\nLets schema `{spec.target_schema}` of the target follow its source, from where "
        "the last run or stream left off. Pause it when the application has moved to the target.",
        schedule=timedelta(minutes=1),
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        params={
            "minutes": Param(
                10, type="number", exclusiveMinimum=0, description="how long to follow before the next run"
            )
        },
        tags=["cutover", "stream"],
        default_args={"retries": bulk.max_retries if bulk.retry_on_failure else 0, "retry_delay": RETRY_DELAY},
    )
    def streaming() -> None:
        @task(on_failure_callback=_on_failure)
        def stream() -> dict[str, int | str]:
            from cutover.steps import follow, history

            context = get_current_context()
            end = time.monotonic() + 60 * context["params"]["minutes"]
            with in_run(folder, context) as run:
                if history.standing(run) is None:
                    raise AirflowSkipException(f"no run of {spec.name} has put its tables in place yet")
                follow.stream(run, lambda done: time.monotonic() < end)
                run.record("completed")
                done = run.finished("stream") or {}
            return {"changes": done["changes"], "position": done["position"]}

        stream()

    return streaming()


def _on_failure(context: Any) -> None:
    from cutover.airflow import alerts

    alerts.on_task_failure(context)
