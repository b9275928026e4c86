"""Write down what every table of the target must fulfil."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cutover.route import ColumnRoute, Scalar
from cutover.schema.checks import of_labels
from cutover.schema.target import TargetCheck, TargetTable
from cutover.verify import catalogue, scans
from cutover.verify.ranges import Range
from cutover.verify.scans import Measure

KINDS = ("rows", "types", "not_null", "unique", "foreign_keys", "checks", "values", "ranges")


@dataclass(frozen=True)
class Facts:
    """What is known of a schema beside its plan.

    Attributes:
        schema: the schema that holds the tables.
        rows: how many rows each table must have, by name; one that is not in it must be empty.
        relaxed: columns, as ``table.column``, that may hold NULL although the source's may not.
        types: how the server spells planned types; see :mod:`cutover.verify.spelling`.
        checks: how it spells planned CHECKs, by table and name; none is there that cannot be proven.
        ranges: what the source's columns hold, by table, where that was asked.
    """

    schema: str
    rows: Mapping[str, int]
    relaxed: frozenset[str]
    types: Mapping[str, str]
    checks: Mapping[tuple[str, str], str]
    ranges: Mapping[str, tuple[Range, ...]]


@dataclass(frozen=True)
class Rule:
    """One thing that must hold.

    Attributes:
        table: the table.
        kind: one of :data:`KINDS`.
        expectation: what must hold, in words.
        columns: the columns it is about; each gets a result of its own.
        proof: asks the catalogue for the columns for which nothing guarantees it; "" where nothing could.
        measures: what a pass over the table measures where it is not guaranteed, one for each of the columns.
        scan: the query that looks at the rows then, where that takes one of its own.
    """

    table: str
    kind: str
    expectation: str
    columns: tuple[str, ...] = ()
    proof: str = ""
    measures: tuple[Measure, ...] = ()
    scan: str = ""


def rules(table: TargetTable, facts: Facts, kinds: frozenset[str]) -> Iterator[Rule]:
    """Yield the rules of one table that exists, of some of the :data:`KINDS`."""
    made = {
        "rows": _rows,
        "types": _types,
        "not_null": _not_null,
        "unique": _unique,
        "foreign_keys": _foreign_keys,
        "checks": _checks,
        "values": _values,
        "ranges": _ranges,
    }
    for kind in KINDS:
        if kind in kinds:
            yield from made[kind](table, facts)


def _rows(table: TargetTable, facts: Facts) -> Iterator[Rule]:
    count = facts.rows.get(table.name, 0)
    yield Rule(table.name, "rows", f"expect {count} rows", measures=(scans.count(count),))


def _types(table: TargetTable, facts: Facts) -> Iterator[Rule]:
    proof = catalogue.columns(facts.schema, table.name, table.route.columns, facts.types)
    yield Rule(table.name, "types", "expect the planned columns and types", proof=proof)


def _not_null(table: TargetTable, facts: Facts) -> Iterator[Rule]:
    columns = tuple(
        c.target
        for c in table.route.columns
        if c.target in table.route.key
        or (not (c.nullable and c.source_nullable) and f"{table.name}.{c.target}" not in facts.relaxed)
    )
    if columns:
        proof = catalogue.not_null(facts.schema, table.name, columns)
        yield Rule(table.name, "not_null", "expect no NULL", columns, proof, tuple(map(scans.nulls, columns)))


def _unique(table: TargetTable, facts: Facts) -> Iterator[Rule]:
    found = [table.route.key] if table.route.key else []
    found += [index.columns for index in table.indexes if index.unique and index.whole and not index.period]
    found += table.route.duplicates
    for columns in dict.fromkeys(found):
        proof = catalogue.unique(facts.schema, table.name, columns)
        scan = scans.twice(facts.schema, table.route, columns)
        yield Rule(table.name, "unique", "expect unique", (", ".join(columns),), proof, scan=scan)


def _foreign_keys(table: TargetTable, facts: Facts) -> Iterator[Rule]:
    for key in table.foreign_keys:
        what = f"expect a parent row in {key.referred_table}({', '.join(key.referred_columns)})"
        proof = catalogue.foreign_key(facts.schema, table.name, key)
        scan = scans.orphans(facts.schema, table.route, key)
        yield Rule(table.name, "foreign_keys", what, (", ".join(key.columns),), proof, scan=scan)


def _checks(table: TargetTable, facts: Facts) -> Iterator[Rule]:
    # Where the spec wants no constraints, nobody asked that the rows keep them.
    for check in table.checks if table.constrained else ():
        measure = scans.condition(check.sql, check.column)
        what = f"expect check {check.name}"
        yield Rule(table.name, "checks", what, proof=_proven(table, check, facts), measures=(measure,))


def _proven(table: TargetTable, check: TargetCheck, facts: Facts) -> str:
    definition = facts.checks.get((table.name, check.name))
    return catalogue.check(facts.schema, table.name, check.name, definition) if definition else ""


def _values(table: TargetTable, facts: Facts) -> Iterator[Rule]:
    for column in table.route.columns:
        allowed = _allowed(table, column)
        if allowed:
            measure = scans.strangers(column.target, allowed, column.arrow == "set" and not column.values)
            proof = _labelled(table, column, facts) if set(column.labels) <= set(map(str, allowed)) else ""
            yield Rule(table.name, "values", "expect only planned values", (column.target,), proof, (measure,))


def _allowed(table: TargetTable, column: ColumnRoute) -> tuple[Scalar, ...]:
    """Say which values a column may hold, for one whose values are known beforehand."""
    if column.values:
        keeps_others = column.unmapped == "keep"
        mapped = () if keeps_others else (*(meaning for _, meaning in column.values), column.unmapped_default)
        allowed = (*mapped, column.default) if mapped else ()
    else:
        listed = _is_enum(table, column) or _check_of_labels(table, column) is not None
        allowed = (*column.labels, column.default) if listed else ()
    return tuple(value for value in allowed if value is not None)


def _labelled(table: TargetTable, column: ColumnRoute, facts: Facts) -> str:
    """Prove that a column can hold its labels alone: by its type, or by the check that says so."""
    if _is_enum(table, column):
        return catalogue.labels(facts.schema, table.name, column.target, column.labels)
    check = _check_of_labels(table, column)
    return _proven(table, check, facts) if check is not None else ""


def _is_enum(table: TargetTable, column: ColumnRoute) -> bool:
    return any(enum.name == column.target_type for enum in table.enums)


def _check_of_labels(table: TargetTable, column: ColumnRoute) -> TargetCheck | None:
    if not column.labels:
        return None
    wanted = of_labels(table.name, column).sql
    return next((check for check in table.checks if check.sql == wanted), None)


def _ranges(table: TargetTable, facts: Facts) -> Iterator[Rule]:
    for each in facts.ranges.get(table.name, ()):
        yield Rule(table.name, "ranges", each.expectation, (each.column,), measures=(each.measure,))
