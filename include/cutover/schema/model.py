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

    ``type`` is the server's full spelling (``int(10) unsigned``); ``default`` and ``generated`` are SQL
    expressions in the server's dialect, or None where the column has none. ``srid`` is the one spatial reference
    system that the server lets into a geometry column, or None where it lets in every one.
    """

    name: str
    type: str
    nullable: bool
    default: str | None = None
    autoincrement: bool = False
    generated: str | None = None
    on_update: str | None = None
    comment: str | None = None
    collation: str | None = None
    invisible: bool = False
    srid: int | None = None

    @property
    def ignores_case(self) -> bool:
        """Whether the server compares its text without regard to case (MySQL manual, Collation Naming Conventions)."""
        return self.collation is not None and self.collation.endswith("_ci")


@dataclass(frozen=True)
class IndexPart:
    """One column of an index, or its first ``prefix`` characters (bytes, for binary columns), or an expression.

    ``expression`` is in the server's dialect; a part that is one has no column.
    """

    column: str
    prefix: int | None = None
    descending: bool = False
    expression: str | None = None


@dataclass(frozen=True)
class Index:
    """An index; ``kind`` is ``btree``, ``fulltext``, ``spatial`` or ``period``.

    ``origin`` is its name in the source, where the target calls it by another. A unique one of kind ``period`` holds
    the start and the end of a ``period`` among its columns: two rows that overlap there differ in another of them.
    """

    name: str
    parts: tuple[IndexPart, ...]
    unique: bool = False
    kind: str = "btree"
    origin: str | None = None
    period: tuple[str, str] | None = None

    @staticmethod
    def over(name: str, columns: Iterable[str], unique: bool = False) -> Index:
        """Return an index over whole columns."""
        return Index(name, tuple(IndexPart(column) for column in columns), unique)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads as they are."""
        return tuple(part.column for part in self.parts if part.column)

    @property
    def whole(self) -> bool:
        """Whether it reads its columns whole, so that being unique in it is being unique."""
        return all(part.column and part.prefix is None for part in self.parts)


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
    """What a table holds: rows and bytes are the server's estimates, the rest is exact.

    ``edges`` are rows, in order and about as far apart as a chunk is large, by their values in the columns that cut
    the table (:func:`cutover.schema.cutting.cut_by`); they are asked for where a table is larger than one chunk.
    ``booleans`` are the tinyint(1) columns that were seen to hold 0 or 1, and nothing else but NULL, ``unlabelled``
    the enum columns that hold '', MySQL's mark for a value that was not valid.
    """

    rows: int = 0
    bytes: int = 0
    key_min: int | None = None
    key_max: int | None = None
    next_identity: int | None = None
    booleans: tuple[str, ...] = ()
    unlabelled: tuple[str, ...] = ()
    edges: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Partition:
    """One partition; ``values`` is what it holds as the server writes it (a bound, a list), or None."""

    name: str
    values: str | None = None


