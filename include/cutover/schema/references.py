"""Foreign keys in the target: which can be built, and one type along each of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cutover.route import ColumnRoute
from cutover.schema.choose import table_name, target_name
from cutover.schema.collations import to_citext
from cutover.schema.cutting import sorted_alike
from cutover.schema.model import ForeignKey, Table
from cutover.schema.target import Findings, TargetTable
from cutover.spec import MigrationSpec

_BIGINT_MAX = 2**63 - 1
# Whole numbers, the narrowest first; the last is what an unsigned bigint becomes.
_BEYOND = "decimal(20,0)"
_WHOLE = ("int16", "int32", "int64", _BEYOND)


def agree_along_foreign_keys(
    tables: list[TargetTable], chosen: list[Table], spec: MigrationSpec, findings: Findings
) -> list[TargetTable]:
    """Rename foreign keys into the target's names, and give each referring column its parent's type."""
    by_source = {table.route.source: table for table in tables}
    sources = {table.name: table for table in chosen}
    for name, table in list(by_source.items()):
        kept = []
        for key in table.foreign_keys:
            parent = by_source.get(key.referred_table)
            reason = _unusable(key, table, parent, sources.get(key.referred_table))
            if reason:
                findings.lose(f"foreign key {name}.{key.name}", reason)
                continue
            assert parent is not None
            kept.append(
                replace(
                    key,
                    name=table_name(key.name, spec),
                    columns=tuple(target_name(name, c, spec) for c in key.columns),
                    referred_table=parent.name,
                    referred_columns=tuple(target_name(parent.route.source, c, spec) for c in key.referred_columns),
                )
            )
        by_source[name] = replace(table, foreign_keys=tuple(kept))
    result = {table.name: table for table in by_source.values()}
    for group in _referring_to_each_other(list(result.values())):
        _unify(group, result, sources, findings)
    return [_fit_identity(table, findings) for table in result.values()]


def _referring_to_each_other(tables: list[TargetTable]) -> list[list[tuple[str, str]]]:
    """Put together the columns, as (table, column), that foreign keys link; the first of each group is a parent's."""
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for table in tables:
        for column in table.route.columns:
            groups[table.name, column.target] = [(table.name, column.target)]
    for table in tables:
        for key in table.foreign_keys:
            for mine, theirs in zip(key.columns, key.referred_columns, strict=True):
                parent, child = groups[key.referred_table, theirs], groups[table.name, mine]
                if parent is not child:
                    parent += child
                    for place in child:
                        groups[place] = parent
    return list({id(group): group for group in groups.values()}.values())


def _unify(
    group: list[tuple[str, str]], tables: dict[str, TargetTable], sources: dict[str, Table], findings: Findings
) -> None:
    """Give linked columns one type, where PostgreSQL compares no two: whole numbers the widest, labels the parent's.

    A counter must stay in reach of bigint, and takes those that are linked with it along, unless one of their
    keys is known to be beyond: rows come before counting.
    """
    columns = [tables[table].route.column(column) for table, column in group]
    first = columns[0]
    counts = any(tables[table].identity == column for table, column in group)
    if all(column.arrow in _WHOLE for column in columns):
        widest = max(columns, key=lambda column: _WHOLE.index(column.arrow))
        type_, arrow = widest.target_type, widest.arrow
        if counts and arrow == _BEYOND and all(_in_reach(tables[table], column, sources) for table, column in group):
            type_, arrow = "bigint", "int64"
    elif first.arrow in ("enum", "set", "bool"):
        type_, arrow = first.target_type, first.arrow
    else:
        type_ = arrow = ""
    collation = next((column.collation for column in columns if column.collation), None)
    citext = next((column.target_type for column in columns if column.arrow == "citext"), None)
    for (name, _), column in zip(group, columns, strict=True):
        changed = replace(column, collation=collation if column.arrow == "string" else None)
        if citext and changed.arrow == "string":
            changed = to_citext(changed, citext)
        if type_:
            changed = replace(changed, target_type=type_, arrow=arrow)
        if column.arrow == _BEYOND != changed.arrow and tables[name].identity != column.target:
            what = f"column {tables[name].route.source}.{column.source}"
            findings.note(what, "becomes bigint, as the counter that it is linked with; a row beyond it is refused")
        if changed != column:
            tables[name] = _with_column(tables[name], changed)


def _in_reach(table: TargetTable, column: str, sources: dict[str, Table]) -> bool:
    """Whether bigint holds what is known of a column: a counter's next value, a key's highest."""
    highest = sources[table.route.source].statistics.key_max if table.route.key == (column,) else None
    following = table.next_identity if table.identity == column else None
    return (highest or 0) <= _BIGINT_MAX and (following or 0) <= _BIGINT_MAX + 1


def _unusable(key: ForeignKey, table: TargetTable, parent: TargetTable | None, source: Table | None) -> str | None:
    if parent is None or source is None:
        return f"table {key.referred_table} is not part of this migration"
    if not set(key.columns) <= {c.source for c in table.route.columns}:
        return "columnFilters leaves out one of its columns"
    unique = [source.primary_key, *(i.columns for i in source.indexes if i.unique and i.whole and not i.period)]
    if not any(set(columns) == set(key.referred_columns) for columns in unique if columns):
        return f"{key.referred_table}({', '.join(key.referred_columns)}) is not unique, which PostgreSQL asks for"
    theirs = {c.source: c for c in parent.route.columns}
    if not set(key.referred_columns) <= theirs.keys():
        return f"columnFilters leaves out a column of {key.referred_table}"
    mine = {c.source: c for c in table.route.columns}
    for here, there in zip(key.columns, key.referred_columns, strict=True):
        if mine[here].labels != theirs[there].labels:
            return f"{here} and {key.referred_table}.{there} have different labels"
    return None


def _fit_identity(table: TargetTable, findings: Findings) -> TargetTable:
    """An identity is a whole number within bigint; a counter that is none stays a plain column."""
    if table.identity is None or table.route.column(table.identity).arrow in _WHOLE[:-1]:
        return table
    column = table.route.column(table.identity)
    findings.lose(
        f"AUTO_INCREMENT of {table.route.source}.{column.source}",
        f"an identity is a whole number within bigint, and the column is {column.target_type}",
    )
    return replace(table, identity=None)


def _with_column(table: TargetTable, column: ColumnRoute) -> TargetTable:
    columns = tuple(column if c.target == column.target else c for c in table.route.columns)
    route = replace(table.route, columns=columns)
    ordered = sorted_alike(tuple(map(route.column, route.key)))
    used = {c.target_type for c in columns}
    enums = tuple(enum for enum in table.enums if enum.name in used)
    return replace(table, route=replace(route, ordered=ordered), enums=enums)


def in_dependency_order(tables: list[TargetTable]) -> Iterator[TargetTable]:
    """Parents before children; within a cycle, by name (foreign keys are added after every table)."""
    waiting = {table.name: table for table in sorted(tables, key=lambda t: t.name)}
    while waiting:
        ready = [
            name
            for name, table in waiting.items()
            if not any(k.referred_table in waiting and k.referred_table != name for k in table.foreign_keys)
        ]
        for name in ready or [next(iter(waiting))]:
            yield waiting.pop(name)
