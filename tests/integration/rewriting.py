"""The rows that MySQL's SQL and its rewriting read, on either side, and when two values are the same."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from cutover.local.servers import Server
from cutover.schema.rewrite import Attribute, Scope

SOURCE = (
    "CREATE TABLE items (id INT PRIMARY KEY, `Qty` INT, small SMALLINT, price DECIMAL(10,2), ratio DOUBLE, "
    "flag BIT(1), active TINYINT, name VARCHAR(40), tag VARCHAR(40) COLLATE utf8mb4_bin, kind ENUM('new','old','Odd'), "
    "marks SET('a','b','c'), born DATE, made DATETIME, seen TIMESTAMP NULL, fine DATETIME(6), spent TIME, doc JSON, "
    "raw VARBINARY(20), owner INT)",
    "CREATE TABLE owners (id INT PRIMARY KEY, name VARCHAR(40), since DATE)",
)
TARGET = (
    "CREATE TYPE item_kind AS ENUM ('new', 'old', 'Odd')",
    "CREATE TABLE things (id integer PRIMARY KEY, quantity integer, small smallint, price numeric(10,2), "
    "ratio double precision, flag boolean, active smallint, name varchar(40), tag varchar(40), kind item_kind, "
    "marks text[], born date, made timestamp(0), seen timestamp(0) with time zone, fine timestamp(6), spent interval, "
    "doc json, raw bytea, owner integer)",
    "CREATE TABLE owners (id integer PRIMARY KEY, name varchar(40), since date)",
)
# One row per line: the literals that both servers read alike, then flag, marks and raw, which they write differently.
_ROWS = (
    "1, 3, 7, 10.50, 2.5, 1, 'Hello World', 'a,b,c', 'new', '2024-01-31', '2024-01-31 23:59:59', "
    "'2024-02-29 12:00:00', '2024-01-31 10:11:12.345678', '10:11:12', "
    '\'{"a": {"b": [1, 2, "x"]}, "n": null, "t": true}\', 1',
    "2, -7, -3, -1.25, -0.5, 0, 'hello', 'B', 'old', '2024-02-29', '2024-02-29 00:00:00', '2023-12-31 23:59:59', "
    "'2023-12-31 23:59:59.999999', '30:00:00', '{\"a\": \"text\", \"n\": 5}', 2",
    "3, 0, 2, 0.00, 0, 0, '', '', 'Odd', '2023-03-01', '2023-03-01 06:30:15', '2024-03-31 01:02:03', "
    "'2024-06-15 00:00:00', '-05:06:07', '[10, 20]', NULL",
    "4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1",
    "5, 100, 32767, 99999.99, 1234.5678, 2, '  Ünï 10%_ ', 'x.y', 'new', '2000-12-31', '2000-12-31 12:34:56', "
    "'2001-01-01 00:00:00', '2000-01-01 00:00:00.000001', '00:00:00', '\"s\"', 2",
    "6, 3, 1, 10.50, 0.1, 1, 'HELLO', 'a,b,c', 'old', '2024-12-30', '2024-12-30 08:00:00', '2024-12-30 08:00:00', "
    "'2024-12-30 08:00:00.5', '00:00:59', '{}', 3",
)
_FLAGS = {
    "source": ["b'1'", "b'0'", "b'1'", "NULL", "b'0'", "b'1'"],
    "target": ["true", "false", "true", "NULL", "false", "true"],
}
_MARKS = {
    "source": ["'a,c'", "''", "'b'", "NULL", "'a,b,c'", "'a'"],
    "target": ["'{a,c}'", "'{}'", "'{b}'", "NULL", "'{a,b,c}'", "'{a}'"],
}
_RAW = {
    "source": ["X'00FF'", "X''", "X'41'", "NULL", "X'616263'", "X'C3BC'"],
    "target": [r"'\x00ff'", r"'\x'", r"'\x41'", "NULL", r"'\x616263'", r"'\xc3bc'"],
}
_COLUMNS = (
    "id, {qty}, small, price, ratio, active, name, tag, kind, born, made, seen, fine, spent, doc, owner, "
    "flag, marks, raw"
)
_OWNERS = "INSERT INTO owners VALUES (1, 'Ann', '2020-01-01'), (2, 'bob', '2021-06-30'), (9, NULL, NULL)"


def inserts(side: str) -> Iterator[str]:
    table, quantity = ("items", "`Qty`") if side == "source" else ("things", "quantity")
    for number, row in enumerate(_ROWS):
        more = ", ".join(values[side][number] for values in (_FLAGS, _MARKS, _RAW))
        yield f"INSERT INTO {table} ({_COLUMNS.format(qty=quantity)}) VALUES ({row}, {more})"
    yield _OWNERS


def _attributes(*given: tuple[str, Any]) -> dict[str, Attribute]:
    return {name.lower(): made if isinstance(made, Attribute) else Attribute(name, *made) for name, made in given}


ITEMS = _attributes(
    ("id", ("integer", "integer")),
    ("qty", Attribute("quantity", "integer", "integer")),
    ("small", ("smallint", "integer")),
    ("price", ("numeric(10,2)", "decimal")),
    ("ratio", ("double precision", "float")),
    ("flag", ("boolean", "boolean")),
    ("active", ("smallint", "integer")),
    ("name", ("varchar(40)", "text", True)),
    ("tag", ("varchar(40)", "text")),
    ("kind", ("item_kind", "enum", True)),
    ("marks", ("text[]", "set", True)),
    ("born", ("date", "date")),
    ("made", ("timestamp(0)", "timestamp")),
    ("seen", ("timestamp(0) with time zone", "timestamptz")),
    ("fine", ("timestamp(6)", "timestamp")),
    ("spent", ("interval", "interval")),
    ("doc", ("json", "json")),
    ("raw", ("bytea", "binary")),
    ("owner", ("integer", "integer")),
)
OWNERS_HAVE = _attributes(
    ("id", ("integer", "integer")), ("name", ("varchar(40)", "text", True)), ("since", ("date", "date"))
)


@dataclass(frozen=True)
class Both:
    source: Server
    target: Server
    scope: Scope


def plain(value: Any) -> Any:
    """What a value is apart from its type: both drivers and both servers have types of their own."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, Decimal):
        return value
    if hasattr(value, "tzinfo") and value.tzinfo is not None:
        return value.replace(tzinfo=None)
    return value


def _is_json(one: str, other: Any) -> bool:
    """Whether a text of the source is what the target has as JSON, which its driver reads."""
    try:
        return other is not None and bool(json.loads(one) == other)
    except json.JSONDecodeError:
        return False


def alike(one: Any, other: Any) -> bool:
    if isinstance(one, str) and _is_json(one, other):
        return True
    one, other = plain(one), plain(other)
    if isinstance(one, str) and isinstance(other, date):
        other = str(other)
    if isinstance(one, bytes) and isinstance(other, str):
        other = other.encode()
    if isinstance(one, bytes) and isinstance(other, int):
        one = int.from_bytes(one)
    if one is None or other is None:
        return one is other
    if isinstance(one, float) or isinstance(other, float):
        return math.isclose(float(one), float(other), rel_tol=1e-13, abs_tol=1e-300)
    if isinstance(one, timedelta) != isinstance(other, timedelta):
        return False
    return bool(one == other)
