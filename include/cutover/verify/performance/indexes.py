"""Indexes that the target lacks or leaves idle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import psycopg

from cutover.dialects.postgresql import quoted
from cutover.schema.model import Schema
from cutover.schema.target import TargetTable
from cutover.verify.performance.plans import Found, Scan

# Rows of a table that is read faster whole than by an index.
LARGE = 10_000
# The share of a table's rows that an index is worth asking for.
_FEW = 0.05
_INDEXES = """
    SELECT t.relname, i.relname, x.indisunique, x.indisvalid,
           ARRAY(SELECT pg_get_indexdef(x.indexrelid, k, true) FROM generate_series(1, x.indnkeyatts) k),
           ARRAY(SELECT p.relname FROM pg_inherits h JOIN pg_class p ON p.oid = h.inhrelid WHERE h.inhparent = i.oid)
    FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
    WHERE t.relnamespace = to_regnamespace(quote_ident(%s)) ORDER BY 1, 2"""
_ROWS = """
    SELECT relname, greatest(reltuples, 0)::bigint FROM pg_class
    WHERE relnamespace = to_regnamespace(quote_ident(%s)) AND relkind IN ('r', 'p', 'm')"""


@dataclass(frozen=True)
class Built:
    """An index of the target.

    Attributes:
        table: its table.
        name: its name.
        unique: whether it is.
        parts: what it is over, as the server writes it.
        partitions: the names of its parts, where its table is cut.
    """

    table: str
    name: str
    unique: bool
    parts: tuple[str, ...]
    partitions: tuple[str, ...] = ()


def built(connection: psycopg.Connection, schema: str) -> list[Built]:
    """Return the indexes of a schema that queries may use."""
    rows = connection.execute(_INDEXES, (schema,))
    return [
        Built(table, name, unique, tuple(parts), tuple(partitions))
        for table, name, unique, valid, parts, partitions in rows
        if valid
    ]


def sizes(connection: psycopg.Connection, schema: str) -> dict[str, int]:
    """Return about how many rows each table of a schema has."""
    return dict(connection.execute(_ROWS, (schema,)).fetchall())


@dataclass(frozen=True)
class Indexes:
    """The indexes of both sides, and what is known of the tables.

    Attributes:
        source: the source as inspected.
        tables: the tables as they were built.
        there: the indexes of the target.
        rows: about how many rows each table of the target has.
    """

    source: Schema
    tables: tuple[TargetTable, ...]
    there: tuple[Built, ...]
    rows: Mapping[str, int]

    def parents(self) -> dict[str, str]:
        """The table of each partition, by their names in the target."""
        return {part.name: table.name for table in self.tables for part in table.partitions}

    def scanned(self, query: str, finds: Sequence[Found], scans: Sequence[Scan]) -> Iterator[str]:
        """Yield the large tables that a query reads whole here, and by an index in the source, each once."""
        yield from dict.fromkeys(self._scanned(query, finds, scans))

    def _scanned(self, query: str, finds: Sequence[Found], scans: Sequence[Scan]) -> Iterator[str]:
        for scan in scans:
            table = next((table for table in self.tables if table.name == scan.table), None)
            if table is None or self.rows.get(table.name, 0) < LARGE:
                continue
            used = [found.index for found in finds if found.table.lower() == table.route.source.lower()]
            for index in dict.fromkeys(used):
                yield from self._read_whole(query, table, index, scan)

    def _read_whole(self, query: str, table: TargetTable, index: str, scan: Scan) -> Iterator[str]:
        rows = self.rows[table.name]
        wanted = self._columns(table, index)
        if not wanted:
            return
        condition = scan.columns(frozenset(column.target for column in table.route.columns))
        asked = f"; its condition is on {', '.join(condition)}" if condition else ""
        where = f"query {query}: reads all {rows:,} rows of {table.name}, and by index {index} in the source"
        serving = self._serving(table, index, wanted[:1])
        if serving is None:
            cure = f"CREATE INDEX ON {quoted(table.name)} ({', '.join(map(quoted, wanted))})"
            yield f"{where}, which has none like it here{asked}. {cure}"
        elif scan.condition and scan.rows <= rows * _FEW:
            yield f"{where}; index {serving.name} is not used{asked}: {scan.condition}"

    def arrived(self, reasons: Mapping[str, str]) -> Iterator[str]:
        """Yield the source's indexes that the target has no like of.

        Args:
            reasons: why an object was left out or changed, by its kind and name.
        """
        for table in self.tables:
            described = self.source.table(table.route.source)
            names = [index.name for index in described.indexes] + (["PRIMARY"] if described.primary_key else [])
            for name in names:
                wanted = self._columns(table, name)
                if self._serving(table, name, wanted) is not None:
                    continue
                what = f"index {table.route.source}.{name}"
                why = reasons.get(what, "nothing in the plan says why")
                over = f" ({', '.join(wanted)})" if wanted else ""
                yield f"{what}: the target has none like it{over}; {why}"

    def unused(self, used: set[str], queries: int) -> Iterator[str]:
        """Yield the indexes of large tables that no query uses; unique ones do more, and so do those of foreign keys.

        Args:
            used: the names of those that a plan reads.
            queries: how many queries there were.
        """
        for table in self.tables:
            if self.rows.get(table.name, 0) < LARGE:
                continue
            names = {column.source: column.target for column in table.route.columns}
            idle = [
                one.name
                for one in self.there
                if one.table == table.name
                and not (one.unique or used & {one.name, *one.partitions})
                and not any(_begins(one, [names.get(c, c) for c in key.columns]) for key in table.foreign_keys)
            ]
            if idle:
                yield f"table {table.name}: of the queries that were planned ({queries}) none uses {', '.join(idle)}"

    def _columns(self, table: TargetTable, index: str) -> list[str]:
        """Return the target's names of the columns that an index of the source begins with."""
        described = self.source.table(table.route.source)
        names = {column.source: column.target for column in table.route.columns}
        if index == "PRIMARY":
            wanted: tuple[str, ...] = described.primary_key
        else:
            found = next((one for one in described.indexes if one.name == index), None)
            wanted = found.columns if found is not None and found.kind == "btree" else ()
        return [names[name] for name in wanted] if set(wanted) <= names.keys() else []

    def _serving(self, table: TargetTable, index: str, wanted: Sequence[str]) -> Built | None:
        """Return what an index of the source became, or another that begins with these columns; None for none."""
        made = {one.name for one in table.indexes if (one.origin or one.name) == index}
        for one in self.there:
            if one.table == table.name and (one.name in made or (wanted and _begins(one, wanted))):
                return one
        return None


def _begins(one: Built, wanted: Sequence[str]) -> bool:
    """Whether an index begins with columns; the server quotes a name where it must."""
    return len(one.parts) >= len(wanted) and all(
        part in (name, quoted(name)) for name, part in zip(wanted, one.parts, strict=False)
    )
