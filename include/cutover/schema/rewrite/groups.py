"""Columns that a grouped query gives beside its groups: of the values that a group has, MySQL takes any."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from cutover.schema.rewrite.aggregates import AGGREGATES
from cutover.schema.rewrite.context import Frame, Origin

ANY = "ANY_VALUE"


def with_any_values(tree: exp.Select, frame: Frame) -> exp.Select:
    """Return a grouped query in which each column that is not of its groups is asked for as ANY_VALUE.

    Without ONLY_FULL_GROUP_BY the server takes whichever value it meets (MySQL manual, MySQL Handling of
    GROUP BY); with it, all of a group are alike. A column of a table whose primary key is grouped by stays:
    PostgreSQL knows that it has one value.
    """
    group = tree.args.get("group")
    if group is None or group.args.get("rollup"):
        return tree
    made = tree.copy()
    aliases = {item.alias.lower(): item.this for item in made.expressions if isinstance(item, exp.Alias)}
    keys = [_meant(entry, made.expressions, aliases, frame) for entry in made.args["group"].expressions]
    for item in made.expressions:
        _wrap(item, keys, frame)
    if made.args.get("having") is not None:
        _wrap(made.args["having"], keys, frame, set(aliases))
    for entry in made.args["order"].expressions if made.args.get("order") else ():
        _wrap(entry, keys, frame, set(aliases))
    return made


def _meant(entry: exp.Expr, items: Sequence[exp.Expr], aliases: dict[str, exp.Expr], frame: Frame) -> exp.Expr:
    """Return the expression that an entry of GROUP BY means: by its place or its name in the select list, too."""
    if isinstance(entry, exp.Literal) and not entry.is_string:
        place = int(entry.name) - 1
        return items[place].unalias() if place < len(items) else entry
    if isinstance(entry, exp.Column) and not entry.text("table") and _origin(entry, frame) is None:
        return aliases.get(entry.name.lower(), entry)
    return entry


def _wrap(tree: exp.Expr, keys: Sequence[exp.Expr], frame: Frame, aliases: set[str] | None = None) -> None:
    """Wrap ``tree`` or what is in it, down to what is grouped by, aggregated or a query of its own."""
    called = tree.name.upper() if isinstance(tree, exp.Anonymous) else ""
    if isinstance(tree, exp.Query | exp.Window | exp.GroupConcat) or called in AGGREGATES or tree in keys:
        return
    if not isinstance(tree, exp.Column):
        for child in list(tree.iter_expressions()):
            _wrap(child, keys, frame, aliases)
        return
    is_alias = not tree.text("table") and tree.name.lower() in (aliases or ())
    if not is_alias and not _is_grouped(tree, keys, frame):
        wrapped = exp.Anonymous(this=ANY, expressions=[tree.copy()])
        # A column that is selected bare keeps its name.
        bare = isinstance(tree.parent, exp.Select)
        tree.replace(exp.alias_(wrapped, tree.name, quoted=True) if bare else wrapped)


def _is_grouped(column: exp.Column, keys: Sequence[exp.Expr], frame: Frame) -> bool:
    """Whether a column is grouped by, however both are written, or has one value by its table's key."""
    origin = _origin(column, frame)
    if origin is None:  # of a query around this one
        return True
    grouped = {key.name.lower() for key in keys if isinstance(key, exp.Column) and _origin(key, frame) is origin}
    return column.name.lower() in grouped or (bool(origin.key) and origin.key <= grouped)


def _origin(column: exp.Column, frame: Frame) -> Origin | None:
    table = column.text("table").lower()
    found = [
        origin
        for origin in frame.origins
        if column.name.lower() in origin.attributes and (not table or origin.called.lower() == table)
    ]
    return found[0] if found else None
