"""Turn a MySQL schema into the routes its tables travel and the PostgreSQL objects they become."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from cutover.dialects import postgresql
from cutover.errors import SpecError
from cutover.route import ColumnRoute, Function, TableRoute
from cutover.schema import columns, following, scopes
from cutover.schema.added import add_columns, refuse_misnamed
from cutover.schema.checks import of_labels, translate_checks
from cutover.schema.choose import choose, table_name, target_name
from cutover.schema.cleaning import cleaned, duplicate_keys, refuse_rewritten_keys
from cutover.schema.code import translate_code
from cutover.schema.collations import lowered, of_length, refuse_without_extension
from cutover.schema.computed import compute
from cutover.schema.cutting import cut_by, sorted_alike
from cutover.schema.expressions import implicit_default, row_filter, translate_default
from cutover.schema.indexes import name_indexes, translate_indexes
from cutover.schema.model import Column, Extension, Schema, Table
from cutover.schema.names import MAX_IDENTIFIER_BYTES, fits, marked
from cutover.schema.partitions import partition
from cutover.schema.programs import Program
from cutover.schema.references import agree_along_foreign_keys, in_dependency_order
from cutover.schema.rewrite.scope import Scope
from cutover.schema.sampling import sampled
from cutover.schema.sequences import translate_sequences
from cutover.schema.summaries import summarize
from cutover.schema.target import EnumType, Findings, Loss, Note, TargetSequence, TargetSummary, TargetTable, TargetView
from cutover.spec import MigrationSpec

_OTHERS = {
    "history of table": "PostgreSQL keeps no history of rows; those of today arrive",
}


@dataclass(frozen=True)
class Translation:
    """The tables with every parent before its children, what stands on them, and what is lost."""

    tables: tuple[TargetTable, ...]
    views: tuple[TargetView, ...]
    programs: tuple[Program, ...]
    sequences: tuple[TargetSequence, ...]
    summaries: tuple[TargetSummary, ...]
    losses: tuple[Loss, ...]
    notes: tuple[Note, ...]
    times: tuple[tuple[str, str], ...] = ()


def translate(
    source: Schema,
    spec: MigrationSpec,
    only: tuple[str, ...] = (),
    row_limit: int | None = None,
    extensions: tuple[Extension, ...] = (),
    functions: Mapping[str, Function] = MappingProxyType({}),
) -> Translation:
    """Translate the tables that the spec chooses; ``only`` narrows them further, ``row_limit`` their rows.

    ``extensions`` are those of the target, ``functions`` the user's own that the spec names, by source table.

    Raises:
        SpecError: the spec names a table or column that is not there, a type without a carrier, or a function that
            was not found.
        UnsupportedTypeError: a column's type has no translation.
    """
    chosen = choose(source, spec, only)
    refuse_misnamed(source, spec)
    findings = Findings()
    sequences = tuple(translate_sequences(source, spec, findings))
    counting = scopes.of_sequences(source, sequences)
    known = {extension.name: extension.schema for extension in extensions}
    refuse_without_extension(known, spec)
    _refuse_lost_functions(chosen, functions, spec)
    tables = [_table(table, known, counting, functions.get(table.name), spec, findings) for table in chosen]
    tables = sampled(tables, source, spec, findings)
    if row_limit is not None:
        tables = [_limited(table, row_limit, findings) for table in tables]
    _name_enums(tables)
    tables = agree_along_foreign_keys(tables, chosen, spec, findings)
    refuse_rewritten_keys(tables)
    scope = scopes.of_tables(source, tables, sequences)
    tables = [_with_expressions(t, source.table(t.route.source), known, scope, spec, findings) for t in tables]
    taken = {table.name for table in tables} | {table_name(view.name, spec) for view in source.views}
    taken |= {sequence.name for sequence in sequences}
    summaries = summarize(source, tables, spec, only, taken, findings)
    taken |= {name for summary in summaries for name in summary.relations}
    tables = [partition(table, source.table(table.route.source), taken, findings) for table in tables]
    views, programs = translate_code(source, scope, spec, findings)
    name_indexes(tables, taken, spec.schema_.settings.tables.fold)
    for other in source.others:
        findings.lose(f"{other.kind} {other.name}", _OTHERS.get(other.kind, f"a {other.kind} is not carried yet"))
    _unseen(source, spec, findings)
    times = following.times(source, chosen, spec, findings)
    return Translation(
        tuple(in_dependency_order(tables)),
        views,
        programs,
        sequences,
        summaries,
        tuple(findings.losses),
        tuple(findings.notes),
        times,
    )


def _unseen(source: Schema, spec: MigrationSpec, findings: Findings) -> None:
    """Name what the account is not told of: it would stay behind in silence, if there is any."""
    options = spec.schema_.settings.tables.options
    routines = ("preserveStoredProcedures", options.preserve_stored_procedures)
    switches = {"trigger": ("preserveTriggers", options.preserve_triggers), "event": routines, "routine": routines}
    for kind in source.unseen:
        key, wanted = switches[kind]
        right = "EXECUTE" if kind == "routine" else kind.upper()
        if wanted:
            cure = f"GRANT {right} ON {source.name}.* TO it, or say {key}: false"
            findings.lose(f"{kind}s", f"the account may not see whether there are any: {cure}")


def _table(
    table: Table,
    extensions: Mapping[str, str],
    counting: Scope,
    function: Function | None,
    spec: MigrationSpec,
    findings: Findings,
) -> TargetTable:
    """Translate columns and keys: what can be told without knowing what other tables become."""
    filtering = spec.data.extraction.filtering
    wanted = filtering.columns.get(table.name)
    routes: list[ColumnRoute] = []
    for column in table.columns:
        target = target_name(table.name, column.name, spec)
        if wanted is not None and not {column.name, target} & set(wanted):
            _refuse_missing_key(table, column)
            findings.leave(f"column {table.name}.{column.name}", "stays behind: columnFilters leaves it out")
            continue
        _refuse_long_name(target, f"column {table.name}.{target}")
        if target != column.name:
            findings.note(f"column {table.name}.{column.name}", f"is called {target}")
        if column.invisible:
            findings.note(f"column {table.name}.{column.name}", "is INVISIBLE in the source, and seen in the target")
        route = columns.route(table, column, target, extensions, spec, findings)
        route = cleaned(route, table, column, spec, findings)
        routes.append(_nullable(table, route, spec, findings))
    called = table_name(table.name, spec)
    if called != table.name:
        findings.note(f"table {table.name}", f"is called {called}")
    names = {route.source: route.target for route in routes}
    key = tuple(names[name] for name in table.primary_key)
    duplicates = spec.data.transformation.cleaning.duplicates
    alike = tuple(duplicate_keys(table, names, spec))
    condition = filtering.rows.get(table.name)
    if function is not None:
        findings.note(f"rows of {table.name}", f"pass through {function.call}, which may change them or leave them out")
    described = {route.target: table.column(route.source) for route in routes}
    return TargetTable(
        TableRoute(
            table.name,
            called,
            tuple(routes),
            key,
            cut_by=cut_by(table),
            ordered=sorted_alike(tuple(route for name in key for route in routes if route.target == name)),
            where=None if condition is None else row_filter(condition, table, routes),
            duplicates=alike,
            keep_last=duplicates is not None and duplicates.strategy == "keep_last",
            merge=bool(alike) and duplicates is not None and duplicates.strategy == "merge",
            function=function,
        ),
        _keys_travel(spec),
        tuple(_defaults(table, routes, counting, spec, findings)),
        comments=tuple((target, column.comment) for target, column in described.items() if column.comment),
        identity=next((target for target, column in described.items() if column.autoincrement), None),
        next_identity=table.statistics.next_identity,
        foreign_keys=table.foreign_keys if _keys_travel(spec) else (),
        touched=tuple(_touched(table, routes, findings)),
        comment=table.comment,
    )


def _with_expressions(
    table: TargetTable,
    source: Table,
    extensions: Mapping[str, str],
    scope: Scope,
    spec: MigrationSpec,
    findings: Findings,
) -> TargetTable:
    """Add what is made of expressions: generated columns, columns that the spec adds, checks and indexes."""
    table = add_columns(compute(table, source, scope, spec, findings), source, scope, spec, findings)
    routes = table.route.columns
    checks = [of_labels(table.name, route) for route in routes if route.labels and route.arrow != "enum"]
    checks += [of_length(table.name, route) for route in routes if route.length is not None]
    if table.constrained:
        taken = {check.name for check in checks}
        checks += translate_checks(source, routes, scope, taken, spec.schema_.settings.tables.fold, findings)
    indexes = translate_indexes(source, routes, table.constrained, extensions, scope, spec, findings)
    return lowered(replace(table, checks=tuple(checks), indexes=tuple(indexes)), source, spec, findings)


def _defaults(
    table: Table, routes: list[ColumnRoute], counting: Scope, spec: MigrationSpec, findings: Findings
) -> Iterator[tuple[str, str]]:
    handling = spec.schema_.settings.tables.columns.default_value_handling
    for route in routes:
        column = table.column(route.source)
        where = f"default of {table.name}.{column.name}"
        if column.autoincrement or column.generated:
            continue
        if column.default is None:
            implicit = None if column.nullable or handling != "update" else implicit_default(route)
            if implicit is not None:
                findings.note(where, f"{implicit}, which the source gives in silence (defaultValueHandling: update)")
                yield route.target, implicit
        elif handling == "remove":
            findings.leave(where, "is not carried: defaultValueHandling is remove")
        else:
            default = translate_default(column.default, route, counting)
            if default is None:
                findings.lose(where, f"{column.default} has no sure translation")
            else:
                yield route.target, default


def _nullable(table: Table, route: ColumnRoute, spec: MigrationSpec, findings: Findings) -> ColumnRoute:
    """Apply nullHandling: whether the target's column may hold NULL."""
    handling = spec.schema_.settings.tables.columns.null_handling
    where = f"NULL in {table.name}.{route.source}"
    if handling == "update" and route.default is not None and route.source_nullable and not route.may_lose:
        findings.note(where, "is forbidden, for every NULL becomes a default (nullHandling: update)")
        return replace(route, nullable=False)
    if handling == "remove" and not route.source_nullable and route.source not in table.primary_key:
        findings.note(where, "is allowed: nullHandling is remove")
        return replace(route, source_nullable=True, nullable=True)
    return route


