"""What the steps that try the application's queries have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from cutover.errors import SpecError, VerificationError
from cutover.schema import scopes
from cutover.schema.code import with_code
from cutover.schema.rewrite import Scope
from cutover.schema.target import TargetTable
from cutover.steps import switches
from cutover.steps.context import Run
from cutover.verify import queries
from cutover.verify.outcome import Outcome
from cutover.verify.queries import Query

# How the rewriter says that a name means nothing to it.
_UNKNOWN = re.compile(r"column (?:[^ ]+\.)?([^ .]+), which is not known")


def scope(run: Run) -> Scope:
    """Return what the names of the source mean in the run's tables, views and functions."""
    plan = run.plan
    made = scopes.of_tables(plan.source, [_brought(table) for table in plan.tables], plan.sequences)
    return with_code(made, plan.source, plan.views, plan.programs, run.spec)


def _brought(table: TargetTable) -> TargetTable:
    """The table with the columns that the source has."""
    columns = tuple(column for column in table.route.columns if column.added is None)
    return replace(table, route=replace(table.route, columns=columns))


def asked(run: Run, given: Mapping[str, str]) -> tuple[Query, ...]:
    """Return queries of the source, by name, in the words of both sides."""
    keys = {
        table.name: [
            *([table.primary_key] if table.primary_key else []),
            *(i.columns for i in table.indexes if i.unique),
        ]
        for table in run.plan.source.tables
    }
    return tuple(_explained(run, query) for query in queries.read(given, scope(run), keys))


def _explained(run: Run, query: Query) -> Query:
    """Say of a column that has no place in the scope why it has none."""
    found = _UNKNOWN.fullmatch(query.construct)
    for table in run.plan.tables:
        for column in table.route.columns:
            if found is not None and column.values and column.source.lower() == found[1].lower():
                text = f"column {table.route.source}.{column.source} holds other values here (valueMapping)"
                return replace(query, construct=text)
    return query


def refuse_unreadable(run: Run) -> None:
    """Refuse queries of the spec's whose text says that no server can be asked them.

    Raises:
        SpecError: with every such query.
    """
    validation = run.spec.schema_.validation
    if switches.wanted(run) and (validation.tries or validation.measures):
        problems = [f"schema.validation.queries.{told}" for told in queries.unreadable(validation.queries)]
        if problems:
            raise SpecError(problems)


def never_null(run: Run) -> frozenset[str]:
    """Return the lower-case names of columns that hold NULL in no table of the source."""
    columns = [column for table in run.plan.source.tables for column in table.columns]
    return frozenset(c.name.lower() for c in columns) - {c.name.lower() for c in columns if c.nullable}


def told(run: Run, outcome: Outcome, part: str, schema: str, details: dict[str, object]) -> Outcome:
    """Record what a validation came to; ``part`` tells several of one kind apart."""
    run.record(
        "validated",
        kind=outcome.kind,
        part=part,
        schema=schema,
        status=outcome.status,
        errors=list(outcome.errors),
        warnings=list(outcome.warnings),
        details=details,
    )
    return outcome


def refuse(outcome: Outcome, what: str) -> None:
    """Raise VerificationError where there are errors, with all of them."""
    if outcome.errors:
        raise VerificationError(f"{what}:", outcome.errors)
