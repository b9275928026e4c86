"""The command line's part about databases that are given as URLs."""

from __future__ import annotations

import getpass
import os
import sys
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from cutover.dialects.endpoint import PASSWORDS, Endpoint, from_url
from cutover.errors import PreflightError
from cutover.spec import MigrationSpec


def endpoint(option: str, url: str, kind: str) -> Endpoint:
    """Return the database of a URL; its password may be in the environment, or is asked for.

    Raises:
        PreflightError: it is no URL of such a database.
    """
    found = from_url(url, os.environ.get(PASSWORDS[option]))
    if found.kind != kind:
        raise PreflightError([f"{option} must be a {kind} URL, not {urlsplit(url).scheme}"])
    if not found.password and sys.stdin.isatty():
        return replace(found, password=getpass.getpass(f"Password of {found}: "))
    return found


def spec_for(
    source: Endpoint, schema: str, verify: bool, indexes: bool, exclude: list[str], allow_losses: bool
) -> MigrationSpec:
    """Careful defaults for a whole database: every table, every check, no schedule.

    Where losses are allowed, so are orphans of any share of a table's rows: each is set aside and named.
    """
    cleaned = "".join(c if c.isascii() and c.isalnum() else "_" for c in source.database.lower())[:26]
    name = cleaned if cleaned[:1].isalpha() else f"db_{cleaned}"
    given: dict[str, Any] = {
        "name": name,
        "source": {"env": "SOURCE_DB"},
        "target": {"env": "TARGET_DB", "schema": schema},
        "strategy": {
            "planning": {"scheduling": {"enabled": False}},
            "types": {"data": {"bulk": {"parallelWorkers": os.cpu_count() or 2}}},
            "execution": {"modes": {"safe": {"validateAfterMigration": verify}}},
        },
        "schema": {
            "settings": {
                "tables": {
                    "patterns": {"exclude": exclude},
                    "options": {"preserveIndexes": indexes, "preserveConstraints": indexes},
                }
            }
        },
    }
    if allow_losses:
        given["data"] = {"loading": {"options": {"errorHandling": {"errorThreshold": 1.0}}}}
    return MigrationSpec.model_validate(given)
