"""Expressions: what each kind of node of a tree is in PostgreSQL. What is not listed has no translation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import exp

from cutover.schema.rewrite import operators
from cutover.schema.rewrite.aggregates import Sorting, group_concat
from cutover.schema.rewrite.calls import call, function
from cutover.schema.rewrite.casts import cast, collate
from cutover.schema.rewrite.choices import case
from cutover.schema.rewrite.context import Context
from cutover.schema.rewrite.dates import part
from cutover.schema.rewrite.documents import extract, unquoted
from cutover.schema.rewrite.intervals import shift
from cutover.schema.rewrite.names import column
from cutover.schema.rewrite.predicates import PREDICATES
from cutover.schema.rewrite.scope import UntranslatableError
from cutover.schema.rewrite.subqueries import scalar
from cutover.schema.rewrite.texts import concat, locate, substring, trim
from cutover.schema.rewrite.value import (
    NULL,
    Value,
    integer,
    number_literal,
    text_literal,
)
from cutover.schema.rewrite.windows import sorting, window

Handler = Callable[[Context, Any], Value]

_PARTS = ("YEAR", "QUARTER", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND")
_CHARACTER_SETS = ("_utf8", "_utf8mb3", "_utf8mb4")


def evaluate(context: Context, tree: exp.Expr) -> Value:
    """Translate an expression.

    Raises:
        UntranslatableError: it has a construct whose meaning in PostgreSQL is not surely the same.
    """
    handler = _HANDLERS.get(type(tree))
    if handler is None:
        raise UntranslatableError(_name(tree))
    return handler(context, tree)


def _name(tree: exp.Expr) -> str:
    if isinstance(tree, exp.Parameter):
        return f"user variable @{tree.name}"
    if isinstance(tree, exp.SessionParameter):
        return f"system variable @@{tree.name}"
    if isinstance(tree, exp.PropertyEQ):
        return "assignment :="
    if isinstance(tree, exp.Dot):
        return "a function of another database"
    if isinstance(tree, exp.MatchAgainst):
        return "MATCH ... AGAINST"
    return tree.key.upper()


def _literal(_: Context, tree: exp.Literal) -> Value:
    return text_literal(tree.this) if tree.is_string else number_literal(tree.this)


def _bit_string(_: Context, tree: exp.BitString) -> Value:
    made = str(int(tree.this or "0", 2))
    return Value(made, "bit", literal=made)


def _hex_string(_: Context, tree: exp.HexString) -> Value:
    digits = tree.this if len(tree.this) % 2 == 0 else f"0{tree.this}"
    return Value(rf"'\x{digits}'::bytea", "binary", type="bytea")


def _introducer(context: Context, tree: exp.Introducer) -> Value:
    if str(tree.this).lower() not in _CHARACTER_SETS:
        raise UntranslatableError(f"character set introducer {tree.this}")
    return context.value(tree.expression)


def _case(context: Context, tree: exp.Case) -> Value:
    subject = None if tree.this is None else context.value(tree.this)
    branches = [(context.value(branch.this), context.value(branch.args["true"])) for branch in tree.args["ifs"]]
    otherwise = tree.args.get("default")
    return case(context, branches, None if otherwise is None else context.value(otherwise), subject)


def _if(context: Context, tree: exp.If) -> Value:
    branch = (context.value(tree.this), context.value(tree.args["true"]))
    return case(context, [branch], context.value(tree.args["false"]))


def _sum(operator: str) -> Handler:
    def build(context: Context, tree: exp.Binary) -> Value:
        left, right = tree.this, tree.expression
        if operator == "+" and isinstance(left, exp.Interval):
            left, right = right, left
        if isinstance(right, exp.Interval):
            return shift(context.value(left), context.value(right.this), right.text("unit"), operator)
        return operators.sum_(operator, context.value(left), context.value(right))

    return build


def _two(build: Callable[[Value, Value], Value]) -> Handler:
    return lambda context, tree: build(context.value(tree.this), context.value(tree.expression))


def _quotient(context: Context, tree: exp.Div) -> Value:
    above, below = context.value(tree.this), context.value(tree.expression)
    return operators.quotient(above, below, context.scope.rounds_quotients)


def _bits(operator: str) -> Handler:
    def build(context: Context, tree: exp.Binary) -> Value:
        sides = [
            operators.all_bits_but(context.value(side.unnest().this))
            if operator == "&" and isinstance(side.unnest(), exp.BitwiseNot)
            else context.value(side)
            for side in (tree.this, tree.expression)
        ]
        return operators.bits(operator, context, *sides)

    return build


def _paren(context: Context, tree: exp.Paren) -> Value:
    return context.value(tree.this)


def _concat(context: Context, tree: exp.Concat) -> Value:
    made = [context.value(part) for part in tree.expressions]
    if all(value.literal is not None for value in made):
        return text_literal("".join(value.literal or "" for value in made))
    return concat(context, made)


def _substring(context: Context, tree: exp.Substring) -> Value:
    parts = [tree.this, tree.args.get("start"), tree.args.get("length")]
    if parts[1] is None:
        raise UntranslatableError("SUBSTRING")
    return substring(context, [context.value(part) for part in parts if part is not None])


def _trim(context: Context, tree: exp.Trim) -> Value:
    removed = tree.args.get("expression")
    return trim(
        context,
        context.value(tree.this),
        None if removed is None else context.value(removed),
        tree.text("position").upper(),
    )


def _extract(context: Context, tree: exp.Extract) -> Value:
    unit = tree.this.name.upper()
    value = context.value(tree.expression)
    if unit == "YEAR_MONTH":
        return integer(f"({part('year', value).sql} * 100 + {part('month', value).sql})")
    if unit not in _PARTS:
        raise UntranslatableError(f"EXTRACT({unit})")
    return part(unit.lower(), value)


def _group_concat(context: Context, tree: exp.GroupConcat) -> Value:
    inner, order, distinct = tree.this, [], False
    if isinstance(inner, exp.Order):
        order = [sorting(context, entry) for entry in inner.expressions]
        inner = inner.this
    if isinstance(inner, exp.Distinct):
        distinct = True
        inner = inner.expressions[0]
    parts = inner.expressions if isinstance(inner, exp.Concat) else [inner]
    separator = tree.args.get("separator")
    mark = "," if separator is None else context.value(separator).literal
    if mark is None:
        raise UntranslatableError("GROUP_CONCAT with a separator that is not a literal")
    made: list[Sorting] = order
    return group_concat(context, [context.value(part) for part in parts], distinct, made, mark)


def _path(context: Context, tree: exp.Expr) -> Value:
    """The parser has read the path; it is read again from how it prints, in the one way that is known here."""
    steps = tree.expressions if isinstance(tree, exp.JSONPath) else None
    if steps is None:
        return context.value(tree)
    written = "$"
    for step in steps[1:]:
        if isinstance(step, exp.JSONPathKey) and isinstance(step.this, str):
            escaped = step.this.replace("\\", "\\\\").replace('"', '\\"')
            written += f'."{escaped}"'
        elif isinstance(step, exp.JSONPathSubscript) and isinstance(step.this, int):
            written += f"[{step.this}]"
        else:
            raise UntranslatableError("a JSON path with wildcards")
    return text_literal(written)


def _json(context: Context, tree: exp.JSONExtract) -> Value:
    return extract(context, context.value(tree.this), _path(context, tree.expression))


def _json_text(context: Context, tree: exp.JSONExtractScalar) -> Value:
    return unquoted(context, [extract(context, context.value(tree.this), _path(context, tree.expression))])


def _no_parentheses(name: str) -> Handler:
    return lambda context, tree: function(context, name, [context.value(tree.this)] if tree.this else [])


_HANDLERS: dict[type[exp.Expr], Handler] = {
    **PREDICATES,
    exp.Add: _sum("+"),
    exp.And: lambda context, tree: operators.every([context.value(tree.this), context.value(tree.expression)]),
    exp.Anonymous: call,
    exp.BitString: _bit_string,
    exp.BitwiseAnd: _bits("&"),
    exp.BitwiseLeftShift: _bits("<<"),
    exp.BitwiseOr: _bits("|"),
    exp.BitwiseRightShift: _bits(">>"),
    exp.BitwiseXor: _bits("#"),
    exp.Boolean: lambda _, tree: number_literal("1" if tree.this else "0"),
    exp.Case: _case,
    exp.Cast: lambda context, tree: cast(context, context.value(tree.this), tree.to),
    exp.Collate: lambda context, tree: collate(context.value(tree.this), tree.expression.name),
    exp.Column: column,
    exp.Concat: _concat,
    exp.CurrentDate: _no_parentheses("CURRENT_DATE"),
    exp.CurrentTime: _no_parentheses("CURRENT_TIME"),
    exp.CurrentTimestamp: _no_parentheses("NOW"),
    exp.Div: _quotient,
    exp.Extract: _extract,
    exp.GroupConcat: _group_concat,
    exp.HexString: _hex_string,
    exp.If: _if,
    exp.IntDiv: _two(operators.whole_quotient),
    exp.Introducer: _introducer,
    exp.JSONExtract: _json,
    exp.JSONExtractScalar: _json_text,
    exp.Literal: _literal,
    exp.Localtime: _no_parentheses("NOW"),
    exp.Localtimestamp: _no_parentheses("NOW"),
    exp.Mod: _two(operators.remainder),
    exp.Mul: _two(operators.product),
    exp.National: lambda _, tree: text_literal(tree.this),
    exp.Neg: lambda context, tree: operators.negative(context.value(tree.this)),
    exp.Null: lambda _, __: NULL,
    exp.Or: lambda context, tree: operators.some([context.value(tree.this), context.value(tree.expression)]),
    exp.Paren: _paren,
    exp.StrPosition: lambda context, tree: locate(
        context, context.value(tree.args["substr"]), context.value(tree.this)
    ),
    exp.Sub: _sum("-"),
    exp.Subquery: scalar,
    exp.Substring: _substring,
    exp.Trim: _trim,
    exp.Window: window,
    exp.Xor: _two(operators.one_of_two),
}
