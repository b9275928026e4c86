"""CHECK constraints: the source's in PostgreSQL's words, and those that say what a column may hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlglot import exp

from cutover.route import ColumnRoute
from cutover.schema.model import Table
from cutover.schema.names import fitting, spelled
from cutover.schema.rewrite import rewrite_expression
from cutover.schema.rewrite.scope import Scope, UntranslatableError
from cutover.schema.target import Findings, TargetCheck


def of_labels(table: str, route: ColumnRoute) -> TargetCheck:
    """Return the check that a text column holds one of its labels, or a set only those."""
    column = exp.column(route.target, quoted=True).sql(dialect="postgres")
    labels = ", ".join(exp.Literal.string(label).sql(dialect="postgres") for label in route.labels)
    name = fitting(f"{table}_{route.target}_check")
    if route.arrow == "set":
        return TargetCheck(name, f"{column} <@ ARRAY[{labels}]::text[]")
    return TargetCheck(name, f"{column} IN ({labels})", column=route.target, labels=route.labels)


def translate_checks(
    table: Table, routes: Sequence[ColumnRoute], scope: Scope, taken: set[str], fold: bool, findings: Findings
) -> Iterator[TargetCheck]:
    """Yield a table's checks in PostgreSQL's dialect; what cannot be one is a loss with its reason.

    Whether the server takes what is yielded is found out by rehearsing it.

    Args:
        table: the table as inspected.
        routes: its columns that travel.
        scope: what the names in the checks mean.
        fold: whether names become lower case.
        taken: names that the target table's other checks have.
        findings: what is left out or changes its meaning is added here.
    """
    sources = {route.source for route in routes}
    for check in table.checks:
        where = f"check {table.name}.{check.name}"
        if not check.enforced:
            findings.lose(where, f"it is NOT ENFORCED, which PostgreSQL has no word for: {check.expression}")
            continue
        try:
            made = rewrite_expression(check.expression, scope, table.name, condition=True)
        except UntranslatableError as error:
            findings.lose(where, f"{check.expression}: {error.construct}")
            continue
        for note in made.notes:
            findings.note(where, note)
        name = spelled(check.name if check.name not in sources else f"{table.name}_{check.name}_check", fold)
        while name in taken:
            name = fitting(f"{name}_1")
        taken.add(name)
        yield TargetCheck(name, made.sql, check.name)
