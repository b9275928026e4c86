"""How one column travels and which type it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from cutover.dialects import mysql, mysql_types, postgresql, postgresql_types
from cutover.errors import SpecError, UnsupportedTypeError
from cutover.route import ColumnRoute, Scalar
from cutover.schema.collations import caseless, collation
from cutover.schema.model import Column, Table
from cutover.schema.names import fits, fitting
from cutover.schema.target import Findings
from cutover.spec import MigrationSpec

_Value = TypeVar("_Value")


def route(
    table: Table,
    column: Column,
    target: str,
    extensions: Mapping[str, str],
    spec: MigrationSpec,
    findings: Findings,
) -> ColumnRoute:
    """Return the way of a column; ``target`` is its name there, ``extensions`` are the target's with their schemas.

    Raises:
        UnsupportedTypeError: its type has no translation.
        SpecError: the spec maps it to a type without a carrier, or its values to several types.
    """
    travel = mysql_types.travel(column.type)
    if travel is None:
        raise UnsupportedTypeError(table.name, column.name, column.type)
    where = f"column {table.name}.{column.name}"
    mapped = mapped_type(column.type, spec)
    wire = travel.wire or travel.arrow
    target_type, arrow = travel.target_type, travel.arrow
    labels = travel.labels
    shape = mysql_types.SHAPES.get(mysql_types.parse(column.type).base)
    if shape is not None and mapped is None and "postgis" in extensions:
        target_type, arrow = _geometry(shape, column.srid, extensions["postgis"]), "geometry"
    elif travel.note:
        findings.note(where, f"{column.type}: {travel.note}")
    if any("?" in label for label in labels):
        # The catalogue is in three-byte UTF-8 and shows what it cannot write so (MariaDB manual, Unicode).
        target_type, arrow, labels = "text", "string", ()
        findings.lose(
            f"labels of {table.name}.{column.name}",
            f"the column is text, for the server does not tell them letter by letter: {column.type}",
        )
    elif arrow == "enum":
        labels = labels if column.name not in table.statistics.unlabelled else (*labels, "")
        target_type, arrow = _enum(f"{table.name}_{column.name}_enum", labels)
    if mapped is None and _holds_booleans(table, column):
        mapped = "boolean"
        findings.note(where, f"{column.type}: it holds nothing but 0, 1 and NULL and becomes boolean")
    if mapped is not None and mapped != target_type:
        carrier = postgresql_types.arrow_for(mapped)
        if carrier is None:
            raise SpecError([f"typeMapping: {column.type!r} -> {mapped!r}: no exact way to carry {mapped!r} is known"])
        target_type, arrow = mapped, carrier
    values = lookup(spec.data.transformation.mapping.values, table.name, column.name, target)
    if values:
        target_type, arrow = _type_of_values(f"{table.name}.{target}", values)
        labels = tuple(str(v) for v in dict.fromkeys(values.values()) if v is not None) if arrow == "string" else ()
    nulls = spec.data.transformation.cleaning.nulls
    zero_dates = spec.data.transformation.cleaning.zero_dates
    made = ColumnRoute(
        column.name,
        column.type,
        travel.read.replace("{c}", mysql.quoted(column.name)),
        wire,
        target,
        target_type,
        arrow,
        source_nullable=column.nullable,
        # A key takes no NULL: its row is refused and noted.
        nullable=column.nullable
        or (travel.may_lose and zero_dates == "nullify" and column.name not in table.primary_key),
        may_lose=travel.may_lose,
        no_date=zero_dates if travel.may_lose and zero_dates != "nullify" else None,
        values=tuple(values.items()) if values else (),
        default=lookup(nulls.default_values, table.name, column.name, target) if nulls else None,
        collation=collation(table, column, arrow, spec),
        ignores_case=column.collation is not None and arrow == "string" and not column.collation.endswith("_bin"),
        # A set's labels as text are joined, and no list says what they may be.
        labels=labels if arrow in ("enum", "set") or (arrow == "string" and travel.arrow != "set") else (),
    )
    return caseless(made, table, column, extensions, spec)


def _geometry(shape: str, srid: int | None, schema: str) -> str:
    # Without a number, or with 0, values of every SRID are let in (PostGIS manual, geometry).
    return f"{postgresql.quoted(schema)}.geometry({shape}{f',{srid}' if srid else ''})"


def _enum(name: str, labels: tuple[str, ...]) -> tuple[str, str]:
    # A label is a name to PostgreSQL and as long as one may be (manual, Enumerated Types).
    if all(fits(label) for label in labels):
        return postgresql.quoted(fitting(name)), "enum"
    return "text", "string"


def _holds_booleans(table: Table, column: Column) -> bool:
    keyed = {*table.primary_key, *(name for key in table.foreign_keys for name in key.columns)}
    return is_boolean_by_name(column) and column.name in set(table.statistics.booleans) - keyed


def is_boolean_by_name(column: Column) -> bool:
    """Whether a column is declared as MySQL declares a boolean."""
    return column.type.lower() == "tinyint(1)" and not column.autoincrement and not column.generated


def lookup(table_of: Mapping[str, _Value], table: str, source: str, target: str) -> _Value | None:
    """Return what a spec says of ``table.column``, by the column's name on either side."""
    return table_of.get(f"{table}.{target}", table_of.get(f"{table}.{source}"))


def mapped_type(type_: str, spec: MigrationSpec) -> str | None:
    """Return the PostgreSQL type that the spec gives a MySQL type: by its full spelling, else by its name."""
    mapping = {
        _bare(key): value
        for key, value in {
            **spec.schema_.settings.tables.columns.type_mapping,
            **spec.data.transformation.mapping.types,
        }.items()
    }
    parsed = mysql_types.parse(type_)
    family = parsed.base + (" unsigned" if parsed.unsigned else "")
    return mapping.get(_bare(type_)) or mapping.get(type_.lower()) or mapping.get(family)


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
