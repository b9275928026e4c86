"""Airflow connections as endpoints, and runs of the library as seen from a task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook, get_current_context
from airflow.sdk.exceptions import AirflowFailException

from cutover.dialects.endpoint import DEFAULT_PORTS, KINDS, Endpoint
from cutover.errors import PreflightError, TerminalError
from cutover.spec import load_spec

if TYPE_CHECKING:
    from cutover.steps.context import Run


def resolve(connection_id: str) -> Endpoint:
    """Return the endpoint of an Airflow connection, from whatever secrets backend holds it.

    Raises:
        PreflightError: there is no such connection, or it names no database.
    """
    try:
        connection = BaseHook.get_connection(connection_id)
    except Exception as error:
        raise PreflightError([f"Airflow has no connection {connection_id!r}: {error}"]) from None
    kind = KINDS.get(connection.conn_type or "")
    if kind is None:
        raise PreflightError([f"connection {connection_id!r} has type {connection.conn_type!r}, which is no database"])
    return Endpoint(
        kind,
        connection.host or "",
        connection.port or DEFAULT_PORTS[kind],
        connection.schema or "",
        connection.login or "",
        connection.password or "",
    )


def run_id(context: Mapping[str, Any]) -> str:
    """Return the ledger's name for an Airflow run: run ids are unique only within their DAG."""
    return f"{context['dag'].dag_id}/{context['dag_run'].run_id}"


@contextmanager
def in_run(folder: Path, context: Mapping[str, Any]) -> Iterator[Run]:
    """Open the run that a task belongs to; an error that retrying cannot mend fails the task at once."""
    # Imported here: DAG files are parsed every few seconds, and this brings Arrow and drivers along.
    from cutover.ledger import Ledger
    from cutover.steps.context import Params, endpoints, resume, start

    with _failing_at_once():
        ledger = Ledger()
        identity = run_id(context)
        if ledger.last(identity, "run_started") is None:
            spec = load_spec(folder / "migration.yaml")
            given = {name: value for name, value in context["params"].items() if name in Params.__dataclass_fields__}
            run = start(identity, spec, Params.from_mapping(given), ledger, *endpoints(spec, resolve), folder)
        else:
            run = resume(identity, ledger, resolve)
        yield _within(run, context)


@contextmanager
def in_earlier_run(identity: str) -> Iterator[Run]:
    """Open a run that another DAG run, or the command line, has begun; errors are those of :func:`in_run`."""
    from cutover.ledger import Ledger
    from cutover.steps.context import resume

    with _failing_at_once():
        yield _within(resume(identity, Ledger(), resolve), get_current_context())


def _within(run: Run, context: Mapping[str, Any]) -> Run:
    from cutover.airflow.dags import TaskDags

    return replace(run, dags=TaskDags(context["ti"]))


@contextmanager
def _failing_at_once() -> Iterator[None]:
    from cutover.dialects import pools

    try:
        yield
    except TerminalError as error:
        raise AirflowFailException(str(error)) from error
    finally:
        # The next task begins when this one has said that it is done, not when its process has ended.
        pools.close()
