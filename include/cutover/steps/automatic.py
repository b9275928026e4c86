"""The steps by which a failed run takes itself back."""

from __future__ import annotations

from cutover.steps import back, history, hooks
from cutover.steps.context import Run


def rollback(run: Run) -> None:
    """Put the target back as it was before the run; the application is stopped first if it has the new tables.

    Raises:
        As :func:`cutover.steps.back.rollback` does.
    """
    if history.placed(run) is not None and not history.went_back(run):
        hooks.stop_applications(run)
    back.rollback(run)


def validate_rollback(run: Run) -> None:
    """Make sure that it is, and start the application again if it had the new tables.

    Raises:
        As :func:`cutover.steps.back.validate_rollback` does.
    """
    back.validate_rollback(run)
    if history.placed(run) is not None:
        hooks.restart_applications(run)
