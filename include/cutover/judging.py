"""Judge what a run has put in place, at any time after it: does it stand, or has it to go back?"""

from __future__ import annotations

from dataclasses import dataclass

from cutover.errors import PreflightError
from cutover.steps import back, history
from cutover.steps.context import Run, resume
from cutover.validating import POST_MIGRATION, Compare, validate
from cutover.verify.outcome import APPLICATION, CONSTRAINT, DATA, PERFORMANCE, SCHEMA

_KINDS = {"performance": (PERFORMANCE,), "errors": (APPLICATION,), "validation": (SCHEMA, DATA, CONSTRAINT)}


@dataclass(frozen=True)
class Judgement:
    """The run that stands, and why it has to go back; no reasons where it may stay."""

    run: str
    reasons: tuple[str, ...]


def judge(run: Run, compare: Compare) -> Judgement | None:
    """Judge the run in place by the conditions of ``rollback.triggers.scheduled``; changes nothing.

    Args:
        run: what the judgement is noted under; it has begun.
        compare: how rows are compared.

    Returns:
        None where no run is in place, or it cannot be taken back any more.

    Raises:
        TransientError: a server was lost.
    """
    standing = history.standing(run)
    if standing is None:
        return None
    try:
        back.refuse(resume(standing, run.ledger, ends=(run.source, run.target)), None)
    except PreflightError as error:
        run.record("not_judged", of=standing, reasons=list(error.findings))
        return None
    reasons = []
    for condition in run.spec.rollback.triggers.scheduled.conditions:
        for outcome in validate(run, POST_MIGRATION, _KINDS[condition], compare).outcomes:
            reasons += [f"{condition}: {line}" for line in outcome.errors[:3]]
    return Judgement(standing, tuple(reasons))
