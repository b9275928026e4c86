"""What the spec asks of each column: checks, filters, defaults, one form for text, what makes a duplicate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Literal

from cutover.dialects import mysql_types
from cutover.errors import SpecError
from cutover.route import ColumnRoute, Scalar
from cutover.schema.columns import lookup
from cutover.schema.model import Column, Table
from cutover.schema.target import Findings, TargetTable
from cutover.spec import MigrationSpec
from cutover.spec.validation import Bounds, DataValidation

_WHERE = "data.transformation"
_KINDS: dict[str, type | tuple[type, ...]] = {"string": str, "bool": bool, "int64": int, "float64": (int, float)}


def cleaned(route: ColumnRoute, table: Table, column: Column, spec: MigrationSpec, findings: Findings) -> ColumnRoute:
    """Return the way of a column with all that the spec's mapping, cleaning and enrichment ask of its values.

    Raises:
        SpecError: it asks for what a column of its kind cannot be.
    """
    transformation = spec.data.transformation
    nulls, validation = transformation.cleaning.nulls, transformation.cleaning.validation
    enrichment = transformation.enrichment
    place = (table.name, column.name, route.target)
    made = replace(
        _unmapped(route, table, spec),
        region=_region(transformation.phone_region),
        normal=lookup(enrichment.normal, *place) or (),
        standard=lookup(enrichment.standard, *place),
        required=nulls is not None and _names(nulls.columns, *place),
        among=lookup(spec.data.extraction.filtering.values, *place),
    )
    if made.among is not None:
        _refuse_incomparable(made, table, column)
    travel = mysql_types.travel(column.type)
    if made.rewritten and (travel is None or travel.arrow != "string"):
        _refuse("enrichment.dataEnrichment", place, f"is {column.type}, and not text")
    if made.rewritten and column.generated:
        _refuse("enrichment.dataEnrichment", place, "is a generated column, which the target makes itself")
    if made.required and column.generated:
        _refuse("cleaning.nullHandling.columns", place, "is a generated column, which the target makes itself")
    return made if validation is None else _checked(made, table, column, validation, spec, findings)


def _checked(
    route: ColumnRoute,
    table: Table,
    column: Column,
    validation: DataValidation,
    spec: MigrationSpec,
    findings: Findings,
) -> ColumnRoute:
    place = (table.name, column.name, route.target)
    text = route.arrow == "string"
    instant = route.arrow in ("date32", "timestamp", "timestamptz")
    number = route.arrow.startswith(("int", "float", "decimal"))
    bounds = lookup(validation.numeric_range, *place) if validation.numeric_validation is not False else None
    name = route.target.lower()
    wanted = {
        "emailValidation": (validation.email_validation, text and "email" in name, text, "text"),
        "phoneValidation": (validation.phone_validation, text and "phone" in name, text, "text"),
        "dateValidation": (validation.date_validation, instant, text or instant, "a date, or text that holds one"),
        "numericValidation": (validation.numeric_validation, bounds is not None, text, "text; give it a numericRange"),
    }
    found = {}
    for key, (choice, by_kind, possible, what) in wanted.items():
        listed = not isinstance(choice, bool) and _names(choice, *place)
        found[key] = listed or (choice is True and by_kind)
        if listed and not possible:
            _refuse(f"cleaning.dataValidation.{key}", place, f"is {route.target_type}, and not {what}")
        if found[key] and column.generated and spec.schema_.settings.tables.columns.generated_columns != "values":
            if listed:
                _refuse(f"cleaning.dataValidation.{key}", place, "is a generated column, which the target makes itself")
            findings.note(f"{key} of {table.name}.{column.name}", "is not done: the target makes the column's values")
            found[key] = False
    if bounds is not None and not (text or number):
        _refuse("cleaning.dataValidation.numericRange", place, f"is {route.target_type}, and holds no numbers")
    numeric = found["numericValidation"] or bounds is not None
    days = validation.dates
    return replace(
        route,
        email=found["emailValidation"],
        phone=found["phoneValidation"],
        dates=(days.from_.isoformat(), days.to.isoformat()) if found["dateValidation"] else None,
        numbers=(_text(bounds, "min"), _text(bounds, "max")) if numeric else None,
    )


def _text(bounds: Bounds | None, end: Literal["min", "max"]) -> str | None:
    return None if bounds is None or end not in bounds else str(bounds[end])


def _names(columns: Iterable[str], table: str, source: str, target: str) -> bool:
    return bool({f"{table}.{source}", f"{table}.{target}"} & set(columns))


def _refuse(key: str, place: tuple[str, str, str], why: str) -> None:
    raise SpecError([f"{_WHERE}.{key}: {place[0]}.{place[1]} {why}"])


def _refuse_incomparable(route: ColumnRoute, table: Table, column: Column) -> None:
    where = f"data.extraction.filtering.dataFilters: {table.name}.{column.name}"
    if route.arrow in ("json", "geometry", "binary"):
        raise SpecError([f"{where} is {route.target_type}, whose values have no one text; filter by another column"])
    if column.generated:
        raise SpecError([f"{where} is a generated column, which the target makes itself; say it as a rowFilter"])


def _region(country: str | None) -> str:
    if country is None:
        return "ZZ"
    from phonenumbers import SUPPORTED_REGIONS

    if country not in SUPPORTED_REGIONS:
        raise SpecError([f"{_WHERE}.phoneRegion: no country {country!r} is known to have phone numbers"])
    return country


def _unmapped(route: ColumnRoute, table: Table, spec: MigrationSpec) -> ColumnRoute:
    """Say what becomes of values that the column's mapping does not name, and which it may hold in the end."""
    mapping = spec.data.transformation.mapping
    how = lookup(mapping.unmapped_values, table.name, route.source, route.target) if route.values else None
    if route.values and route.labels and route.default is not None:
        route = replace(route, labels=tuple(dict.fromkeys((*route.labels, str(route.default)))))
    if how is None:
        return route
    where = f"{_WHERE}.mapping.unmappedValues.{table.name}.{route.target}"
    if how == "keep":
        if route.arrow != "string":
            raise SpecError([f"{where}: keep is for text, and valueMapping makes the column {route.target_type}"])
        return replace(route, unmapped=how, labels=())
    if how == "nullify" and not route.nullable and route.default is None:
        raise SpecError([f"{where}: the column takes no NULL; say keep, default or refuse"])
    if how != "default":
        return replace(route, unmapped=how)
    value = lookup(mapping.unmapped_defaults, table.name, route.source, route.target)
    if not _is_of(value, route.arrow):
        raise SpecError(
            [f"{_WHERE}.mapping.unmappedDefaults.{table.name}.{route.target}: {value!r} is no {route.target_type}"]
        )
    labels = tuple(dict.fromkeys((*route.labels, str(value)))) if route.labels else ()
    return replace(route, unmapped=how, unmapped_default=value, labels=labels)


