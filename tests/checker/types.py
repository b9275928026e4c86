"""What a MySQL type asks of the PostgreSQL type that stands for it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from checker.source import Column

_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "integer": 32, "bigint": 64}
_FAMILIES = {
    "integer": (*_BITS, "year"),
    "decimal": ("decimal", "numeric"),
    "float": ("float", "double", "real"),
    "date": ("date",),
    "moment": ("datetime", "timestamp"),
    "time": ("time",),
    "bit": ("bit",),
    "text": ("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum"),
    "set": ("set",),
    "bytes": ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"),
    "json": ("json",),
    "word": ("uuid", "inet4", "inet6"),
    "geometry": (
        *("geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon"),
        *("geometrycollection", "geomcollection"),
    ),
}
_FAMILY = {base: family for family, bases in _FAMILIES.items() for base in bases}
_TARGET_BITS = {"smallint": 16, "integer": 32, "bigint": 64}
_ENDLESS = ("text", "character varying")
_PRECISION = re.compile(r"^(?:timestamp|time)\((\d)\)")


@dataclass(frozen=True)
class Type:
    """A type of the source, taken apart."""

    base: str
    numbers: tuple[int, ...]
    unsigned: bool
    labels: tuple[str, ...]


def parse(written: str) -> Type:
    """Take a type of the source apart; labels are as the catalogue prints them, quotes undone."""
    # MariaDB says in a comment that a column is compressed.
    written = re.sub(r"\s*/\*.*?\*/$", "", written)
    base = re.match(r"\w+", written)
    assert base is not None, written
    if base[0] in ("enum", "set"):
        labels = re.findall(r"'((?:[^'\\]|''|\\.)*)'", written[len(base[0]) :], re.DOTALL)
        return Type(base[0], (), False, tuple(label.replace("''", "'") for label in labels))
    arguments = re.match(r"\w+\((.*?)\)", written)
    numbers = re.findall(r"\d+", arguments[1]) if arguments else []
    return Type(base[0], tuple(map(int, numbers)), "unsigned" in written, ())


def family(column: Column) -> str:
    """The family that a column's values are read and compared in."""
    return "json" if column.json else _FAMILY.get(parse(column.type).base, "unknown")


def reason_against(column: Column, target: str, counted: bool = False) -> str | None:
    """Why a type of the target cannot stand for the column's type, or None where it can.

    A column that counts, or that refers to one, is ``counted``: a counter of the target's ends with bigint.
    """
    if counted and target == "bigint" and parse(column.type).base == "bigint":
        return None
    if _holds(family(column), parse(column.type), target):
        return None
    return f"{target} cannot stand for {column.type}"


def _holds(family: str, source: Type, target: str) -> bool:
    if family == "integer":
        return _integer(source, target)
    if family == "decimal":
        precision, scale = (*source.numbers, *(10, 0)[len(source.numbers) :])
        return _numeric(precision - scale, scale, target)
    if family == "float":
        return target == "double precision" or (target == "real" and source.base == "float")
    if family == "moment":
        zone = " with time zone" if target.endswith(" with time zone") else " without time zone"
        named = target.startswith("timestamp") and (source.base == "timestamp" or zone == " without time zone")
        return named and _digits(target) >= (source.numbers or (0,))[0]
    if family == "bit":
        return _bit((source.numbers or (1,))[0], target)
    if family == "text":
        return _text(source, target)
    if family == "geometry" and target != "bytea":
        return _shape(source.base, target)
    return target in _ALLOWED[family]


_ALLOWED = {
    "date": ("date",),
    "time": ("interval", "interval(6)"),
    "set": ("text", "text[]", "character varying"),
    "bytes": ("bytea",),
    "json": ("json", "jsonb"),
    "word": ("text", "uuid", "inet"),
    "geometry": ("bytea",),
    "unknown": (),
}


def _shape(base: str, target: str) -> bool:
    """Whether a column of PostGIS takes what one of the source does: of any kind, or of its own."""
    match = re.fullmatch(r"(?:.*\.)?geometry(?:\((\w+)(?:,\d+)?\))?", target)
    kind = (match[1] or "geometry").lower() if match else ""
    return kind in ("geometry", base, {"geomcollection": "geometrycollection"}.get(base))


def _integer(source: Type, target: str) -> bool:
    if source.base == "year":
        return target in _TARGET_BITS or _numeric(4, 0, target)
    bits = _BITS[source.base]
    if target in _TARGET_BITS:
        # A signed type needs one bit more for what has no sign.
        return _TARGET_BITS[target] >= bits + source.unsigned
    # MySQL's word for a truth; whether every value is one, the cells tell.
    return (source.base == "tinyint" and source.numbers == (1,) and target == "boolean") or _numeric(
        len(str(2**bits)), 0, target
    )


def _numeric(before: int, after: int, target: str) -> bool:
    match = re.fullmatch(r"numeric(?:\((\d+),(\d+)\))?", target)
    if match is None:
        return False
    if match[1] is None:
        return True
    precision, scale = int(match[1]), int(match[2])
    return precision - scale >= before and scale >= after


def _digits(target: str) -> int:
    match = _PRECISION.match(target)
    return int(match[1]) if match else 6


def _bit(width: int, target: str) -> bool:
    if target in _TARGET_BITS:
        return _TARGET_BITS[target] > width
    held = re.fullmatch(r"bit(?: varying)?\((\d+)\)", target)
    if held is not None:
        return int(held[1]) >= width
    whole = target in ("bytea", "bit varying") or (target == "boolean" and width == 1)
    return whole or _numeric(len(str(2**width)), 0, target)


def _text(source: Type, target: str) -> bool:
    if source.base == "enum":
        needed = max(map(len, source.labels))
        endless = target in _ENDLESS or target.startswith("enum ")
    else:
        # A text type holds bytes up to its limit, so no number of characters is enough but all.
        needed = source.numbers[0] if source.base in ("char", "varchar") else 2**32
        endless = target in _ENDLESS
    # character(n) would add spaces, so it stands for nothing.
    held = re.fullmatch(r"character varying\((\d+)\)", target)
    return endless or target.endswith("citext") or (held is not None and int(held[1]) >= needed)
