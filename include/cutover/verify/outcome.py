"""What a validation comes to, for each of the five kinds that the requirement tells apart."""

from __future__ import annotations

from dataclasses import dataclass

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
