"""Text that the source compares without regard to case, in a target that has its own ways to do so."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from cutover.dialects import postgresql
from cutover.errors import SpecError
from cutover.route import ColumnRoute
from cutover.schema.model import Column, Index, IndexPart, Table
from cutover.schema.names import fitting
from cutover.schema.target import Findings, TargetCheck, TargetTable
from cutover.spec import MigrationSpec

# ICU's levels: the first ignores accents and case, the second case alone (PostgreSQL manual, ICU Comparison Levels).
COLLATIONS = {"cutover_ai_ci": "und-u-ks-level1", "cutover_as_ci": "und-u-ks-level2"}
_CITEXT = "ignores case alone, where the source may ignore accents and spaces at the end"
_SIZE = re.compile(r"\((\d+)\)")


def collation(table: Table, column: Column, arrow: str, spec: MigrationSpec) -> str | None:
    """Return the name of the collation that a column of a key gets, where the spec asks for one."""
    if _policy(spec) != "icu" or not _compared(table, column) or arrow != "string":
        return None
    return "cutover_as_ci" if str(column.collation).endswith("_as_ci") else "cutover_ai_ci"


def caseless(
    route: ColumnRoute, table: Table, column: Column, extensions: Mapping[str, str], spec: MigrationSpec
) -> ColumnRoute:
    """Return the route, to citext where the spec asks for that and the column belongs to a key."""
    if _policy(spec) != "citext" or not _compared(table, column) or route.arrow != "string":
        return route
    return to_citext(route, f"{postgresql.quoted(extensions['citext'])}.citext")


def to_citext(route: ColumnRoute, type_: str) -> ColumnRoute:
    """Return a text column's route to citext, which takes no length: a check keeps it."""
    size = _SIZE.search(route.target_type)
    return replace(route, target_type=type_, arrow="citext", collation=None, length=int(size[1]) if size else None)


def of_length(table: str, route: ColumnRoute) -> TargetCheck:
    """Return the check that a column holds no more characters than it did."""
    name = fitting(f"{table}_{route.target}_length")
    return TargetCheck(name, f"char_length({postgresql.quoted(route.target)}) <= {route.length}")


def refuse_without_extension(extensions: Mapping[str, str], spec: MigrationSpec) -> None:
    """Refuse a spec that asks for citext where the target has no such type.

    Raises:
        SpecError: with the cure.
    """
    if _policy(spec) == "citext" and "citext" not in extensions:
        raise SpecError(
            [
                "schema.settings.tables.columns.ignoreCase: the target has no extension citext; "
                "CREATE EXTENSION citext there, or say icu"
            ]
        )


def _policy(spec: MigrationSpec) -> str:
    return spec.schema_.settings.tables.columns.ignore_case


def _compared(table: Table, column: Column) -> bool:
    """Whether a key compares the column, without regard to case."""
    keyed = {
        *table.primary_key,
        *(name for index in table.indexes if index.unique for name in index.columns),
        *(name for key in table.foreign_keys for name in key.columns),
    }
    return column.ignores_case and column.name in keyed


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
    policy = _policy(spec)
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
        elif index.unique and _ignores_case(index.columns, routes, source) and policy == "citext":
            findings.note(f"index {source.name}.{index.name}", _CITEXT)
        indexes.append(index)
    if table.constrained and table.route.key and _ignores_case(table.route.key, routes, source):
        where = f"primary key of {source.name}"
        if policy == "lower":
            findings.note(where, "another index keeps it unique over lower(column), for the source ignores case")
            name = f"{table.name}_pkey_lower"
            indexes.append(_lower(Index.over(name, table.route.key, unique=True), routes, source))
        elif policy == "letter":
            findings.note(where, "is unique letter by letter, where the source may ignore case")
        elif policy == "citext":
            findings.note(where, _CITEXT)
    return replace(table, indexes=tuple(indexes))


def _ignores_case(columns: Sequence[str], routes: dict[str, ColumnRoute], source: Table) -> bool:
    return any(_is_caseless(routes[name], source) for name in columns)


def _is_caseless(route: ColumnRoute, source: Table) -> bool:
    return route.arrow in ("string", "citext") and source.column(route.source).ignores_case


def _lower(index: Index, routes: dict[str, ColumnRoute], source: Table) -> Index:
    def lower(part: IndexPart) -> IndexPart:
        if not part.column or not _is_caseless(routes[part.column], source):
            return part
        text = f"lower({postgresql.quoted(part.column)})"
        return IndexPart("", None, part.descending, text if part.prefix is None else f"left({text}, {part.prefix})")

    return replace(index, parts=tuple(lower(part) for part in index.parts))
