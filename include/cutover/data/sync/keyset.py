"""The keys of all rows on both sides: which rows went, and which came without a word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cutover.data import scratch
from cutover.data.sync import snapshot
from cutover.data.sync.apply import keys_alone
from cutover.data.sync.changes import Changes, Followed, Key
from cutover.data.transform import Tally, transform
from cutover.data.types import cast
from cutover.dialects import postgresql, postgresql_types
from cutover.dialects.endpoint import Endpoint

_BATCH = 100_000


@dataclass(frozen=True)
class Keyset:
    """Where the rows of a followed schema are; keys are compared in DuckDB, which spills to ``scratch``."""

    target: Endpoint
    schema: str
    scratch: Path

    def compare(self, source: Any, followed: Mapping[str, Followed], changes: Changes) -> None:
        """Add the keys that one side alone has, in the snapshot ``source``; tables that are read whole need none."""
        for name, table in followed.items():
            if table.key and name not in changes.whole:
                found = set(self._on_one_side(source, table)) - changes.keys.get(name, set())
                changes.events += len(found)
                if found:
                    changes.add(name, found)

    def _on_one_side(self, source: Any, table: Followed) -> Iterator[Key]:
        with scratch.database(self.scratch) as database:
            for side, batches in (("source", self._there(source, table)), ("target", self._here(table))):
                scratch.create(database, f"{side}_keys", _schema(table), _texts(batches, table))
            for one, other in (("source", "target"), ("target", "source")):
                cursor = database.execute(f"SELECT * FROM {one}_keys EXCEPT SELECT * FROM {other}_keys")  # noqa: S608
                while rows := cursor.fetchmany(_BATCH):
                    for row in rows:
                        yield tuple(part.parsed(text) for part, text in zip(table.key, row, strict=True))

    def _there(self, source: Any, table: Followed) -> Iterator[pa.RecordBatch]:
        narrow = replace(keys_alone(table.route), where=table.route.where)
        yield from transform(narrow, snapshot.whole(source, replace(table, route=narrow), _BATCH), Tally())

    def _here(self, table: Followed) -> Iterator[pa.RecordBatch]:
        columns = [table.route.column(name) for name in table.route.key]
        read = [
            (c.target, postgresql_types.read_expression(c.arrow).replace("{c}", postgresql.quoted(c.target)))
            for c in columns
        ]
        statement = postgresql.select([(self.schema, table.route.target)], read)
        for batch in postgresql.read(self.target, statement):
            arrays = [cast(array, c.arrow) for array, c in zip(batch.columns, columns, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, names=[c.target for c in columns])


def _schema(table: Followed) -> pa.Schema:
    return pa.schema([(part.name, pa.string()) for part in table.key])


def _texts(batches: Iterable[pa.RecordBatch], table: Followed) -> Iterator[pa.RecordBatch]:
    """Write keys as :meth:`~cutover.data.sync.changes.KeyColumn.parsed` reads them."""
    for batch in batches:
        yield pa.RecordBatch.from_arrays([_text(column) for column in batch.columns], schema=_schema(table))


def _text(array: pa.Array) -> pa.Array:
    if pa.types.is_binary(array.type) or pa.types.is_fixed_size_binary(array.type):
        return pa.array([value.hex() for value in array.to_pylist()], pa.string())
    return pc.cast(array, pa.string())
