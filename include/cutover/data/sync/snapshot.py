"""The rows of a source at one moment, by their keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from cutover.data.extract import source_columns
from cutover.data.sync.changes import Followed, Key, KeyColumn
from cutover.dialects import mysql
from cutover.dialects.endpoint import Endpoint

# No more keys are asked for in one statement.
KEYS = 1000


@contextmanager
def snapshot(source: Endpoint) -> Iterator[Any]:
    """Open a session of the C client that sees the source as it is now, and goes on seeing that.

    Raises:
        TransientError: the server could not be reached, or was lost.
    """
    with mysql.client(source) as connection:
        with closing(connection.cursor()) as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        yield connection


def rows(connection: Any, table: Followed, keys: Sequence[Key], at_once: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows that have one of the keys, with the columns of :func:`cutover.data.extract.source_columns`."""
    for chosen, values in _chosen(table.key, keys, at_once):
        yield from _read(connection, table, at_once, chosen, values)


def referring(connection: Any, table: Followed, columns: Sequence[KeyColumn], keys: Sequence[Key]) -> Iterator[Key]:
    """Yield the keys of the rows that have one of ``keys`` in ``columns``."""
    names = ", ".join(mysql.quoted(column.name) for column in table.key)
    for chosen, values in _chosen(columns, keys):
        statement = f"SELECT {names} FROM {mysql.quoted(table.route.source)} WHERE {chosen}"  # noqa: S608
        for batch in mysql.batches(connection, statement, KEYS, values):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _chosen(
    columns: Sequence[KeyColumn], keys: Sequence[Key], at_once: int = KEYS
) -> Iterator[tuple[str, list[object]]]:
    """Yield conditions, with the values of their parameters, that rows with one of the keys meet."""
    names = [mysql.quoted(column.name) for column in columns]
    left = names[0] if len(names) == 1 else f"({', '.join(names)})"
    step = min(at_once, KEYS)
    for start in range(0, len(keys), step):
        some = keys[start : start + step]
        yield f"{left} IN ({', '.join([_tuple(columns)] * len(some))})", [value for key in some for value in key]


def whole(connection: Any, table: Followed, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Yield every row of a table."""
    yield from _read(connection, table, batch_rows)


def keys_as_read(connection: Any, table: Followed, keys: Sequence[Key], at_once: int) -> Iterator[pa.RecordBatch]:
    """Yield keys as the source would give them in the key's columns, whether or not it has such rows."""
    columns = [table.route.column(name) for name in table.route.key]
    step = min(at_once, KEYS)
    for start in range(0, len(keys), step):
        some = keys[start : start + step]
        named = ", ".join(f"{_literal(c)} AS {mysql.quoted(c.name)}" for c in table.key)
        derived = " UNION ALL ".join([f"SELECT {named}"] * len(some))
        reads = ", ".join(f"{column.read} AS c{position}" for position, column in enumerate(columns))
        values = [value for key in some for value in key]
        statement = f"SELECT {reads} FROM ({derived}) AS given"  # noqa: S608
        yield from mysql.batches(connection, statement, step, values)


def _read(
    connection: Any, table: Followed, batch_rows: int, chosen: str | None = None, values: Sequence[object] = ()
) -> Iterator[pa.RecordBatch]:
    statement = mysql.select(table.route.source, source_columns(table.route), table.route.where)
    if chosen is not None:
        # The C client reads a percent sign as a parameter's.
        statement = statement.replace("%", "%%") + (" AND " if table.route.where is not None else " WHERE ") + chosen
    yield from mysql.batches(connection, statement, batch_rows, values if chosen is not None else None)


def _tuple(key: Sequence[KeyColumn]) -> str:
    literals = ", ".join(map(_literal, key))
    return literals if len(key) == 1 else f"({literals})"


def _literal(column: KeyColumn) -> str:
    """Return the expression of a parameter that has the column's type: bytes become text in the column's charset."""
    if column.kind == "text":
        assert column.collation is not None
        charset = sa.quoted_name(column.collation.split("_")[0], quote=False)
        return f"CONVERT(%s USING {charset}) COLLATE {column.collation}"
    if column.kind == "decimal":
        return "CAST(%s AS DECIMAL(65,30))"
    return "CAST(%s AS DATETIME(6))" if column.kind == "moment" else "%s"
