"""One thing that the application will meet on the target."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What becomes of a query.

    Attributes:
        query: its name in the spec.
        reason: what is not as it was.
        rewrite: what to write in its place; None where nothing is known.
        fatal: whether the application cannot go on: nothing that it could write instead is known.
    """

    query: str
    reason: str
    rewrite: str | None = None
    fatal: bool = False

    def __str__(self) -> str:
        cure = "" if self.rewrite is None else f"; write: {self.rewrite}"
        return f"query {self.query}: {self.reason}{cure}"


def sorted_out(findings: Iterable[Finding]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return findings as texts: errors, then warnings."""
    found = list(findings)
    return (
        tuple(str(finding) for finding in found if finding.fatal),
        tuple(str(finding) for finding in found if not finding.fatal),
    )
