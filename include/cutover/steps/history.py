"""What earlier runs of a migration left in a live schema, by the ledger."""

from __future__ import annotations

from collections.abc import Iterator

from cutover.ledger import Event
from cutover.schema import definitions
from cutover.schema.definitions import Definitions, Difference
from cutover.schema.target import Movable
from cutover.steps.context import Run


def where(run: Run) -> str:
    """Return what tells a run's live schema from every other."""
    return f"{run.target.identity}#{run.live}"


def in_place(run: Run) -> Iterator[tuple[str, Event]]:
    """Yield the runs whose tables went into this live schema and were not taken back, with that event, newest first."""
    for run_id, _, _ in run.ledger.runs(run.spec.name):
        done = run.ledger.last(run_id, "cut_over")
        if done is not None and done.detail["where"] == where(run) and run.ledger.last(run_id, "went_back") is None:
            yield run_id, done


def changes(run: Run) -> list[Event]:
    """Return what versions changed in the live schema since the run that stands there, newest first."""
    standing = next((run_id for run_id, _ in in_place(run)), None)
    found = (run.ledger.last(run_id, "schema_changed") for run_id, _, _ in run.ledger.runs(run.spec.name))
    return [e for e in found if e is not None and e.detail["where"] == where(run) and e.detail["upon"] == standing]


def brought(run: Run) -> set[Movable]:
    """Return what earlier runs, and versions since, put into the live schema."""
    events = [event for _, event in in_place(run)] + changes(run)
    return {Movable(*named) for event in events for named in event.detail["brought"]}


def last_state(run: Run) -> Definitions | None:
    """Return what the migration's part of the live schema was when it was last changed; None where it never was."""
    for event in changes(run):
        return definitions.from_rows(event.detail["schema"])
    for run_id, _ in in_place(run):
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
