"""What the names of the source mean in the target, for the SQL that uses them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cutover.dialects import mysql_types, postgresql_types
from cutover.route import ColumnRoute
from cutover.schema.columns import mapped_type
from cutover.schema.model import Column, Schema, Table
from cutover.schema.rewrite.scope import Attribute, Family, Relation, Scope
from cutover.schema.target import TargetSequence, TargetTable
from cutover.spec import MigrationSpec

_FAMILIES: dict[str, Family] = {
    "bool": "boolean",
    "string": "text",
    "citext": "text",
    "enum": "enum",
    "set": "set",
    "binary": "binary",
    "geometry": "geometry",
    "date32": "date",
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
    "duration": "interval",
    "json": "json",
    "uuid": "uuid",
}


def family(arrow: str) -> Family:
    """Return what kind of value a column holds that is loaded as an Arrow type."""
    if arrow.startswith(("int", "uint")):
        return "integer"
    if arrow.startswith("float"):
        return "float"
    return "decimal" if arrow.startswith("decimal") else _FAMILIES.get(arrow, "other")


def of_sequences(source: Schema, sequences: Sequence[TargetSequence]) -> Scope:
    """Return the scope of what may count with a sequence and name nothing else."""
    return Scope(source.name, sequences={sequence.source: sequence.name for sequence in sequences})


def of_tables(source: Schema, tables: Sequence[TargetTable], sequences: Sequence[TargetSequence]) -> Scope:
    """Return the scope of translated tables and sequences.

    Columns that stay behind, or whose values become others, have no place in it: SQL that names
    them would not mean what it did.
    """
    relations = {}
    for table in tables:
        described = source.table(table.route.source)
        routes = [route for route in table.route.columns if not route.values]
        attributes = {route.source.lower(): _attribute(route, described) for route in routes}
        key = frozenset(name.lower() for name in described.primary_key) if table.constrained else frozenset()
        relations[table.route.source] = Relation(table.name, attributes, key)
    scope = of_sequences(source, sequences)
    return replace(scope, relations=relations, rounds_quotients=source.rounds_quotients)


def _attribute(route: ColumnRoute, table: Table) -> Attribute:
    column = table.column(route.source)
    return Attribute(route.target, route.target_type, family(route.arrow), column.ignores_case)


def of_type(type_: str, spec: MigrationSpec, collation: str | None = None) -> Attribute:
    """Return what a variable, parameter or view's column of a MySQL type is in PostgreSQL; it has no name.

    An enum is text here: only a table's column has a type of its own.

    Raises:
        KeyError: the type is not known.
    """
    # information_schema writes a routine's text types with their character set.
    bare = type_.split(" CHARSET ")[0].split(" charset ")[0].strip()
    travel = mysql_types.travel(bare)
    if travel is None:
        raise KeyError(type_)
    mapped = mapped_type(bare, spec)
    if mapped is not None and travel.arrow not in ("enum", "set"):
        return Attribute("", mapped, family(postgresql_types.arrow_for(mapped) or ""), False)
    ignores_case = Column("", bare, True, collation=collation).ignores_case
    if travel.arrow == "enum":
        return Attribute("", "text", "text", ignores_case)
    return Attribute("", travel.target_type, family(travel.arrow), ignores_case)