def _is_of(value: Scalar, arrow: str) -> bool:
    return isinstance(value, _KINDS[arrow]) and isinstance(value, bool) == (arrow == "bool")


def refuse_rewritten_keys(tables: Sequence[TargetTable]) -> None:
    """Text of a key is not rewritten: two rows would become one, or a row would lose its parent.

    Raises:
        SpecError: the spec rewrites a column of a primary or foreign key, or one that such a key refers to.
    """
    keys = [(table.name, key) for table in tables for key in table.foreign_keys]
    keyed = {(name, column) for name, key in keys for column in key.columns}
    keyed |= {(key.referred_table, column) for _, key in keys for column in key.referred_columns}
    keyed |= {(table.name, column) for table in tables for column in table.route.key}
    problems = [
        f"{_WHERE}.enrichment.dataEnrichment: {table.route.source}.{column.source} belongs to a primary or foreign "
        "key, and two of its values could become one; leave it as it is"
        for table in tables
        for column in table.route.columns
        if column.rewritten and (table.name, column.target) in keyed
    ]
    if problems:
        raise SpecError(problems)


def duplicate_keys(table: Table, names: dict[str, str], spec: MigrationSpec) -> Iterator[tuple[str, ...]]:
    """Yield the keys, as target columns, by which rows may be duplicates, as far as the primary key lets them.

    Raises:
        SpecError: the table has no primary key to say which row is first.
    """
    duplicates = spec.data.transformation.cleaning.duplicates
    primary = {names[name] for name in table.primary_key}
    for fields in duplicates.keys if duplicates else ():
        parts = [field.rpartition(".") for field in fields]
        if any(dot and owner != table.name for owner, dot, _ in parts):
            continue
        targets = tuple(names.get(column, column) for _, _, column in parts)
        if not set(targets) <= set(names.values()):
            continue
        if not primary:
            key = " and ".join(fields)
            raise SpecError(
                [f"duplicateRemoval.keyFields {key!r}: {table.name} has no primary key to say which is first"]
            )
        if not primary <= set(targets):
            yield targets
