"""The DAGs of the Airflow that a task is at work in, run from within it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from airflow.sdk import DagRunState
from airflow.sdk.exceptions import AirflowRuntimeError
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import ErrorResponse, TriggerDagRun

from cutover.errors import PreflightError, TransientError

_POLL = 0.5


class TaskDags:
    """DAGs as the process of a task sees them, which has no database of Airflow's: through its supervisor.

    A task that only triggers is Airflow's TriggerDagRunOperator; this is for one that does other things around it.
    """

    def __init__(self, task_instance: Any) -> None:
        self._task_instance = task_instance

    def lacking(self, dag: str) -> str | None:
        """Return why a DAG cannot be run now, with the cure."""
        try:
            with _answered(dag):
                paused = self._task_instance.get_dag(dag).is_paused
        except PreflightError as error:
            return str(error)
        return f"DAG {dag} is paused; unpause it" if paused else None

    def ran(self, dag: str, run_id: str, conf: Mapping[str, Any], timeout: float) -> str:
        """Return the state in which a run of a DAG ended, or is after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        with _answered(dag):
            if not _begun(dag, run_id, conf) and self._state(dag, run_id) == DagRunState.FAILED:
                _begun(dag, run_id, conf, again=True)
            while True:
                state = self._state(dag, run_id)
                if state in (DagRunState.SUCCESS, DagRunState.FAILED) or time.monotonic() > deadline:
                    return state.value
                time.sleep(_POLL)

    def _state(self, dag: str, run_id: str) -> DagRunState:
        return DagRunState(self._task_instance.get_dagrun_state(dag, run_id))


def _begun(dag: str, run_id: str, conf: Mapping[str, Any], again: bool = False) -> bool:
    """Begin a run; return False where it had begun before."""
    asked = TriggerDagRun(dag_id=dag, run_id=run_id, conf=dict(conf), reset_dag_run=again)
    return not isinstance(task_runner.SUPERVISOR_COMMS.send(asked), ErrorResponse)


@contextmanager
def _answered(dag: str) -> Iterator[None]:
    try:
        yield
    except AirflowRuntimeError as error:
        detail = error.error.detail or {}
        status = detail.get("status_code", HTTPStatus.INTERNAL_SERVER_ERROR)
        if status == HTTPStatus.NOT_FOUND:
            raise PreflightError([f"Airflow has no DAG {dag}; add it, or name another"]) from None
        if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
            raise PreflightError([f"Airflow does not run DAG {dag}: {detail.get('detail') or error}"]) from None
        raise TransientError(f"Airflow does not answer about DAG {dag}: {error}") from None