def _touched(table: Table, routes: list[ColumnRoute], findings: Findings) -> Iterator[str]:
    for route in routes:
        if not table.column(route.source).on_update:
            continue
        if route.arrow.startswith("timestamp"):
            yield route.target
        else:
            findings.lose(
                f"ON UPDATE of {table.name}.{route.source}", f"{route.target_type} cannot hold the current time"
            )


def _name_enums(tables: list[TargetTable]) -> None:
    """Make the types of enum columns, whose names are unique per schema, among tables and views."""
    taken = {postgresql.quoted(table.name) for table in tables}
    for position, table in enumerate(tables):
        routes, enums = [], []
        for route in table.route.columns:
            if route.arrow == "enum":
                name = route.target_type
                if name in taken:
                    bare = EnumType(name, ()).identifier
                    name = postgresql.quoted(marked(bare, f"{table.name}.{route.source}"))
                taken.add(name)
                enums.append(EnumType(name, route.labels))
                route = replace(route, target_type=name)
            routes.append(route)
        tables[position] = replace(table, route=replace(table.route, columns=tuple(routes)), enums=tuple(enums))


def _limited(table: TargetTable, rows: int, findings: Findings) -> TargetTable:
    """Let only the first rows of a table travel; without a key nothing says which those are."""
    if not table.route.key:
        findings.note(
            f"rows of {table.name}",
            "row_limit does not hold here, for the table has no primary key to say which rows are first",
        )
        return table
    findings.lose(
        f"rows of {table.name}", f"row_limit lets the first {rows:,} in key order through, no more", asked=True
    )
    return replace(table, route=replace(table.route, limit=rows))


def _keys_travel(spec: MigrationSpec) -> bool:
    settings = spec.schema_.settings
    wanted = settings.constraints.enabled and settings.constraints.preserve_constraints
    return wanted and settings.tables.options.preserve_constraints


def _refuse_missing_key(table: Table, column: Column) -> None:
    if column.name in table.primary_key:
        raise SpecError(
            [
                f"data.extraction.filtering.columnFilters.{table.name} leaves out {column.name}, "
                f"which belongs to the primary key; add it"
            ]
        )


def _refuse_lost_functions(chosen: list[Table], functions: Mapping[str, Function], spec: MigrationSpec) -> None:
    wanted = {table.name for table in chosen} & spec.data.transformation.called.keys()
    if lost := sorted(wanted - functions.keys()):
        raise SpecError([f"data.transformation.functions.{name}: the function was not looked for" for name in lost])


def _refuse_long_name(name: str, what: str) -> None:
    if not fits(name):
        raise SpecError(
            [
                f"{what} has a name of {len(name.encode())} bytes, PostgreSQL holds {MAX_IDENTIFIER_BYTES}; "
                "give it another under data.transformation.mapping.fieldMapping"
            ]
        )
