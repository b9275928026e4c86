"""Which Arrow type carries each PostgreSQL type, exactly.

Binary COPY writes a value by its Arrow type, and nobody looks at the column's: where the widths
happen to match (int64 into double, uint64 into bigint) it writes garbage without a word. So each
PostgreSQL type has one Arrow type here, and every batch is cast to it before it is sent.
"""

from __future__ import annotations

import re

_ARROW = {
    "smallint": "int16",
    "int2": "int16",
    "integer": "int32",
    "int": "int32",
    "int4": "int32",
    "bigint": "int64",
    "int8": "int64",
    "real": "float32",
    "float4": "float32",
    "double precision": "float64",
    "float8": "float64",
    "boolean": "bool",
    "bool": "bool",
    "text": "string",
    "varchar": "string",
    "character varying": "string",
    "bytea": "binary",
    "date": "date32",
    "timestamp": "timestamp",
    "timestamp without time zone": "timestamp",
    "timestamptz": "timestamptz",
    "timestamp with time zone": "timestamptz",
    "interval": "duration",
    "json": "json",
    "uuid": "uuid",
}
_SIZED = re.compile(r"\s*\(([^)]*)\)")


def arrow_for(type_: str) -> str | None:
    """Return the Arrow type that carries a PostgreSQL type, or None where none does so exactly."""
    lowered = type_.strip().lower()
    size = _SIZED.search(lowered)
    base = " ".join(_SIZED.sub(" ", lowered).split())
    if base in ("numeric", "decimal"):
        if size is None:
            return None
        precision, _, scale = size[1].partition(",")
        return f"decimal({int(precision)},{int(scale or 0)})"
    return _ARROW.get(base)


def read_expression(arrow: str) -> str:
    """Return the SQL that reads a column back so that it can become ``arrow`` again; ``{c}`` is the column."""
    if arrow == "duration":
        return "(EXTRACT(EPOCH FROM {c}) * 1000000)::bigint"
    if arrow == "set":
        return "array_to_string({c}, ',')"
    if arrow == "geometry":
        # The bytes that COPY took: EWKB in the byte order of the server's machine (PostGIS source, LWGEOM_to_bytea).
        return "{c}::bytea"
    if arrow.startswith("decimal") or arrow in ("json", "uuid", "enum", "citext"):
        return "{c}::text"
    return "{c}"
