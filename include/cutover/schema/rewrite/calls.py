"""Calls of functions: MySQL's by the tables of what is known, the database's own by their target's name."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from cutover.dialects.postgresql import quoted
from cutover.schema.rewrite.aggregates import AGGREGATES, WINDOWS
from cutover.schema.rewrite.context import Context
from cutover.schema.rewrite.counters import COUNTERS, count
from cutover.schema.rewrite.dates import DATES
from cutover.schema.rewrite.documents import DOCUMENTS
from cutover.schema.rewrite.intervals import apart, shift
from cutover.schema.rewrite.numbers import NUMBER_FUNCTIONS
from cutover.schema.rewrite.scope import UntranslatableError
from cutover.schema.rewrite.texts import TEXTS
from cutover.schema.rewrite.value import Value, integer, of_attribute, shown

_FUNCTIONS = TEXTS | NUMBER_FUNCTIONS | DATES | DOCUMENTS
_SHIFTS = {"DATE_ADD": "+", "ADDDATE": "+", "DATE_SUB": "-", "SUBDATE": "-"}


def call(context: Context, tree: exp.Anonymous, over: bool = False) -> Value:
    """Translate a call; ``over`` says that a window follows it.

    Raises:
        UntranslatableError: the function is not known to have an equal.
    """
    name = tree.name.upper()
    if name in _SHIFTS:
        return _shift(context, name, tree.expressions)
    if name in ("TIMESTAMPADD", "TIMESTAMPDIFF") and len(tree.expressions) == 3:
        unit, first, second = tree.expressions
        if name == "TIMESTAMPADD":
            return shift(context.value(second), context.value(first), unit.name, "+")
        return apart(unit.name, context.value(first), context.value(second))
    if name == "COUNT" and len(tree.expressions) == 1 and isinstance(tree.expressions[0], exp.Star):
        return integer("count(*)", type_="bigint")
    if name in AGGREGATES or (over and name in WINDOWS):
        return _aggregate(context, name, tree.expressions)
    if name in _FUNCTIONS:
        return function(context, name, [context.value(argument) for argument in tree.expressions])
    if name in COUNTERS:
        return count(context, name, tree.expressions)
    own = context.scope.functions.get(tree.name.lower())
    if own is not None:
        arguments = ", ".join(shown(context.value(argument)).sql for argument in tree.expressions)
        return of_attribute(own, f"{quoted(own.name)}({arguments})")
    raise UntranslatableError(f"{name}()")


def function(context: Context, name: str, values: Sequence[Value]) -> Value:
    """Translate a call of one of MySQL's own functions, whose arguments are.

    Raises:
        UntranslatableError: it has no equal for these arguments.
    """
    fewest, most, build = _FUNCTIONS[name]
    _check(name, len(values), fewest, most)
    return build(context, list(values))


def _aggregate(context: Context, name: str, arguments: Sequence[exp.Expr]) -> Value:
    distinct = len(arguments) == 1 and isinstance(arguments[0], exp.Distinct)
    given = arguments[0].expressions if distinct else arguments
    fewest, most, build = (AGGREGATES | WINDOWS)[name]
    _check(name, len(given), fewest, most)
    return build(context, [context.value(argument) for argument in given], distinct)


def _check(name: str, given: int, fewest: int, most: int | None) -> None:
    if given < fewest or (most is not None and given > most):
        raise UntranslatableError(f"{name}() of {given} arguments")


def _shift(context: Context, name: str, arguments: Sequence[exp.Expr]) -> Value:
    if len(arguments) != 2:
        raise UntranslatableError(f"{name}() of {len(arguments)} arguments")
    moment, amount = arguments
    if isinstance(amount, exp.Interval):
        return shift(context.value(moment), context.value(amount.this), amount.text("unit"), _SHIFTS[name])
    return shift(context.value(moment), context.value(amount), "DAY", _SHIFTS[name])
