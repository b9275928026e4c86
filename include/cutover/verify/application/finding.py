"""One thing that the application will meet on the target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace


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


Known = Mapping[str, tuple[str, bool] | None]
"""What each query may be on the target, by its name: :func:`cutover.verify.application.queries.working`."""


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """Return one finding for each query; what one has said already is not said by the next."""
    found: dict[str, Finding] = {}
    for each in findings:
        before = found.get(each.query)
        if before is None:
            found[each.query] = each
            continue
        reason = before.reason if each.reason in before.reason else f"{before.reason}; {each.reason}"
        rewrite = before.rewrite or each.rewrite
        found[each.query] = replace(before, reason=reason, rewrite=rewrite, fatal=before.fatal or each.fatal)
    return list(found.values())


def sorted_out(findings: Iterable[Finding]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return findings as texts: errors, then warnings."""
    found = list(findings)
    return (
        tuple(str(finding) for finding in found if finding.fatal),
        tuple(str(finding) for finding in found if not finding.fatal),
    )
