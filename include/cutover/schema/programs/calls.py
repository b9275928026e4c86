"""A CALL: arguments take the parameters' types on their way in, and the variables' on their way out."""

from __future__ import annotations

from cutover.dialects.postgresql import quoted
from cutover.schema.names import fitting
from cutover.schema.programs.draft import Draft, Place
from cutover.schema.programs.handlers import for_errors, for_no_data
from cutover.schema.programs.lexer import tokens
from cutover.schema.programs.syntax import Call
from cutover.schema.rewrite.scope import UntranslatableError
from cutover.schema.rewrite.value import NUMBERS


def call(statement: Call, place: Place, draft: Draft) -> list[str]:
    """Return the lines of a CALL.

    Raises:
        UntranslatableError: the procedure is not carried, or a handler would have to answer what it lacks.
    """
    database, _, name = statement.name.rpartition(".")
    called = draft.procedures.get(name.lower())
    if called is None or (database and not draft.same_database(database)):
        raise UntranslatableError(f"CALL of {statement.name}, which is not known")
    if len(called.parameters) != len(statement.arguments):
        raise UntranslatableError(f"CALL of {name} with {len(statement.arguments)} arguments")
    if for_no_data(place) or for_errors(place):
        # What a procedure lacks or fails at reaches its caller's handlers, and what it did before stays done.
        raise UntranslatableError("CALL under a handler")
    draft.writes = True
    before, passed, after = [], [], []
    for parameter, argument in zip(called.parameters, statement.arguments, strict=True):
        type_ = draft.declared(parameter.type)
        taken = draft.other(f"{called.name}_{parameter.name}".lower(), type_.bare)
        passed.append(taken)
        if parameter.mode != "OUT":
            before.append(f"{taken} := {draft.value(argument, place, type_.attribute)};")
        if parameter.mode != "IN":
            words = tokens(argument)
            if len(words) != 2 or words[0].kind == "variable":
                raise UntranslatableError(f"CALL of {name} into {argument}")
            variable = place.variable((words[0].name or argument).lower())
            families = {variable.declared.attribute.family, type_.attribute.family}
            if len(families) > 1 and not families <= NUMBERS:
                raise UntranslatableError(f"CALL of {name} into {argument}, a variable of another type")
            after.append(variable.given(taken))
    return [*before, f"CALL {quoted(fitting(called.name))}({', '.join(passed)});", *after]
