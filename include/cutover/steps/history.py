"""What earlier runs of a migration left in a live schema, by the ledger."""

from __future__ import annotations

from datetime import datetime

from cutover.errors import PreflightError
from cutover.ledger import Event, Ledger
from cutover.schema import definitions
from cutover.schema.definitions import Definitions, Difference
from cutover.schema.target import Movable
from cutover.steps.context import Run


def where(run: Run) -> str:
    """Return what tells a run's live schema from every other."""
    return f"{run.target.identity}#{run.live}"


def in_place(run: Run) -> list[Event]:
    """Return, newest first, how runs put their tables into this live schema that were not taken back."""
    events = run.ledger.all_of(run.spec.name, "cut_over", "went_back", "went_forth")
    # The newest of each run, in their order.
    latest: dict[str, Event] = {}
    for event in events:
        latest.setdefault(event.run_id, event)
    placed = {e.run_id: e for e in events if e.kind == "cut_over" and e.detail["where"] == where(run)}
    return [placed[name] for name, event in latest.items() if event.kind != "went_back" and name in placed]


def placed(run: Run) -> datetime | None:
    """Return when the run's tables were last put in place; None where they never were."""
    events = run.ledger.events(run.id, "cut_over", "went_forth")
    return events[-1].at if events else None


def went_back(run: Run) -> bool:
    """Whether the run's tables were put in place and have left it again."""
    events = run.ledger.events(run.id, "went_back", "went_forth")
    return bool(events) and events[-1].kind == "went_back"


def latest_change(ledger: Ledger, migration: str, back: bool = False) -> str:
    """Return a migration's latest run that changed the target and was not taken back; with ``back``, one that was.

    Raises:
        PreflightError: there is none, or it has not ended, as far as the ledger knows.
    """
    for run_id, _, _ in ledger.runs(migration):
        changed = any(e.detail["step"] == "create_schema" for e in ledger.events(run_id, "step_started"))
        if changed and taken_back(ledger, run_id) is back:
            if not ledger.events(run_id, "completed", "failed", "went_back", "rolled_back"):
                text = "has not ended: it may be at work. Name it, if it is known to have died, and it is taken back"
                raise PreflightError([f"run {run_id}, the latest of {migration}, {text}"])
            return run_id
    which = "was taken back" if back else "changed the target and was not rolled back"
    raise PreflightError([f"{migration} has no run that {which}"])


def taken_back(ledger: Ledger, run_id: str) -> bool:
    """Whether a run was taken back, with all that belongs to it, and is not in place again."""
    events = ledger.events(run_id, "rolled_back", "went_forth")
    return bool(events) and events[-1].kind == "rolled_back"


def standing(run: Run) -> str | None:
    """Return the run whose tables stand in the live schema, or None."""
    return next((event.run_id for event in in_place(run)), None)


def changes(run: Run) -> list[Event]:
    """Return what versions changed in the live schema since the run that stands there, newest first."""
    found, upon = run.ledger.all_of(run.spec.name, "schema_changed"), standing(run)
    return [event for event in found if event.detail["where"] == where(run) and event.detail["upon"] == upon]


def brought(run: Run) -> set[Movable]:
    """Return what earlier runs, and versions since, put into the live schema."""
    return {Movable(*named) for event in (*in_place(run), *changes(run)) for named in event.detail["brought"]}


def last_state(run: Run) -> Definitions | None:
    """Return what the migration's part of the live schema was when it was last changed; None where it never was."""
    for event in changes(run):
        return definitions.from_rows(event.detail["schema"])
    if (run_id := standing(run)) is not None:
        for event in reversed(run.ledger.events(run_id, "step_finished")):
            if event.detail["step"] == "upgrade_schema":
                return definitions.from_rows(event.detail["schema"])
    return None


def drifted(run: Run) -> list[Difference]:
    """Return what was changed in the live schema by another hand since then."""
    known = last_state(run)
    if known is None:
        return []
    return definitions.compare(known, definitions.within(definitions.of_schema(run.target, run.live), known))
