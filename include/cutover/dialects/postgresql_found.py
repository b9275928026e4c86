"""In which Arrow type a column of any PostgreSQL type is compared with what a source's column should be there.

Whoever made the table may have chosen another type than Cutover would. The comparison is made in a type that holds
every value of both, so that what differs is told as it is, and not as what a cast made of it.
"""

from __future__ import annotations

import re

from cutover.dialects import postgresql_types

_SIZED = re.compile(r"\(\s*(\d+)\s*(?:,\s*(-?\d+)\s*)?\)")
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")
_DIGITS = {"int16": 5, "int32": 10, "int64": 19, "uint64": 20}
_TEXT = ("string", "enum", "citext", "uuid", "json")
# PostgreSQL's own, of which none is a geometry of MySQL's.
_SHAPES = ("point", "line", "lseg", "box", "path", "polygon", "circle")
_FLOATS = ("float32", "float64")
_MOMENTS = ("timestamp", "timestamptz", "date32")
# Arrow's widest decimal.
_MOST_DIGITS = 76


def base(type_: str) -> str:
    """Return a type's name as the server writes it, without its size."""
    return " ".join(_SIZED.sub(" ", type_).split())


def meeting(arrow: str, found: str) -> str | None:
    """Return the name of the Arrow type to compare in, or None where there is none.

    Args:
        arrow: what carries the value from the source, of :data:`cutover.data.types.ARROW`.
        found: the type in the target, as ``format_type`` writes it.
    """
    name = base(found)
    own = postgresql_types.arrow_for(found) or ("decimal" if name == "numeric" else "")
    if name in _SHAPES or (own == "binary") != (arrow == "binary"):
        return "binary" if {own, arrow} <= {"binary", "string"} else None
    if arrow in _DIGITS or arrow in ("bool", *_FLOATS) or arrow.startswith("decimal"):
        return _number(arrow, own, found)
    if arrow in _MOMENTS:
        return _moment(arrow, own)
    if arrow == "duration":
        return arrow if own == "duration" or name == "time without time zone" else None
    if arrow == "set":
        return arrow if name.endswith("[]") or own == "string" else None
    if arrow == "geometry":
        return arrow if name.split(".")[-1] == "geometry" else None
    if arrow in _TEXT:
        if name.endswith("[]"):
            return None
        return name if name in ("jsonb", "uuid") else "string"
    return arrow if own == arrow else None


def _number(arrow: str, own: str, found: str) -> str | None:
    if arrow in _DIGITS and (own in _DIGITS or own == "bool"):
        return max(arrow, "int64" if own == "bool" else own, key=_DIGITS.__getitem__)
    if arrow == "bool" and (own in _DIGITS or own == "bool"):
        return own
    if arrow in _FLOATS and own in _FLOATS:
        return "float64" if arrow != own else arrow
    if arrow not in (*_FLOATS, "bool") and (own.startswith("decimal") or own in _DIGITS):
        return _decimal(arrow, own, found)
    # A float's shortest decimal is what it is compared by: no other type holds both.
    return "number" if own.startswith(("decimal", "float")) and arrow != "bool" else None


def _decimal(arrow: str, own: str, found: str) -> str:
    sized, mine = _SIZED.search(found), _DECIMAL.fullmatch(arrow)
    if sized is None and own not in _DIGITS:
        return "number"
    digits, scale = (int(mine[1]), int(mine[2])) if mine else (_DIGITS[arrow], 0)
    theirs, their_scale = (int(sized[1]), int(sized[2] or 0)) if sized is not None else (_DIGITS[own], 0)
    behind = max(scale, their_scale, 0)
    whole = max(digits - scale, theirs - their_scale) + behind
    return f"decimal({whole},{behind})" if whole <= _MOST_DIGITS else "number"


def _moment(arrow: str, own: str) -> str | None:
    if own not in _MOMENTS:
        return None
    return "timestamp" if arrow == "date32" and own != arrow else arrow


def in_order(arrow: str, found: str) -> bool:
    """Whether the target sorts a key of type ``found`` as the values of the Arrow type do, and takes its edges."""
    own = postgresql_types.arrow_for(found) or ("decimal" if base(found) == "numeric" else "")
    if arrow in _DIGITS or arrow.startswith("decimal"):
        return own in _DIGITS or own.startswith("decimal")
    return own in _MOMENTS if arrow in _MOMENTS else own == arrow


