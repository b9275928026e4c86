"""A log of changes in the source: a table with the key of every row that changed, filled by triggers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from cutover.dialects import mysql
from cutover.schema.model import Column, Table

TRIGGER = "cutover_track_"
TABLE, KEY = "table_name", "row_key"
_BINARY = ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob")


def statements(tables: Sequence[Table], log: str, time: str) -> Iterator[str]:
    """Yield the statements, in MySQL's dialect, that make a log and the triggers that fill it.

    ``row_key`` is a JSON list of the primary key's values as text, in the key's order; binary ones are written in
    hexadecimal, a TIMESTAMP in seconds since 1970 (a session's time zone does not change those). It is NULL where a
    table has no primary key: then the whole table is read.
    """
    yield (
        f"CREATE TABLE {mysql.quoted(log)} (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, "
        f"{TABLE} VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, "
        f"{KEY} LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, "
        f"{mysql.quoted(time)} TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), KEY ({mysql.quoted(time)}))"
    )
    for table in tables:
        if table.name != log:
            yield from _triggers(table, log)


def _triggers(table: Table, log: str) -> Iterator[str]:
    name = mysql.literal(table.name)
    known = hashlib.sha256(table.name.encode()).hexdigest()[:12]
    for event, rows in (("INSERT", ("NEW",)), ("UPDATE", ("OLD", "NEW")), ("DELETE", ("OLD",))):
        # A row whose key changed is gone under the old one; UNION says a key that did not change once.
        keys = " UNION ".join(f"SELECT {name}, {_key(table, row)}" for row in rows)
        yield (
            f"CREATE TRIGGER {mysql.quoted(f'{TRIGGER}{known}_{event.lower()}')} AFTER {event} "
            f"ON {mysql.quoted(table.name)} FOR EACH ROW "
            f"INSERT INTO {mysql.quoted(log)} ({TABLE}, {KEY}) {keys}"
        )


def _key(table: Table, row: str) -> str:
    if not table.primary_key:
        return "NULL"
    return f"JSON_ARRAY({', '.join(_value(table.column(name), row) for name in table.primary_key)})"


def _value(column: Column, row: str) -> str:
    name = f"{row}.{mysql.quoted(column.name)}"
    kind = column.type.split("(")[0].split()[0].lower()
    if kind in _BINARY:
        return f"HEX({name})"
    if kind == "timestamp":
        name = f"UNIX_TIMESTAMP({name})"
    return f"CONVERT({name} USING utf8mb4)"
