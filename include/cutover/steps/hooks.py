"""The steps that stop the application before a rollback and start it again after it, as the spec says how."""

from __future__ import annotations

from collections.abc import Sequence

from cutover.dialects import postgresql
from cutover.errors import CutoverError, PreflightError, RollbackError, TransientError
from cutover.spec.hooks import Hook, HttpCall
from cutover.steps.context import Run, substituted
from cutover.verify.application import endpoints


def stop_applications(run: Run) -> None:
    """Do what stops the application; nothing where the spec does not ask for it.

    Raises:
        RollbackError: something could not be done; nothing else of the rollback has been.
        TransientError: the target could not be reached.
    """
    if run.spec.rollback.execution.pre_rollback.stop_applications:
        _each(run, "stop_applications", run.spec.rollback.applications.stop)


def restart_applications(run: Run) -> None:
    """Do what starts the application again; nothing where the spec does not ask for it.

    Raises:
        RollbackError: something could not be done; the target is back, and the application may not be running.
        TransientError: the target could not be reached.
    """
    if run.spec.rollback.execution.post_rollback.restart_applications:
        _each(run, "restart_applications", run.spec.rollback.applications.restart)


def refuse_unset(run: Run) -> None:
    """Refuse hooks that name a variable of the environment which is not set.

    Raises:
        PreflightError: with the hook.
    """
    for hooks in (run.spec.rollback.applications.stop, run.spec.rollback.applications.restart):
        for hook in hooks:
            if hook.http is not None:
                _request(hook.http)


def _each(run: Run, step: str, hooks: Sequence[Hook]) -> None:
    with run.step(step, guarded=False) as detail:
        detail["done"] = []
        for number, hook in enumerate(hooks, 1):
            told = str(hook.sql) if hook.http is None else f"{hook.http.method} {hook.http.url}"
            try:
                _do(run, hook)
            except TransientError:
                raise
            except CutoverError as error:
                raise RollbackError(f"{step}: number {number}, {told}: {error}") from error
            detail["done"].append(told)


def _do(run: Run, hook: Hook) -> None:
    if hook.http is not None:
        answer = endpoints.ask(_request(hook.http))
        if answer.problem is not None:
            raise PreflightError([answer.problem.rpartition(f"{hook.http.url}: ")[2]])
    elif hook.sql is not None:
        with postgresql.session(run.target) as connection:
            connection.execute(hook.sql.encode())


def _request(call: HttpCall) -> endpoints.Request:
    headers = {key: substituted(value) for key, value in call.headers.items()}
    timeout = call.timeout / 1000
    return endpoints.Request(
        "hook", call.url, substituted(call.url), call.method, call.status, None, timeout, 1, headers
    )
