"""Generated columns: the expression by which the target makes their values itself."""

from __future__ import annotations

from dataclasses import replace

from cutover.dialects import postgresql
from cutover.schema.model import Table
from cutover.schema.rewrite import Rewritten, rewrite_expression
from cutover.schema.rewrite.scope import Scope, UntranslatableError
from cutover.schema.target import Findings, TargetTable
from cutover.spec import MigrationSpec

_PLACE = "cutover place of "


def compute(table: TargetTable, source: Table, scope: Scope, spec: MigrationSpec, findings: Findings) -> TargetTable:
    """Return the table with an expression for each generated column that can have one.

    Where there is none the column stays a plain one, its values arrive, and a loss says why. A
    generated column may not refer to another one in PostgreSQL (manual, Generated Columns), so the
    other's expression takes its place.
    """
    expressions: dict[str, str] = {}
    columns = []
    scope = _of_unchanged(scope, table)
    referring = {name for key in table.foreign_keys for name in key.columns}
    for route in table.route.columns:
        written = source.column(route.source).generated
        where = f"generated column {source.name}.{route.source}"
        if written is None:
            columns.append(route)
            continue
        if spec.schema_.settings.tables.columns.generated_columns == "values":
            findings.note(where, f"its values arrive in a plain column, {written} does not (generatedColumns: values)")
            columns.append(route)
            continue
        try:
            _refuse_after_function(table)
            if route.target in table.route.key:
                raise UntranslatableError("the primary key, by which the rows are read")
            if route.target in referring:
                raise UntranslatableError("a foreign key on it, whose actions PostgreSQL forbids there")
            made = _expression(written, source.name, expressions, scope, condition=route.arrow == "bool")
            expressions[route.target] = made.sql
        except UntranslatableError as error:
            findings.lose(where, f"its values arrive, {written} does not: {error.construct}")
            columns.append(route)
        else:
            columns.append(replace(route, computed=expressions[route.target], nullable=True))
    return replace(table, route=replace(table.route, columns=tuple(columns)))


def generated(written: str, table: TargetTable, source: Table, scope: Scope, *, condition: bool) -> Rewritten:
    """Return the expression by which the target makes a column of its own, over the table's other columns.

    ``condition`` says whether a truth value is meant.

    Raises:
        UntranslatableError: there is none, or one of the columns is not in the target as it is in the source.
    """
    _refuse_after_function(table)
    earlier = {column.target: column.computed for column in table.computed if column.computed is not None}
    return _expression(written, source.name, earlier, _of_unchanged(scope, table), condition=condition)


def _refuse_after_function(table: TargetTable) -> None:
    function = table.route.function
    if function is not None:
        raise UntranslatableError(f"function {function.call} may change what it is computed from")


def _of_unchanged(scope: Scope, table: TargetTable) -> Scope:
    """Leave out columns whose values change on the way: what the target makes of them is not what the source made."""
    known = scope.relations[table.route.source]
    changed = {c.source.lower() for c in table.route.columns if c.rewritten or c.default is not None}
    attributes = {name: attribute for name, attribute in known.attributes.items() if name not in changed}
    return replace(scope, relations={**scope.relations, table.route.source: replace(known, attributes=attributes)})


def _expression(written: str, table: str, earlier: dict[str, str], scope: Scope, *, condition: bool) -> Rewritten:
    """Rewrite an expression; the generated columns before it stand in it as names that nothing else has."""
    known = scope.relations[table]
    attributes = {
        name: replace(attribute, name=_PLACE + attribute.name) if attribute.name in earlier else attribute
        for name, attribute in known.attributes.items()
    }
    within = replace(scope, relations={**scope.relations, table: replace(known, attributes=attributes)})
    made = rewrite_expression(written, within, table, condition=condition)
    for name, expression in earlier.items():
        made = replace(made, sql=made.sql.replace(postgresql.quoted(_PLACE + name), f"({expression})"))
    return made
