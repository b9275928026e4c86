"""What tests of the application's queries share: a spec, or a run, that has them tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from helpers import spec

from cutover.local.servers import Server
from cutover.steps.context import Run

ONLY = dict.fromkeys(("queryCompatibility", "dataTypeCompatibility", "functionCompatibility"), False)
Ready = tuple[Run, Server, Server]


def trying(queries: Mapping[str, str], **rules: Any) -> dict[str, Any]:
    """The part of a spec that has queries tried."""
    validation = {"postMigration": {"applicationValidation": True}, "queries": dict(queries)}
    return {"validation": validation | {"rules": {"applicationCompatibility": rules}}}


def asking(run: Run, queries: Mapping[str, str], *on: str) -> Run:
    """The run, whose spec has these queries tried in these ways."""
    return replace(run, spec=spec(schema=trying(queries, **(ONLY | dict.fromkeys(on, True)))))
