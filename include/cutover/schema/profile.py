"""Look at the values of columns whose type depends on what they hold."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from cutover.dialects import mysql
from cutover.dialects.endpoint import Endpoint
from cutover.schema.columns import is_boolean_by_name, mapped_type
from cutover.schema.model import Column, Schema, Table
from cutover.spec import MigrationSpec

# A table of fewer rows is read in less time than a second session saves.
_LARGE = 500_000
_READERS = 2


def profile(endpoint: Endpoint, source: Schema, spec: MigrationSpec, tables: set[str]) -> Schema:
    """Return the schema with what its tinyint(1) and enum columns were seen to hold.

    Each table that has such a column is read once, a large one by two sessions. A tinyint(1) that the spec gives a
    type is not looked at.

    Args:
        endpoint: the source database.
        source: its structure.
        spec: whose typeMapping says which columns need no look.
        tables: the tables that travel.

    Raises:
        TransientError: the server could not be reached, or was lost.
        PreflightError: it refused.
    """
    looked = {table.name: _Look.at(table, spec) for table in source.tables if table.name in tables}
    pieces = [(look, half) for look in looked.values() if look.columns for half in _halves(look.table)]

    def see(some: Sequence[tuple[_Look, Sequence[sa.ColumnElement[bool]]]]) -> None:
        with mysql.session(endpoint) as connection:
            for look, half in some:
                look.answers.append(connection.execute(look.question.where(*half)).one())

    readers = min(endpoint.at_most(_READERS), len(pieces))
    with ThreadPoolExecutor(_READERS) as pool:
        # In turn: the halves of a table are not one reader's.
        list(pool.map(see, (pieces[first::readers] for first in range(readers))))
    return replace(source, tables=tuple(looked[t.name].profiled if t.name in looked else t for t in source.tables))


@dataclass(frozen=True)
class _Look:
    """A table, those of its columns whose values are looked at, and what was seen: a row of answers for each piece."""

    table: Table
    flags: Sequence[Column]
    enums: Sequence[Column]
    answers: list[Sequence[int | None]] = field(default_factory=list)

    @classmethod
    def at(cls, table: Table, spec: MigrationSpec) -> _Look:
        flags = [c for c in table.columns if is_boolean_by_name(c) and mapped_type(c.type, spec) is None]
        flags = [c for c in flags if c.default is None or c.default.strip("'") in ("0", "1")]
        return cls(table, flags, [c for c in table.columns if c.type.lower().startswith("enum")])

    @property
    def columns(self) -> list[Column]:
        return [*self.flags, *self.enums]

    @property
    def question(self) -> sa.Select[*tuple[Any, ...]]:
        """Asks of each column whether it holds what is no boolean, or no label; NULL where it holds nothing."""
        # In an enum, the number 0 is that of no label (MySQL manual, The ENUM Type).
        strange: list[sa.ColumnElement[int]] = [sa.func.max(_of(column).not_in((0, 1))) for column in self.flags]
        strange += [sa.func.max((_of(column) + 0) == 0) for column in self.enums]
        return sa.select(*strange).select_from(sa.table(self.table.name))

    @property
    def profiled(self) -> Table:
        seen = {
            c.name: [answers[place] for answers in self.answers if answers[place] is not None]
            for place, c in enumerate(self.columns)
        }
        # A column that holds nothing yet is no evidence.
        booleans = tuple(c.name for c in self.flags if seen[c.name] and not any(seen[c.name]))
        unlabelled = tuple(c.name for c in self.enums if any(seen[c.name]))
        return replace(self.table, statistics=replace(self.table.statistics, booleans=booleans, unlabelled=unlabelled))


def _halves(table: Table) -> list[Sequence[sa.ColumnElement[bool]]]:
    """Conditions that share a large table's rows out to two who read at once."""
    first, last = table.statistics.key_min, table.statistics.key_max
    if first is None or last is None or table.statistics.rows < _LARGE:
        return [()]
    key = _of(table.column(table.primary_key[0]))
    middle = (first + last) // 2
    return [(key < middle,), (key >= middle,)]


def _of(column: Column) -> sa.ColumnClause[int]:
    return sa.column(column.name, sa.Integer)
