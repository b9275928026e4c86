"""Queries within expressions, and comparisons of rows."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from cutover.schema.rewrite import operators
from cutover.schema.rewrite.compare import alike, compare
from cutover.schema.rewrite.context import Context
from cutover.schema.rewrite.scope import UntranslatableError
from cutover.schema.rewrite.value import ATOM, COMPARE, OTHER, RANGE, Value, truth


def scalar(context: Context, tree: exp.Subquery) -> Value:
    """Return a query that makes one value."""
    query = context.query(tree.this)
    _, value = _only(query.columns)
    return replace(value, sql=f"({query.sql})", rank=ATOM, literal=None, loose=False, kept=None, truth=None)


def exists(context: Context, tree: exp.Exists) -> Value:
    """Return EXISTS of a query."""
    inner = tree.this.this if isinstance(tree.this, exp.Subquery) else tree.this
    return truth(f"EXISTS ({context.query(inner).sql})", ATOM)


def member_of_query(context: Context, subject: exp.Expr, query: exp.Expr) -> Value:
    """Return the condition that a value, or a row of them, is among what a query finds."""
    made = context.query(query.this if isinstance(query, exp.Subquery) else query)
    members = subject.expressions if isinstance(subject, exp.Tuple) else [subject]
    if len(members) != len(made.columns):
        raise UntranslatableError("IN with another number of columns")
    sides = []
    for member, (_, column) in zip(members, made.columns, strict=True):
        sides.append(_side(context, context.value(member), column))
    left = sides[0].at(OTHER) if len(sides) == 1 else f"({', '.join(side.sql for side in sides)})"
    return truth(f"{left} IN ({made.sql})", RANGE)


def quantified(context: Context, operator: str, tree: exp.Expr) -> Value:
    """Return a comparison with ANY or ALL that a query finds."""
    word = "ANY" if isinstance(tree.expression, exp.Any) else "ALL"
    inner = tree.expression.this
    query = context.query(inner.this if isinstance(inner, exp.Subquery) else inner)
    side = _side(context, context.value(tree.this), _only(query.columns)[1])
    return truth(f"{side.at(RANGE)} {operator} {word} ({query.sql})", COMPARE)


def _side(context: Context, value: Value, column: Value) -> Value:
    """The query's column stays as it is, so that only the other side can be made alike."""
    found = replace(column, sql="found", rank=ATOM, literal=None, loose=False, kept=None)
    one, other = alike(context, value, found, ordered=False)
    if other.sql != found.sql:
        raise UntranslatableError(f"{value.kind} compared with what a query finds: {column.kind}")
    return one


def row_comparison(context: Context, operator: str, left: exp.Expr, right: exp.Expr) -> Value | None:
    """Return the comparison of two rows, or None where they are none."""
    one, other = (_row(side) for side in (left, right))
    if one is None and other is None:
        return None
    if one is None or other is None or len(one) != len(other) or operator not in ("=", "<>", "<=>"):
        raise UntranslatableError("a comparison of rows")
    pairs = [
        compare(context, "<=>" if operator == "<=>" else "=", context.value(a), context.value(b))
        for a, b in zip(one, other, strict=True)
    ]
    made = operators.every(pairs)
    return operators.no(made) if operator == "<>" else made


def _row(tree: exp.Expr) -> list[exp.Expr] | None:
    if isinstance(tree, exp.Tuple) or (isinstance(tree, exp.Anonymous) and tree.name.upper() == "ROW"):
        return list(tree.expressions)
    return None


def _only(columns: tuple[tuple[str | None, Value], ...]) -> tuple[str | None, Value]:
    if len(columns) != 1:
        raise UntranslatableError("a subquery of several columns where one value is meant")
    return columns[0]
