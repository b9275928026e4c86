"""The steps that stop the application before a rollback and start it again after it, as the spec says how."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cutover.dialects import postgresql
from cutover.errors import CutoverError, PreflightError, RollbackError, TransientError
from cutover.spec.hooks import DagRun, Hook, HttpCall
from cutover.steps.context import Run, substituted
from cutover.verify.application import endpoints

_STOP, _RESTART = "stop_applications", "restart_applications"


def stop_applications(run: Run) -> None:
    """Do what stops the application; nothing where the spec does not ask for it.

    Raises:
        RollbackError: something could not be done; nothing else of the rollback has been.
        TransientError: the target could not be reached.
    """
    _each(run, _STOP)


def restart_applications(run: Run) -> None:
    """Do what starts the application again; nothing where the spec does not ask for it.

    Raises:
        RollbackError: something could not be done; the target is back, and the application may not be running.
        TransientError: the target could not be reached.
    """
    _each(run, _RESTART)


def _wanted(run: Run, step: str) -> Sequence[Hook]:
    execution, applications = run.spec.rollback.execution, run.spec.rollback.applications
    if step == _STOP:
        return applications.stop if execution.pre_rollback.stop_applications else ()
    return applications.restart if execution.post_rollback.restart_applications else ()


def refuse(run: Run) -> None:
    """Refuse what cannot be done: a variable of the environment is not set, a DAG cannot be run.

    Raises:
        PreflightError: with every such hook.
    """
    if findings := list(_findings(run)):
        raise PreflightError(findings)


def _findings(run: Run) -> Iterator[str]:
    for step, key in ((_STOP, "stop"), (_RESTART, "restart")):
        for number, hook in enumerate(_wanted(run, step), 1):
            if problem := _problem(run, hook):
                yield f"rollback.applications.{key}: number {number}, {hook}: {problem}"


def _problem(run: Run, hook: Hook) -> str | None:
    if hook.dag is not None:
        if run.dags is None:
            return (
                "it can be run only within Airflow. Trigger a DAG of this migration there, or do what it does by hand "
                "and take the run back with --without-hooks"
            )
        return run.dags.lacking(hook.dag.id)
    if hook.http is not None:
        try:
            _request(hook.http)
        except PreflightError as error:
            return str(error)
    return None


def _each(run: Run, step: str) -> None:
    hooks = _wanted(run, step)
    if not hooks:
        return
    with run.step(step, guarded=False) as detail:
        detail["done"] = []
        for number, hook in enumerate(hooks, 1):
            try:
                _do(run, step, number, hook)
            except TransientError:
                raise
            except CutoverError as error:
                raise RollbackError(f"{step}: number {number}, {hook}: {error}") from error
            detail["done"].append(str(hook))


def _do(run: Run, step: str, number: int, hook: Hook) -> None:
    if hook.http is not None:
        answer = endpoints.ask(_request(hook.http))
        if answer.problem is not None:
            raise PreflightError([answer.problem.rpartition(f"{hook.http.url}: ")[2]])
    elif hook.dag is not None:
        if problem := _problem(run, hook):
            raise PreflightError([problem])
        _run_dag(run, step, number, hook.dag)
    elif hook.sql is not None:
        with postgresql.session(run.target) as connection:
            connection.execute(hook.sql.encode())


def _run_dag(run: Run, step: str, number: int, dag: DagRun) -> None:
    assert run.dags is not None
    # A retry finds the run that it has begun; whoever asks anew, or does the step once more, begins another.
    times = len(run.ledger.events(run.id, "rollback_asked"))
    times += sum(event.detail["step"] == step for event in run.ledger.events(run.id, "step_finished"))
    dag_run = re.sub(r"[^\w.~:+-]", "_", f"{run.id}__{step}_{number}_{times}")
    conf = {"migration": run.spec.name, "run": run.id, "step": step}
    state = run.dags.ran(dag.id, dag_run, conf, dag.timeout / 1000)
    if state != "success":
        raise PreflightError([f"its run {dag_run} is {state}, after at most {dag.timeout / 1000:g} s"])


def _request(call: HttpCall) -> endpoints.Request:
    headers = {key: substituted(value) for key, value in call.headers.items()}
    timeout = call.timeout / 1000
    return endpoints.Request(
        "hook", call.url, substituted(call.url), call.method, call.status, None, timeout, 1, headers
    )
