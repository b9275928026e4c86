"""Write a chunk into the shadow schema: its rows, its rejects and its marker in one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from cutover.data.recover import recovering
from cutover.data.transform import Tally, target_schema
from cutover.dialects import postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.dialects.postgresql_copy import copy
from cutover.errors import DataError, TransientError
from cutover.route import Chunk, TableRoute

MARKERS = "cutover_chunks"
REJECTS = "cutover_rejects"
# What a rule of the spec takes away on purpose; every other reason is an error and counts as one.
RULE, ERROR = "rule", "error"

BOOKKEEPING = (
    f"""CREATE TABLE {MARKERS} (
        table_name text, chunk integer, rows_read bigint NOT NULL, rows_loaded bigint NOT NULL,
        bytes_read bigint NOT NULL, rejected bigint NOT NULL, altered text NOT NULL,
        loaded_at timestamp with time zone NOT NULL DEFAULT now(), PRIMARY KEY (table_name, chunk))""",
    f"""CREATE TABLE {REJECTS} (
        table_name text NOT NULL, chunk integer, source_key text NOT NULL, column_name text,
        reason text NOT NULL, kind text NOT NULL)""",
    f"CREATE INDEX {REJECTS}_table ON {REJECTS} (table_name)",
)
_MARKED = """
    SELECT rows_read, rows_loaded, bytes_read, rejected, altered FROM {} WHERE table_name = %s AND chunk = %s"""
_MARK = """
    INSERT INTO {} (table_name, chunk, rows_read, rows_loaded, bytes_read, rejected, altered)
    VALUES (%s, %s, %s, %s, %s, %s, %s)"""


@dataclass(frozen=True)
class Marker:
    """What the marker of a loaded chunk says; ``altered`` is (column, what was done, whether by rule, values)."""

    rows_read: int
    rows: int
    bytes: int
    rejected: int
    altered: tuple[tuple[str, str, bool, int], ...]


def load(
    endpoint: Endpoint,
    schema: str,
    route: TableRoute,
    chunk: Chunk,
    batches: Iterable[pa.RecordBatch],
    tally: Tally,
    recover: int | None = None,
) -> Marker:
    """Copy a chunk's rows and return its marker; a chunk that was loaded before is left as it is.

    Args:
        endpoint: the target.
        schema: the shadow schema.
        route: the way of the table.
        chunk: the piece of it.
        batches: transformed batches; consumed only when the chunk is not loaded yet.
        tally: complete once ``batches`` is consumed; its rejects are written too.
        recover: load what can be loaded, and reject rows that the target refuses, up to so many; where it is None
            the target's first refusal ends this.

    Raises:
        TransientError: the connection was lost, the server ran out of something, or another worker
            loaded the chunk at the same time: the next attempt finds it there.
        DataError: the target refused the rows.
    """
    with _racing(chunk), postgresql.session(endpoint, doing=f"loading {chunk.name}") as connection:
        connection.execute(postgresql.COMPRESS_FAST)
        markers, known = sql.Identifier(schema, MARKERS), (route.target, chunk.number)
        row = connection.execute(sql.SQL(_MARKED).format(markers), known).fetchone()
        if row is not None:
            read, loaded, size, rejected, altered = row
            return Marker(read, loaded, size, rejected, tuple(tuple(entry) for entry in json.loads(altered)))
        into, arriving = sql.Identifier(schema, route.target), checked(route, batches)
        if recover is not None:
            rows = recovering(connection, into, route, arriving, tally, recover)
        else:
            rows = copy(connection, into, load_schema(route), arriving)
        if tally.rejects:
            rejects = _rejects(route, chunk, tally)
            copy(connection, sql.Identifier(schema, REJECTS), rejects.schema, rejects.to_batches())
        counted = tuple((*what, count) for what, count in sorted(tally.altered.items()))
        marker = Marker(tally.rows_read, rows, tally.bytes_read, len(tally.rejects), counted)
        values = marker.rows_read, marker.rows, marker.bytes, marker.rejected, json.dumps(counted)
        connection.execute(sql.SQL(_MARK).format(markers), known + values)
    return marker


@contextmanager
def _racing(chunk: Chunk) -> Iterator[None]:
    """Take a marker that is there already for what it is: somebody else's commit of the same chunk."""
    try:
        yield
    except DataError as error:
        if f"{MARKERS}_pkey" in str(error):
            raise TransientError(f"{chunk.name} was loaded by another worker meanwhile") from None
        raise


def checked(route: TableRoute, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Refuse a batch whose types are not exactly the target's: COPY would write garbage silently."""
    wanted = target_schema(route)
    sets = [position for position, column in enumerate(route.columns) if column.arrow == "set"]
    for batch in batches:
        if batch.schema != wanted:
            raise TypeError(f"{route.target}: batch of {batch.schema}, the table takes {wanted}")
        for position in sets:
            batch = batch.set_column(position, batch.schema.names[position], _labels(batch.column(position)))
        yield batch


def load_schema(route: TableRoute) -> pa.Schema:
    """The batches' schema as COPY takes it: a set is an array there."""
    listed = pa.list_(pa.string())
    fields = zip(target_schema(route), route.columns, strict=True)
    return pa.schema([field.with_type(listed) if column.arrow == "set" else field for field, column in fields])


def _labels(joined: pa.StringArray) -> pa.ListArray:
    """Take sets apart; '' is the empty one."""
    parts = pc.split_pattern(joined, ",")
    return pc.if_else(pc.equal(joined, ""), pa.scalar([], parts.type), parts)


def _rejects(route: TableRoute, chunk: Chunk, tally: Tally) -> pa.Table:
    count = len(tally.rejects)
    return pa.table(
        {
            "table_name": pa.array([route.target] * count),
            "chunk": pa.array([chunk.number] * count, pa.int32()),
            "source_key": pa.array([reject.key for reject in tally.rejects]),
            "column_name": pa.array([reject.column for reject in tally.rejects], pa.string()),
            "reason": pa.array([reject.reason for reject in tally.rejects]),
            "kind": pa.array([RULE if reject.by_rule else ERROR for reject in tally.rejects]),
        }
    )
