"""FROM: tables, joins and subqueries, and what names they bring into view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sqlglot import exp

from cutover.dialects.postgresql import quoted
from cutover.schema.rewrite.context import Context, Frame, Origin
from cutover.schema.rewrite.names import outputs, refuse_other_database, relation
from cutover.schema.rewrite.scope import UntranslatableError
from cutover.schema.rewrite.source import refuse_others
from cutover.schema.rewrite.value import condition

_TABLE_PARTS = frozenset({"this", "db", "alias", "joins", "hints"})
_JOIN_PARTS = frozenset({"this", "on", "using", "side", "kind", "method"})


@dataclass
class Sources:
    """The tables found so far, and the columns that a USING made one."""

    context: Context
    origins: list[Origin] = field(default_factory=list)
    merged: set[str] = field(default_factory=set)

    def frame(self) -> Frame:
        """Return what names have come into view."""
        return Frame(tuple(self.origins), frozenset(self.merged))

    def within(self) -> Context:
        """Return the context in which they are in view."""
        return replace(self.context, frames=(*self.context.frames, self.frame()))


def sources(context: Context, tree: exp.Expr) -> tuple[str, Frame]:
    """Return a query's FROM with a space before it, or nothing, and the names that it brings.

    Raises:
        UntranslatableError: it names what is not carried, or joins in a way that PostgreSQL does not.
    """
    clause = tree.args.get("from_")
    if clause is None:
        return "", Frame()
    if isinstance(clause.this, exp.Table) and clause.this.name.upper() == "DUAL" and not tree.args.get("joins"):
        return "", Frame()
    found = Sources(context)
    sql = joined(found, clause.this, tree.args.get("joins") or [])
    return f" FROM {sql}", found.frame()


def joined(found: Sources, first: exp.Expr, joins: Sequence[exp.Join]) -> str:
    """Return a table with what is joined to it; ``found`` gains what names they bring."""
    # A comma binds less than JOIN; as CROSS JOIN it finds the same rows, but for a RIGHT JOIN that follows.
    sql = _source(found, first)
    crossed = False
    for join in [*(first.args.get("joins") or []), *joins]:
        if crossed and join.text("side").upper() == "RIGHT":
            raise UntranslatableError("RIGHT JOIN after a comma")
        sql += _join(found, join)
        crossed = crossed or not (join.args.get("on") or join.args.get("using"))
    return sql


def _join(found: Sources, join: exp.Join) -> str:
    refuse_others(join, _JOIN_PARTS)
    if join.args.get("method"):
        raise UntranslatableError(f"{join.text('method').upper()} JOIN")
    kind, side = join.text("kind").upper(), join.text("side").upper()
    if kind == "STRAIGHT_JOIN":
        found.context.note("an optimizer hint is left out")
        kind = ""
    if kind not in ("", "INNER", "CROSS", "OUTER") or side not in ("", "LEFT", "RIGHT"):
        raise UntranslatableError(f"{side} {kind} JOIN".strip())
    before = list(found.origins)
    table = _source(found, join.this)
    on, using = join.args.get("on"), join.args.get("using")
    if using:
        return f" {f'{side} ' if side else ''}JOIN {table} USING ({_using(found, before, using, side)})"
    if on is None:
        if side:
            raise UntranslatableError("an outer JOIN without a condition")
        return f" CROSS JOIN {table}"
    test = condition(found.within().value(on)).sql
    return f" {f'{side} ' if side else ''}JOIN {table} ON {test}"


def _using(found: Sources, before: Sequence[Origin], names: Sequence[exp.Expr], side: str) -> str:
    made = []
    after = found.origins[len(before) :]
    for name in names:
        lowered = name.name.lower()
        targets = {origin.attributes[lowered].name for origin in (*before, *after) if lowered in origin.attributes}
        owners = [sum(lowered in origin.attributes for origin in side) for side in (before, after)]
        if len(targets) != 1 or owners[1] != 1 or owners[0] < 1 or side == "RIGHT":
            raise UntranslatableError(f"USING ({name.name})")
        found.merged.add(lowered)
        made.append(quoted(targets.pop()))
    return ", ".join(made)


def _source(found: Sources, tree: exp.Expr) -> str:
    if isinstance(tree, exp.Table):
        return _table(found, tree)
    if isinstance(tree, exp.Lateral) and isinstance(tree.this, exp.Subquery):
        if tree.args.get("view") or tree.args.get("outer"):
            raise UntranslatableError("LATERAL")
        return "LATERAL " + _derived(found, tree.this, tree.args.get("alias"), found.within())
    if isinstance(tree, exp.Subquery) and isinstance(tree.unnest(), exp.Select | exp.SetOperation):
        return _derived(found, tree, tree.args.get("alias"), found.context)
    if isinstance(tree, exp.Subquery) and not tree.args.get("alias"):
        return f"({joined(found, tree.this, [])})"
    raise UntranslatableError(f"{tree.key.upper()} in FROM")


def _table(found: Sources, tree: exp.Table) -> str:
    refuse_others(tree, _TABLE_PARTS)
    refuse_other_database(found.context, tree)
    if tree.args.get("hints"):
        found.context.note("an optimizer hint is left out")
    name = tree.name
    columns = None if tree.args.get("db") else found.context.tables.get(name.lower())
    if columns is None:
        meant = relation(found.context, name)
        target, columns, key = meant.name, meant.attributes, meant.key
    else:
        target, key = name, frozenset()
    alias = tree.alias
    found.origins.append(Origin(alias or name, alias or target, columns, key))
    return f"{quoted(target)} AS {quoted(alias)}" if alias else quoted(target)


def _derived(found: Sources, tree: exp.Subquery, alias: exp.Expr | None, context: Context) -> str:
    refuse_others(tree, frozenset({"this", "alias", "joins"}))
    if not isinstance(alias, exp.TableAlias) or not alias.name:
        raise UntranslatableError("a subquery in FROM without a name")
    query = context.query(tree.this)
    renamed = [column.name for column in alias.columns]
    found.origins.append(Origin(alias.name, alias.name, outputs(query.columns, renamed)))
    listed = f" ({', '.join(quoted(column) for column in renamed)})" if renamed else ""
    return f"({query.sql}) AS {quoted(alias.name)}{listed}"
