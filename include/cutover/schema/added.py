"""Columns that the source does not have: what an expression of the spec's makes, there or in the target itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from cutover.dialects import postgresql_types
from cutover.errors import SpecError
from cutover.route import ColumnRoute, Places, Service
from cutover.schema.computed import generated
from cutover.schema.evaluated import evaluated, reading
from cutover.schema.model import Schema, Table
from cutover.schema.names import column_spelled, fits
from cutover.schema.rewrite import Rewritten, rewrite_expression
from cutover.schema.rewrite.scope import Scope, UntranslatableError
from cutover.schema.target import Findings, TargetTable
from cutover.spec import MigrationSpec
from cutover.spec.expression import TypedExpression
from cutover.spec.geocoding import DELAY, OFFLINE
from cutover.spec.geocoding import columns as named

_WHERE = "data.transformation"
_CALCULATION = f"{_WHERE}.enrichment.dataCalculation"
# The type that surely holds every value of a kind; a decimal's digits are the user's to say.
_TOLD = {
    "integer": "bigint",
    "float": "double precision",
    "boolean": "boolean",
    "text": "text",
    "date": "date",
}
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")
# MySQL counts with so many digits and no more (manual, Precision Math).
_MOST_DIGITS = 65
_NUMBERS = frozenset({"integer", "decimal", "float", "boolean"})
# Which kinds of value PostgreSQL puts into a column of an Arrow type without another sense or fewer digits.
_FITTING = {
    "bool": _NUMBERS,
    "string": frozenset({"text"}),
    "date32": frozenset({"date"}),
    "timestamp": frozenset({"timestamp", "date"}),
    "timestamptz": frozenset({"timestamptz"}),
    "duration": frozenset({"interval"}),
    "json": frozenset({"json"}),
    "uuid": frozenset({"uuid"}),
    "binary": frozenset({"binary"}),
}


@dataclass(frozen=True)
class _Wanted:
    """One column that a key of the spec adds to a table."""

    key: str
    table: str
    column: str
    made: Literal["by the source", "by the target", "on the way"]
    written: TypedExpression

    def refuse(self, why: str) -> SpecError:
        return SpecError([f"{self.key}.{self.table}.{self.column}: {why}"])


def _wanted(spec: MigrationSpec) -> Iterator[_Wanted]:
    enrichment = spec.data.transformation.enrichment
    for name, written in enrichment.derived.items():
        table, _, column = name.partition(".")
        yield _Wanted(f"{_CALCULATION}.derivedFields", table, column, "by the source", written)
    for name, written in enrichment.computed.items():
        table, _, column = name.partition(".")
        yield _Wanted(f"{_CALCULATION}.computedColumns", table, column, "by the target", written)
    for table, call in spec.data.transformation.called.items():
        for column, type_ in call.get("adds", {}).items():
            given: TypedExpression = {"expression": f"given by {call['call']}", "type": type_}
            yield _Wanted(f"{_WHERE}.functions", table, column, "on the way", given)
    for table, places in enrichment.places.items():
        for column in (places["latitude"], places["longitude"]):
            who = places.get("service", OFFLINE)
            who = "the gazetteer" if who == OFFLINE else who
            given = {"expression": f"where {who} has {' in '.join(named(places))}", "type": "double precision"}
            yield _Wanted(f"{_WHERE}.enrichment.dataEnrichment.geocoding", table, column, "on the way", given)


def refuse_misnamed(source: Schema, spec: MigrationSpec) -> None:
    """Refuse columns to add whose table the source has not, or whose name cannot be theirs alone.

    Raises:
        SpecError: with each of them.
    """
    tables = {table.name: table for table in source.tables}
    fold = spec.schema_.settings.tables.fold
    taken: dict[tuple[str, str], str] = {}
    problems = []
    for wanted in _wanted(spec):
        where = f"{wanted.key}.{wanted.table}.{wanted.column}"
        table = tables.get(wanted.table)
        if table is None:
            problems.append(f"{where}: {source.name} has no table {wanted.table!r}")
            continue
        fields = spec.data.transformation.mapping.fields.get(table.name, {})
        theirs = {name.lower() for column in table.columns for name in (column.name, fields.get(column.name, ""))}
        other = taken.get((wanted.table, wanted.column.lower()))
        taken[wanted.table, wanted.column.lower()] = wanted.key
        if wanted.column.lower() in theirs:
            problems.append(f"{where}: the table has a column of this name; give the new one another")
        elif other is not None:
            problems.append(f"{where}: {other} adds a column of this name too")
        elif not fits(wanted.column) or column_spelled(wanted.column, fold) != wanted.column:
            problems.append(f"{where}: the target would call it {column_spelled(wanted.column, fold)!r}; write that")
    if problems:
        raise SpecError(problems)


def add_columns(
    table: TargetTable, source: Table, scope: Scope, spec: MigrationSpec, findings: Findings
) -> TargetTable:
    """Return the table with the columns that the spec adds to it, after those that it has.

    Raises:
        SpecError: an expression cannot be evaluated, or its type cannot be told or is not carried.
    """
    columns = list(table.route.columns)
    for wanted in _wanted(spec):
        if wanted.table == source.name:
            if wanted.made == "by the target":
                made = _computed(wanted, table, source, scope)
            elif wanted.made == "by the source":
                made = _derived(wanted, source, scope)
            else:
                # Nothing, until the rows are on their way.
                made = _route(wanted, "NULL", wanted.written.get("type", ""), wanted.written["expression"])
            findings.note(f"column {source.name}.{made.target}", f"is added, {made.target_type}: {made.added}")
            columns.append(made)
    places = _places(table, spec)
    return replace(table, route=replace(table.route, columns=tuple(columns), places=places))


def _places(table: TargetTable, spec: MigrationSpec) -> Places | None:
    """Return the columns that name places and get coordinates, by their names in the target."""
    source = table.route.source
    written = spec.data.transformation.enrichment.places.get(source)
    if written is None:
        return None
    found = []
    for name in named(written):
        column = next(c for c in table.route.columns if c.added is None and name in (c.source, c.target))
        if column.arrow not in ("string", "citext", "enum") or column.computed is not None:
            where = f"{_WHERE}.enrichment.dataEnrichment.geocoding.{source}.from"
            raise SpecError([f"{where}: {name} is {column.target_type}, and not text that is loaded"])
        found.append(column.target)
    service = None
    if (name := written.get("service", OFFLINE)) != OFFLINE:
        service = Service(name, tuple(written.get("options", {}).items()), written.get("delay", DELAY))
    return Places(found[0], found[1] if len(found) > 1 else None, written["latitude"], written["longitude"], service)


def _derived(wanted: _Wanted, source: Table, scope: Scope) -> ColumnRoute:
    expression = _evaluated(wanted, source)
    type_ = wanted.written.get("type")
    if type_ is None:
        try:
            type_ = _TOLD.get(rewrite_expression(expression, scope, source.name).kind)
        except UntranslatableError as error:
            raise wanted.refuse(f"its type cannot be told ({error.construct}); {_with_type(wanted)}") from None
        if type_ is None:
            raise wanted.refuse(f"its type cannot be told; {_with_type(wanted)}")
    return _route(wanted, expression, type_, f"derived by the source as {expression}")


def _computed(wanted: _Wanted, table: TargetTable, source: Table, scope: Scope) -> ColumnRoute:
    expression = _evaluated(wanted, source)
    type_ = wanted.written.get("type")
    boolean = type_ is not None and _carrier(wanted, type_) == "bool"
    try:
        made = generated(expression, table, source, scope, condition=boolean)
        if type_ is None and made.kind == "boolean":
            made = generated(expression, table, source, scope, condition=True)
    except UntranslatableError as error:
        why = f"{expression} has no sure translation: {error.construct}"
        raise wanted.refuse(f"{why}; write it another way, or under derivedFields") from None
    type_ = type_ or _TOLD.get(made.kind)
    if type_ is None:
        raise wanted.refuse(f"its type cannot be told; {_with_type(wanted)}")
    _refuse_unfit(wanted, made, type_)
    if _carrier(wanted, type_) == "bool":
        expression = f"({expression}) <> 0"
    route = _route(wanted, expression, type_, f"computed by the target as {made.sql}")
    return replace(route, computed=made.sql)


def _evaluated(wanted: _Wanted, source: Table) -> str:
    try:
        return evaluated(wanted.written["expression"], source)
    except UntranslatableError as error:
        raise wanted.refuse(
            f"an expression over one row of {source.name} is needed, without {error.construct}"
        ) from None


def _route(wanted: _Wanted, expression: str, type_: str, added: str) -> ColumnRoute:
    arrow = _carrier(wanted, type_)
    read, wire = reading(expression, arrow)
    return ColumnRoute(wanted.column, "", read, wire, wanted.column, type_, arrow, added=added)


def _carrier(wanted: _Wanted, type_: str) -> str:
    try:
        arrow = postgresql_types.arrow_for(type_)
    except ValueError:
        arrow = None
    size = _DECIMAL.fullmatch(arrow or "")
    if arrow is None or (size is not None and not int(size[2]) <= int(size[1]) <= _MOST_DIGITS):
        raise wanted.refuse(f"no exact way to carry {type_!r} is known")
    return arrow


def _refuse_unfit(wanted: _Wanted, made: Rewritten, type_: str) -> None:
    """Refuse a type into which the target would put the values another way than they are."""
    arrow = _carrier(wanted, type_)
    if arrow.startswith("float"):
        fits_it = made.kind in _NUMBERS
    elif arrow.startswith("int"):
        fits_it = made.kind in ("integer", "boolean")
    elif size := _DECIMAL.fullmatch(arrow):
        digits = int(size[2])
        if made.kind == "decimal" and (made.scale is None or made.scale > digits):
            has = "any number of" if made.scale is None else str(made.scale)
            raise wanted.refuse(
                f"has {has} digits after the point, and {type_} holds {digits}; write ROUND(..., {digits})"
            )
        fits_it = made.kind in ("integer", "boolean", "decimal")
    else:
        fits_it = made.kind in _FITTING.get(arrow, ())
    if not fits_it and made.kind != "null":
        raise wanted.refuse(f"the expression is {made.kind}, and not {type_}")


def _with_type(wanted: _Wanted) -> str:
    return f"write {{expression: {wanted.written['expression']!r}, type: ...}}, with a type of PostgreSQL"


def questions(tables: tuple[TargetTable, ...], spec: MigrationSpec) -> Iterator[tuple[str, str, str]]:
    """Yield each expression that the source will be asked for: the key that says it, its table, and the expression."""
    keys = {(wanted.table, wanted.column): wanted.key for wanted in _wanted(spec)}
    for table in tables:
        source = table.route.source
        for column in table.route.columns:
            if (source, column.target) in keys:
                yield f"{keys[source, column.target]}.{source}.{column.target}", source, column.read