@dataclass(frozen=True)
class Partitioning:
    """How a table is cut; ``method`` is the server's word (``RANGE COLUMNS``), ``by`` what it cuts by.

    ``subpartitioned`` tells how each partition is cut again, where it is.
    """

    method: str
    by: str
    partitions: tuple[Partition, ...]
    subpartitioned: str | None = None


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
    comment: str | None = None
    partitioning: Partitioning | None = None

    def column(self, name: str) -> Column:
        """Return the column called ``name``; raise KeyError where there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


@dataclass(frozen=True)
class View:
    """A view; ``definition`` is its SELECT in the server's dialect, ``check_option`` LOCAL, CASCADED or None.

    ``invoker`` says that it reads with the rights of whoever asks it, not with its owner's.
    """

    name: str
    definition: str
    columns: tuple[Column, ...]
    check_option: str | None = None
    invoker: bool = False


@dataclass(frozen=True)
class Trigger:
    """A row trigger; ``timing`` is BEFORE or AFTER, ``event`` INSERT, UPDATE or DELETE.

    Several of one timing and event fire by ``order``. ``body`` is one statement, often a block.
    """

    name: str
    table: str
    timing: str
    event: str
    body: str
    order: int = 1
    sql_mode: str = ""


@dataclass(frozen=True)
class Parameter:
    """A routine's parameter; ``mode`` is IN, OUT or INOUT, ``type`` the server's full spelling."""

    name: str
    type: str
    mode: str = "IN"


@dataclass(frozen=True)
class Routine:
    """A stored procedure, or a function, which is one that ``returns`` a type; ``body`` is one statement.

    ``sql_mode`` is the one that it was made in and runs in, here as for triggers.
    """

    name: str
    parameters: tuple[Parameter, ...]
    body: str
    returns: str | None = None
    deterministic: bool = False
    comment: str | None = None
    sql_mode: str = ""

    @property
    def kind(self) -> str:
        """``function`` or ``procedure``."""
        return "procedure" if self.returns is None else "function"


@dataclass(frozen=True)
class Event:
    """A statement that the server runs by itself; ``schedule`` is written as the server does."""

    name: str
    schedule: str
    body: str
    enabled: bool = True


@dataclass(frozen=True)
class Sequence:
    """A counter that stands by itself.

    ``next`` is the first value that the server has not set aside to give out, and lies beyond the last one where
    there is none left; it is a statistic, the rest is structure.
    """

    name: str
    start: int
    minimum: int
    maximum: int
    increment: int
    cycles: bool = False
    next: int | None = None


@dataclass(frozen=True)
class Extension:
    """An extension of PostgreSQL that a translation can make use of, and the schema that holds its objects."""

    name: str
    schema: str


@dataclass(frozen=True)
class OtherObject:
    """An object that is named but not described here."""

    kind: str
    name: str


@dataclass(frozen=True)
class Schema:
    """One schema of a server: tables, views, programs, sequences, and the names of everything else.

    ``rounds_quotients`` is the server's: it counts on with the digits of a quotient that it shows. ``unseen`` are
    the kinds of object (trigger, event, routine) of which the account is not told whether there are any.
    """

    name: str
    tables: tuple[Table, ...]
    others: tuple[OtherObject, ...] = ()
    server: str = ""
    views: tuple[View, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    routines: tuple[Routine, ...] = ()
    events: tuple[Event, ...] = ()
    sequences: tuple[Sequence, ...] = ()
    extensions: tuple[Extension, ...] = ()
    rounds_quotients: bool = False
    unseen: tuple[str, ...] = ()

    def table(self, name: str) -> Table:
        """Return the table called ``name``; raise KeyError where there is none."""
        for table in self.tables:
            if table.name == name:
                return table
        raise KeyError(name)

    def without_statistics(self) -> Schema:
        """Return the same structure with every statistic removed."""
        bare = tuple(replace(table, statistics=Statistics()) for table in self.tables)
        still = tuple(replace(sequence, next=None) for sequence in self.sequences)
        return replace(self, tables=bare, sequences=still, server="", rounds_quotients=False, unseen=())

    def digest(self) -> str:
        """Return the SHA-256 of the structure, as hex."""
        body = json.dumps(asdict(self.without_statistics()), sort_keys=True)
        return hashlib.sha256(body.encode()).hexdigest()

    def changes_since(self, earlier: Schema) -> list[str]:
        """Name what differs in structure between ``earlier`` and this schema, one line per object."""
        before, after = earlier._objects(), self._objects()
        changes = [f"{kind} {name} was dropped" for kind, name in sorted(before.keys() - after.keys())]
        changes += [f"{kind} {name} was added" for kind, name in sorted(after.keys() - before.keys())]
        both = sorted(before.keys() & after.keys())
        return changes + [
            f"{kind} {name} was changed" for kind, name in both if before[kind, name] != after[kind, name]
        ]

    def _objects(self) -> dict[tuple[str, str], object]:
        bare = self.without_statistics()
        return {
            **{("table", table.name): table for table in bare.tables},
            **{("view", view.name): view for view in bare.views},
            **{("trigger", trigger.name): trigger for trigger in bare.triggers},
            **{(routine.kind, routine.name): routine for routine in bare.routines},
            **{("event", event.name): event for event in bare.events},
            **{("sequence", sequence.name): sequence for sequence in bare.sequences},
            **{("extension", extension.name): extension for extension in bare.extensions},
            **{(other.kind, other.name): other for other in bare.others},
        }
