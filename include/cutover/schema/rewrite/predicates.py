"""Conditions: comparisons, IS, NOT, IN, BETWEEN, LIKE and REGEXP, with what binds how in MySQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlglot import exp

from cutover.schema.rewrite import operators
from cutover.schema.rewrite.compare import between, compare, member
from cutover.schema.rewrite.context import Context
from cutover.schema.rewrite.likes import like, matches
from cutover.schema.rewrite.scope import UntranslatableError
from cutover.schema.rewrite.subqueries import exists, member_of_query, quantified, row_comparison
from cutover.schema.rewrite.value import IS, Value, condition, truth

_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.NullSafeEQ: "<=>",
}
_ORDERINGS = (exp.LT, exp.LTE, exp.GT, exp.GTE)
_PREDICATES = (exp.Between, exp.In, exp.Like, exp.Escape, exp.RegexpLike)


def _compare(context: Context, tree: exp.Binary) -> Value:
    operator = _COMPARISONS[type(tree)]
    if not isinstance(tree, _ORDERINGS) and isinstance(_right(tree), _ORDERINGS):
        # MySQL's comparisons all bind alike, from the left; the parser takes < before =.
        raise UntranslatableError("a chain of comparisons without parentheses")
    rows = row_comparison(context, operator, tree.this, tree.expression)
    if rows is not None:
        return rows
    if isinstance(tree.expression, exp.Any | exp.All):
        return quantified(context, operator, tree)
    return compare(context, operator, context.value(tree.this), context.value(tree.expression))


def _right(tree: exp.Binary) -> exp.Expr:
    """Where <=> is near, the parser adds parentheses that nobody wrote."""
    near = isinstance(tree, exp.NullSafeEQ) or isinstance(tree.this.unnest(), exp.NullSafeEQ)
    made: exp.Expr = tree.expression.unnest() if near else tree.expression
    return made


def _refuse_chain(tree: exp.Expr) -> None:
    """MySQL takes what follows a BETWEEN, IN or LIKE into its right side, the parser takes it as a whole."""
    if isinstance(tree, _PREDICATES) or (isinstance(tree, exp.Not) and isinstance(tree.this, _PREDICATES)):
        raise UntranslatableError("a chain of BETWEEN, IN or LIKE without parentheses")


def _between(context: Context, tree: exp.Between) -> Value:
    _refuse_chain(tree.this)
    return between(context, *(context.value(tree.args[side]) for side in ("this", "low", "high")))


def _matches(context: Context, tree: exp.RegexpLike) -> Value:
    _refuse_chain(tree.this)
    return matches(context, context.value(tree.this), context.value(tree.expression))


def _is(context: Context, tree: exp.Is) -> Value:
    value = context.value(tree.this)
    if isinstance(tree.expression, exp.Null):
        if value.truth is not None:
            raise UntranslatableError("FIND_IN_SET as a number on a set")
        return truth(f"{value.at(IS + 1)} IS NULL", IS)
    if isinstance(tree.expression, exp.Boolean):
        return truth(f"{condition(value).at(IS + 1)} IS {'TRUE' if tree.expression.this else 'FALSE'}", IS)
    raise UntranslatableError("IS")


def _not(context: Context, tree: exp.Not) -> Value:
    inner = tree.this
    if isinstance(inner, exp.Is):
        made = _is(context, inner)
        return (
            replace(made, sql=made.sql.replace(" IS ", " IS NOT "))
            if made.sql.count(" IS ") == 1
            else operators.no(made)
        )
    if isinstance(inner, exp.In):
        made = _in(context, inner)
        return (
            replace(made, sql=made.sql.replace(" IN (", " NOT IN ("))
            if made.sql.count(" IN (") == 1
            else operators.no(made)
        )
    return operators.no(context.value(inner))


def _in(context: Context, tree: exp.In) -> Value:
    _refuse_chain(tree.this)
    if tree.args.get("query") is not None:
        return member_of_query(context, tree.this, tree.args["query"])
    if isinstance(tree.this, exp.Tuple):
        tests = [row_comparison(context, "=", tree.this, item) for item in tree.expressions]
        if None in tests or not tests:
            raise UntranslatableError("IN of a row")
        return operators.some([test for test in tests if test is not None])
    if not tree.expressions or tree.args.get("unnest") or tree.args.get("field"):
        raise UntranslatableError("IN")
    return member(context, context.value(tree.this), [context.value(item) for item in tree.expressions])


def _like(context: Context, tree: exp.Like, escape: exp.Expr | None = None) -> Value:
    _refuse_chain(tree.this)
    pattern = None if escape is None else context.value(escape)
    return like(
        context, context.value(tree.this), context.value(tree.expression), pattern, bool(tree.args.get("negate"))
    )


def _escape(context: Context, tree: exp.Escape) -> Value:
    if not isinstance(tree.this, exp.Like):
        raise UntranslatableError("ESCAPE")
    return _like(context, tree.this, tree.expression)


PREDICATES: dict[type[exp.Expr], Callable[[Context, Any], Value]] = {
    **dict.fromkeys(_COMPARISONS, _compare),
    exp.Between: _between,
    exp.Escape: _escape,
    exp.Exists: exists,
    exp.In: _in,
    exp.Is: _is,
    exp.Like: _like,
    exp.Not: _not,
    exp.RegexpLike: _matches,
}
