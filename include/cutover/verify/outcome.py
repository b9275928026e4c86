"""What a validation comes to, for each of the five kinds that the requirement tells apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

SCHEMA, DATA, CONSTRAINT, PERFORMANCE, APPLICATION = KINDS = (
    "schema",
    "data",
    "constraint",
    "performance",
    "application",
)


@dataclass(frozen=True)
class Outcome:
    """What one kind of validation found.

    Attributes:
        kind: one of :data:`KINDS`.
        errors: what must not be; each names the object and the cure.
        warnings: what a person should know of.
    """

    kind: str
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        """``passed``, or ``failed`` where there is an error."""
        return "failed" if self.errors else "passed"


def together(validated: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return by kind what validations came to: status, errors, warnings, and their figures as details.

    Args:
        validated: what each recorded, in order; of a kind and part that was validated twice the last holds.
    """
    folded: dict[str, dict[str, Any]] = {}
    for detail in {(each["kind"], each.get("part", "")): each for each in validated}.values():
        found = folded.setdefault(detail["kind"], {"status": "passed", "errors": [], "warnings": [], "details": {}})
        found["errors"] += detail["errors"]
        found["warnings"] += detail["warnings"]
        found["details"] |= detail.get("details") or {}
        found["status"] = "failed" if found["errors"] else "passed"
    return folded
