"""Foreign keys in the target: which can be built, and one type along each of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cutover.route import ColumnRoute
from cutover.schema.choose import table_name, target_name
from cutover.schema.model import ForeignKey, Table
from cutover.schema.target import Findings, TargetTable
from cutover.spec import MigrationSpec

_BIGINT_MAX = 2**63 - 1


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
    result = {table.name: _fit_identity(table) for table in by_source.values()}
    for _ in range(len(result)):
        changed = False
        for name, table in result.items():
            for key in table.foreign_keys:
                parent_route = result[key.referred_table].route
                for mine, theirs in zip(key.columns, key.referred_columns, strict=True):
                    column, model = table.route.column(mine), parent_route.column(theirs)
                    if (column.target_type, column.collation) != (model.target_type, model.collation):
                        table = _with_column(
                            table,
                            replace(
                                column, target_type=model.target_type, arrow=model.arrow, collation=model.collation
                            ),
                        )
                        changed = True
            result[name] = table
        if not changed:
            break
    return list(result.values())


def _unusable(key: ForeignKey, table: TargetTable, parent: TargetTable | None, source: Table | None) -> str | None:
    if parent is None or source is None:
        return f"table {key.referred_table} is not part of this migration"
    if not set(key.columns) <= {c.source for c in table.route.columns}:
        return "columnFilters leaves out one of its columns"
    unique = [source.primary_key, *(i.columns for i in source.indexes if i.unique and i.whole)]
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


def _fit_identity(table: TargetTable) -> TargetTable:
    """An unsigned bigint that counts up by itself becomes bigint while it is still in reach."""
    if table.identity is None:
        return table
    column = table.route.column(table.identity)
    if column.arrow == "decimal(20,0)" and (table.next_identity or 0) <= _BIGINT_MAX:
        return _with_column(table, replace(column, target_type="bigint", arrow="int64"))
    return table


def _with_column(table: TargetTable, column: ColumnRoute) -> TargetTable:
    columns = tuple(column if c.target == column.target else c for c in table.route.columns)
    route = replace(table.route, columns=columns)
    ranged = len(route.key) == 1 and is_integer(route.column(route.key[0]))
    used = {c.target_type for c in columns}
    enums = tuple(enum for enum in table.enums if enum.name in used)
    return replace(table, route=replace(route, ranged=ranged), enums=enums)


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


def is_integer(route: ColumnRoute) -> bool:
    """Whether both servers sort the column alike, and its values can be cut into ranges."""
    return route.arrow.startswith("int") and not route.values and "int" in route.source_type
