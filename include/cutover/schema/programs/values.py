"""Expressions and queries whose values are given to variables, and so become what the variable holds."""

from __future__ import annotations

from collections.abc import Sequence

from cutover.schema.rewrite.casts import stored
from cutover.schema.rewrite.context import Context
from cutover.schema.rewrite.expressions import evaluate
from cutover.schema.rewrite.queries import select
from cutover.schema.rewrite.scope import Attribute, Rewritten, Scope
from cutover.schema.rewrite.source import parse_expression, parse_statement


def rewrite_value(text: str, scope: Scope, target: Attribute) -> Rewritten:
    """Translate an expression that is given to a variable.

    Raises:
        UntranslatableError: it has no sure translation, or is not surely the same once it is given.
    """
    context = Context(scope, [], evaluate, select)
    made = stored(context, context.value(parse_expression(text)), target)
    return Rewritten(made.sql, tuple(context.notes))


def rewrite_query(text: str, scope: Scope, targets: Sequence[Attribute]) -> Rewritten:
    """Translate a query each of whose columns is given to a variable.

    Raises:
        UntranslatableError: it has no sure translation, or other columns than there are variables.
    """
    context = Context(scope, [], evaluate, select)
    made = context.query(parse_statement(text), targets)
    return Rewritten(made.sql, tuple(context.notes))
