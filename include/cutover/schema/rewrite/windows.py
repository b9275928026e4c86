"""Windows and orders: OVER (...) and ORDER BY, with NULLs where MySQL has them."""

from __future__ import annotations

from sqlglot import exp

from cutover.dialects.postgresql import quoted
from cutover.schema.rewrite.aggregates import Sorting
from cutover.schema.rewrite.calls import call
from cutover.schema.rewrite.context import Context
from cutover.schema.rewrite.scope import UntranslatableError
from cutover.schema.rewrite.value import Value, final, integer, shown

_SIDES = ("PRECEDING", "FOLLOWING")


def sorting(context: Context, entry: exp.Ordered) -> Sorting:
    """Return one entry of an ORDER BY; MySQL has NULL before every value.

    Raises:
        UntranslatableError: the target would order the values differently.
    """
    value = shown(context.value(entry.this))
    if value.kind == "enum" and value.type.lower().startswith(("text", "varchar")):
        raise UntranslatableError("ORDER BY of an ENUM that is text in the target")
    if value.kind in ("set", "json"):
        raise UntranslatableError(f"ORDER BY of {value.kind}")
    if value.kind == "text":
        context.note("it orders text by the target's collation")
    return Sorting(value, " DESC NULLS LAST" if entry.args.get("desc") else " NULLS FIRST")


def window(context: Context, tree: exp.Window) -> Value:
    """Return a call over a window.

    Raises:
        UntranslatableError: the call or its window has a part that is not known.
    """
    if not isinstance(tree.this, exp.Anonymous):
        raise UntranslatableError(f"{tree.this.key.upper()} over a window")
    made = call(context, tree.this, over=True)
    name = tree.args.get("alias")
    over = quoted(name.name) if name is not None else f"({definition(context, tree)})"
    sql = f"{made.sql} OVER {over}"
    if not made.sql.endswith(")") or made.sql.startswith(("COALESCE(", "(")):
        raise UntranslatableError(f"{tree.this.name.upper()} over a window")
    return Value(
        sql,
        made.kind,
        type=made.type,
        scale=made.scale,
        loose=made.loose,
        kept=made.kept,
        ignores_case=made.ignores_case,
    )


def definition(context: Context, tree: exp.Window) -> str:
    """Return what stands between the parentheses of a window."""
    parts = []
    if tree.args.get("first") is not None or tree.args.get("overlaps"):
        raise UntranslatableError("a window that is made from another one")
    if tree.args.get("partition_by"):
        groups = (final(context.value(group)).sql for group in tree.args["partition_by"])
        parts.append(f"PARTITION BY {', '.join(groups)}")
    if tree.args.get("order") is not None:
        entries = (sorting(context, entry) for entry in tree.args["order"].expressions)
        parts.append("ORDER BY " + ", ".join(f"{entry.value.sql}{entry.ending}" for entry in entries))
    frame = tree.args.get("spec")
    if frame is not None:
        parts.append(_frame(context, frame))
    return " ".join(parts)


def _frame(context: Context, frame: exp.WindowSpec) -> str:
    if frame.args.get("exclude"):
        raise UntranslatableError("EXCLUDE in a window")
    kind = frame.text("kind").upper()
    sides = [
        _side(context, kind, frame.args.get(side), frame.text(f"{side}_side").upper()) for side in ("start", "end")
    ]
    return f"{kind} {sides[0]}" if sides[1] is None else f"{kind} BETWEEN {sides[0]} AND {sides[1]}"


def _side(context: Context, kind: str, bound: exp.Expr | str | None, side: str) -> str | None:
    if bound is None:
        return None
    if isinstance(bound, str):
        return f"{bound} {side}".strip()
    value = context.value(bound)
    if value.literal is None or value.kind != "integer" or side not in _SIDES or kind != "ROWS":
        raise UntranslatableError(f"{kind} with a bound that is not known")
    return f"{integer(value.literal).sql} {side}"
