"""Take a run back because somebody asks for it, and put it in place again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from cutover.errors import PreflightError, RollbackError
from cutover.ledger import Event
from cutover.rollback.losses import Loss
from cutover.spec.rollback import Way
from cutover.steps import back, history, hooks, ways
from cutover.steps.context import Run


@dataclass(frozen=True)
class Request:
    """What somebody asks for, and what it would cost.

    Attributes:
        run: the run that would be taken back.
        way: by which way.
        reason: why, in the words of whoever asks.
        by: who asks.
        losses: what was written since, and would not be live any more.
        kept: whether what is replaced stays, so that it can be put in place again.
        done: whether the run has been taken back before, so that nothing of the target is left to be changed.
    """

    run: str
    way: Way
    reason: str
    by: str
    losses: tuple[Loss, ...]
    kept: bool
    done: bool = False

    def told(self) -> list[str]:
        """Say what would happen, line by line."""
        if self.done:
            return [f"Run {self.run} has been taken back before: the target is not changed."]
        lines = [f"Run {self.run} would be taken back by {self.way}."]
        lines += [str(loss) for loss in self.losses] or ["Nothing was written since that would be lost."]
        if self.kept:
            lines.append("What is replaced is kept until the next run succeeds; it can be put in place again.")
        return lines


def ask(run: Run, way: str | None, reason: str, by: str, moment: str | None = None, hooked: bool = True) -> Request:
    """Find out whether a run can be taken back, and what that would lose; changes nothing but the ledger.

    Args:
        run: the run.
        way: one that it has prepared; the spec's own where it is not given.
        reason: why.
        by: who asks.
        moment: with point_in_time, what to go back to (ISO 8601, with its zone); the cutover where it is not given.
        hooked: whether the spec's hooks stop and start the application; whoever asks has done so otherwise.

    Raises:
        PreflightError: it cannot be; with every reason.
        TransientError: the target could not be reached.
    """
    if hooked:
        hooks.refuse(run)
    chosen = back.refuse(run, way, _moment(moment, ways.chosen(run, way)))
    kept = run.spec.rollback.execution.pre_rollback.backup_current_state
    done = history.taken_back(run.ledger, run.id)
    request = Request(run.id, chosen, reason, by, tuple(back.lost(run, chosen)), kept, done)
    told = back.told(list(request.losses))
    run.record("rollback_asked", way=chosen, reason=reason, by=by, moment=moment, kept=kept, losses=told, hooked=hooked)
    return request


def _moment(given: str | None, way: Way) -> datetime | None:
    if given is None:
        return None
    if way != "point_in_time":
        raise PreflightError([f"a moment is given, and {way} goes back to what was there before the run"])
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise PreflightError([f"{given!r} is no moment; write it as 2026-11-22T02:00:00+00:00, with its zone"])
    return found


def asked(run: Run) -> Event:
    """Return the latest request to take a run back.

    Raises:
        RollbackError: there is none.
    """
    event = run.ledger.last(run.id, "rollback_asked")
    if event is None:
        raise RollbackError(f"nobody has asked to take run {run.id} back")
    return event


def go_back(run: Run) -> None:
    """Take a run back as it was asked for.

    Raises:
        As :func:`cutover.steps.back.rollback` does.
    """
    event = asked(run)
    back.rollback(run, event.detail["way"], keep=event.detail["kept"] and history.placed(run) is not None)


def take_back(run: Run) -> None:
    """Do all that belongs to taking a run back, after :func:`ask`; killed anywhere, it is called again.

    Raises:
        RollbackError: with what is left, and how to finish by hand.
        TransientError: a lock was not to be had, or the target was lost.
    """
    hooked = asked(run).detail.get("hooked", True)
    try:
        if hooked:
            hooks.stop_applications(run)
        go_back(run)
        back.validate_rollback(run)
        if hooked:
            hooks.restart_applications(run)
        count_lost(run)
    finally:
        document(run)


def count_lost(run: Run) -> None:
    """Count again what a way back has lost, which was written until the moment of it; where it was kept, that is.

    Raises:
        RollbackError: the run is back, and this cannot be counted.
        TransientError: the target could not be reached.
    """
    event = asked(run)
    done = run.ledger.last(run.id, "rolled_back")
    # One that was taken back before has told it then.
    if done is None or done.number < event.number or not done.detail["kept"]:
        return
    if run.ledger.events(run.id, "losses_counted", after=event.number):
        return
    try:
        lost = back.lost_in_all(run, event.detail["way"])
    except PreflightError as error:
        raise RollbackError(f"run {run.id} is taken back; what that lost cannot be counted again: {error}") from error
    run.record("losses_counted", losses=back.told(lost))


def recounted(run: Run) -> list[str]:
    """Say what a way back has lost, where that is not what was said when it was asked for."""
    event = asked(run)
    counted = run.ledger.events(run.id, "losses_counted", after=event.number)
    if not counted or counted[-1].detail["losses"] == event.detail["losses"]:
        return []
    return [f"Counted again after it: {each['told']}" for each in counted[-1].detail["losses"]]


def document(run: Run) -> None:
    """Write the report of a way back into the run's folder, if the spec asks for it."""
    if not run.spec.rollback.execution.post_rollback.documentation:
        return
    run.folder.mkdir(parents=True, exist_ok=True)
    told = report(run)
    (run.folder / "rollback.json").write_text(json.dumps(told, indent=2))
    (run.folder / "rollback.md").write_text(_markdown(told))


