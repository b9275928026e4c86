"""Whether a report of losses tells all that the checker finds, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from checker.finding import Finding

# A loss of values or rows says whose they are first thing; that of an object says before what it is.
_OF_VALUES = ("cell", "zero date", "rows")


def explains(loss: str, finding: Finding) -> bool:
    """Whether a loss, ``what object: reason``, names the finding's object."""
    before = r"(rows of )?" if finding.kind in _OF_VALUES else r"([\w ]+ )?"
    return re.match(rf"{before}{re.escape(finding.object)}: ", loss) is not None


def unexplained(findings: Iterable[Finding], losses: Sequence[str]) -> list[Finding]:
    """The findings that no loss names."""
    return [finding for finding in findings if not any(explains(loss, finding) for loss in losses)]


def untrue(losses: Iterable[str], findings: Sequence[Finding]) -> list[str]:
    """The losses of which the checker finds nothing.

    What was lost of a value may be in a row that is not found at all.
    """
    gone = tuple(f"{finding.object}." for finding in findings if finding.kind == "rows")
    return [
        loss
        for loss in losses
        if not loss.startswith(gone) and not any(explains(loss, finding) for finding in findings)
    ]
