"""One form for a value, whichever side it comes from: how it is read, and what it is then.

Nothing is trimmed, folded or cut: two values are the same where their type says so.
"""

from __future__ import annotations

import datetime
import json
import re
import struct
from collections import Counter
from decimal import Decimal, InvalidOperation
from typing import Any

# Beside its columns' values a side tells how many of a column's are odd: zero dates, geometries with an SRID.
Odd = Counter[tuple[str, str]]
ZERO_DATE, SRID = "zero date", "srid"
_MOMENT = re.compile(r"(\d+)-(\d+)-(\d+)(?: (\d+:\d+:\d+)(?:\.(\d+))?)?(?:\+00)?$")
_TIME = re.compile(r"(-?)(\d+):(\d+):(\d+)(?:\.(\d+))?$")
# The flag with which PostGIS marks a geometry that carries its SRID.
_WITH_SRID = 0x20000000


def reading(family: str, column: str) -> str:
    """The source's expression for a column's values, such that the client changes nothing of them."""
    if family == "float":
        # The text protocol writes a FLOAT with six digits; as a product it is a DOUBLE, written in full.
        # A sum with zero would take the sign of a zero.
        return f"{column} * 1e0"
    if family == "bit":
        return f"{column} + 0"
    if family == "geometry":
        return f"CONCAT(ST_SRID({column}), ':', HEX(ST_AsBinary({column})))"
    if family in ("date", "moment", "time", "json", "set", "word"):
        return f"CAST({column} AS CHAR)"
    return column


def reading_target(family: str, column: str, type_: str) -> str:
    """The target's expression for a column's values."""
    if family == "float" and type_ in ("real", "double precision", "numeric"):
        return f"{column}::float8"
    if family == "time" and type_.startswith(("interval", "time")):
        return f"(extract(epoch FROM {column}) * 1000000)::numeric(30, 0)"
    if family == "word" and type_ == "inet":
        return f"host({column})"
    if family in ("integer", "decimal", "text", "bytes", "set") and not type_.startswith("enum "):
        return column
    if family == "geometry" and type_ != "bytea":
        return f"{column}::bytea"
    return column if type_ == "bytea" or (family == "bit" and not type_.startswith("bit")) else f"{column}::text"


def canonical(family: str, value: Any, column: str, odd: Odd) -> Any:
    """What a value is, in a form that is equal where the values are; of either side."""
    if value is None:
        return None
    try:
        return _canonical(family, value, column, odd)
    except (ValueError, TypeError, InvalidOperation, struct.error):
        return ("unlike its type", repr(value))


def _canonical(family: str, value: Any, column: str, odd: Odd) -> Any:
    if family in ("integer", "decimal"):
        return Decimal(value)
    if family == "float":
        return struct.pack(">d", float(value))
    if family in ("date", "moment"):
        return _moment(value, column, odd)
    if family == "time":
        return _microseconds(value)
    if family == "bit":
        return _bits(value)
    if family == "bytes":
        return value.encode() if isinstance(value, str) else bytes(value)
    if family == "set":
        return tuple(value if isinstance(value, list) else value.split(",")) if value else ()
    if family == "json":
        return _json(value)
    if family == "geometry":
        return _shape(value, column, odd)
    return value.decode() if isinstance(value, bytes) else str(value)


def _moment(value: str, column: str, odd: Odd) -> Any:
    match = _MOMENT.match(value)
    if match is None:
        return ("no date", value)
    year, month, day = (int(part) for part in match.groups()[:3])
    try:
        date = datetime.date(year, month, day)
    except ValueError:
        odd[column, ZERO_DATE] += 1
        return None
    return (date, match[4] or "00:00:00", (match[5] or "").rstrip("0"))


def _microseconds(value: Any) -> int:
    if not isinstance(value, str):
        return int(value)
    match = _TIME.match(value)
    if match is None:
        raise ValueError(value)
    hours, minutes, seconds = (int(part) for part in match.groups()[1:4])
    whole = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + int((match[5] or "0").ljust(6, "0"))
    return -whole if match[1] else whole


def _bits(value: Any) -> int:
    if isinstance(value, bytes):
        return int.from_bytes(value, "big")
    return int(value, 2) if isinstance(value, str) else int(value)


def _json(value: str | bytes) -> Any:
    text = value.decode() if isinstance(value, bytes) else value
    try:
        return _plain(json.loads(text, parse_float=Decimal, parse_int=Decimal))
    except ValueError:
        return ("no JSON", text)


def _plain(value: Any) -> Any:
    """A hashable form in which true and 1 differ, and the order of an object's keys does not matter."""
    if isinstance(value, dict):
        return ("object", frozenset((key, _plain(part)) for key, part in value.items()))
    if isinstance(value, list):
        return ("array", tuple(_plain(part) for part in value))
    return (type(value).__name__, value)


def _shape(value: str | bytes, column: str, odd: Odd) -> bytes:
    """The geometry as WKB; its SRID, where it has one, is counted."""
    if isinstance(value, str):
        number, _, digits = value.partition(":")
        srid, plain = int(number), bytes.fromhex(digits)
    else:
        srid, plain = _taken_apart(bytes(value))
    odd[column, SRID] += srid != 0
    return plain


def _taken_apart(value: bytes) -> tuple[int, bytes]:
    """SRID and WKB, of WKB, of EWKB or of MySQL's own form (the SRID in four bytes, then WKB), all little-endian."""
    kind = int.from_bytes(value[1:5], "little")
    if value[0] == 1 and 1 <= kind <= 7:
        return 0, value
    if value[0] == 1 and 1 <= kind - _WITH_SRID <= 7:
        return int.from_bytes(value[5:9], "little"), b"\1" + (kind - _WITH_SRID).to_bytes(4, "little") + value[9:]
    return int.from_bytes(value[:4], "little"), value[4:]
