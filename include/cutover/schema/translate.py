"""Turn a MySQL schema into the routes its tables travel and the PostgreSQL tables they land in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TypeVar

from cutover.dialects import mysql, mysql_types, postgresql_types
from cutover.errors import SpecError, UnsupportedTypeError
from cutover.route import ColumnRoute, Scalar, TableRoute
from cutover.schema.expressions import row_filter, translate_default
from cutover.schema.model import Column, ForeignKey, Schema, Table
from cutover.spec import MigrationSpec

MAX_IDENTIFIER_BYTES = 63
_BIGINT_MAX = 2**63 - 1
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Loss:
    """Something of the source that does not arrive, and why."""

    object: str
    reason: str


@dataclass(frozen=True)
class TargetIndex:
    """An index or unique key to build after the load."""

    name: str
    columns: tuple[str, ...]
    unique: bool


@dataclass(frozen=True)
class TargetTable:
    """A table of the target, bare columns first and everything else to be added after the load.

    ``constrained`` says whether keys and constraints are built at all.
    """

    route: TableRoute
    constrained: bool = True
    defaults: tuple[tuple[str, str], ...] = ()
    checks: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    comments: tuple[tuple[str, str], ...] = ()
    identity: str | None = None
    next_identity: int | None = None
    indexes: tuple[TargetIndex, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()

    @property
    def name(self) -> str:
        """The table's name in the target."""
        return self.route.target


@dataclass(frozen=True)
class Translation:
    """The tables in an order in which every parent comes before its children, and what is lost."""

    tables: tuple[TargetTable, ...]
    losses: tuple[Loss, ...]
    notes: tuple[str, ...]


def translate(source: Schema, spec: MigrationSpec, only: tuple[str, ...] = ()) -> Translation:
    """Translate the tables that the spec chooses; ``only`` narrows them further.

    Raises:
        SpecError: the spec names a table or column that is not there, or a type without a carrier.
        UnsupportedTypeError: a column's type has no translation.
    """
    chosen = [table for table in source.tables if _chosen(table.name, spec, only)]
    _refuse_unknown_names(source, chosen, spec, only)
    losses: list[Loss] = []
    notes: list[str] = []
    tables = [_table(table, source, spec, losses, notes) for table in chosen]
    tables = _agree_along_foreign_keys(tables, chosen, spec, losses)
    _name_indexes(tables)
    losses += _other_objects(source, spec, {table.name for table in chosen}, notes)
    return Translation(tuple(_in_dependency_order(tables)), tuple(losses), tuple(notes))


def _chosen(name: str, spec: MigrationSpec, only: tuple[str, ...]) -> bool:
    patterns = spec.schema_.settings.tables.patterns
    if only and name not in only:
        return False
    return any(fnmatchcase(name, p) for p in patterns.include) and not any(
        fnmatchcase(name, p) for p in patterns.exclude
    )


def _refuse_unknown_names(source: Schema, chosen: list[Table], spec: MigrationSpec, only: tuple[str, ...]) -> None:
    known = {table.name for table in source.tables}
    problems = [
        f"table {name!r} was asked for, but {source.name} has no such table" for name in only if name not in known
    ]
    mapping, filtering = spec.data.transformation.mapping, spec.data.extraction.filtering
    named: dict[str, Iterable[str]] = {
        "data.transformation.mapping.fieldMapping": mapping.fields,
        "data.extraction.filtering.rowFilters": filtering.rows,
        "data.extraction.filtering.columnFilters": filtering.columns,
    }
    for where, tables in named.items():
        problems += [f"{where}: {source.name} has no table {name!r}" for name in tables if name not in known]
    for table in chosen:
        columns = {column.name for column in table.columns}
        for name in mapping.fields.get(table.name, {}):
            if name not in columns:
                problems.append(f"data.transformation.mapping.fieldMapping.{table.name}: no column {name!r}")
        targets = {_target_name(table.name, name, spec) for name in columns}
        for name in filtering.columns.get(table.name, ()):
            if name not in columns | targets:
                problems.append(f"data.extraction.filtering.columnFilters.{table.name}: no column {name!r}")
    cleaning = spec.data.transformation.cleaning
    dotted = {"valueMapping": list(mapping.values)}
    dotted["defaultValues"] = list(cleaning.nulls.default_values) if cleaning.nulls else []
    if cleaning.duplicates:
        dotted["keyFields"] = [field for field in cleaning.duplicates.key_fields if "." in field]
    for where, fields in dotted.items():
        for field in fields:
            table_name, _, column_name = field.partition(".")
            owner = next((t for t in source.tables if t.name == table_name), None)
            names = set() if owner is None else {c.name for c in owner.columns}
            names |= {_target_name(table_name, name, spec) for name in names}
            if column_name not in names:
                problems.append(f"{where}: {source.name} has no column {field!r}")
    if not chosen and not problems:
        problems.append(f"no table of {source.name} matches schema.settings.tables.patterns")
    if problems:
        raise SpecError(problems)


def _target_name(table: str, column: str, spec: MigrationSpec) -> str:
    return spec.data.transformation.mapping.fields.get(table, {}).get(column, column)


