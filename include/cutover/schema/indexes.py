"""Indexes in the target: which are carried, over what, and called what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from cutover.route import ColumnRoute
from cutover.schema.model import Index, IndexPart, Table
from cutover.schema.names import fits, fitting, marked
from cutover.schema.rewrite import rewrite_expression
from cutover.schema.rewrite.scope import Scope, UntranslatableError
from cutover.schema.target import Findings, TargetTable
from cutover.spec import MigrationSpec

_NO_BTREE_GIST = (
    "WITHOUT OVERLAPS needs an extension, and periods may overlap without; CREATE EXTENSION btree_gist in the target"
)
_NO_POSTGIS = (
    "a SPATIAL index needs a column of PostGIS, and this one arrives as bytea; CREATE EXTENSION postgis in the target"
)


def translate_indexes(
    table: Table,
    routes: Sequence[ColumnRoute],
    constrained: bool,
    extensions: Mapping[str, str],
    scope: Scope,
    spec: MigrationSpec,
    findings: Findings,
) -> Iterator[Index]:
    """Yield a table's indexes in the target's names; what cannot be one is a loss with its reason.

    Args:
        table: the table as inspected.
        routes: the columns that travel.
        extensions: those of the target, with their schemas.
        constrained: whether keys and constraints are built, and so unique indexes.
        scope: what the names in an index's expressions mean.
        spec: which of the other indexes travel.
        findings: what is left out or changes is added here.
    """
    settings = spec.schema_.settings
    plain = settings.indexes.enabled and settings.indexes.preserve_indexes and settings.tables.options.preserve_indexes
    names = {route.source: route.target for route in routes}
    shapes = {route.source for route in routes if route.arrow == "geometry"}
    redundant = _redundant(table) if settings.indexes.optimize_indexes else {}
    for index in table.indexes:
        where = f"index {table.name}.{index.name}"
        if not (constrained if index.unique else plain):
            findings.leave(where)
        elif index.name in redundant:
            findings.leave(where, f"is not built: {redundant[index.name]} serves as well (optimizeIndexes)")
        elif not set(index.columns) <= names.keys():
            findings.lose(where, "columnFilters leaves out one of its columns")
        elif index.kind == "spatial" and not set(index.columns) <= shapes:
            findings.lose(where, _NO_POSTGIS)
        else:
            try:
                parts = tuple(_part(part, table, names, scope) for part in index.parts)
            except UntranslatableError as error:
                findings.lose(where, f"{error.construct} has no sure translation")
                continue
            if index.kind == "spatial":
                findings.note(where, "SPATIAL becomes GiST")
            elif index.kind == "fulltext":
                findings.note(where, "FULLTEXT becomes GIN over to_tsvector('simple', ...)")
            elif index.period and (reason := _no_exclusion(index, routes, extensions)):
                findings.lose(where, reason)
                if index.columns == table.primary_key:
                    continue
                index = replace(index, kind="btree", period=None)
            elif index.period:
                findings.note(where, "WITHOUT OVERLAPS becomes EXCLUDE USING gist")
                start, end = index.period
                index = replace(index, period=(names[start], names[end]))
            elif any(part.prefix is not None for part in index.parts):
                findings.note(where, "its prefixes become left(column, length), or substr of bytes")
            yield replace(index, parts=parts)


def _no_exclusion(index: Index, routes: Sequence[ColumnRoute], extensions: Mapping[str, str]) -> str | None:
    if "btree_gist" not in extensions:
        return _NO_BTREE_GIST
    caseless = [r.source for r in routes if r.source in index.columns and (r.collation or r.arrow == "citext")]
    return f"periods may overlap: {', '.join(caseless)} ignores case, which GiST does not" if caseless else None


def _part(part: IndexPart, table: Table, names: dict[str, str], scope: Scope) -> IndexPart:
    if part.expression is None:
        return replace(part, column=names[part.column])
    return replace(part, expression=rewrite_expression(part.expression, scope, table.name).sql)


def _redundant(table: Table) -> dict[str, str]:
    """Name each index whose place another one takes: the same, or one that begins with its columns.

    A unique index is more than a way to find rows, and only its double makes it redundant.
    """
    found: dict[str, str] = {}
    kept = [Index.over("the primary key", table.primary_key, unique=True)] if table.primary_key else []
    # The longest first, and of two alike the unique one: what is kept stands before what it covers.
    for index in sorted(table.indexes, key=lambda i: (-len(i.parts), not i.unique)):
        if index.kind != "btree":
            continue
        for other in kept:
            same = index.parts == other.parts
            if (same and index.unique <= other.unique) or (not index.unique and _begins(other, index)):
                found[index.name] = other.name
                break
        else:
            kept.append(index)
    return found


def _begins(longer: Index, shorter: Index) -> bool:
    return longer.parts[: len(shorter.parts)] == shorter.parts


def name_indexes(tables: list[TargetTable], relations: set[str], fold: bool) -> None:
    """Give every index and key a name of its own: in PostgreSQL they are unique per schema, among tables and views.

    Args:
        tables: the tables; those with renamed indexes take their place.
        relations: the names of tables and views.
        fold: whether names become lower case.
    """
    keys = {}
    for table in tables:
        name = fitting(f"{table.name}_pkey")
        keys[table.name] = name if name not in relations else marked(name, f"key of {table.name}")
    taken = relations | set(keys.values())
    for position, table in enumerate(tables):
        renamed = []
        for index in table.indexes:
            wanted = index.name.lower() if fold else index.name
            name = wanted if wanted not in taken else f"{table.name}_{wanted}"
            if not fits(name) or name in taken:
                name = marked(name, f"{table.name}.{index.name}")
            taken.add(name)
            renamed.append(replace(index, name=name, origin=index.name))
        tables[position] = replace(table, indexes=tuple(renamed), key_name=keys[table.name])
