"""What a column's values are to a program: mysqlclient and Connector/J beside psycopg and pgJDBC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# MySQL's protocol: types of columns (MySQL source, field_types.h), and flags (mysql_com.h).
_BINARY, _ENUM, _SET, _UNSIGNED = 128, 256, 2048, 32
_NUMBERS = {1: "tinyint", 2: "smallint", 3: "int", 4: "float", 5: "double", 8: "bigint", 9: "mediumint"}
_NUMBERS |= {0: "decimal", 246: "decimal"}
_OTHERS = {6: "null", 7: "timestamp", 10: "date", 11: "time", 12: "datetime", 13: "year", 14: "date", 16: "bit"}
_OTHERS |= {245: "json", 247: "enum", 248: "set", 255: "geometry"}


@dataclass(frozen=True)
class Seen:
    """A type as its server names it, and what Python and Java get of it."""

    type: str
    python: str
    java: str


_MYSQL: Mapping[str, tuple[str, str]] = {
    "tinyint(1)": ("int", "Boolean"),
    "tinyint": ("int", "Integer"),
    "smallint": ("int", "Integer"),
    "mediumint": ("int", "Integer"),
    "int": ("int", "Integer"),
    "int unsigned": ("int", "Long"),
    "bigint": ("int", "Long"),
    "bigint unsigned": ("int", "BigInteger"),
    "decimal": ("Decimal", "BigDecimal"),
    "float": ("float", "Float"),
    "double": ("float", "Double"),
    "date": ("date", "Date"),
    "datetime": ("datetime", "LocalDateTime"),
    "timestamp": ("datetime", "Timestamp"),
    "time": ("timedelta", "Time"),
    "year": ("int", "Date"),
    "bit(1)": ("bytes", "Boolean"),
    "bit": ("bytes", "byte[]"),
    "json": ("str", "String"),
    "enum": ("str", "String"),
    "set": ("str", "String"),
    "geometry": ("bytes", "byte[]"),
    "binary": ("bytes", "byte[]"),
    "text": ("str", "String"),
    "null": ("None", "null"),
}
_POSTGRESQL: Mapping[str, tuple[str, str]] = {
    "bool": ("bool", "Boolean"),
    "int2": ("int", "Integer"),
    "int4": ("int", "Integer"),
    "int8": ("int", "Long"),
    "numeric": ("Decimal", "BigDecimal"),
    "float4": ("float", "Float"),
    "float8": ("float", "Double"),
    "date": ("date", "Date"),
    "timestamp": ("datetime", "Timestamp"),
    "timestamptz": ("datetime with its zone", "Timestamp"),
    "time": ("time", "Time"),
    "interval": ("timedelta", "PGInterval"),
    "bytea": ("bytes", "byte[]"),
    "json": ("dict, list or what else the document is", "PGobject"),
    "jsonb": ("dict, list or what else the document is", "PGobject"),
    "uuid": ("UUID", "UUID"),
    "inet": ("IPv4Address or IPv6Address", "PGobject"),
    "text": ("str", "String"),
    "varchar": ("str", "String"),
    "bpchar": ("str", "String"),
    "name": ("str", "String"),
}


def of_source(code: int, flags: int, length: int, binary: bool) -> Seen:
    """Return what a column of a result is to programs that read the source.

    Args:
        code: the protocol's number for its type.
        flags: the protocol's flags of the column.
        length: how wide the server says that it is.
        binary: whether text that is compared by its bytes is bytes; the protocol has one flag for both.
    """
    name = _named(code, flags, binary)
    shown = name
    if name == "tinyint" and length == 1:
        name = shown = "tinyint(1)"
    elif name == "bit" and length == 1:
        name = shown = "bit(1)"
    elif flags & _UNSIGNED and name in ("tinyint", "smallint", "mediumint", "int", "bigint", "decimal"):
        shown = f"{name} unsigned"
        name = shown if name in ("int", "bigint") else name
    return Seen(shown, *_MYSQL[name])


def _named(code: int, flags: int, binary: bool) -> str:
    if flags & _ENUM:
        return "enum"
    if flags & _SET:
        return "set"
    found = _NUMBERS.get(code) or _OTHERS.get(code)
    if found is not None:
        return found
    return "binary" if flags & _BINARY and binary else "text"


def of_target(type_: str, name: str, kind: str, element: bool) -> Seen:
    """Return what a column of a result is to programs that read the target.

    Args:
        type_: the type as the server writes it, with its size.
        name: its name in the catalogue.
        kind: the catalogue's kind: b, c, d, e, m, p or r.
        element: whether it is an array of another.
    """
    if element:
        return Seen(type_, "list", "Array")
    if kind == "e":
        return Seen(type_, "str", "String")
    python, java = _POSTGRESQL.get(name, ("str", "PGobject"))
    return Seen(type_, python, java)
