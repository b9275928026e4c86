"""What every MySQL type becomes: how it is read, over which Arrow type, and its PostgreSQL type.

The read expressions keep values that the fast reader would change or crash on away from it:
connectorx 0.4.6 panics on zero dates and on TIME beyond a day, cuts decimals after the tenth
fractional digit and refuses more than 28 digits (measured; see docs/types.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_TYPE = re.compile(r"^(?P<base>\w+)(?:\((?P<args>.*)\))?(?P<rest>.*)$", re.DOTALL)

# Adding nothing to a date goes through the calendar: a zero year, month or day gives NULL, and a day that
# its month does not have another date (measured on MariaDB 10.11 and MySQL 9.7).
_VALID_DATE = "IF({c} = {c} + INTERVAL 0 DAY, {c}, NULL)"
# A TIMESTAMP is an instant or zero, never a date with a zero part (MySQL manual, DATE types). MySQL takes no
# zero in a literal to compare one with (error 1525, measured on 9.7), so its number has to tell.
_NOT_ZERO = "IF({c}+0, {c}, NULL)"
CONNECTORX_MAX_SCALE = 10
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "", "Z": "\x1a"}
CONNECTORX_MAX_PRECISION = 28


@dataclass(frozen=True)
class Travel:
    """How a value of one MySQL type travels; ``{c}`` in ``read`` stands for the quoted column."""

    target_type: str
    arrow: str
    read: str = "{c}"
    wire: str | None = None
    may_lose: bool = False
    note: str | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class ParsedType:
    """A MySQL type, taken apart: ``decimal(10,2) unsigned`` is decimal, ("10", "2"), unsigned."""

    base: str
    arguments: tuple[str, ...]
    unsigned: bool

    def number(self, position: int, default: int) -> int:
        """Return the argument at ``position`` as an integer, or ``default`` where it is absent."""
        return int(self.arguments[position]) if len(self.arguments) > position else default


def parse(type_: str) -> ParsedType:
    """Take a MySQL type apart; raise ValueError where it is no type at all."""
    found = _TYPE.match(type_.strip())
    if found is None:
        raise ValueError(f"not a MySQL type: {type_!r}")
    arguments = found["args"] or ""
    if "'" in arguments:
        # Labels hold commas; quotes inside them are doubled.
        values = tuple(_label(m) for m in re.findall(r"'((?:[^']|'')*)'", arguments))
    else:
        values = tuple(part.strip() for part in arguments.split(",") if part.strip())
    return ParsedType(found["base"].lower(), values, "unsigned" in found["rest"].lower())


def _label(printed: str) -> str:
    """Undo what the server does to a label when it prints the type (MariaDB source, append_unescaped)."""
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), printed.replace("''", "'"), flags=re.DOTALL)


def _integer(signed: tuple[str, str], unsigned: tuple[str, str]) -> Callable[[ParsedType], Travel]:
    return lambda t: Travel(*(unsigned if t.unsigned else signed))


def _decimal(t: ParsedType) -> Travel:
    precision, scale = t.number(0, 10), t.number(1, 0)
    arrow = f"decimal({precision},{scale})"
    # connectorx brings every decimal to ten fractional digits first, so these count among its 28.
    safe = scale <= CONNECTORX_MAX_SCALE and precision - scale + CONNECTORX_MAX_SCALE <= CONNECTORX_MAX_PRECISION
    if safe:
        return Travel(f"numeric({precision},{scale})", arrow)
    return Travel(f"numeric({precision},{scale})", arrow, "CAST({c} AS CHAR)", "string")


def _enum(t: ParsedType) -> Travel:
    return Travel("enum", "enum", "CAST({c} AS CHAR)", labels=tuple(dict.fromkeys(t.arguments)))


def _set(t: ParsedType) -> Travel:
    return Travel("text[]", "set", "CAST({c} AS CHAR)", labels=tuple(dict.fromkeys(t.arguments)))


def _bit(t: ParsedType) -> Travel:
    width = t.number(0, 1)
    if width == 1:
        return Travel("boolean", "bool", "{c}+0", "uint64")
    if width < 64:
        return Travel("bigint", "int64", "{c}+0", "uint64", note="bit strings arrive as numbers")
    return Travel("numeric(20,0)", "decimal(20,0)", "{c}+0", "uint64", note="bit strings arrive as numbers")


def _text(t: ParsedType) -> Travel:
    return Travel("text", "string")


def _sized_text(t: ParsedType) -> Travel:
    size = t.number(0, 1)
    # char(0) holds only '' and NULL; PostgreSQL's shortest is varchar(1).
    return Travel(f"varchar({max(size, 1)})", "string")


# A geometry is stored as four bytes of SRID and WKB (MySQL manual, Internal Geometry Storage Format). EWKB
# has a flag in the highest byte of the type, and the SRID after it (PostGIS manual, ST_AsEWKB).
_EWKB = (
    "IF(SUBSTR({c}, 1, 4) = 0x00000000, SUBSTR({c}, 5), "
    "CONCAT(SUBSTR({c}, 5, 4), UNHEX('20'), SUBSTR({c}, 1, 4), SUBSTR({c}, 10)))"
)


# What PostGIS calls them, as a modifier of its type geometry.
SHAPES = {
    "geometry": "Geometry",
    "point": "Point",
    "linestring": "LineString",
    "polygon": "Polygon",
    "multipoint": "MultiPoint",
    "multilinestring": "MultiLineString",
    "multipolygon": "MultiPolygon",
    "geometrycollection": "GeometryCollection",
    "geomcollection": "GeometryCollection",
}


def _geometry(t: ParsedType) -> Travel:
    return Travel("bytea", "binary", _EWKB, note="geometry arrives as WKB, with its SRID as EWKB has it")


_TYPES: dict[str, Callable[[ParsedType], Travel]] = {
    "tinyint": _integer(("smallint", "int16"), ("smallint", "int16")),
    "smallint": _integer(("smallint", "int16"), ("integer", "int32")),
    "mediumint": _integer(("integer", "int32"), ("integer", "int32")),
    "int": _integer(("integer", "int32"), ("bigint", "int64")),
    "bigint": _integer(("bigint", "int64"), ("numeric(20,0)", "decimal(20,0)")),
    "decimal": _decimal,
    # The text protocol writes a FLOAT with six digits; as a product it is a DOUBLE, written in full.
    "float": lambda t: Travel("real", "float32", "{c}*1e0", "float64"),
    "double": lambda t: Travel("double precision", "float64"),
    "date": lambda t: Travel("date", "date32", _VALID_DATE, may_lose=True),
    "datetime": lambda t: Travel(f"timestamp({t.number(0, 0)})", "timestamp", _VALID_DATE, may_lose=True),
    "timestamp": lambda t: Travel(
        f"timestamp({t.number(0, 0)}) with time zone", "timestamptz", _NOT_ZERO, "timestamp", may_lose=True
    ),
    "time": lambda t: Travel("interval", "duration", "CAST({c} AS CHAR)", "string"),
    "year": lambda t: Travel("smallint", "int16"),
    "bit": _bit,
    "char": _sized_text,
    "varchar": _sized_text,
    "tinytext": _text,
    "text": _text,
    "mediumtext": _text,
    "longtext": _text,
    "json": lambda t: Travel("json", "json", "CAST({c} AS CHAR)", "string"),
    "uuid": lambda t: Travel("uuid", "uuid", "CAST({c} AS CHAR)", "string"),
    "inet4": lambda t: Travel("text", "string", "CAST({c} AS CHAR)"),
    "inet6": lambda t: Travel("text", "string", "CAST({c} AS CHAR)"),
    "enum": _enum,
    "set": _set,
}
_TYPES |= dict.fromkeys(
    ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"), lambda t: Travel("bytea", "binary")
)
_TYPES |= dict.fromkeys(SHAPES, _geometry)
_TYPES |= {"integer": _TYPES["int"], "numeric": _TYPES["decimal"], "real": _TYPES["double"]}


def is_float(type_: str) -> bool:
    """Whether a type is FLOAT, of single precision; no type is not."""
    return bool(type_) and parse(type_).base == "float"


def travel(type_: str) -> Travel | None:
    """Return how a value of the MySQL type travels, or None where the type is not known."""
    parsed = parse(type_)
    build = _TYPES.get(parsed.base)
    return build(parsed) if build else None
