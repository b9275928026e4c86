"""Views in PostgreSQL's words, each after those it reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from cutover.schema import scopes
from cutover.schema.model import Schema, View
from cutover.schema.names import column_spelled, spelled
from cutover.schema.rewrite import rewrite_statement
from cutover.schema.rewrite.scope import Attribute, Relation, Scope, UntranslatableError, surely
from cutover.schema.target import Findings, TargetView, commented
from cutover.spec import MigrationSpec


def translate_views(
    source: Schema, scope: Scope, spec: MigrationSpec, findings: Findings
) -> tuple[tuple[TargetView, ...], Scope]:
    """Return the views that can be carried, in dependency order, and the scope with them in it.

    Args:
        source: the source database.
        scope: what the names of its tables and functions mean.
        spec: whether views travel.
        findings: what is left out, and every view's change of meaning, is added here.
    """
    made: list[TargetView] = []
    for view in _in_order(source.views):
        where = f"view {view.name}"
        if spec.schema_.settings.tables.options.preserve_views is False:
            findings.leave(where)
            continue
        try:
            with surely():
                translated = _translate(view, scope, spec.schema_.settings.tables.fold, findings)
                relation = _relation(view, translated, scope, spec)
        except UntranslatableError as error:
            findings.lose(where, error.construct, commented(f"CREATE VIEW {view.name} AS {view.definition}"))
            continue
        made.append(translated)
        scope = replace(scope, relations={**scope.relations, view.name: relation})
    return tuple(made), scope


def _translate(view: View, scope: Scope, fold: bool, findings: Findings) -> TargetView:
    if not view.definition:
        raise UntranslatableError("the account may not read its definition; GRANT SHOW VIEW to it")
    for name in _reads(view):
        if name not in scope.relations:
            raise UntranslatableError(f"it reads {name}, which is not carried")
    rewritten = rewrite_statement(view.definition, scope)
    for note in rewritten.notes:
        findings.note(f"view {view.name}", note)
    columns = tuple(column_spelled(column.name, fold) for column in view.columns)
    return TargetView(spelled(view.name, fold), view.name, columns, rewritten.sql, view.check_option, view.invoker)


def _relation(view: View, translated: TargetView, scope: Scope, spec: MigrationSpec) -> Relation:
    """Say what the columns of a view are, for the views that read it: those of a table where they pass unchanged."""
    passed = dict(_passed(view, scope))
    attributes = {}
    for column, name in zip(view.columns, translated.columns, strict=True):
        known = passed.get(column.name)
        attributes[column.name.lower()] = replace(
            known or scopes.of_type(column.type, spec, column.collation), name=name
        )
    return Relation(translated.name, attributes)


def _passed(view: View, scope: Scope) -> Iterator[tuple[str, Attribute]]:
    parsed = sqlglot.parse_one(view.definition, read="mysql")
    if not isinstance(parsed, exp.Select):
        return
    tables = {table.alias_or_name: table.name for table in parsed.find_all(exp.Table)}
    for item in parsed.expressions:
        column = item.unalias()
        if isinstance(column, exp.Column) and column.table in tables:
            relation = scope.relations.get(tables[column.table])
            if relation is not None and column.name.lower() in relation.attributes:
                yield item.alias_or_name, relation.attributes[column.name.lower()]


def _reads(view: View) -> tuple[str, ...]:
    try:
        parsed = sqlglot.parse_one(view.definition, read="mysql")
    except SqlglotError as error:
        raise UntranslatableError(str(error).splitlines()[0]) from None
    within = {table.alias for table in parsed.find_all(exp.CTE)}
    return tuple(dict.fromkeys(table.name for table in parsed.find_all(exp.Table) if table.name not in within))


def _in_order(views: tuple[View, ...]) -> Iterator[View]:
    """Each view after those that it reads; a server lets no view read itself."""
    waiting = {view.name: view for view in views}
    reads = {}
    for view in views:
        try:
            reads[view.name] = set(_reads(view)) & waiting.keys() if view.definition else set()
        except UntranslatableError:
            reads[view.name] = set()
    while waiting:
        ready = [name for name in waiting if not reads[name] & waiting.keys() - {name}]
        for name in ready or list(waiting):
            yield waiting.pop(name)
