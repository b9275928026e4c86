"""MySQL's expressions and statements in PostgreSQL's words, or the construct that has none."""

from __future__ import annotations

from cutover.schema.rewrite.context import Context, Frame, Origin, Query
from cutover.schema.rewrite.expressions import evaluate
from cutover.schema.rewrite.names import relation as _relation
from cutover.schema.rewrite.queries import select
from cutover.schema.rewrite.scope import Attribute, Relation, Rewritten, Scope, UntranslatableError, surely
from cutover.schema.rewrite.source import parse_expression, parse_statement
from cutover.schema.rewrite.statements import statement
from cutover.schema.rewrite.value import condition as _condition
from cutover.schema.rewrite.value import shown

__all__ = [
    "Attribute",
    "Query",
    "Relation",
    "Rewritten",
    "Scope",
    "UntranslatableError",
    "rewrite_expression",
    "rewrite_query",
    "rewrite_statement",
]


def rewrite_expression(text: str, scope: Scope, relation: str | None = None, *, condition: bool = False) -> Rewritten:
    """Translate one expression.

    Args:
        text: the expression as MySQL or MariaDB has it.
        scope: what its names stand for.
        relation: the table, by its name in the source, whose columns may be named without it.
        condition: whether a truth value is meant; a number is one where it is not zero.

    Raises:
        UntranslatableError: it has a construct whose meaning in PostgreSQL is not surely the same.
    """
    with surely():
        context = Context(scope, [], evaluate, select)
        if relation is not None:
            meant = _relation(context, relation)
            origin = Origin(relation, meant.name, meant.attributes)
            context = Context(scope, context.notes, evaluate, select, (Frame((origin,), qualify=False),))
        value = context.value(parse_expression(text))
        made = _condition(value) if condition else shown(value)
        return Rewritten(made.sql, tuple(context.notes), value.kind, value.scale)


def rewrite_statement(text: str, scope: Scope) -> Rewritten:
    """Translate one SELECT, INSERT, UPDATE or DELETE.

    Raises:
        UntranslatableError: it has a construct whose meaning in PostgreSQL is not surely the same.
    """
    with surely():
        context = Context(scope, [], evaluate, select)
        return Rewritten(statement(context, parse_statement(text)), tuple(context.notes))


def rewrite_query(text: str, scope: Scope) -> tuple[Query, tuple[str, ...]]:
    """Translate one SELECT; return it with what is known of its columns, and the notes.

    Raises:
        UntranslatableError: it has a construct whose meaning in PostgreSQL is not surely the same.
    """
    with surely():
        context = Context(scope, [], evaluate, select)
        query = select(context, parse_statement(text))
        return query, tuple(context.notes)
