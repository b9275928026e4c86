"""WITH: queries that are named before the statement that uses them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlglot import exp

from cutover.dialects.postgresql import quoted
from cutover.schema.rewrite.context import Context, Query
from cutover.schema.rewrite.names import outputs
from cutover.schema.rewrite.scope import Attribute
from cutover.schema.rewrite.source import refuse_others


def with_queries(context: Context, tree: exp.Expr) -> tuple[Context, str]:
    """Return the context in which a statement's WITH queries are in view, and the WITH itself."""
    clause = tree.args.get("with_")
    if clause is None:
        return context, ""
    recursive, made = bool(clause.args.get("recursive")), []
    for entry in clause.expressions:
        name = entry.alias
        renamed = [column.name for column in entry.args["alias"].columns]
        inner = entry.this
        if recursive and isinstance(inner, exp.Union):
            first = replace(context, widest=True).query(inner.this)
            within = _seeing(context, name, outputs(first.columns, renamed))
            second = within.query(inner.expression)
            word = "UNION" if inner.args.get("distinct") else "UNION ALL"
            refuse_others(inner, frozenset({"this", "expression", "distinct"}))
            query = Query(f"{first.sql} {word} {second.sql}", first.columns)
        else:
            query = context.query(inner)
        context = _seeing(context, name, outputs(query.columns, renamed))
        listed = f" ({', '.join(quoted(column) for column in renamed)})" if renamed else ""
        made.append(f"{quoted(name)}{listed} AS ({query.sql})")
    return context, f"WITH {'RECURSIVE ' if recursive else ''}{', '.join(made)} "


def _seeing(context: Context, name: str, columns: Mapping[str, Attribute]) -> Context:
    return replace(context, tables={**context.tables, name.lower(): columns})
