"""Write Arrow batches by PostgreSQL's binary COPY.

A value is written by its Arrow type, and the server reads the bytes by the column's type without looking further
(PostgreSQL manual, COPY, Binary Format): every batch must be of the types of
:mod:`cutover.dialects.postgresql_types`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from decimal import Decimal

import pgpq
import psycopg
import pyarrow as pa
from psycopg import sql

# Digits of four decimals each, the sign of what is below zero (PostgreSQL source, numeric.c).
_BASE, _BASE_DIGITS, _NEGATIVE = 10_000, 4, 0x4000


def copy(
    connection: psycopg.Connection, table: sql.Identifier, schema: pa.Schema, batches: Iterable[pa.RecordBatch]
) -> int:
    """Add rows to a table, and return how many; they are one statement of the connection's transaction.

    Args:
        connection: whose encoding is UTF-8.
        table: where the rows go.
        schema: of the batches; its names are the table's columns.
        batches: are consumed; an error of theirs ends the statement and is raised as it is.

    Raises:
        psycopg.Error: the server refused, or was lost.
    """
    encoder = pgpq.ArrowToPostgresBinaryEncoder(pa.schema([pa.field(f.name, _plain(f.type)) for f in schema]))
    columns = sql.SQL(", ").join(map(sql.Identifier, schema.names))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(table, columns)
    with connection.cursor() as cursor:
        with cursor.copy(statement) as sending:
            sending.write(encoder.write_header())
            for batch in batches:
                arrays = [_plainly(array) for array in batch.columns]
                sending.write(encoder.write_batch(pa.RecordBatch.from_arrays(arrays, names=schema.names)))
            sending.write(encoder.finish())
        return cursor.rowcount


def _plain(type_: pa.DataType) -> pa.DataType:
    """The type whose bytes are those of the column's type."""
    if isinstance(type_, pa.BaseExtensionType):
        return type_.storage_type
    return pa.binary() if pa.types.is_decimal256(type_) else type_


def _plainly(array: pa.Array) -> pa.Array:
    if isinstance(array, pa.ExtensionArray):
        return array.storage
    if pa.types.is_decimal256(array.type):
        return pa.array([None if v is None else _numeric(v, array.type.scale) for v in array.to_pylist()], pa.binary())
    return array


def _numeric(value: Decimal, scale: int) -> bytes:
    """The bytes of a number of more than 38 digits, which the encoder does not know (numeric.c, numeric_recv)."""
    # Taken apart by hand: arithmetic on decimals rounds to the context's precision.
    negative, decimals, _ = value.as_tuple()
    behind = -(-scale // _BASE_DIGITS)
    rest = int("".join(map(str, decimals))) * 10 ** (behind * _BASE_DIGITS - scale)
    digits: list[int] = []
    while rest:
        rest, digit = divmod(rest, _BASE)
        digits.append(digit)
    weight = len(digits) - 1 - behind
    head = len(digits), weight, _NEGATIVE if negative else 0, scale
    return struct.pack(f">HhHH{len(digits)}H", *head, *reversed(digits))
