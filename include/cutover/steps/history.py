"""What earlier runs of a migration left in a live schema, by the ledger."""

from __future__ import annotations

from cutover.ledger import Event
from cutover.schema import definitions
from cutover.schema.definitions import Definitions, Difference
from cutover.schema.target import Movable
from cutover.steps.context import Run


def where(run: Run) -> str:
    """Return what tells a run's live schema from every other."""
    return f"{run.target.identity}#{run.live}"


def in_place(run: Run) -> list[Event]:
    """Return, newest first, how runs put their tables into this live schema that were not taken back."""
    events = run.ledger.all_of(run.spec.name, "cut_over", "went_back")
    gone = {event.run_id for event in events if event.kind == "went_back"}
    return [e for e in events if e.kind == "cut_over" and e.detail["where"] == where(run) and e.run_id not in gone]


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
