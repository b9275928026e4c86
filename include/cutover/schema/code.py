"""Views, routines, triggers and events: which can be carried together, and what keeps the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from cutover.schema import scopes, tracking
from cutover.schema.model import Event, Routine, Schema, Trigger
from cutover.schema.names import spelled
from cutover.schema.programs import Program, skeleton, translate_event, translate_routine, translate_trigger
from cutover.schema.rewrite.scope import Attribute, Scope, UntranslatableError, surely
from cutover.schema.target import Findings, TargetView
from cutover.schema.views import translate_views
from cutover.spec import MigrationSpec

_TypeOf = Callable[[str], Attribute]
# Modes that give letters of the SQL itself another meaning (MySQL manual, Server SQL Modes).
_OTHER_GRAMMAR = (
    "ANSI_QUOTES",
    "PIPES_AS_CONCAT",
    "NO_BACKSLASH_ESCAPES",
    "IGNORE_SPACE",
    "HIGH_NOT_PRECEDENCE",
    "ORACLE",
)
_UNREADABLE = "the account may not read its text; GRANT SELECT on the server's table mysql.proc, or SHOW_ROUTINE, to it"


def translate_code(
    source: Schema, scope: Scope, spec: MigrationSpec, findings: Findings
) -> tuple[tuple[TargetView, ...], tuple[Program, ...]]:
    """Return the views and programs that can be carried; all others are losses with their text.

    A view may call a function, and a function read a view. So all functions are taken for carried
    at first; whatever uses one that turns out not to be is translated again without it.
    """
    type_of = partial(scopes.of_type, spec=spec)
    options = spec.schema_.settings.tables.options
    fold = spec.schema_.settings.tables.fold
    carried = list(source.routines) if options.preserve_stored_procedures else []
    while True:
        found = Findings()
        translator = _Translator(source, _with_routines(scope, carried, type_of, fold), type_of, carried, fold, found)
        views, translator.scope = translate_views(source, translator.scope, spec, found)
        made = {routine: translator.routine(routine) for routine in carried}
        if all(made.values()):
            break
        # What could not be translated is told in the next round, too, where nothing counts on it.
        carried = [routine for routine in carried if made[routine]]
    programs = [program for program in made.values() if program]
    for routine in source.routines:
        if routine not in made:
            programs += translator.left_behind(routine, options.preserve_stored_procedures)
    for trigger in source.triggers:
        programs += translator.trigger(trigger, options.preserve_triggers)
    for event in source.events:
        programs += translator.event(event, options.preserve_stored_procedures)
    findings.losses += found.losses
    findings.notes += found.notes
    return views, tuple(programs)


def _with_routines(scope: Scope, carried: Sequence[Routine], type_of: _TypeOf, fold: bool) -> Scope:
    functions = {}
    for routine in carried:
        if routine.returns is not None:
            with suppress(KeyError, ValueError):  # its own translation will say so
                functions[routine.name.lower()] = replace(type_of(routine.returns), name=spelled(routine.name, fold))
    return replace(scope, functions=functions)


def with_code(
    scope: Scope, source: Schema, views: Sequence[TargetView], programs: Sequence[Program], spec: MigrationSpec
) -> Scope:
    """Return the scope with the views and functions in it that are carried, for queries that name them.

    Args:
        scope: what the names of tables mean.
        source: the source database.
        views: the views that are carried.
        programs: the programs that are.
        spec: what the types of functions become.
    """
    made = {program.origin for program in programs}
    routines = [routine for routine in source.routines if f"{routine.kind} {routine.name}" in made]
    fold = spec.schema_.settings.tables.fold
    scope = _with_routines(scope, routines, partial(scopes.of_type, spec=spec), fold)
    carried = {view.source for view in views}
    shown = replace(source, views=tuple(view for view in source.views if view.name in carried))
    return translate_views(shown, scope, spec, Findings())[1]


@dataclass
class _Translator:
    """Translates one program after the other, and notes what becomes of it."""

    source: Schema
    scope: Scope
    type_of: _TypeOf
    carried: Sequence[Routine]
    fold: bool
    findings: Findings

    def routine(self, routine: Routine) -> Program | None:
        """Translate a routine, or return None where it has no translation."""
        return self._made(
            routine,
            f"{routine.kind} {routine.name}",
            _UNREADABLE,
            lambda: translate_routine(self._called(routine), self.scope, self.type_of, self._procedures),
        )

    def left_behind(self, routine: Routine, wanted: bool) -> list[Program]:
        """Say why a routine is not carried, that a program of the source may count on."""
        if not wanted:
            self.findings.leave(f"{routine.kind} {routine.name}")
            return []
        made = self.routine(routine)
        return [made] if made else []

    def trigger(self, trigger: Trigger, wanted: bool) -> list[Program]:
        """Translate a trigger of a table that is carried."""
        where = f"trigger {trigger.name}"
        if not wanted:
            self.findings.leave(where)
        elif trigger.name.startswith(tracking.TRIGGER):
            self.findings.leave(where, "stays behind: it fills the source's log of changes")
        elif trigger.table not in self.scope.relations:
            self.findings.leave(where, f"stays behind with its table {trigger.table}")
        else:
            made = self._made(
                trigger,
                where,
                "the account may not read its text; GRANT TRIGGER to it",
                lambda: translate_trigger(
                    replace(trigger, name=spelled(trigger.name, self.fold)),
                    self.scope,
                    self.type_of,
                    siblings=[replace(t, name=spelled(t.name, self.fold)) for t in self.source.triggers],
                    table=self.source.table(trigger.table),
                    procedures=self._procedures,
                ),
            )
            return [made] if made else []
        return []

    def event(self, event: Event, wanted: bool) -> list[Program]:
        """Make an event's statement a procedure: what PostgreSQL lacks is the clock that calls it."""
        where = f"event {event.name}"
        if not wanted:
            self.findings.leave(where)
            return []
        when = event.schedule + ("" if event.enabled else ", and was disabled")
        try:
            with surely():
                made = translate_event(event, self.scope, self.type_of, self._procedures)
        except UntranslatableError as error:
            reason = f"PostgreSQL has no scheduler of its own, and {error.construct} no translation; it ran {when}"
            self.findings.lose(where, reason, skeleton(event, self.scope, self.type_of, error.construct))
            return []
        reason = f"PostgreSQL has no scheduler of its own; have another CALL {made.name}, as it ran {when}"
        self.findings.lose(where, reason)
        return [replace(made, origin=f"procedure {made.name}")]

    @property
    def _procedures(self) -> dict[str, Routine]:
        return {routine.name.lower(): self._called(routine) for routine in self.carried if routine.returns is None}

    def _called(self, routine: Routine) -> Routine:
        return replace(routine, name=spelled(routine.name, self.fold))

    def _made(
        self, program: Routine | Trigger, where: str, unreadable: str, translated: Callable[[], Program]
    ) -> Program | None:
        try:
            if not program.body:
                raise UntranslatableError(unreadable)
            _refuse_other_grammar(program.sql_mode)
            with surely():
                made = translated()
        except UntranslatableError as error:
            text = skeleton(program, self.scope, self.type_of, error.construct)
            self.findings.lose(where, error.construct, text)
            return None
        for note in made.notes:
            self.findings.note(where, note)
        return replace(made, origin=where)


def _refuse_other_grammar(mode: str) -> None:
    for word in _OTHER_GRAMMAR:
        if word in mode.split(","):
            raise UntranslatableError(f"sql_mode {word}, in which it was made")