def report(run: Run) -> dict[str, object]:
    """Return what happened since a run was last asked to be taken back, folded from its events."""
    event = asked(run)
    since = run.ledger.events(run.id, after=event.number)
    steps = [
        {"step": e.detail["step"], "seconds": e.detail.get("seconds"), "failed": e.detail.get("cause")}
        for e in since
        if e.kind in ("step_finished", "step_failed")
    ]
    ended = since[-1].at if since else event.at
    return {
        "migration": run.spec.name,
        "run": run.id,
        "target": str(run.target),
        "asked_by": event.detail["by"],
        "reason": event.detail["reason"],
        "approved_by": next((e.detail["by"] for e in since if e.kind == "rollback_approved"), None),
        "refused": next((e.detail["why"] for e in since if e.kind == "rollback_refused"), None),
        "way": event.detail["way"],
        "asked": event.at.isoformat(timespec="seconds"),
        "ended": ended.isoformat(timespec="seconds"),
        "seconds": round((ended - event.at).total_seconds(), 1),
        "status": "taken back" if history.taken_back(run.ledger, run.id) else "not taken back",
        "kept": event.detail["kept"],
        "lost": next((e.detail["losses"] for e in since if e.kind == "losses_counted"), event.detail["losses"]),
        "hooks": "as the spec says" if event.detail.get("hooked", True) else "left to whoever asked",
        "steps": steps,
    }


def _markdown(told: dict[str, object]) -> str:
    lines = [f"# Rollback of {told['migration']}: {told['status']}", ""]
    if told["refused"] is not None:
        lines += [f"Not approved: {told['refused']}.", ""]
    for key in ("run", "target", "way", "reason", "asked_by", "approved_by", "hooks", "asked", "ended", "seconds"):
        lines.append(f"* {key.replace('_', ' ')}: {told[key] if told[key] is not None else 'nobody'}")
    lost, steps = told["lost"], told["steps"]
    assert isinstance(lost, list)
    assert isinstance(steps, list)
    lines += ["", "## What is not live any more", ""]
    lines += [f"* {each['told']}" for each in lost] or ["* nothing"]
    lines += ["", "## Steps", "", "| step | seconds | |", "| --- | ---: | --- |"]
    lines += [f"| {each['step']} | {each['seconds'] or ''} | {each['failed'] or 'done'} |" for each in steps]
    if told["kept"]:
        undo = f"cutover rollback {told['migration']} --run '{told['run']}' --undo"
        lines += ["", f"What was replaced is kept until the next run succeeds. `{undo}` puts it in place again."]
    return "\n".join(lines) + "\n"


def put_in_place(run: Run, hooked: bool = True) -> None:
    """Put in place again what was taken back.

    Args:
        run: the run.
        hooked: whether the spec's hooks stop and start the application around it, too.

    Raises:
        RollbackError: there is nothing to put in place, or it is not what it was; what was changed is said.
        TransientError: a lock was not to be had, or the target was lost.
    """
    if hooked:
        hooks.refuse(run)
        hooks.stop_applications(run)
    back.go_forth(run)
    if differences := history.drifted(run):
        found = "; ".join(map(str, differences))
        raise RollbackError(f"run {run.id} is in place again, and not as it was verified: {found}")
    if hooked:
        hooks.restart_applications(run)
