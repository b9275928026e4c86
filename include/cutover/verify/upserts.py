"""MySQL's upserts as ON CONFLICT has them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import sqlglot
from sqlglot import exp

from cutover.dialects.postgresql import quoted
from cutover.schema.rewrite import (
    Relation,
    Rewritten,
    Scope,
    UntranslatableError,
    rewrite_expression,
    rewrite_statement,
)

Keys = Mapping[str, Sequence[Sequence[str]]]
"""The columns of each unique key of a table, its primary key among them, by the table's name in the source."""

_REPLACE = re.compile(r"\s*REPLACE\s+(?:LOW_PRIORITY\s+|DELAYED\s+)?(?:INTO\s+)?", re.IGNORECASE)
_CHANGED = "the row that is there is changed, and not deleted first: no trigger and no foreign key sees it go"


def as_insert(text: str) -> str | None:
    """Return a REPLACE as the INSERT that it is but for rows that are there; None for another statement."""
    found = _REPLACE.match(text)
    return None if found is None else f"INSERT INTO {text[found.end() :]}"


def upsert(tree: exp.Expr, scope: Scope, keys: Keys, replaces: bool) -> Rewritten:
    """Translate an INSERT that changes the row whose key is there.

    Args:
        tree: the INSERT.
        scope: what names mean on the target.
        keys: the unique keys of tables.
        replaces: whether it is a REPLACE, which writes every column anew.

    Raises:
        UntranslatableError: it is none, or it is not sure which key or what value is meant.
    """
    conflict = tree.args.get("conflict")
    if not isinstance(tree, exp.Insert) or (conflict is None and not replaces):
        raise UntranslatableError("no upsert")
    table = tree.find(exp.Table)
    relation = scope.relations.get(table.name) if table is not None else None
    if table is None or relation is None:
        raise UntranslatableError("ON DUPLICATE KEY UPDATE of a table that is not carried")
    schema = tree.this
    written = [one.name.lower() for one in schema.expressions] if isinstance(schema, exp.Schema) else []
    written = written or list(relation.attributes)
    key = _key(keys.get(table.name, ()), written)
    given = conflict.expressions if conflict is not None else []
    bare, new = _without_alias(tree)
    rows = _Rows(relation, frozenset({"", table.name}), new)
    changed = [] if replaces else [_assignment(e, scope, rows) for e in given]
    changes = [*_anew(relation, written, key)] if replaces else [one.sql for one in changed]
    told = [_CHANGED] if replaces else [note for one in changed for note in one.notes]
    inserted = rewrite_statement(bare.sql(dialect="mysql", comments=False), scope)
    on = ", ".join(quoted(relation.attributes[name].name) for name in key)
    does = f"DO UPDATE SET {', '.join(changes)}" if changes else "DO NOTHING"
    return Rewritten(f"{inserted.sql} ON CONFLICT ({on}) {does}", tuple(dict.fromkeys([*inserted.notes, *told])))


@dataclass(frozen=True)
class _Rows:
    """The table that is written, and what its row that is there and the one that was to be inserted go by."""

    relation: Relation
    old: frozenset[str]
    new: str | None

    def of(self, column: exp.Column) -> str:
        """Return which of the two a column is of.

        Raises:
            UntranslatableError: it is of a table that is read; ON CONFLICT sees none.
        """
        if column.table in self.old:
            return "old"
        if column.table == self.new:
            return "new"
        raise UntranslatableError(f"ON DUPLICATE KEY UPDATE to {column.table}.{column.name}, of the rows that are read")


def _without_alias(tree: exp.Insert) -> tuple[exp.Insert, str | None]:
    """Return an INSERT alone, and the name that it gives its new row (MySQL manual, INSERT ON DUPLICATE KEY UPDATE)."""
    bare = tree.copy()
    bare.set("conflict", None)
    alias = bare.expression.args.get("alias") if isinstance(bare.expression, exp.Values) else None
    if alias is None:
        return bare, None
    if alias.args.get("columns"):
        raise UntranslatableError("new names for the columns of an inserted row")
    bare.expression.set("alias", None)
    return bare, alias.name


def _key(keys: Sequence[Sequence[str]], written: Sequence[str]) -> list[str]:
    """Return the one key that a row may already be there with: all of whose columns are written."""
    named = [[name.lower() for name in key] for key in keys]
    found = [key for key in named if set(key) <= set(written)]
    if len(found) != 1:
        raise UntranslatableError(f"a row that may be there by {len(found)} unique keys")
    return found[0]


def _anew(relation: Relation, written: Sequence[str], key: Sequence[str]) -> Iterator[str]:
    for name, attribute in relation.attributes.items():
        if name not in key:
            value = f"EXCLUDED.{quoted(attribute.name)}" if name in written else "DEFAULT"
            yield f"{quoted(attribute.name)} = {value}"


def _assignment(each: exp.Expr, scope: Scope, rows: _Rows) -> Rewritten:
    known = rows.relation.attributes
    if not isinstance(each, exp.EQ) or each.this.name.lower() not in known or rows.of(each.this) != "old":
        raise UntranslatableError("ON DUPLICATE KEY UPDATE of something else than a column")
    made = _value(each.expression, scope, rows)
    return replace(made, sql=f"{quoted(known[each.this.name.lower()].name)} = {made.sql}")


def _value(tree: exp.Expr, scope: Scope, rows: _Rows) -> Rewritten:
    """Translate a value that may be made of the row that is there, and of the one that was to be inserted."""
    made = exp.Paren(this=tree.copy())
    for column in list(made.find_all(exp.Column)):
        column.replace(exp.column(column.this.copy(), table=rows.of(column)))
    for call in list(made.find_all(exp.Anonymous)):
        if call.name.upper() == "VALUES":
            call.replace(exp.column(call.expressions[0].copy(), table="new"))
    variables = {
        f"{row}.{name}": replace(attribute, name=f"{row}.{attribute.name}")
        for row in ("new", "old")
        for name, attribute in rows.relation.attributes.items()
    }
    found = rewrite_expression(made.this.sql(dialect="mysql"), replace(scope, variables=variables))
    written = sqlglot.parse_one(found.sql, read="postgres")
    names = {"new": exp.to_identifier("EXCLUDED"), "old": exp.to_identifier(rows.relation.name, quoted=True)}
    for column in written.find_all(exp.Column):
        column.set("table", names[column.table.lower()].copy())
    return replace(found, sql=written.sql(dialect="postgres"))
