"""What becomes of every object of the source, one line each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cutover.plan import Plan
from cutover.schema.model import Index, Table
from cutover.schema.target import TargetSequence, TargetTable

AS_IS, TRANSLATED, LEFT_OUT = "as is", "translated", "left out"
_UNCHOSEN, _UNWANTED = "stays behind: the spec does not choose it", "stays behind: the spec says so"


@dataclass(frozen=True)
class Item:
    """One object of the source: ``outcome`` is as is, translated or left out, ``detail`` says what or why."""

    kind: str
    name: str
    outcome: str
    detail: str = ""


def inventory(plan: Plan, changed: Mapping[str, str], left_out: Mapping[str, str]) -> list[Item]:
    """Return a line for every object of the source.

    Args:
        plan: the plan, whose losses and notes name objects by kind and name.
        changed: what only the run showed of objects that arrive, by kind and name.
        left_out: what only the run showed to be impossible, by kind and name.
    """
    lost = {loss.object: loss.reason for loss in plan.losses} | dict(left_out)
    noted: dict[str, list[str]] = {}
    for note in plan.notes:
        if note.behind:
            lost[note.object] = note.text
        noted.setdefault(note.object, []).append(note.text)
    for what, text in changed.items():
        noted.setdefault(what, []).append(text)
    items = []
    for kind, name, change in _objects(plan):
        key = f"{kind} {name}"
        details = [change, *noted.get(key, ())] if change else noted.get(key, [])
        if key in lost or change in (_UNCHOSEN, _UNWANTED):
            items.append(Item(kind, name, LEFT_OUT, lost.get(key, change)))
        else:
            items.append(Item(kind, name, TRANSLATED if details else AS_IS, "; ".join(details)))
    return items


def counts(items: Sequence[Item]) -> dict[str, dict[str, int]]:
    """Count the outcomes of each kind of object."""
    found: dict[str, Counter[str]] = {}
    for item in items:
        found.setdefault(item.kind, Counter())[item.outcome] += 1
    return {kind: {outcome: n[outcome] for outcome in (AS_IS, TRANSLATED, LEFT_OUT)} for kind, n in found.items()}


def _objects(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """Yield kind, name and, where the object alone tells, what changes."""
    made = {table.route.source: table for table in plan.tables}
    for source in plan.source.tables:
        target = made.get(source.name)
        if target is None:
            yield "table", source.name, _UNCHOSEN
        else:
            yield "table", source.name, ""
            yield from _of_table(source, target)
    for view in plan.source.views:
        yield "view", view.name, ""
    for routine in plan.source.routines:
        yield routine.kind, routine.name, ""
    for trigger in plan.source.triggers:
        yield "trigger", trigger.name, ""
    for event in plan.source.events:
        yield "event", event.name, ""
    counting = {sequence.source: sequence for sequence in plan.sequences}
    for sequence in plan.source.sequences:
        yield "sequence", sequence.name, _goes_on(counting.get(sequence.name))
    for other in plan.source.others:
        yield other.kind, other.name, ""


def _of_table(source: Table, target: TargetTable) -> Iterator[tuple[str, str, str]]:
    routes = {route.source: route for route in target.route.columns}
    for column in source.columns:
        where, route = f"{source.name}.{column.name}", routes.get(column.name)
        same = route is None or route.target_type == column.type
        yield "column", where, "" if same or route is None else f"{column.type} becomes {route.target_type}"
        if column.generated:
            yield "generated column", where, ""
        if column.default is not None:
            yield "default of", where, ""
        if column.on_update:
            yield "ON UPDATE of", where, "a trigger does it"
        if column.autoincrement:
            yield "AUTO_INCREMENT of", where, f"an identity that goes on with {target.next_identity or 1}"
    if source.primary_key:
        yield "primary key of", source.name, "" if target.constrained else _UNWANTED
    names = {index.origin or index.name: index for index in target.indexes}
    for index in source.indexes:
        yield "index", f"{source.name}.{index.name}", _renamed(names.get(index.name), index)
    for key in source.foreign_keys:
        yield "foreign key", f"{source.name}.{key.name}", "" if target.constrained else _UNWANTED
    for check in source.checks:
        yield "check", f"{source.name}.{check.name}", "" if target.constrained else _UNWANTED
    if source.partitioning:
        yield "partitioning of", source.name, ""


def _goes_on(made: TargetSequence | None) -> str:
    return "" if made is None or made.ended else f"goes on with {made.next}"


def _renamed(made: Index | None, index: Index) -> str:
    return "" if made is None or made.name == index.name else f"is called {made.name}"