def key_meeting(arrow: str, found: str) -> str | None:
    """Return what a key's column is compared in: numbers stay numbers, for text sorts unlike them."""
    if base(found) == "numeric" and _SIZED.search(found) is None and (arrow in _DIGITS or arrow.startswith("decimal")):
        mine = _DECIMAL.fullmatch(arrow)
        return arrow if mine else f"decimal({_DIGITS[arrow]},0)"
    return meeting(arrow, found)


def read_expression(arrow: str, found: str) -> str:
    """Return the SQL that reads a column of type ``found`` so that it can become ``arrow``; ``{c}`` is the column."""
    name = base(found)
    own = postgresql_types.arrow_for(found)
    if arrow == "number":
        return "trim_scale({c}::text::numeric)::text"
    if arrow in _DIGITS and own == "bool":
        return "{c}::int"
    if arrow in _FLOATS and own != arrow:
        return "{c}::float8"
    if arrow == "timestamp" and own == "date32":
        return "{c}::timestamp"
    if arrow in _MOMENTS and own != arrow and own in ("timestamp", "timestamptz"):
        return "({c} AT TIME ZONE 'UTC')"
    if arrow == "timestamptz" and own == "date32":
        return "({c}::timestamp AT TIME ZONE 'UTC')"
    if arrow == "binary" and own == "string":
        return "convert_to({c}::text, 'UTF8')"
    if arrow == "set" and own == "string":
        return "{c}::text"
    if arrow == "set":
        # No label of a set has a comma, and none is NULL.
        odd = "array_position({c}::text[], NULL) IS NOT NULL OR array_to_string({c}::text[], '') LIKE '%,%'"
        return f"CASE WHEN {odd} THEN {{c}}::text ELSE array_to_string({{c}}::text[], ',') END"
    if arrow == "string" and name == "inet":
        return "CASE WHEN masklen({c}) = CASE family({c}) WHEN 4 THEN 32 ELSE 128 END THEN host({c}) ELSE {c}::text END"
    if arrow == "duration" and own == "duration":
        # A month is no number of seconds, though it is taken for thirty days.
        months = "EXTRACT(YEAR FROM {c}) <> 0 OR EXTRACT(MONTH FROM {c}) <> 0"
        return f"CASE WHEN {months} THEN -9000000000000000000 ELSE (EXTRACT(EPOCH FROM {{c}}) * 1000000)::bigint END"
    if arrow in ("string", "jsonb"):
        return "{c}" if own == "string" else "{c}::text"
    return postgresql_types.read_expression(arrow)


def sent_expression(arrow: str) -> str:
    """Return the SQL that makes of a staged value what :func:`read_expression` gives; ``{c}`` is the staged column."""
    if arrow == "set":
        return "array_to_string({c}, ',')"
    if arrow == "duration":
        return "(EXTRACT(EPOCH FROM {c}) * 1000000)::bigint"
    return "{c}::text" if arrow in ("json", "uuid", "enum", "citext") else "{c}"


# Columns of these types take a value of the Arrow type as COPY writes it.
_STAGED = {
    "bool": "boolean",
    "int16": "smallint",
    "int32": "integer",
    "int64": "bigint",
    "float32": "real",
    "float64": "double precision",
    "string": "text",
    "number": "text",
    "jsonb": "text",
    "enum": "text",
    "citext": "text",
    "set": "text[]",
    "binary": "bytea",
    "geometry": "bytea",
    "date32": "date",
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
    "duration": "interval",
    "json": "json",
    "uuid": "uuid",
}


def staged_type(arrow: str) -> str:
    """Return the type of a column that takes values of ``arrow`` for a while."""
    return arrow.replace("decimal", "numeric") if arrow.startswith("decimal") else _STAGED[arrow]


def write_expression(arrow: str, found: str) -> str:
    """Return the SQL that makes a staged value one of type ``found``; ``{c}`` is the staged column.

    Text and numbers are left to the assignment, which refuses what does not fit where a cast would cut it.
    """
    own = postgresql_types.arrow_for(found)
    if own == "bool" and arrow != "bool":
        return "{c}::int::boolean"
    if arrow == "binary" and own == "string":
        return "convert_from({c}, 'UTF8')"
    if arrow == "set" and own == "string":
        return "array_to_string({c}, ',')"
    if arrow == "number":
        return "{c}::numeric"
    if own == "string" or arrow.startswith(("decimal", "int")):
        return "{c}"
    return f"{{c}}::{found}"
