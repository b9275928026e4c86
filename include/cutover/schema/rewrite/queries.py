"""Queries: SELECT, UNION and WITH."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from sqlglot import exp

from cutover.dialects.postgresql import quoted
from cutover.schema.rewrite.aggregates import AGGREGATES
from cutover.schema.rewrite.casts import stored
from cutover.schema.rewrite.context import LETTER_BY_LETTER, Context, Frame, Query
from cutover.schema.rewrite.groups import with_any_values
from cutover.schema.rewrite.names import all_columns
from cutover.schema.rewrite.scope import Attribute, UntranslatableError
from cutover.schema.rewrite.source import other_parts, refuse_others
from cutover.schema.rewrite.sources import sources
from cutover.schema.rewrite.value import ATOM, Value, condition, final, narrow, shown
from cutover.schema.rewrite.windows import definition, sorting
from cutover.schema.rewrite.withs import with_queries

Columns = list[tuple[str | None, Value]]

_HINTS = "an optimizer hint is left out"
_ADVICE = frozenset({"HIGH_PRIORITY", "STRAIGHT_JOIN", "SQL_SMALL_RESULT", "SQL_BIG_RESULT", "SQL_BUFFER_RESULT"})
_SELECT_PARTS = frozenset(
    {"with_", "hint", "distinct", "expressions", "from_", "joins", "where", "group", "having", "windows", "order"}
    | {"limit", "offset", "locks", "operation_modifiers"}
)
_UNION_PARTS = frozenset({"with_", "this", "expression", "distinct", "order", "limit", "offset"})
_SETS = {exp.Union: "UNION", exp.Except: "EXCEPT", exp.Intersect: "INTERSECT"}


def select(context: Context, tree: exp.Expr, targets: Sequence[Attribute] | None = None) -> Query:
    """Translate a query; ``targets`` are the columns that it is stored in.

    Raises:
        UntranslatableError: it has a part whose meaning in PostgreSQL is not surely the same.
    """
    if isinstance(tree, exp.Subquery) and not other_parts(tree, frozenset({"this"})):
        inner = select(context, tree.this, targets)
        return replace(inner, sql=f"({inner.sql})")
    if isinstance(tree, exp.Select):
        return _select(context, tree, targets)
    if isinstance(tree, exp.SetOperation):
        return _union(context, tree, targets)
    raise UntranslatableError(f"{tree.key.upper()} as a query")


def _select(context: Context, tree: exp.Select, targets: Sequence[Attribute] | None) -> Query:
    refuse_others(tree, _SELECT_PARTS)
    _refuse_modifiers(context, tree)
    widest, context = context.widest, replace(context, widest=False)
    context, head = with_queries(context, tree)
    from_, frame = sources(context, tree)
    tree = with_any_values(tree, frame)
    within = replace(context, frames=(*context.frames, frame))
    columns = list(_columns(within, tree, frame))
    items = list(_items(tree, frame))
    named = [(name, value) for (name, value), item in zip(columns, items, strict=True) if isinstance(item, exp.Alias)]
    aliases = {name.lower(): value for name, value in named if name is not None}
    if targets is not None:
        if len(targets) != len(columns):
            raise UntranslatableError("a query of another number of columns than it is stored in")
        columns = [
            (name, stored(context, value, target)) for (name, value), target in zip(columns, targets, strict=True)
        ]
    else:
        columns = [(name, _widest(shown(value)) if widest else shown(value)) for name, value in columns]
    written = ", ".join(_entry(value, name, item) for (name, value), item in zip(columns, items, strict=True))
    distinct = _distinct(context, tree, columns)
    parts = [f"{head}SELECT {distinct}{written}{from_}"]
    if tree.args.get("where") is not None:
        parts.append(f"WHERE {condition(within.value(tree.args['where'].this)).sql}")
    grouped = _with_frame(context, replace(frame, aliases=aliases))
    parts += _grouping(grouped, tree)
    if tree.args.get("windows"):
        windows = (f"{quoted(one.this.name)} AS ({definition(grouped, one)})" for one in tree.args["windows"])
        parts.append(f"WINDOW {', '.join(windows)}")
    ordered = _with_frame(context, replace(frame, aliases=aliases, aliases_first=True))
    parts += _ending(ordered, tree, {name.lower(): name for name, _ in named if name is not None})
    parts += _locks(tree)
    return Query(" ".join(parts), tuple(columns))


def _with_frame(context: Context, frame: Frame) -> Context:
    return replace(context, frames=(*context.frames, frame))


def _refuse_modifiers(context: Context, tree: exp.Select) -> None:
    if tree.args.get("hint"):
        context.note(_HINTS)
    for modifier in tree.args.get("operation_modifiers") or ():
        name = modifier.name.upper()
        if name == "SQL_CALC_FOUND_ROWS" or (name not in _ADVICE and name != "SQL_NO_CACHE"):
            raise UntranslatableError(name)
        context.note(_HINTS)


def _items(tree: exp.Select, frame: Frame) -> Iterator[exp.Expr]:
    """Yield what stands in the select list, ``*`` once for each of its columns."""
    for item in tree.expressions:
        if isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star)):
            if other_parts(item, frozenset({"this", "table"})):
                raise UntranslatableError("* with more words")
            table = item.text("table") or None
            for _ in all_columns(frame, table):
                yield item
        else:
            yield item


def _columns(context: Context, tree: exp.Select, frame: Frame) -> Iterator[tuple[str | None, Value]]:
    for item in tree.expressions:
        if isinstance(item, exp.Star):
            yield from all_columns(frame, None)
        elif isinstance(item, exp.Column) and isinstance(item.this, exp.Star):
            yield from all_columns(frame, item.text("table"))
        elif isinstance(item, exp.Alias):
            yield item.alias, context.value(item.this)
        else:
            value = context.value(item)
            yield (_called(item.name, value) if isinstance(item, exp.Column) else None), value


def _called(name: str, value: Value) -> str:
    """MySQL's names of columns have no case of their own: the target's is kept where it is the same name."""
    ending = quoted(name)
    return value.sql[-len(name) - 1 : -1] if value.sql.lower().endswith(ending.lower()) else name


def _widest(value: Value) -> Value:
    types = {"integer": "bigint", "text": "text", "decimal": "numeric"}
    if value.kind not in types:
        return value
    return replace(
        value, sql=f"{value.cast_ready}::{types[value.kind]}", rank=ATOM, type=types[value.kind], literal=None
    )


def _entry(value: Value, name: str | None, item: exp.Expr) -> str:
    if isinstance(item, exp.Alias):
        return f"{value.sql} AS {quoted(item.alias)}"
    # A column has the name that it has in the source, whatever the target's is.
    if name is not None and not value.sql.endswith(quoted(name)):
        return f"{value.sql} AS {quoted(name)}"
    return value.sql


def _distinct(context: Context, tree: exp.Select, columns: Columns) -> str:
    clause = tree.args.get("distinct")
    if clause is None:
        return ""
    if clause.args.get("on"):
        raise UntranslatableError("DISTINCT ON")
    _note_case(context, [value for _, value in columns])
    return "DISTINCT "


def _note_case(context: Context, values: Sequence[Value]) -> None:
    if any(value.ignores_case for value in values):
        context.note(LETTER_BY_LETTER)


def _grouping(context: Context, tree: exp.Select) -> list[str]:
    group, having = tree.args.get("group"), tree.args.get("having")
    parts = []
    if group is not None:
        refuse_others(group, frozenset({"expressions", "rollup"}))
        values = [final(context.value(item)) if not _position(item) else None for item in group.expressions]
        _note_case(context, [value for value in values if value is not None])
        listed = ", ".join(
            item.name if value is None else value.sql for item, value in zip(group.expressions, values, strict=True)
        )
        rollup = group.args.get("rollup")
        if rollup and any(one.expressions for one in rollup):
            raise UntranslatableError("ROLLUP")
        parts.append(f"GROUP BY ROLLUP ({listed})" if rollup else f"GROUP BY {listed}")
    if having is not None:
        calls = [call for part in (having, *tree.expressions) for call in part.find_all(exp.Anonymous)]
        if group is None and not any(call.name.upper() in AGGREGATES for call in calls):
            raise UntranslatableError("HAVING without GROUP BY")
        parts.append(f"HAVING {condition(context.value(having.this)).sql}")
    return parts


def _position(tree: exp.Expr) -> bool:
    return isinstance(tree, exp.Literal) and not tree.is_string


def _ending(context: Context, tree: exp.Expr, spelled: Mapping[str, str]) -> list[str]:
    parts = []
    order = tree.args.get("order")
    if order is not None:
        parts.append("ORDER BY " + ", ".join(_order_entry(context, entry, spelled) for entry in order.expressions))
    for word in ("limit", "offset"):
        clause = tree.args.get(word)
        if clause is not None:
            refuse_others(clause, frozenset({"expression"}))
            parts.append(f"{word.upper()} {narrow(context.value(clause.expression))}")
    return parts


def _order_entry(context: Context, entry: exp.Ordered, spelled: Mapping[str, str]) -> str:
    if _position(entry.this):
        return str(entry.this.name) + (" DESC NULLS LAST" if entry.args.get("desc") else " NULLS FIRST")
    made = sorting(context, entry)
    tree = entry.this
    if isinstance(tree, exp.Column) and not tree.text("table") and tree.name.lower() in spelled:
        # Only the bare name of an alias may be ordered by after DISTINCT or UNION.
        return f"{quoted(spelled[tree.name.lower()])}{made.ending}"
    return f"{made.value.sql}{made.ending}"


def _locks(tree: exp.Select) -> Iterator[str]:
    for lock in tree.args.get("locks") or ():
        if lock.args.get("key"):
            raise UntranslatableError("FOR KEY SHARE")
        words = "FOR UPDATE" if lock.args.get("update") else "FOR SHARE"
        if lock.expressions:
            words += f" OF {', '.join(quoted(table.name) for table in lock.expressions)}"
        wait = lock.args.get("wait")
        if wait is not None and not isinstance(wait, bool):
            raise UntranslatableError("WAIT n")
        yield words + ("" if wait is None else " NOWAIT" if wait else " SKIP LOCKED")


def _union(context: Context, tree: exp.SetOperation, targets: Sequence[Attribute] | None) -> Query:
    refuse_others(tree, _UNION_PARTS)
    context, head = with_queries(context, tree)
    sides = (tree.this, tree.expression)
    if any(isinstance(side, exp.SetOperation) and (exp.Intersect in (type(side), type(tree))) for side in sides):
        raise UntranslatableError("INTERSECT beside another set operation, without parentheses")
    left = context.query(tree.this, targets)
    right = context.query(tree.expression, targets)
    if len(left.columns) != len(right.columns):
        raise UntranslatableError("UNION of another number of columns")
    word = _SETS[type(tree)]
    if tree.args.get("distinct"):
        _note_case(context, [value for query in (left, right) for _, value in query.columns])
    else:
        word += " ALL"
    columns = tuple(
        (name, _common(one, other)) for (name, one), (_, other) in zip(left.columns, right.columns, strict=True)
    )
    aliases = {name.lower(): replace(value, sql=quoted(name)) for name, value in columns if name is not None}
    spelled = {name.lower(): name for name, _ in columns if name is not None}
    ordered = _with_frame(context, Frame(aliases=aliases, aliases_first=True))
    joined = f"{head}{_member(tree.this, left)} {word} {_member(tree.expression, right)}"
    return Query(" ".join([joined, *_ending(ordered, tree, spelled)]), columns)


def _member(tree: exp.Expr, query: Query) -> str:
    if isinstance(tree, exp.Select) and (tree.args.get("order") or tree.args.get("limit") or tree.args.get("with_")):
        return f"({query.sql})"
    if isinstance(tree, exp.SetOperation):
        return f"({query.sql})"
    return query.sql


def _common(one: Value, other: Value) -> Value:
    kinds = {one.kind, other.kind} - {"null"}
    if len(kinds) > 1 and kinds != {"integer", "decimal"}:
        raise UntranslatableError(f"UNION of {one.kind} and {other.kind}")
    known = one if one.kind != "null" else other
    scales = {one.scale, other.scale}
    widest = None if None in scales else max(scale or 0 for scale in scales)
    kind = "decimal" if kinds == {"integer", "decimal"} else known.kind
    return replace(known, kind=kind, scale=widest, literal=None, ignores_case=one.ignores_case or other.ignores_case)
