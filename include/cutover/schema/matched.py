"""What of a planned target is there, in whatever types and under whatever spelling another tool gave it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from cutover.dialects import postgresql_found
from cutover.route import ColumnRoute, TableRoute
from cutover.schema.cutting import sorted_alike
from cutover.schema.model import Column, Schema, Table
from cutover.schema.target import TargetTable


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_Thing = TypeVar("_Thing", bound=_Named)


@dataclass(frozen=True)
class Match:
    """What can be compared, and what cannot.

    Attributes:
        tables: the tables that are on both sides, with the columns that are, in the types to compare them in.
        unlike: what of the plan is not in the target, or not in a way that can be compared; each is a difference.
        notes: what the target alone has.
    """

    tables: tuple[TargetTable, ...]
    unlike: tuple[str, ...]
    notes: tuple[str, ...]


def match(planned: Sequence[TargetTable], found: Schema) -> Match:
    """Find the planned tables and columns in a schema, under their own names or the only ones that differ in case."""
    tables, unlike, notes = [], [], []
    taken = {part.name for table in planned for part in table.partitions}
    named = _paired([table.name for table in planned], found.tables)
    for table in planned:
        there = named.get(table.name)
        if there is None:
            unlike.append(f"table {table.route.source}: the target has no table {found.name}.{table.name}")
            continue
        taken.add(there.name)
        missing, met = _columns(table.route, there)
        unlike += missing
        notes += [f"column {there.name}.{c}: only the target has it" for c in _alone(table.route, there)]
        made = replace(table.route, target=there.name, columns=met)
        problem, made = _keyed(table.route, made, there)
        unlike += [problem] if problem else []
        notes += _unbound(table, made, there)
        if met:
            tables.append(replace(table, route=made))
    notes += [f"table {table.name}: only the target has it" for table in found.tables if table.name not in taken]
    return Match(tuple(tables), tuple(unlike), tuple(notes))


def _paired(names: Sequence[str], among: Iterable[_Thing]) -> dict[str, _Thing]:
    """Return what has each name, or the only thing that has it in another case and that no other name could mean."""
    things = {each.name: each for each in among}
    found = {name: things[name] for name in names if name in things}
    for name in names:
        alike = [each for each in things.values() if each.name.lower() == name.lower()]
        same = [other for other in names if other.lower() == name.lower()]
        if name not in found and len(alike) == len(same) == 1:
            found[name] = alike[0]
    return found


def _columns(route: TableRoute, there: Table) -> tuple[list[str], tuple[ColumnRoute, ...]]:
    missing, met = [], []
    named = _paired([column.target for column in route.columns], there.columns)
    for column in route.columns:
        found, where = named.get(column.target), f"column {route.source}.{column.source}"
        if found is None:
            missing.append(f"{where}: the target's {there.name} has no column {column.target}")
            continue
        arrow = _meeting(column, found, column.target in route.key)
        if arrow is None:
            missing.append(f"{where}: {column.source_type} and the target's {found.type} have no values in common")
            continue
        # What NULL means is a matter of the values that are compared; a key has none.
        nullable = column.nullable or column.target not in route.key
        # A float's shortest decimal is that of its own width.
        wire = "float32" if arrow == "number" and column.arrow == "float32" else column.wire
        made = replace(column, target=found.name, target_type=found.type, arrow=arrow, nullable=nullable, wire=wire)
        met.append(made)
    return missing, tuple(met)


def _meeting(column: ColumnRoute, found: Column, key: bool) -> str | None:
    if column.target_type == found.type:
        return column.arrow
    meeting = postgresql_found.key_meeting if key else postgresql_found.meeting
    return meeting(column.arrow, found.type)


def _alone(route: TableRoute, there: Table) -> Iterator[str]:
    known = {found.name for found in _paired([column.target for column in route.columns], there.columns).values()}
    yield from (column.name for column in there.columns if column.name not in known)


def _unbound(planned: TargetTable, made: TableRoute, there: Table) -> Iterator[str]:
    """Say which unique keys and foreign keys the target does not have, whatever they are called: it lets in more."""
    names = {column.source: column.target for column in made.columns}
    own = {column.target: names.get(column.source, column.target) for column in planned.route.columns}
    unique = {frozenset(index.columns) for index in there.indexes if index.unique} | {frozenset(there.primary_key)}
    for index in planned.indexes:
        if index.unique and index.whole and frozenset(own[c] for c in index.columns) not in unique:
            yield f"unique index {planned.route.source}.{index.name}: the target has none over its columns"
    bound = {(frozenset(key.columns), key.referred_table.lower()) for key in there.foreign_keys}
    for key in planned.foreign_keys:
        if (frozenset(own[c] for c in key.columns), key.referred_table.lower()) not in bound:
            yield f"foreign key {planned.route.source}.{key.name}: the target has none over its columns"


def _keyed(planned: TableRoute, made: TableRoute, there: Table) -> tuple[str | None, TableRoute]:
    """Say what differs in the key, and how rows are told apart: as the source does, where the columns are there."""
    names: Mapping[str, str] = {
        old.target: new.target for new in made.columns for old in planned.columns if old.source == new.source
    }
    key = tuple(names[name] for name in planned.key if name in names)
    whole = len(key) == len(planned.key)
    made = replace(
        made,
        key=key if whole else (),
        duplicates=tuple(
            tuple(names[c] for c in columns) for columns in planned.duplicates if all(c in names for c in columns)
        ),
    )
    parts = tuple(map(made.column, made.key))
    # Rows that have NULL in their key have no place in its order.
    full = not any(there.column(part.target).nullable for part in parts)
    in_order = full and all(postgresql_found.in_order(part.arrow, part.target_type) for part in parts)
    made = replace(made, ordered=planned.ordered and in_order and sorted_alike(parts))
    if set(key) == set(there.primary_key) and whole:
        return None, made
    mine, theirs = (", ".join(columns) or "none" for columns in (planned.key, there.primary_key))
    return f"key of {planned.source}: the source's is {mine}, the target's {theirs}", made
