"""Text that the source compares without regard to case, in a target that has its own ways to do so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cutover.dialects import postgresql
from cutover.route import ColumnRoute
from cutover.schema.model import Column, Index, IndexPart, Table
from cutover.schema.target import Findings, TargetTable
from cutover.spec import MigrationSpec

# ICU's levels: the first ignores accents and case, the second case alone (PostgreSQL manual, ICU Comparison Levels).
COLLATIONS = {"cutover_ai_ci": "und-u-ks-level1", "cutover_as_ci": "und-u-ks-level2"}


def collation(table: Table, column: Column, arrow: str, spec: MigrationSpec) -> str | None:
    """Return the name of the collation that a column of a key gets, where the spec asks for one."""
    keyed = {
        *table.primary_key,
        *(name for index in table.indexes if index.unique for name in index.columns),
        *(name for key in table.foreign_keys for name in key.columns),
    }
    wanted = spec.schema_.settings.tables.columns.ignore_case == "icu" and column.name in keyed
    if not wanted or not column.ignores_case or arrow != "string":
        return None
    return "cutover_as_ci" if str(column.collation).endswith("_as_ci") else "cutover_ai_ci"


def statement(name: str) -> str:
    """Return the SQL that makes a collation."""
    return (
        f"CREATE COLLATION {postgresql.quoted(name)} "
        f"(PROVIDER = icu, LOCALE = '{COLLATIONS[name]}', DETERMINISTIC = false)"
    )


def lowered(table: TargetTable, source: Table, spec: MigrationSpec, findings: Findings) -> TargetTable:
    """Return the table with unique indexes that mean what the source's did, as far as the spec asks for it.

    The primary key stays as it is; another index beside it sees to its case.
    """
    policy = spec.schema_.settings.tables.columns.ignore_case
    routes = {route.target: route for route in table.route.columns}
    indexes = []
    for index in table.indexes:
        if index.unique and _ignores_case(index.columns, routes, source) and policy == "lower":
            findings.note(
                f"index {source.name}.{index.name}", "is unique over lower(column), for the source ignores case"
            )
            index = _lower(index, routes, source)
        elif index.unique and _ignores_case(index.columns, routes, source) and policy == "letter":
            findings.note(
                f"index {source.name}.{index.name}", "is unique letter by letter, where the source may ignore case"
            )
        indexes.append(index)
    if table.constrained and table.route.key and _ignores_case(table.route.key, routes, source):
        where = f"primary key of {source.name}"
        if policy == "lower":
            findings.note(where, "another index keeps it unique over lower(column), for the source ignores case")
            name = f"{table.name}_pkey_lower"
            indexes.append(_lower(Index.over(name, table.route.key, unique=True), routes, source))
        elif policy == "letter":
            findings.note(where, "is unique letter by letter, where the source may ignore case")
    return replace(table, indexes=tuple(indexes))


def _ignores_case(columns: Sequence[str], routes: dict[str, ColumnRoute], source: Table) -> bool:
    return any(_is_caseless(routes[name], source) for name in columns)


def _is_caseless(route: ColumnRoute, source: Table) -> bool:
    return route.arrow == "string" and source.column(route.source).ignores_case


def _lower(index: Index, routes: dict[str, ColumnRoute], source: Table) -> Index:
    def lower(part: IndexPart) -> IndexPart:
        if not part.column or not _is_caseless(routes[part.column], source):
            return part
        text = f"lower({postgresql.quoted(part.column)})"
        return IndexPart("", None, part.descending, text if part.prefix is None else f"left({text}, {part.prefix})")

    return replace(index, parts=tuple(lower(part) for part in index.parts))