def _table(table: Table, source: Schema, spec: MigrationSpec, losses: list[Loss], notes: list[str]) -> TargetTable:
    filtering = spec.data.extraction.filtering
    wanted = filtering.columns.get(table.name)
    routes: list[ColumnRoute] = []
    defaults: list[tuple[str, str]] = []
    checks: list[tuple[str, str, tuple[str, ...]]] = []
    comments: list[tuple[str, str]] = []
    identity = None
    for column in table.columns:
        target = _target_name(table.name, column.name, spec)
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
            losses.append(Loss(f"ON UPDATE of {where}", "triggers are not carried yet"))
        if labels:
            checks.append((f"{table.name}_{target}_check", target, labels))
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
    key = tuple(names[name] for name in table.primary_key)
    indexes = tuple(_indexes(table, names, spec, losses))
    duplicates = spec.data.transformation.cleaning.duplicates
    condition = filtering.rows.get(table.name)
    table_route = TableRoute(
        table.name,
        table.name,
        tuple(routes),
        key,
        ranged=len(key) == 1 and _is_integer(next(r for r in routes if r.target == key[0])),
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
    )


def _keys_travel(spec: MigrationSpec) -> bool:
    settings = spec.schema_.settings
    wanted = settings.constraints.enabled and settings.constraints.preserve_constraints
    return wanted and settings.tables.options.preserve_constraints


def _refuse_long_name(name: str, what: str) -> None:
    if len(name.encode()) > MAX_IDENTIFIER_BYTES:
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
        target_type, arrow = _type_of_values(values)
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


def _type_of_values(values: Mapping[str, Scalar]) -> tuple[str, str]:
    kinds = {type(value) for value in values.values() if value is not None}
    if kinds == {bool}:
        return "boolean", "bool"
    if kinds == {int}:
        return "bigint", "int64"
    if kinds <= {int, float}:
        return "double precision", "float64"
    return "text", "string"


def _is_integer(route: ColumnRoute) -> bool:
    return route.arrow.startswith("int") and not route.values and "int" in route.source_type


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


def _indexes(table: Table, names: dict[str, str], spec: MigrationSpec, losses: list[Loss]) -> Iterator[TargetIndex]:
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
            yield TargetIndex(index.name, tuple(names[c] for c in index.columns), index.unique)


def _agree_along_foreign_keys(
    tables: list[TargetTable], chosen: list[Table], spec: MigrationSpec, losses: list[Loss]
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
                losses.append(Loss(f"foreign key {name}.{key.name}", reason))
                continue
            assert parent is not None
            kept.append(
                replace(
                    key,
                    columns=tuple(_target_name(name, c, spec) for c in key.columns),
                    referred_table=parent.name,
                    referred_columns=tuple(_target_name(parent.route.source, c, spec) for c in key.referred_columns),
                )
            )
        by_source[name] = replace(table, foreign_keys=tuple(kept))
    result = {name: _fit_identity(table) for name, table in by_source.items()}
    for _ in range(len(result)):
        changed = False
        for name, table in result.items():
            for key in table.foreign_keys:
                parent_route = result[key.referred_table].route
                for mine, theirs in zip(key.columns, key.referred_columns, strict=True):
                    column, model = table.route.column(mine), parent_route.column(theirs)
                    if column.target_type != model.target_type:
                        fitted = replace(column, target_type=model.target_type, arrow=model.arrow)
                        table = _with_column(table, fitted)
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
    unique = [source.primary_key, *(i.columns for i in source.indexes if i.unique and not i.unsupported)]
    if not any(set(columns) == set(key.referred_columns) for columns in unique if columns):
        return f"{key.referred_table}({', '.join(key.referred_columns)}) is not unique, which PostgreSQL asks for"
    if not set(key.referred_columns) <= {c.source for c in parent.route.columns}:
        return f"columnFilters leaves out a column of {key.referred_table}"
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
    ranged = len(route.key) == 1 and _is_integer(route.column(route.key[0]))
    return replace(table, route=replace(route, ranged=ranged))


def _name_indexes(tables: list[TargetTable]) -> None:
    """PostgreSQL's index names are unique per schema, and share a namespace with tables."""
    taken = {table.name for table in tables} | {f"{table.name}_pkey" for table in tables}
    for position, table in enumerate(tables):
        renamed = []
        for index in table.indexes:
            name = index.name if index.name not in taken else f"{table.name}_{index.name}"
            if len(name.encode()) > MAX_IDENTIFIER_BYTES or name in taken:
                digest = hashlib.sha256(f"{table.name}.{index.name}".encode()).hexdigest()[:8]
                name = name.encode()[: MAX_IDENTIFIER_BYTES - 9].decode(errors="ignore") + "_" + digest
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
        if other.kind in ("check", "partitioning of table") and other.name.split(".")[0] not in chosen:
            continue
        if switches.get(other.kind) is False:
            notes.append(f"{other.kind} {other.name} stays behind: the spec says so")
        else:
            yield Loss(f"{other.kind} {other.name}", f"{other.kind}s are not carried yet")


def _in_dependency_order(tables: list[TargetTable]) -> Iterator[TargetTable]:
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
