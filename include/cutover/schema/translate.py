"""Turn a MySQL schema into the routes its tables travel and the PostgreSQL tables they land in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from cutover.dialects import mysql, mysql_types, postgresql_types
from cutover.errors import SpecError, UnsupportedTypeError
from cutover.route import ColumnRoute, Scalar, TableRoute
from cutover.schema.checks import of_labels, translate_checks
from cutover.schema.choose import choose, target_name
from cutover.schema.expressions import row_filter, translate_default
from cutover.schema.model import Column, Index, Schema, Table
from cutover.schema.names import MAX_IDENTIFIER_BYTES, fits, fitting, marked
from cutover.schema.references import agree_along_foreign_keys, in_dependency_order, is_integer
from cutover.schema.target import Loss, TargetCheck, TargetTable
from cutover.spec import MigrationSpec

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Translation:
    """The tables in an order in which every parent comes before its children, and what is lost."""

    tables: tuple[TargetTable, ...]
    losses: tuple[Loss, ...]
    notes: tuple[str, ...]


def translate(
    source: Schema, spec: MigrationSpec, only: tuple[str, ...] = (), row_limit: int | None = None
) -> Translation:
    """Translate the tables that the spec chooses; ``only`` narrows them further, ``row_limit`` their rows.

    Raises:
        SpecError: the spec names a table or column that is not there, or a type without a carrier.
        UnsupportedTypeError: a column's type has no translation.
    """
    chosen = choose(source, spec, only)
    losses: list[Loss] = []
    notes: list[str] = []
    tables = [_table(table, source, spec, losses, notes) for table in chosen]
    if row_limit is not None:
        tables = [_limited(table, row_limit, losses, notes) for table in tables]
    tables = agree_along_foreign_keys(tables, chosen, spec, losses)
    _name_indexes(tables)
    losses += _other_objects(source, spec, {table.name for table in chosen}, notes)
    return Translation(tuple(in_dependency_order(tables)), tuple(losses), tuple(notes))


def _table(table: Table, source: Schema, spec: MigrationSpec, losses: list[Loss], notes: list[str]) -> TargetTable:
    filtering = spec.data.extraction.filtering
    wanted = filtering.columns.get(table.name)
    routes: list[ColumnRoute] = []
    defaults: list[tuple[str, str]] = []
    checks: list[TargetCheck] = []
    comments: list[tuple[str, str]] = []
    touched: list[str] = []
    identity = None
    for column in table.columns:
        target = target_name(table.name, column.name, spec)
        if wanted is not None and not {column.name, target} & set(wanted):
            if column.name in table.primary_key:
                raise SpecError(
                    [
                        f"data.extraction.filtering.columnFilters.{table.name} leaves out {column.name}, "
                        f"which belongs to the primary key; add it"
                    ]
                )
            notes.append(f"{table.name}.{column.name} stays behind: columnFilters leaves it out")
            continue
        _refuse_long_name(target, f"column {table.name}.{target}")
        route, labels = _column(table.name, column, target, spec, notes)
        routes.append(route)
        where = f"{table.name}.{column.name}"
        if column.generated:
            losses.append(Loss(f"generated column {where}", "its values arrive, its expression is not carried yet"))
        if column.on_update:
            if route.arrow.startswith("timestamp"):
                touched.append(target)
            else:
                losses.append(Loss(f"ON UPDATE of {where}", f"{route.target_type} cannot hold the current time"))
        if labels:
            checks.append(of_labels(table.name, target, labels))
        if column.comment:
            comments.append((target, column.comment))
        if column.autoincrement:
            identity = target
        elif column.default is not None:
            default = translate_default(column.default, route)
            if default is None:
                losses.append(Loss(f"default of {where}", f"{column.default} has no translation yet"))
            else:
                defaults.append((target, default))
    names = {route.source: route.target for route in routes}
    if _keys_travel(spec):
        checks += translate_checks(table, routes, {check.name for check in checks}, losses, notes)
    key = tuple(names[name] for name in table.primary_key)
    indexes = tuple(_indexes(table, names, spec, losses, notes))
    duplicates = spec.data.transformation.cleaning.duplicates
    condition = filtering.rows.get(table.name)
    table_route = TableRoute(
        table.name,
        table.name,
        tuple(routes),
        key,
        ranged=len(key) == 1 and is_integer(next(r for r in routes if r.target == key[0])),
        where=None if condition is None else row_filter(condition, table, routes),
        duplicates=tuple(_duplicate_columns(table, names, spec)),
        keep_last=duplicates is not None and duplicates.strategy == "keep_last",
    )
    _refuse_long_name(table.name, f"table {table.name}")
    return TargetTable(
        table_route,
        _keys_travel(spec),
        tuple(defaults),
        tuple(checks),
        tuple(comments),
        identity,
        table.statistics.next_identity,
        indexes,
        table.foreign_keys if _keys_travel(spec) else (),
        tuple(touched),
    )


def _limited(table: TargetTable, rows: int, losses: list[Loss], notes: list[str]) -> TargetTable:
    """Let only the first rows of a table travel; without a key nothing says which those are."""
    if not table.route.key:
        notes.append(
            f"{table.name}: row_limit does not hold here, for it has no primary key to say which rows are first"
        )
        return table
    losses.append(Loss(f"rows of {table.name}", f"row_limit lets the first {rows:,} in key order through, no more"))
    return replace(table, route=replace(table.route, limit=rows))


def _keys_travel(spec: MigrationSpec) -> bool:
    settings = spec.schema_.settings
    wanted = settings.constraints.enabled and settings.constraints.preserve_constraints
    return wanted and settings.tables.options.preserve_constraints


def _refuse_long_name(name: str, what: str) -> None:
    if not fits(name):
        raise SpecError(
            [
                f"{what} has a name of {len(name.encode())} bytes, PostgreSQL holds {MAX_IDENTIFIER_BYTES}; "
                "rename it under data.transformation.mapping.fieldMapping or exclude the table"
            ]
        )


def _column(
    table: str, column: Column, target: str, spec: MigrationSpec, notes: list[str]
) -> tuple[ColumnRoute, tuple[str, ...]]:
    travel = mysql_types.travel(column.type)
    if travel is None:
        raise UnsupportedTypeError(table, column.name, column.type)
    if travel.note:
        notes.append(f"{table}.{column.name} ({column.type}): {travel.note}")
    wire = travel.wire or travel.arrow
    target_type, arrow = travel.target_type, travel.arrow
    labels = travel.labels
    mapped = _mapped_type(column.type, spec)
    if mapped is not None and mapped != target_type:
        carrier = postgresql_types.arrow_for(mapped)
        if carrier is None:
            raise SpecError([f"typeMapping: {column.type!r} -> {mapped!r}: no exact way to carry {mapped!r} is known"])
        target_type, arrow = mapped, carrier
    values = _lookup(spec.data.transformation.mapping.values, table, column.name, target)
    if values:
        target_type, arrow = _type_of_values(f"{table}.{target}", values)
        labels = tuple(str(v) for v in dict.fromkeys(values.values()) if v is not None) if arrow == "string" else ()
    nulls = spec.data.transformation.cleaning.nulls
    default = _lookup(nulls.default_values, table, column.name, target) if nulls else None
    validation = spec.data.transformation.cleaning.validation
    email = bool(validation and validation.email_validation and arrow == "string" and "email" in target.lower())
    may_lose = travel.may_lose
    route = ColumnRoute(
        column.name,
        column.type,
        travel.read.replace("{c}", mysql.quoted(column.name)),
        wire,
        target,
        target_type,
        arrow,
        source_nullable=column.nullable,
        nullable=column.nullable or may_lose,
        may_lose=may_lose,
        values=tuple(values.items()) if values else (),
        default=default,
        email=email,
    )
    return route, labels


def _lookup(table_of: Mapping[str, _Value], table: str, source: str, target: str) -> _Value | None:
    return table_of.get(f"{table}.{target}", table_of.get(f"{table}.{source}"))


def _mapped_type(type_: str, spec: MigrationSpec) -> str | None:
    mapping = {
        _bare(key): value
        for key, value in {
            **spec.schema_.settings.tables.columns.type_mapping,
            **spec.data.transformation.mapping.types,
        }.items()
    }
    return mapping.get(_bare(type_)) or mapping.get(type_.lower())


def _bare(type_: str) -> str:
    # int(11) and int are one type: the number is a display width (MySQL manual, Numeric Type Attributes).
    parsed = mysql_types.parse(type_)
    if parsed.base.endswith("int") and parsed.arguments != ("1",):
        return parsed.base + (" unsigned" if parsed.unsigned else "")
    return type_.lower().replace(" ", "") if not parsed.unsigned else type_.lower()


def _type_of_values(column: str, values: Mapping[str, Scalar]) -> tuple[str, str]:
    kinds = {type(value) for value in values.values() if value is not None}
    if kinds == {bool}:
        return "boolean", "bool"
    if kinds == {int}:
        return "bigint", "int64"
    if kinds and kinds <= {int, float}:
        return "double precision", "float64"
    if kinds <= {str}:
        return "text", "string"
    raise SpecError(
        [
            f"data.transformation.mapping.valueMapping.{column} maps to values of several types; write all as text, "
            "as numbers or as true and false"
        ]
    )


def _duplicate_columns(table: Table, names: dict[str, str], spec: MigrationSpec) -> Iterator[str]:
    duplicates = spec.data.transformation.cleaning.duplicates
    for field in duplicates.key_fields if duplicates else ():
        owner, dot, column = field.rpartition(".")
        if dot and owner != table.name:
            continue
        target = names.get(column, column)
        if target in names.values():
            if not table.primary_key:
                raise SpecError(
                    [f"duplicateRemoval.keyFields {field!r}: {table.name} has no primary key to say which is first"]
                )
            if names.get(table.primary_key[0]) != target or len(table.primary_key) > 1:
                yield target


def _indexes(
    table: Table, names: dict[str, str], spec: MigrationSpec, losses: list[Loss], notes: list[str]
) -> Iterator[Index]:
    settings = spec.schema_.settings
    indexes_travel = (
        settings.indexes.enabled and settings.indexes.preserve_indexes and settings.tables.options.preserve_indexes
    )
    for index in table.indexes:
        if not (_keys_travel(spec) if index.unique else indexes_travel):
            continue
        if index.unsupported:
            losses.append(Loss(f"index {table.name}.{index.name}", index.unsupported))
        elif not set(index.columns) <= names.keys():
            losses.append(Loss(f"index {table.name}.{index.name}", "columnFilters leaves out one of its columns"))
        else:
            if index.kind == "fulltext":
                notes.append(f"index {table.name}.{index.name}: FULLTEXT becomes GIN over to_tsvector('simple', ...)")
            elif not index.whole:
                notes.append(f"index {table.name}.{index.name}: its prefixes become left(column, length)")
            yield replace(index, parts=tuple(replace(part, column=names[part.column]) for part in index.parts))


def _name_indexes(tables: list[TargetTable]) -> None:
    """PostgreSQL's index names are unique per schema, and share a namespace with tables."""
    taken = {table.name for table in tables} | {fitting(f"{table.name}_pkey") for table in tables}
    for position, table in enumerate(tables):
        renamed = []
        for index in table.indexes:
            name = index.name if index.name not in taken else f"{table.name}_{index.name}"
            if not fits(name) or name in taken:
                name = marked(name, f"{table.name}.{index.name}")
            taken.add(name)
            renamed.append(replace(index, name=name))
        tables[position] = replace(table, indexes=tuple(renamed))


def _other_objects(source: Schema, spec: MigrationSpec, chosen: set[str], notes: list[str]) -> Iterator[Loss]:
    options = spec.schema_.settings.tables.options
    switches = {
        "view": options.preserve_views,
        "trigger": options.preserve_triggers,
        "procedure": options.preserve_stored_procedures,
        "function": options.preserve_stored_procedures,
    }
    for other in source.others:
        if other.kind == "partitioning of table" and other.name not in chosen:
            continue
        if switches.get(other.kind) is False:
            notes.append(f"{other.kind} {other.name} stays behind: the spec says so")
        else:
            yield Loss(f"{other.kind} {other.name}", f"{other.kind}s are not carried yet")
