"""The Arrow types a value travels in, by name, and how a column is brought to one of them.

A name, not an object, stands in the plan, so that the plan can be written down as JSON.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from cutover.data import canonical

ARROW: dict[str, pa.DataType] = {
    "bool": pa.bool_(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "uint64": pa.uint64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
    "date32": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", tz="UTC"),
    "duration": pa.duration("us"),
    # A set travels as its labels joined by commas, as MySQL writes it; COPY takes a list.
    "enum": pa.string(),
    "citext": pa.string(),
    "set": pa.string(),
    # EWKB, which PostGIS's own reader of binary COPY takes (PostGIS source, LWGEOM_recv).
    "geometry": pa.binary(),
    "json": pa.json_(),
    # One text for each value: a number of any size, and a document in the order of its keys.
    "number": pa.string(),
    "jsonb": pa.string(),
    "uuid": pa.uuid(),
}
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")
_TIME = r"^(?P<sign>-?)(?P<h>\d+):(?P<m>\d+):(?P<s>\d+)(?:\.(?P<f>\d+))?$"
# Tuples: an array made here would import pandas at the start of every process.
_TRUE = ("1", "t", "true", "y", "yes")
_FALSE = ("0", "f", "false", "n", "no")


def arrow_type(name: str) -> pa.DataType:
    """Return the Arrow type called ``name``; raise KeyError where there is none."""
    found = _DECIMAL.fullmatch(name)
    if found is None:
        return ARROW[name]
    precision, scale = int(found[1]), int(found[2])
    return pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)


def _duration(array: pa.Array) -> pa.Array:
    parts = pc.extract_regex(array, _TIME)
    if parts.null_count > array.null_count:
        raise pa.ArrowInvalid("a value is not a time")
    text = {name: pc.struct_field(parts, name) for name in ("sign", "h", "m", "s", "f")}
    hours, minutes, seconds = (pc.cast(text[name], pa.int64()) for name in ("h", "m", "s"))
    fraction = pc.utf8_rpad(pc.fill_null(text["f"], "0"), width=6, padding="0")
    fraction = pc.cast(pc.if_else(pc.equal(text["f"], ""), "0", fraction), pa.int64())
    whole = pc.add(pc.add(pc.multiply(hours, 3600), pc.multiply(minutes, 60)), seconds)
    micros = pc.add(pc.multiply(whole, 1_000_000), fraction)
    return pc.cast(pc.if_else(pc.equal(text["sign"], "-"), pc.negate(micros), micros), pa.duration("us"))


def _boolean(array: pa.Array) -> pa.Array:
    if pa.types.is_string(array.type):
        lowered = pc.utf8_lower(array)
        true, false = (pc.is_in(lowered, pa.array(words)) for words in (_TRUE, _FALSE))
    else:
        true, false = pc.equal(array, 1), pc.equal(array, 0)
    if pc.any(pc.and_(pc.is_valid(array), pc.invert(pc.or_(true, false)))).as_py():
        raise pa.ArrowInvalid("a value is neither 0 nor 1")
    return pc.if_else(pc.is_valid(array), true, pa.scalar(None, pa.bool_()))


def cast(array: pa.Array, name: str) -> pa.Array:
    """Bring an array to the Arrow type called ``name`` without changing any value.

    Raises:
        pa.ArrowInvalid: a value does not fit.
        pa.ArrowNotImplementedError: there is no way between the two types.
    """
    wanted = arrow_type(name)
    if name in canonical.FORMS:
        return canonical.FORMS[name](array.storage if isinstance(array, pa.ExtensionArray) else array)
    if array.type == wanted:
        return array
    if isinstance(array.type, pa.BaseExtensionType):
        array = array.storage
    if name == "duration":
        return pc.cast(array, wanted) if pa.types.is_integer(array.type) else _duration(array)
    if name == "bool":
        return _boolean(array)
    if name == "json":
        return pa.ExtensionArray.from_storage(wanted, pc.cast(array, pa.string()))
    if name == "uuid":
        digits = pc.replace_substring(array, "-", "").to_pylist()
        return pa.array([None if v is None else bytes.fromhex(v) for v in digits], pa.binary(16)).cast(wanted)
    if name == "timestamptz" and pa.types.is_timestamp(array.type) and array.type.tz is None:
        # Arrow counts both from the same moment; assuming a time zone would look each value up.
        return pc.cast(array, pa.timestamp("us")).view(wanted)
    if pa.types.is_floating(array.type) and pa.types.is_string(wanted):
        raise pa.ArrowNotImplementedError("a float has no exact text")
    return pc.cast(array, wanted, safe=True)
