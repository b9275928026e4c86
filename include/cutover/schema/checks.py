"""CHECK constraints: the source's in PostgreSQL's words, and those that say what a mapped column may hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from cutover.route import ColumnRoute
from cutover.schema.model import Table
from cutover.schema.names import fitting
from cutover.schema.target import Loss, TargetCheck


def of_labels(table: str, column: str, labels: Sequence[str]) -> TargetCheck:
    """Return the check that a column holds one of the labels."""
    values = [exp.Literal.string(label) for label in labels]
    condition = exp.In(this=exp.column(column, quoted=True), expressions=values)
    return TargetCheck(fitting(f"{table}_{column}_check"), condition.sql(dialect="postgres"), column, tuple(labels))


def translate_checks(
    table: Table, routes: Sequence[ColumnRoute], taken: set[str], losses: list[Loss], notes: list[str]
) -> Iterator[TargetCheck]:
    """Yield a table's checks in PostgreSQL's dialect; what cannot be one is a loss with its reason.

    Whether the server takes what is yielded is found out by rehearsing it.

    Args:
        table: the table as inspected.
        routes: its columns that travel.
        taken: names that the target table's other checks have.
        losses: what is left out is added here.
        notes: what is carried over with another meaning is added here.
    """
    by_source = {route.source: route for route in routes}
    for check in table.checks:
        where = f"check {table.name}.{check.name}"
        if not check.enforced:
            losses.append(Loss(where, f"it is NOT ENFORCED, which PostgreSQL has no word for: {check.expression}"))
            continue
        try:
            parsed = sqlglot.parse_one(check.expression, read="mysql")
        except SqlglotError as error:
            losses.append(Loss(where, f"{check.expression}: {str(error).splitlines()[0]}"))
            continue
        reason = _renamed(parsed, by_source)
        if reason:
            losses.append(Loss(where, f"{check.expression}: {reason}"))
            continue
        if parsed.find(exp.Literal) and any(literal.is_string for literal in parsed.find_all(exp.Literal)):
            notes.append(f"{where}: it compares text letter by letter, where the source may ignore case")
        name = fitting(check.name if check.name not in by_source else f"{table.name}_{check.name}_check")
        while name in taken:
            name = fitting(f"{name}_1")
        taken.add(name)
        yield TargetCheck(name, parsed.sql(dialect="postgres", identify=True, comments=False))


def _renamed(parsed: exp.Expr, by_source: dict[str, ColumnRoute]) -> str | None:
    """Give columns their names in the target; return what forbids it, if anything does."""
    for column in list(parsed.find_all(exp.Column)):
        route = by_source.get(column.name)
        if route is None:
            return f"column {column.name} stays behind"
        if route.values:
            return f"the values of column {column.name} are mapped to others"
        column.replace(exp.column(route.target, quoted=True))
    for length in list(parsed.find_all(exp.Length)):
        if length.args.get("binary"):  # MySQL's LENGTH counts bytes, PostgreSQL's characters
            length.replace(exp.func("OCTET_LENGTH", length.this))
    return None
