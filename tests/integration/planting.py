"""Steps that fail on purpose when their work is done, and how a run is taken back in spite of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from backward import without

from cutover import report, taking_back
from cutover import run as running
from cutover.errors import RollbackError, TerminalError
from cutover.local.servers import Server
from cutover.steps import history
from cutover.steps.context import Run

PIECES = ("load", "validate_rows")
STEPS = (
    "backup",
    "create_schema",
    "load",
    "finish_schema",
    "validate_rows",
    "validate_views",
    "validate_expectations",
    "validate_application",
    "validate_performance",
    "upgrade_schema",
    "cutover",
    "validate_cutover",
)
BACK_STEPS = ("stop_applications", "rollback", "validate_rollback", "restart_applications")
ROOTS = {
    "postMigration": {"performanceValidation": True, "applicationValidation": True},
    "queries": {"of all": "SELECT id, word FROM fresh ORDER BY id"},
    "rules": {"performance": {"onDegradation": "warn", "runs": 1}},
}
AROUND = {
    "execution": {"preRollback": {"stopApplications": True}, "postRollback": {"restartApplications": True}},
    "applications": {"stop": [{"sql": "SELECT 1"}], "restart": [{"sql": "SELECT 2"}]},
}


class PlantedError(TerminalError):
    """What fails on purpose."""


@contextmanager
def failing(step: str) -> Iterator[None]:
    """Let a step fail when its work is done."""
    step_of, side_by_side = Run.step, running.side_by_side
    pieces = iter(PIECES)

    @contextmanager
    def failing_step(run: Run, name: str, guarded: bool = True) -> Iterator[dict[str, Any]]:
        with step_of(run, name, guarded) as detail:
            yield detail
            if name == step:
                raise PlantedError(f"{step} fails on purpose")

    def failing_pieces(run: Run, *args: Any) -> None:
        side_by_side(run, *args)
        if next(pieces) == step:
            with run.noting_failure(step):
                raise PlantedError(f"{step} fails on purpose")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "step", failing_step)
        patch.setattr(running, "side_by_side", failing_pieces)
        yield


def fails_at(run: Run, step: str) -> None:
    """The run fails at a step, says so, and takes itself back."""
    with failing(step):
        told = running.run_migration(run)
    assert (told.status, told.failed_step, told.cause) == (report.ROLLED_BACK, step, f"{step} fails on purpose")


def fails_back_at(run: Run, live: Server, step: str, before: str) -> None:
    """The way back of a run fails at a step; there is nothing between old and new, and the next attempt ends it."""
    after = without(live, run.shadow)
    with failing(step), pytest.raises((PlantedError, RollbackError), match=f"{step} fails on purpose"):
        taken_back(run)
    assert without(live, run.shadow) == (after if step == "stop_applications" else before)
    taken_back(run)
    assert without(live, run.shadow) == before


def taken_back(run: Run) -> None:
    if not history.taken_back(run.ledger, run.id):
        taking_back.ask(run, None, "it was wrong", "somebody")
    taking_back.take_back(run)
    assert history.taken_back(run.ledger, run.id)
