"""A stored program of the source as what makes it in the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cutover.dialects.postgresql import quoted
from cutover.schema.model import Event, Parameter, Routine, Table, Trigger
from cutover.schema.names import fitting
from cutover.schema.programs import lexer
from cutover.schema.programs.declared import TypeOf
from cutover.schema.programs.draft import Draft, Place, Variable
from cutover.schema.programs.handlers import indented
from cutover.schema.programs.parse import parse
from cutover.schema.programs.plpgsql import Writer, WrittenBlock
from cutover.schema.programs.syntax import Block, Statement
from cutover.schema.rewrite.scope import Relation, Scope, UntranslatableError

_COMMENTS = "its comments are left out"
_CASCADES = "it also fires for rows that a foreign key's action changes, which it does not in the source"
_AFTER_ALL = "it reads its own table, where PostgreSQL has all rows of a statement before it fires for the first"
_NEVER_STABLE = frozenset(["RAND", "UUID", "UUID_SHORT", "SLEEP", "LAST_INSERT_ID", "NEXTVAL", "FOR", "LOCK", "NEXT"])


@dataclass(frozen=True)
class Program:
    """A stored program of the target.

    Attributes:
        name: what it is called.
        kind: whether it is a function, a procedure or a trigger.
        statements: the SQL that makes it, in order; names are not qualified.
        signature: how ALTER or DROP ROUTINE names it, or a trigger's function.
        table: a trigger's table.
        probes: what PREPARE must take where the tables are: PL/pgSQL looks at no statement before it runs.
        notes: what it means a little differently.
        origin: what it is in the source, by kind and name.
    """

    name: str
    kind: Literal["function", "procedure", "trigger"]
    statements: tuple[str, ...]
    signature: str
    table: str | None
    probes: tuple[str, ...]
    notes: tuple[str, ...]
    origin: str = ""


def translate_routine(
    routine: Routine, scope: Scope, type_of: TypeOf, procedures: Mapping[str, Routine] | None = None
) -> Program:
    """Return a procedure or function in PL/pgSQL.

    Args:
        routine: what the source has.
        scope: what names stand for; its variables are not looked at.
        type_of: what a MySQL type is in the target; KeyError or ValueError where it is nothing.
        procedures: those that are carried, by lower-case name; only they, and the routine itself, are called.

    Raises:
        UntranslatableError: something in it has no sure translation.
    """
    body = _body(routine.body)
    known = dict(procedures or {}) | ({routine.name.lower(): routine} if routine.returns is None else {})
    draft = Draft("procedure" if routine.returns is None else "function", routine.body, scope, type_of, known)
    variables: dict[str, Variable] = {}
    declarations: list[str] = []
    after: list[str] = []
    written: list[str] = []
    types: list[str] = []
    for number, parameter in enumerate(routine.parameters, 1):
        type_ = draft.declared(parameter.type)
        variable = draft.variable(parameter.name.lower(), type_)
        variables[parameter.name.lower()] = variable
        name = quoted(fitting(parameter.name))
        mode = "" if routine.returns is not None else f"{parameter.mode} "
        passed = type_.passed(parameter.mode)
        written.append(f"{mode}{name} {passed}")
        types.append(f"{mode}{passed}")
        declarations.append(_taken(variable, parameter, number))
        if type_.sized and parameter.mode != "IN":
            after.append(f"{name} := {variable.sql};")
    writer, head = _returning(routine, draft)
    if routine.returns is not None and writer.result is not None:
        declarations.append(f"{writer.result.sql} {writer.result.declared.attribute.type};")
    lines = _whole(body, Place(variables), draft, writer, declarations, after)
    if routine.returns is not None and _stable(routine, draft):
        head += " STABLE"
    name = scope.functions[routine.name.lower()].name if _is_carried(routine, scope) else fitting(routine.name)
    signature = f"{quoted(name)}({', '.join(types)})"
    made = [f"CREATE {draft.kind.upper()} {quoted(name)}({', '.join(written)}){head} AS {dollar_quoted(lines)}"]
    if routine.comment:
        text = routine.comment.replace("'", "''")
        made.append(f"COMMENT ON ROUTINE {signature} IS '{text}'")
    return Program(name, draft.kind, tuple(made), signature, None, tuple(draft.probes), _notes(draft, routine.body))


def translate_trigger(
    trigger: Trigger,
    scope: Scope,
    type_of: TypeOf,
    *,
    siblings: Sequence[Trigger] = (),
    table: Table | None = None,
    procedures: Mapping[str, Routine] | None = None,
) -> Program:
    """Return a trigger in PL/pgSQL, with its function.

    Args:
        trigger: what the source has.
        scope: what names stand for; its variables are not looked at.
        type_of: what a MySQL type is in the target; KeyError or ValueError where it is nothing.
        siblings: the source's triggers; those of the same table, time and event tell the order of its name.
        table: its table in the source, where known: what the source fills in only after a trigger is refused.
        procedures: those that are carried, by lower-case name.

    Raises:
        UntranslatableError: something in it has no sure translation.
    """
    relation = _relation(trigger.table, scope)
    body = _body(trigger.body)
    draft = Draft("trigger", trigger.body, scope, type_of, procedures)
    if table is not None:
        _refuse_unfilled(trigger, table, draft)
    rows = {"INSERT": ("NEW",), "DELETE": ("OLD",)}.get(trigger.event.upper(), ("NEW", "OLD"))
    variables = {
        f"{row.lower()}.{name}": draft.row(row, attribute)
        for row in rows
        for name, attribute in relation.attributes.items()
    }
    before = trigger.timing.upper() == "BEFORE"
    if before:
        draft.assignable |= {variable.sql for name, variable in variables.items() if name.startswith("new.")}
    result = rows[0] if before else "NULL"
    lines = _whole(body, Place(variables), draft, Writer(draft), [], [f"RETURN {result};"])
    name, function = _ordered(trigger, siblings), trigger_function(trigger)
    if name != fitting(trigger.name):
        draft.note(f"it is called {name}, since PostgreSQL fires triggers in the order of their names")
    if trigger.event.upper() != "INSERT" and (table is None or _is_cascaded(table)):
        draft.note(_CASCADES)
    if not before and any((word.name or "").lower() == trigger.table.lower() for word in draft.words):
        draft.note(_AFTER_ALL)
    made = (
        f"CREATE FUNCTION {quoted(function)}() RETURNS trigger LANGUAGE plpgsql AS {dollar_quoted(lines)}",
        create_trigger(trigger, name, relation.name),
    )
    signature = f"{quoted(function)}()"
    return Program(name, "trigger", made, signature, relation.name, tuple(draft.probes), _notes(draft, trigger.body))


def translate_event(
    event: Event, scope: Scope, type_of: TypeOf, procedures: Mapping[str, Routine] | None = None
) -> Program:
    """Return what an event does as a procedure, for a scheduler to call.

    Raises:
        UntranslatableError: something in it has no sure translation.
    """
    return translate_routine(Routine(event_procedure(event), (), event.body), scope, type_of, procedures)


def event_procedure(event: Event) -> str:
    """Return the name of the procedure that does what an event did."""
    return fitting(f"cutover_event_{event.name}")


def trigger_function(trigger: Trigger) -> str:
    """Return the name of a trigger's function."""
    return fitting(f"cutover_trigger_{trigger.name}")


