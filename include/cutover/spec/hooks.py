"""What stops an application before its tables are taken back, and starts it again."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from cutover.spec.base import Many, Milliseconds, Name, Part, refusal
from cutover.spec.http import HttpRequest


class HttpCall(HttpRequest):
    """A request to whatever runs the application; url and headers may hold ${NAME} of the environment."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    timeout: Milliseconds = 30_000


class DagRun(Part):
    """A DAG of the user's own, which is run and has to succeed within the timeout; Airflow has to be there for it."""

    id: Name
    timeout: Milliseconds = 600_000


class Hook(Part):
    """One thing to do: an HTTP request, a statement for the target such as REVOKE CONNECT ON DATABASE, or a DAG.

    A statement is a transaction of its own; several hooks are done in their order, and the first that fails ends it.
    """

    http: HttpCall | None = None
    sql: Name | None = None
    dag: DagRun | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Hook:
        if [self.http, self.sql, self.dag].count(None) != 2:
            raise refusal(("", "is http: {url: ...}, sql: STATEMENT or dag: {id: ...}, one of them"))
        return self

    def __str__(self) -> str:
        if self.http is not None:
            return f"{self.http.method} {self.http.url}"
        return f"DAG {self.dag.id}" if self.dag is not None else str(self.sql)


class Applications(Part):
    """How the application is stopped before a rollback and started again after it; each may be done twice."""

    stop: Many[Hook] = ()
    restart: Many[Hook] = Field(default=())
