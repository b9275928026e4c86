"""Views, routines, triggers and events: which can be carried together, and what keeps the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from cutover.schema import scopes
from cutover.schema.model import Event, Routine, Schema, Trigger
from cutover.schema.names import fitting
from cutover.schema.programs import Program, skeleton, translate_routine, translate_trigger
from cutover.schema.rewrite.scope import Attribute, Scope, UntranslatableError
from cutover.schema.target import Findings, TargetView
from cutover.schema.views import translate_views
from cutover.spec import MigrationSpec

_TypeOf = Callable[[str], Attribute]
_NOTHING = Attribute("", "", "other")
_UNREADABLE = "the account may not read its text; GRANT SELECT on the server's table mysql.proc, or SHOW_ROUTINE, to it"


def translate_code(
    source: Schema, scope: Scope, spec: MigrationSpec, findings: Findings
) -> tuple[tuple[TargetView, ...], tuple[Program, ...]]:
    """Return the views and programs that can be carried; all others are losses with their text.

    A view may call a function, and a function read a view. So all functions are taken for carried
    at first; whatever uses one that turns out not to be is translated again without it.
    """
    type_of = partial(scopes.of_type, spec=spec)
    carried = [routine for routine in source.routines if _returns(routine, type_of) is not None]
    while True:
        found = Findings()
        functions = {r.name.lower(): _returns(r, type_of) or _NOTHING for r in carried if r.returns is not None}
        procedures = {routine.name.lower(): routine for routine in carried if routine.returns is None}
        views, known = translate_views(source, replace(scope, functions=functions), spec, found)
        programs = [p for r in source.routines for p in _routine(r, known, type_of, procedures, spec, found)]
        made = {(program.kind, program.name) for program in programs}
        refused = [routine for routine in carried if (routine.kind, fitting(routine.name)) not in made]
        if not refused:
            break
        carried = [routine for routine in carried if routine not in refused]
    for trigger in source.triggers:
        programs += _trigger(trigger, source, known, type_of, procedures, spec, found)
    for event in source.events:
        _event(event, known, type_of, spec, found)
    findings.losses += found.losses
    findings.notes += found.notes
    return views, tuple(programs)


def _returns(routine: Routine, type_of: _TypeOf) -> Attribute | None:
    """What calling a routine gives; None where its type is not known."""
    if routine.returns is None:
        return _NOTHING
    try:
        return replace(type_of(routine.returns), name=fitting(routine.name))
    except (KeyError, ValueError):
        return None


def _routine(
    routine: Routine,
    scope: Scope,
    type_of: _TypeOf,
    procedures: Mapping[str, Routine],
    spec: MigrationSpec,
    findings: Findings,
) -> Iterator[Program]:
    where = f"{routine.kind} {routine.name}"
    if spec.schema_.settings.tables.options.preserve_stored_procedures is False:
        findings.note(where, "stays behind: the spec says so")
        return
    try:
        if not routine.body:
            raise UntranslatableError(_UNREADABLE)
        made = translate_routine(routine, scope, type_of, procedures)
    except UntranslatableError as error:
        findings.lose(where, error.construct, skeleton(routine, scope, type_of, error.construct))
        return
    for note in made.notes:
        findings.note(where, note)
    yield made


def _trigger(
    trigger: Trigger,
    source: Schema,
    scope: Scope,
    type_of: _TypeOf,
    procedures: Mapping[str, Routine],
    spec: MigrationSpec,
    findings: Findings,
) -> Iterator[Program]:
    where = f"trigger {trigger.name}"
    if spec.schema_.settings.tables.options.preserve_triggers is False:
        findings.note(where, "stays behind: the spec says so")
        return
    if trigger.table not in scope.relations:
        findings.note(where, f"stays behind with its table {trigger.table}")
        return
    try:
        if not trigger.body:
            raise UntranslatableError("the account may not read its text; GRANT TRIGGER to it")
        made = translate_trigger(
            trigger,
            scope,
            type_of,
            siblings=source.triggers,
            table=source.table(trigger.table),
            procedures=procedures,
        )
    except UntranslatableError as error:
        findings.lose(where, error.construct, skeleton(trigger, scope, type_of, error.construct))
        return
    for note in made.notes:
        findings.note(where, note)
    yield made


def _event(event: Event, scope: Scope, type_of: _TypeOf, spec: MigrationSpec, findings: Findings) -> None:
    if spec.schema_.settings.tables.options.preserve_stored_procedures is False:
        findings.note(f"event {event.name}", "stays behind: the spec says so")
        return
    state = "" if event.enabled else " (disabled)"
    reason = f"PostgreSQL has no scheduler of its own; it ran {event.schedule}{state}. Schedule it elsewhere"
    findings.lose(f"event {event.name}", reason, skeleton(event, scope, type_of))