def create_trigger(trigger: Trigger, name: str, table: str) -> str:
    """Return the statement that makes a trigger once its function is there."""
    return (
        f"CREATE TRIGGER {quoted(name)} {trigger.timing.upper()} {trigger.event.upper()} ON {quoted(table)} "
        f"FOR EACH ROW EXECUTE FUNCTION {quoted(trigger_function(trigger))}()"
    )


def dollar_quoted(lines: Sequence[str]) -> str:
    """Return a program's lines as a string, between dollar signs with a word that they do not have."""
    text, tag, number = "\n".join(lines), "$cutover$", 0
    while tag in text:
        number += 1
        tag = f"$cutover{number}$"
    return f"{tag}\n{text}\n{tag}"


def _body(text: str) -> Statement:
    if not text.strip():
        raise UntranslatableError("a body that the account may not read")
    return parse(text)


def _taken(variable: Variable, parameter: Parameter, number: int) -> str:
    type_ = variable.declared
    if type_.passed(parameter.mode) == type_.attribute.type and not type_.trimmed:
        return f"{variable.sql} ALIAS FOR ${number};"
    line = f"{variable.sql} {type_.attribute.type}"
    return f"{line};" if parameter.mode == "OUT" else f"{line} := {variable.fitted(f'${number}')};"


