"""Database migrations that prove what they did.

The names in ``__all__`` are the public API. They are loaded when they are first used: a DAG file
imports this package every few seconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cutover.ledger import Ledger
    from cutover.plan import Plan, build_plan
    from cutover.report import Report
    from cutover.run import run_migration
    from cutover.spec import MigrationSpec, json_schema, load_spec

__version__ = "0.1.0"

__all__ = [
    "Ledger",
    "MigrationSpec",
    "Plan",
    "Report",
    "__version__",
    "build_plan",
    "json_schema",
    "load_spec",
    "run_migration",
]

_HOMES = {
    "Ledger": "ledger",
    "MigrationSpec": "spec",
    "Plan": "plan",
    "Report": "report",
    "build_plan": "plan",
    "json_schema": "spec",
    "load_spec": "spec",
    "run_migration": "run",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"cutover.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'cutover' has no attribute {name!r}")
