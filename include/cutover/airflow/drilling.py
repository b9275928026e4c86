"""The DAG that rehearses the ways back of the run in place."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from cutover.airflow.connections import in_run
from cutover.spec import MigrationSpec


def drill_dag(spec: MigrationSpec, folder: Path) -> DAG:
    """Build the DAG that rehearses the ways back at fixed times; it connects to nothing."""

    @dag(
        dag_id=f"{spec.name}__drill",
        description=f"Rehearse the ways back of {spec.name}",
        doc_md=f"# {spec.name}\n\nRehearses every way back of the run in place, in databases that are dropped again, "
        "and fails where one would not bring back what was there, or not in time. Nothing that is live is touched.",
        schedule=spec.rollback.drill.schedule,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        tags=["cutover", "rollback"],
        default_args={"retries": 0, "on_failure_callback": _on_failure},
    )
    def drilling() -> None:
        @task
        def drill() -> list[str]:
            from cutover.steps import drill, history

            with in_run(folder, get_current_context()) as run:
                if history.standing(run) is None:
                    raise AirflowSkipException(f"no run of {spec.name} is in place")
                found = drill.drill(run)
            told = [str(each) for each in found]
            if any(each.failed for each in found):
                raise AirflowFailException("\n".join(told))
            return told

        drill()

    return drilling()


def _on_failure(context: Any) -> None:
    from cutover.airflow import alerts

    alerts.on_task_failure(context)
