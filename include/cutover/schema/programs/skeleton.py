"""A program that a person has to write: its head in PL/pgSQL, and the source's body as comments."""

from __future__ import annotations

from collections.abc import Sequence

from cutover.dialects.postgresql import quoted
from cutover.schema.model import Event, Parameter, Routine, Trigger
from cutover.schema.names import fitting
from cutover.schema.programs.declared import TypeOf, declared
from cutover.schema.programs.program import create_trigger, dollar_quoted, event_procedure, trigger_function
from cutover.schema.rewrite.scope import Scope, UntranslatableError


def skeleton(program: Routine | Trigger | Event, scope: Scope, type_of: TypeOf, stopped_by: str | None = None) -> str:
    """Return SQL that makes a program of the right name and types, which raises an error when it runs.

    An event becomes a procedure, for a scheduler to call. A type that has no counterpart is text.

    Args:
        program: what the source has.
        scope: what names stand for.
        type_of: what a MySQL type is in the target.
        stopped_by: the construct that has no translation.
    """
    told = [] if stopped_by is None else [f"has no translation: {stopped_by}"]
    if isinstance(program, Routine):
        body = dollar_quoted(_body(program.name, program.body, told))
        if program.returns is None:
            parameters = ", ".join(f"{p.mode} {_parameter(p, type_of)}" for p in program.parameters)
            return f"CREATE PROCEDURE {quoted(fitting(program.name))}({parameters}) LANGUAGE plpgsql AS {body};\n"
        parameters = ", ".join(_parameter(p, type_of) for p in program.parameters)
        head = (
            f"CREATE FUNCTION {quoted(fitting(program.name))}({parameters}) RETURNS {_type(program.returns, type_of)}"
        )
        return f"{head} LANGUAGE plpgsql AS {body};\n"
    if isinstance(program, Trigger):
        function = quoted(trigger_function(program))
        body = dollar_quoted(_body(program.name, program.body, told))
        relation = scope.relations.get(program.table)
        made = create_trigger(program, fitting(program.name), relation.name if relation else program.table)
        return f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS {body};\n\n{made};\n"
    told = [f"scheduled {program.schedule}", *told]
    body = dollar_quoted(_body(program.name, program.body, told))
    return f"CREATE PROCEDURE {quoted(event_procedure(program))}() LANGUAGE plpgsql AS {body};\n"


def _body(name: str, source: str, told: Sequence[str]) -> list[str]:
    comments = [f"    -- {line}".rstrip() for text in (*told, source) for line in text.splitlines()]
    message = f"{name} is not translated yet".replace("'", "''")
    return ["BEGIN", *comments, f"    RAISE EXCEPTION USING MESSAGE = '{message}';", "END"]


def _parameter(parameter: Parameter, type_of: TypeOf) -> str:
    return f"{quoted(fitting(parameter.name))} {_type(parameter.type, type_of, parameter.mode)}"


def _type(written: str, type_of: TypeOf, mode: str = "OUT") -> str:
    try:
        return declared(written, type_of).passed(mode)
    except UntranslatableError:
        return "text"
