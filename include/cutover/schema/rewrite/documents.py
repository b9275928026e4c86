"""MySQL's functions of JSON, by name; a path must be a literal that names keys and places alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from cutover.schema.rewrite.context import Context
from cutover.schema.rewrite.scope import UntranslatableError
from cutover.schema.rewrite.value import OTHER, Value, as_text, integer, shown, string, text

Build = Callable[[Context, list[Value]], Value]

_STEP = re.compile(r'\.([A-Za-z_$][\w$]*)|\.("(?:[^"\\]|\\.)*")|\[(\d+)\]')
_PLAIN = frozenset({"text", "integer", "decimal", "json", "null"})


def document(value: Value) -> Value:
    """Return a value as a JSON document.

    Raises:
        UntranslatableError: it is neither JSON nor text that may be it.
    """
    if value.kind == "json":
        return value
    if value.kind == "text":
        return Value(f"{value.cast_ready}::json", "json", type="json")
    raise UntranslatableError(f"{value.kind} as JSON")


def extract(context: Context, value: Value, path: Value) -> Value:
    """Return what stands at a path of a document, as JSON.

    Raises:
        UntranslatableError: the path is no literal, or has wildcards.
    """
    made = document(value)
    written = path.literal
    if written is None or not written.startswith("$"):
        raise UntranslatableError("a JSON path that is not a literal")
    steps, place = [], 1
    while place < len(written):
        found = _STEP.match(written, place)
        if found is None:
            raise UntranslatableError(f"the JSON path {written}")
        key, in_quotes, index = found.groups()
        if index is not None:
            context.note("a place in a JSON value that is no array finds nothing, where the source may find the value")
        steps.append(index if index is not None else string(json.loads(in_quotes) if in_quotes else key))
        place = found.end()
    if not steps:
        return made
    return Value(" -> ".join([made.at(OTHER), *steps]), "json", OTHER, made.type)


def unquoted(_: Context, values: list[Value]) -> Value:
    """Return JSON as text, a string without its quotes; JSON's null is the text null there."""
    if values[0].kind != "json":
        raise UntranslatableError("JSON_UNQUOTE of text")
    inner = values[0].at(OTHER)
    return text(f"CASE json_typeof({_json(values[0])}) WHEN 'null' THEN 'null' ELSE {inner} #>> '{{}}' END")


def _json(value: Value) -> str:
    return value.sql if value.type == "json" else f"{value.cast_ready}::json"


def _extract(context: Context, values: list[Value]) -> Value:
    return extract(context, values[0], values[1])


def _length(context: Context, values: list[Value]) -> Value:
    found = _json(extract(context, values[0], values[1]) if len(values) > 1 else document(values[0]))
    # Text made of translated parts, never run here.
    keys = f"(SELECT count(DISTINCT k) FROM json_object_keys({found}) AS k)"  # noqa: S608
    lengths = {"array": f"json_array_length({found})", "object": keys}
    lengths |= dict.fromkeys(("string", "number", "boolean", "null"), "1")
    whens = " ".join(f"WHEN '{kind}' THEN {length}" for kind, length in lengths.items())
    return integer(f"CASE json_typeof({found}) {whens} END", type_="bigint")


def plain(value: Value) -> str:
    """Return a value as it goes into a JSON document.

    Raises:
        UntranslatableError: the two servers write it differently there.
    """
    made = shown(value)
    if made.kind == "enum":
        made = as_text(made)
    if made.kind not in _PLAIN:
        raise UntranslatableError(f"{made.kind} in a JSON document")
    return f"{made.sql}::text" if made.kind == "text" and made.literal is not None else made.sql


def _object(_: Context, values: list[Value]) -> Value:
    if len(values) % 2:
        raise UntranslatableError("JSON_OBJECT of an odd number of values")
    return Value(f"json_build_object({', '.join(plain(value) for value in values)})", "json", type="json")


def _array(_: Context, values: list[Value]) -> Value:
    return Value(f"json_build_array({', '.join(plain(value) for value in values)})", "json", type="json")


DOCUMENTS: dict[str, tuple[int, int | None, Build]] = {
    "JSON_ARRAY": (0, None, _array),
    "JSON_EXTRACT": (2, 2, _extract),
    "JSON_LENGTH": (1, 2, _length),
    "JSON_OBJECT": (0, None, _object),
    "JSON_UNQUOTE": (1, 1, unquoted),
}
