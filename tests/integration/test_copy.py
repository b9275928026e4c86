"""Binary COPY writes every type's values as the server itself would have made them of their text."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Context, Decimal
from random import Random
from typing import Any
from uuid import UUID

import psycopg
import pyarrow as pa
import pytest
from psycopg import sql

from cutover.data.types import arrow_type
from cutover.dialects.postgresql_copy import copy
from cutover.local.servers import Server

MOMENTS = (
    dt.datetime(1, 1, 1),
    dt.datetime(1000, 1, 1, 1, 2, 3, 456789),
    dt.datetime(1999, 12, 31, 23, 59, 59, 999999),
    dt.datetime(2000, 1, 1),
    dt.datetime(9999, 12, 31, 23, 59, 59, 999999),
)
SPAN = dt.timedelta(hours=838, minutes=59, seconds=59, microseconds=1)
VALUES: dict[str, tuple[str, tuple[Any, ...]]] = {
    "boolean": ("bool", (True, False)),
    "smallint": ("int16", (0, 1, -1, 2**15 - 1, -(2**15))),
    "integer": ("int32", (0, 1, -1, 2**31 - 1, -(2**31))),
    "bigint": ("int64", (0, 1, -1, 2**63 - 1, -(2**63))),
    "real": ("float32", (0.0, -0.0, 1.5, 3.4028234663852886e38, 1.401298464324817e-45)),
    "double precision": ("float64", (0.1, -0.0, 1.7976931348623157e308, 5e-324)),
    "text": ("string", ("", "a", "ü桜😀", "x" * 100_000)),
    "bytea": ("binary", (b"", b"\x00\xff", b"y" * 70_000)),
    "date": ("date32", tuple(moment.date() for moment in MOMENTS)),
    "timestamp": ("timestamp", MOMENTS),
    "timestamptz": ("timestamptz", tuple(moment.replace(tzinfo=dt.UTC) for moment in MOMENTS)),
    "interval": ("duration", (dt.timedelta(0), SPAN, -SPAN, dt.timedelta(microseconds=-1))),
    "json": ("json", ('{"a":  1}', "null", '[1.0, "\\u00fc"]')),
    "uuid": ("uuid", (UUID(int=0), UUID(int=2**128 - 1), UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8"))),
    "text[]": ("labels", ([], ["a"], ["a", "b,c", ""])),
}


@pytest.mark.parametrize("type_", VALUES)
def test_values_arrive_as_they_are(target_db: Server, type_: str) -> None:
    name, values = VALUES[type_]
    with psycopg.connect(target_db.url()) as connection:
        assert copied(connection, type_, name, [None, *values, None]) == [None, *map(expected, values), None]


@pytest.mark.parametrize(
    ("digits", "scale"),
    [(1, 0), (5, 2), (10, 10), (18, 4), (19, 3), (30, 30), (38, 0), (38, 17), (39, 0), (40, 29), (50, 1), (65, 30)],
)
def test_every_digit_of_a_decimal_arrives(target_db: Server, digits: int, scale: int) -> None:
    """The bytes are those that the server makes of the same number's text: equal in scale too, and without padding."""
    random, most = Random(digits * 100 + scale), 10**digits - 1
    unscaled = [0, 1, -1, most, -most, 10 ** (digits - 1), *(10**n for n in range(0, digits, 4))]
    unscaled += [random.randint(-most, most) // 10 ** random.randint(0, digits) for _ in range(200)]
    values = [Decimal(number).scaleb(-scale, Context(prec=99)) for number in unscaled]
    type_ = f"numeric({digits},{scale})"
    with psycopg.connect(target_db.url()) as connection:
        found = copied(connection, type_, f"decimal({digits},{scale})", [None, *values])
        assert found == [None, *values]
        texts = [format(value, "f") for value in values]
        made = "SELECT n, numeric_send(v) FROM copied WHERE n > 0 EXCEPT SELECT n, numeric_send(t::{}) FROM "
        made += "unnest(%s::text[]) WITH ORDINALITY AS u (t, n)"
        assert connection.execute(sql.SQL(made).format(sql.SQL(type_)), (texts,)).fetchall() == []


def test_an_error_of_the_rows_leaves_as_it_is_and_nothing_is_there(target_db: Server) -> None:
    schema = pa.schema([("n", pa.int32())])

    def breaking() -> Any:
        yield pa.RecordBatch.from_pydict({"n": [1]}, schema=schema)
        raise LookupError("the source is gone")

    with psycopg.connect(target_db.url()) as connection:
        connection.execute("CREATE TABLE copied (n integer)")
        connection.commit()
        with pytest.raises(LookupError, match="the source is gone"):
            copy(connection, sql.Identifier("copied"), schema, breaking())
        connection.rollback()
        assert connection.execute("SELECT count(*) FROM copied").fetchone() == (0,)


def copied(connection: psycopg.Connection, type_: str, name: str, values: list[Any]) -> list[Any]:
    """Write values in two batches, and return what is there then, read in the driver's own way."""
    arrow = pa.list_(pa.string()) if name == "labels" else arrow_type(name)
    batch = pa.RecordBatch.from_arrays([pa.array(range(len(values)), pa.int32()), array(values, arrow)], ["n", "v"])
    connection.execute(sql.SQL("CREATE TABLE copied (n integer, v {})").format(sql.SQL(type_)))
    assert copy(connection, sql.Identifier("copied"), batch.schema, [batch.slice(0, 2), batch.slice(2)]) == len(values)
    shown = {"json": "v::text", "float32": "v::float8"}.get(name, "v")
    found = connection.execute(f"SELECT {shown} FROM copied ORDER BY n".encode()).fetchall()
    return [expected(value) for (value,) in found]


def array(values: list[Any], arrow: pa.DataType) -> pa.Array:
    if isinstance(arrow, pa.BaseExtensionType):
        plain = [value.bytes if isinstance(value, UUID) else value for value in values]
        return pa.ExtensionArray.from_storage(arrow, pa.array(plain, arrow.storage_type))
    return pa.array(values, arrow)


def expected(value: Any) -> Any:
    """A value that is equal only to one of the same sign."""
    return (value, math.copysign(1, value)) if isinstance(value, float) else value
