"""What changed in a source: rows by their keys, or whole tables where rows cannot be told apart."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from cutover.route import TableRoute
from cutover.schema.model import Column, Table

Value = int | str | bytes | Decimal | date | datetime
Key = tuple[Value, ...]

_SECONDS = re.compile(r"-?\d+(\.\d+)?")
_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
_TEXT = ("char", "varchar", "tinytext", "text", "mediumtext", "longtext")
_BINARY = ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob")
_MOMENTS = ("date", "datetime", "timestamp")


@dataclass(frozen=True)
class KeyColumn:
    """A column of a key as a feed gives it: its place in the source's row, and how its values are to be read.

    ``kind`` is int, decimal, moment, text or binary; ``bits`` the width of an unsigned integer, 0 where it has a sign;
    ``length`` that of a BINARY, whose zeros at the end the binary log leaves out.
    """

    name: str
    position: int
    kind: str
    bits: int = 0
    length: int = 0
    collation: str | None = None

    def value(self, given: object) -> Value:
        """Return a feed's value as the source means it; integers may come without their sign's meaning."""
        if self.kind == "int":
            assert isinstance(given, int)
            return given + 2**self.bits if self.bits and given < 0 else given
        assert isinstance(given, str | bytes | Decimal | date)
        return given.ljust(self.length, b"\0") if isinstance(given, bytes) else given

    def parsed(self, text: str) -> Value:
        """Return the value that a log of changes, or :func:`key_texts`, has written as ``text``.

        Raises:
            ValueError: it is none.
        """
        if self.kind == "int":
            return int(text)
        if self.kind == "decimal":
            return Decimal(text)
        if self.kind == "binary":
            return bytes.fromhex(text)
        if self.kind == "moment" and _SECONDS.fullmatch(text):
            return datetime(1970, 1, 1) + timedelta(microseconds=int(Decimal(text) * 1_000_000))
        return text.removesuffix("Z") if self.kind == "moment" else text


@dataclass(frozen=True)
class Followed:
    """A table that is followed; ``key`` is empty where a change of it means the whole table.

    ``columns`` are the names and types of all its columns, in the source's order.
    """

    route: TableRoute
    key: tuple[KeyColumn, ...]
    columns: tuple[tuple[str, str], ...]


@dataclass
class Changes:
    """What changed after ``since`` up to ``position``.

    Attributes:
        keys: source table to the keys of changed rows.
        whole: source tables of which it cannot be told which rows changed.
        position: up to where this tells; the feed goes on from there.
        events: row changes that were read.
        complete: whether the feed had no more to tell.
        statement: one that changed followed rows, and its place, where the feed has it in place of the rows;
            nothing after it was read.
    """

    since: str
    position: str
    keys: dict[str, set[Key]] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)
    events: int = 0
    complete: bool = True
    statement: str | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing changed."""
        return not self.whole and not any(self.keys.values())

    @property
    def tables(self) -> list[str]:
        """The source tables in which something changed."""
        return sorted(self.whole | {table for table, keys in self.keys.items() if keys})

    def add(self, table: str, keys: Iterable[Key]) -> None:
        """Note changed rows."""
        self.keys.setdefault(table, set()).update(keys)


def followed(route: TableRoute, table: Table) -> Followed:
    """Say how the rows of a table are told apart in a feed."""
    positions = {column.name: position for position, column in enumerate(table.columns)}
    sources = [route.column(name).source for name in route.key]
    columns = [_key_column(table.column(name), positions[name]) for name in sources]
    exact = tuple(column for column in columns if column is not None)
    mapped = any(route.column(name).values or route.column(name).computed for name in route.key)
    whole = mapped or len(exact) != len(columns) or route.limit is not None
    return Followed(route.loaded, () if whole else exact, tuple((c.name, c.type) for c in table.columns))


def _key_column(column: Column, position: int) -> KeyColumn | None:
    name = column.type.split("(")[0].split()[0].lower()
    if name in _BITS:
        return KeyColumn(column.name, position, "int", _BITS[name] if "unsigned" in column.type else 0)
    if name == "decimal":
        return KeyColumn(column.name, position, "decimal")
    if name in _MOMENTS:
        return KeyColumn(column.name, position, "moment")
    if name in _TEXT and column.collation is not None:
        return KeyColumn(column.name, position, "text", collation=column.collation)
    if name in _BINARY:
        length = re.fullmatch(r"binary\((\d+)\)", column.type)
        return KeyColumn(column.name, position, "binary", length=int(length[1]) if length else 0)
    return None
