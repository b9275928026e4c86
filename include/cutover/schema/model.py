"""A database's structure as plain values.

Structure and statistics live in the same records, but only structure enters :meth:`Schema.digest`:
row counts move all day, and a plan must not count that as drift.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace


@dataclass(frozen=True)
class Column:
    """A column as its server declares it.

    ``type`` is the server's full spelling (``int(10) unsigned``); ``default`` is an SQL expression
    in the server's dialect, or None where the column has none.
    """

    name: str
    type: str
    nullable: bool
    default: str | None = None
    autoincrement: bool = False
    generated: str | None = None
    on_update: str | None = None
    comment: str | None = None


@dataclass(frozen=True)
class IndexPart:
    """One column of an index, or its first ``prefix`` characters (bytes, for binary columns)."""

    column: str
    prefix: int | None = None
    descending: bool = False


@dataclass(frozen=True)
class Index:
    """An index; ``unsupported`` says why it cannot be carried, where it cannot.

    ``kind`` is ``btree`` or ``fulltext``. A part that is an expression has no column.
    """

    name: str
    parts: tuple[IndexPart, ...]
    unique: bool = False
    kind: str = "btree"
    unsupported: str | None = None

    @staticmethod
    def over(name: str, columns: Iterable[str], unique: bool = False) -> Index:
        """Return an index over whole columns."""
        return Index(name, tuple(IndexPart(column) for column in columns), unique)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads."""
        return tuple(part.column for part in self.parts)

    @property
    def whole(self) -> bool:
        """Whether it reads its columns whole, so that being unique in it is being unique."""
        return self.unsupported is None and all(part.column and part.prefix is None for part in self.parts)


@dataclass(frozen=True)
class Check:
    """A CHECK constraint; ``expression`` is in the server's dialect."""

    name: str
    expression: str
    enforced: bool = True


@dataclass(frozen=True)
class ForeignKey:
    """A reference from ``columns`` to ``referred_columns`` of ``referred_table``."""

    name: str
    columns: tuple[str, ...]
    referred_table: str
    referred_columns: tuple[str, ...]
    on_delete: str | None = None
    on_update: str | None = None


@dataclass(frozen=True)
class Statistics:
    """What the server believes a table holds: rows and bytes are estimates, the key range is exact."""

    rows: int = 0
    bytes: int = 0
    key_min: int | None = None
    key_max: int | None = None
    next_identity: int | None = None


@dataclass(frozen=True)
class Table:
    """A table with its keys, indexes, checks and statistics."""

    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    indexes: tuple[Index, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    checks: tuple[Check, ...] = ()
    statistics: Statistics = Statistics()

    def column(self, name: str) -> Column:
        """Return the column called ``name``; raise KeyError where there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


@dataclass(frozen=True)
class OtherObject:
    """A view, trigger, routine, event or the like, that is named but not described here."""

    kind: str
    name: str


@dataclass(frozen=True)
class Schema:
    """One schema of a server: the tables, and the names of everything else."""

    name: str
    tables: tuple[Table, ...]
    others: tuple[OtherObject, ...] = ()
    server: str = ""

    def table(self, name: str) -> Table:
        """Return the table called ``name``; raise KeyError where there is none."""
        for table in self.tables:
            if table.name == name:
                return table
        raise KeyError(name)

    def without_statistics(self) -> Schema:
        """Return the same structure with every statistic removed."""
        bare = tuple(replace(table, statistics=Statistics()) for table in self.tables)
        return replace(self, tables=bare, server="")

    def digest(self) -> str:
        """Return the SHA-256 of the structure, as hex."""
        body = json.dumps(asdict(self.without_statistics()), sort_keys=True)
        return hashlib.sha256(body.encode()).hexdigest()

    def changes_since(self, earlier: Schema) -> list[str]:
        """Name what differs in structure between ``earlier`` and this schema, one line per object."""
        before = {table.name: table for table in earlier.without_statistics().tables}
        after = {table.name: table for table in self.without_statistics().tables}
        changes = [f"table {name} was dropped" for name in sorted(before.keys() - after.keys())]
        changes += [f"table {name} was added" for name in sorted(after.keys() - before.keys())]
        changes += [
            f"table {name} was changed" for name in sorted(before.keys() & after.keys()) if before[name] != after[name]
        ]
        gone, new = set(earlier.others) - set(self.others), set(self.others) - set(earlier.others)
        changes += [f"{o.kind} {o.name} was dropped" for o in sorted(gone, key=lambda o: o.name)]
        changes += [f"{o.kind} {o.name} was added" for o in sorted(new, key=lambda o: o.name)]
        return changes