def _returning(routine: Routine, draft: Draft) -> tuple[Writer, str]:
    if routine.returns is None:
        return Writer(draft), " LANGUAGE plpgsql"
    type_ = draft.declared(routine.returns)
    return Writer(draft, type_), f" RETURNS {type_.bare} LANGUAGE plpgsql"


def _whole(
    body: Statement, place: Place, draft: Draft, writer: Writer, declarations: Sequence[str], after: Sequence[str]
) -> list[str]:
    """Return a program's lines; ``after`` is done however the source's statements end."""
    block = writer.block(body, place) if isinstance(body, Block) else None
    if block is None:
        block = WrittenBlock(None, (), tuple(writer.statement(body, place)))
    scratch = [f"{name} {type_};" for (_, type_), name in draft.scratch.items()]
    if block.label is not None:
        block = WrittenBlock(None, (), tuple(block.lines()))
    declared = [*declarations, *scratch, *block.declarations]
    lines = ["#variable_conflict use_column", *(["DECLARE", *indented(declared)] if declared else [])]
    return draft.finished([*lines, "BEGIN", *indented([*block.body, *after]), "END"])


def _stable(routine: Routine, draft: Draft) -> bool:
    """Whether a function only reads, and says of itself that it gives the same for the same."""
    if not routine.deterministic or draft.writes or draft.calls_stored_function(routine.body):
        return False
    return not any(word.upper in _NEVER_STABLE for word in draft.words)


def _is_carried(routine: Routine, scope: Scope) -> bool:
    return routine.returns is not None and routine.name.lower() in scope.functions


def _relation(name: str, scope: Scope) -> Relation:
    found = scope.relations.get(name)
    if found is None:
        raise UntranslatableError(f"table {name}, which is not carried")
    return found


def _refuse_unfilled(trigger: Trigger, table: Table, draft: Draft) -> None:
    if trigger.timing.upper() != "BEFORE" or trigger.event.upper() == "DELETE":
        return
    unfilled = {
        column.name.lower()
        for column in table.columns
        if column.generated or (column.autoincrement and trigger.event.upper() == "INSERT")
    }
    words = draft.words
    for row, dot, column in zip(words, words[1:], words[2:], strict=False):
        if row.upper == "NEW" and dot.text == "." and (column.name or "").lower() in unfilled:
            raise UntranslatableError(f"NEW.{column.name}, which each server fills in at another time")


def _is_cascaded(table: Table) -> bool:
    actions = [action for key in table.foreign_keys for action in (key.on_delete, key.on_update)]
    return any((action or "").upper() in ("CASCADE", "SET NULL", "SET DEFAULT") for action in actions)


def _ordered(trigger: Trigger, siblings: Sequence[Trigger]) -> str:
    """Return a trigger's name, with its place before it where the names alone would give another order."""
    together = {trigger.order: trigger.name} | {
        other.order: other.name
        for other in siblings
        if (other.table, other.timing, other.event) == (trigger.table, trigger.timing, trigger.event)
    }
    names = [fitting(name).encode() for _, name in sorted(together.items())]
    if names == sorted(names):
        return fitting(trigger.name)
    return fitting(f"{trigger.order:03d}_{trigger.name}")


def _notes(draft: Draft, body: str) -> tuple[str, ...]:
    if lexer.comments(body):
        draft.note(_COMMENTS)
    return tuple(draft.notes)
