"""Which tables of the source a spec chooses; a name in the spec that the source lacks is refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from cutover.errors import SpecError
from cutover.schema.following import log_of
from cutover.schema.model import Schema, Table
from cutover.schema.names import column_spelled, spelled
from cutover.spec import MigrationSpec


def choose(source: Schema, spec: MigrationSpec, only: tuple[str, ...] = ()) -> list[Table]:
    """Return the tables that the spec's patterns match; ``only`` narrows them further.

    Raises:
        SpecError: the spec names a table or column that is not there, two columns would get one
            name, or no table is left.
    """
    chosen = [table for table in source.tables if _chosen(table.name, spec, only)]
    problems = [*_unknown_tables(source, spec, only), *_unknown_columns(source, chosen, spec)]
    problems += [*_named_alike(source, chosen, spec), *_twice(chosen, spec)]
    if not chosen and not problems and not (source.views and not source.tables):
        why = "matches schema.settings.tables.patterns" if source.tables else "is there: nothing could be moved"
        problems.append(f"no table of {source.name} {why}")
    if problems:
        raise SpecError(problems)
    return chosen


def table_name(table: str, spec: MigrationSpec) -> str:
    """Return what a table, view or routine is called in the target."""
    return spelled(table, spec.schema_.settings.tables.fold)


def target_name(table: str, column: str, spec: MigrationSpec) -> str:
    """Return what a column is called in the target: what fieldMapping says, or as it is spelled there."""
    mapped = spec.data.transformation.mapping.fields.get(table, {}).get(column)
    return mapped if mapped is not None else column_spelled(column, spec.schema_.settings.tables.fold)


def _chosen(name: str, spec: MigrationSpec, only: tuple[str, ...]) -> bool:
    patterns = spec.schema_.settings.tables.patterns
    if (only and name not in only) or name == log_of(spec):
        return False
    return any(fnmatchcase(name, p) for p in patterns.include) and not any(
        fnmatchcase(name, p) for p in patterns.exclude
    )


def _unknown_tables(source: Schema, spec: MigrationSpec, only: tuple[str, ...]) -> Iterator[str]:
    known = {table.name for table in source.tables}
    for name in only:
        if name not in known:
            yield f"table {name!r} was asked for, but {source.name} has no such table"
    mapping, filtering = spec.data.transformation.mapping, spec.data.extraction.filtering
    named: dict[str, Iterable[str]] = {
        "data.transformation.mapping.fieldMapping": mapping.fields,
        "data.extraction.filtering.rowFilters": filtering.rows,
        "data.extraction.filtering.columnFilters": filtering.columns,
        "data.transformation.functions": spec.data.transformation.called,
    }
    for where, tables in named.items():
        for name in tables:
            if name not in known:
                yield f"{where}: {source.name} has no table {name!r}"


def _unknown_columns(source: Schema, chosen: list[Table], spec: MigrationSpec) -> Iterator[str]:
    mapping, filtering = spec.data.transformation.mapping, spec.data.extraction.filtering
    for table in chosen:
        columns = {column.name for column in table.columns}
        for name in mapping.fields.get(table.name, {}):
            if name not in columns:
                yield f"data.transformation.mapping.fieldMapping.{table.name}: no column {name!r}"
        for name in filtering.columns.get(table.name, ()):
            if name not in _names(table, spec):
                yield f"data.extraction.filtering.columnFilters.{table.name}: no column {name!r}"
    by_name = {table.name: table for table in source.tables}
    named = {f"data.transformation.{key}": fields for key, fields in spec.data.transformation.named.items()}
    for where, fields in (named | {"data.extraction.filtering.dataFilters": tuple(filtering.values)}).items():
        for field in fields:
            owner, _, name = field.partition(".")
            if owner not in by_name or name not in _names(by_name[owner], spec):
                yield f"{where}: {source.name} has no column {field!r}"
            elif not _travels(by_name[owner], name, spec):
                yield f"{where}: {field} stays behind, for columnFilters leaves it out"
    duplicates = spec.data.transformation.cleaning.duplicates
    for key in duplicates.keys if duplicates else ():
        if "." not in key[0] and not any(set(key) <= _names(table, spec) for table in source.tables):
            yield f"data.transformation.cleaning.duplicateRemoval.keyFields: no table has {' and '.join(key)}"


def _travels(table: Table, name: str, spec: MigrationSpec) -> bool:
    wanted = spec.data.extraction.filtering.columns.get(table.name)
    other = {column.name: target_name(table.name, column.name, spec) for column in table.columns}
    return wanted is None or any(name in pair and set(pair) & set(wanted) for pair in other.items())


def _names(table: Table, spec: MigrationSpec) -> set[str]:
    """Every name that a column of the table may be called by: its own, and its target's."""
    own = {column.name for column in table.columns}
    return own | {target_name(table.name, name, spec) for name in own}


def _named_alike(source: Schema, chosen: list[Table], spec: MigrationSpec) -> Iterator[str]:
    """Tables, views and sequences share one space of names."""
    views = [view.name for view in source.views] if spec.schema_.settings.tables.options.preserve_views else []
    taken: dict[str, str] = {}
    for name in [*(table.name for table in chosen), *views, *(sequence.name for sequence in source.sequences)]:
        other = taken.setdefault(table_name(name, spec), name)
        if other != name:
            yield (
                f"schema.settings.tables.identifiers: {other!r} and {name!r} would both be called "
                f"{table_name(name, spec)!r}; keep their case, or exclude one"
            )


def _twice(chosen: list[Table], spec: MigrationSpec) -> Iterator[str]:
    for table in chosen:
        origins: dict[str, str] = {}
        for column in table.columns:
            name = target_name(table.name, column.name, spec)
            if name in origins:
                yield (
                    f"data.transformation.mapping.fieldMapping.{table.name}: {origins[name]!r} and {column.name!r} "
                    f"would both be called {name!r}"
                )
            origins[name] = column.name
