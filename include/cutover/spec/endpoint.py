"""Where rows come from and where they go: an Airflow connection, or environment variables."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cutover.spec.base import Name, Part, refusal


class Endpoint(Part):
    """One database server: exactly one of ``connection`` and ``env``, resolved when a run connects.

    ``env: SOURCE_DB`` reads SOURCE_DB_HOST, _PORT, _NAME, _USER and _PASSWORD.
    """

    connection: Name | None = None
    env: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")] | None = None
    tls: Literal["verify", "off"] | None = None
    tls_ca: Name | None = None

    @model_validator(mode="after")
    def _one_way_in(self) -> Endpoint:
        problems = []
        if (self.connection is None) == (self.env is None):
            problems.append(("", "needs exactly one of connection (an Airflow connection id) and env (a prefix)"))
        if self.tls_ca is not None and self.tls != "verify":
            problems.append(("tlsCa", "has no effect without tls: verify"))
        if problems:
            raise refusal(*problems)
        return self


class Source(Endpoint):
    """The database that is read."""


class Target(Endpoint):
    """The database that is written, and the schema in it that goes live."""

    schema_: Name = "public"
