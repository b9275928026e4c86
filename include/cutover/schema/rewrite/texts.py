"""MySQL's functions of text, by name: how many arguments each takes and what it is in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from cutover.schema.rewrite.choices import case, unless_null
from cutover.schema.rewrite.compare import alike, compare
from cutover.schema.rewrite.context import LETTER_BY_LETTER, Context
from cutover.schema.rewrite.likes import matches
from cutover.schema.rewrite.scope import UntranslatableError
from cutover.schema.rewrite.value import (
    NUMBERS,
    OTHER,
    Value,
    as_text,
    integer,
    narrow,
    number_literal,
    string,
    text,
    whole,
)

Build = Callable[[Context, list[Value]], Value]
_DIGITS = 30


def concat(_: Context, values: list[Value]) -> Value:
    """Return texts one after the other, or NULL where one of them is."""
    made = [as_text(value) for value in values]
    if len(made) == 1:
        return replace(made[0], literal=None)
    return text(" || ".join(value.at(OTHER + 1) for value in made), *made, rank=OTHER)


def _concat_ws(_: Context, values: list[Value]) -> Value:
    made = [as_text(value) for value in values]
    return text(f"concat_ws({', '.join(value.sql for value in made)})", *made)


def _plain(name: str) -> Build:
    def build(_: Context, values: list[Value]) -> Value:
        made = as_text(values[0])
        return text(f"{name}({made.sql})", made)

    return build


def _count(name: str) -> Build:
    return lambda _, values: integer(f"{name}({as_text(values[0]).sql})")


def _bytes(_: Context, values: list[Value]) -> Value:
    if values[0].kind == "binary":
        return integer(f"octet_length({values[0].sql})")
    return integer(f"octet_length({as_text(values[0]).sql})")


def _not_negative(value: Value) -> str:
    made = narrow(value)
    if value.literal is not None:
        return made if int(value.literal) >= 0 else "0"
    return f"CASE WHEN {made} < 0 THEN 0 ELSE {made} END"


def _side(name: str) -> Build:
    def build(_: Context, values: list[Value]) -> Value:
        made = as_text(values[0])
        return text(f"{name}({made.sql}, {_not_negative(values[1])})", made)

    return build


def substring(_: Context, values: list[Value]) -> Value:
    """Return a part of a text; a negative position counts from its end, and zero finds nothing."""
    made, start = as_text(values[0]), whole(values[1])
    length = f", {_not_negative(values[2])}" if len(values) > 2 else ""
    if start.literal is not None:
        position = int(start.literal)
        if position > 0:
            return text(f"substr({made.sql}, {position}{length})", made)
        if position == 0:
            return text(unless_null([made, *values[2:]], "''"), made)
        cut = f"right({made.sql}, {-position})"
        cut = f"substr({cut}, 1{length})" if length else cut
        return text(f"CASE WHEN char_length({made.sql}) < {-position} THEN '' ELSE {cut} END", made)
    at = narrow(start)
    found = (
        f"CASE WHEN {at} > 0 THEN substr({made.sql}, {at}{length}) "
        f"WHEN {at} < 0 AND char_length({made.sql}) + {at} >= 0 "
        f"THEN substr({made.sql}, char_length({made.sql}) + {at} + 1{length}) ELSE '' END"
    )
    return text(unless_null([made, *values[1:]], found), made)


def locate(context: Context, part: Value, whole_: Value, start: Value | None = None) -> Value:
    """Return where a text begins in another one, counted from 1, or 0."""
    inner, outer = as_text(part), as_text(whole_)
    needle, hay = inner.sql, outer.sql
    if inner.ignores_case or outer.ignores_case:
        context.note("it looks for text without regard to case, where the source may ignore accents too")
        needle, hay = f"lower({needle})", f"lower({hay})"
    if start is None:
        return integer(f"strpos({hay}, {needle})")
    place = whole(start).literal
    if place is None or int(place) < 1 or not inner.literal:
        raise UntranslatableError("LOCATE from a place that is not known")
    after = f"strpos(substr({hay}, {place}), {needle})"
    return integer(f"CASE WHEN {after} = 0 THEN 0 ELSE {after} + {int(place) - 1} END")


def trim(_: Context, value: Value, removed: Value | None, side: str) -> Value:
    """Return a text without what stands at its ends; PostgreSQL removes characters, MySQL a text as a whole."""
    made = as_text(value)
    if removed is not None and (removed.literal is None or len(removed.literal) != 1):
        raise UntranslatableError("TRIM of more than one character")
    name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(side, "btrim")
    return text(f"{name}({made.sql}, {removed.sql if removed is not None else string(' ')})", made)


def _pad(name: str) -> Build:
    def build(_: Context, values: list[Value]) -> Value:
        made, filling = as_text(values[0]), as_text(values[2])
        length = whole(values[1])
        if length.literal is None or int(length.literal) < 0 or not filling.literal:
            raise UntranslatableError(f"{name.upper()} to a length or with a text that is not known")
        return text(f"{name}({made.sql}, {length.sql}, {filling.sql})", made, filling)

    return build


def _repeat(_: Context, values: list[Value]) -> Value:
    made = as_text(values[0])
    return text(f"repeat({made.sql}, {narrow(values[1])})", made)


def _replace(_: Context, values: list[Value]) -> Value:
    made = [as_text(value) for value in values]
    return text(f"replace({', '.join(value.sql for value in made)})", *made)


def _substring_index(_: Context, values: list[Value]) -> Value:
    made, mark, count = as_text(values[0]), values[1].literal, values[2].literal
    if not mark or count is None or values[1].kind != "text" or values[2].kind != "integer":
        raise UntranslatableError("SUBSTRING_INDEX with a text or number that is not known")
    if any(mark.startswith(mark[place:]) for place in range(1, len(mark))):
        raise UntranslatableError("SUBSTRING_INDEX with a text that overlaps itself")
    parts = f"string_to_array({made.sql}, {values[1].sql})"
    if int(count) == 0:
        return text(unless_null([made], "''"), made)
    cut = f"[:{count}]" if int(count) > 0 else f"[GREATEST(cardinality({parts}) - {-int(count) - 1}, 1):]"
    return text(f"array_to_string(({parts}){cut}, {values[1].sql})", made)


def _find_in_set(context: Context, values: list[Value]) -> Value:
    part, joined = values
    if joined.kind == "set":
        if part.literal is None or "," in part.literal or not part.literal:
            raise UntranslatableError("FIND_IN_SET of a text that is not known")
        if joined.ignores_case:
            context.note(LETTER_BY_LETTER)
        # As a number it would be the place in the definition of the set.
        return Value("", "integer", truth=f"{part.sql} = ANY({joined.sql})")
    one, many = as_text(part), as_text(joined)
    if one.ignores_case or many.ignores_case:
        context.note(LETTER_BY_LETTER)
    found = f"COALESCE(array_position(string_to_array({many.sql}, ','), {one.at(OTHER)}), 0)"
    return integer(unless_null([one, many], found))


def _field(context: Context, values: list[Value]) -> Value:
    groups = {"number" if value.kind in NUMBERS else value.kind for value in values}
    if len(groups - {"enum", "text"}) > (0 if groups & {"enum", "text"} else 1):
        raise UntranslatableError("FIELD over values of several kinds")
    whens = [(value, integer(str(place))) for place, value in enumerate(values[1:], 1)]
    return case(context, whens, integer("0"), subject=values[0])


def _elt(context: Context, values: list[Value]) -> Value:
    whens = [(number_literal(str(place)), as_text(value)) for place, value in enumerate(values[1:], 1)]
    return case(context, whens, None, subject=whole(values[0]))


def _strcmp(context: Context, values: list[Value]) -> Value:
    one, other = alike(context, as_text(values[0]), as_text(values[1]), ordered=True)
    tests = [
        (compare(context, sign, one, other), number_literal(made))
        for sign, made in zip("=<>", ["0", "-1", "1"], strict=True)
    ]
    context.note("it orders text by the target's collation")
    return case(context, tests, None)


def _ascii(_: Context, values: list[Value]) -> Value:
    made = as_text(values[0])
    first = f"get_byte(convert_to({made.sql}, 'UTF8'), 0)"
    return integer(f"CASE WHEN {made.at(OTHER)} = '' THEN 0 ELSE {first} END")


def _as_bytes(value: Value) -> str:
    return value.sql if value.kind == "binary" else f"convert_to({as_text(value).sql}, 'UTF8')"


def _hex(_: Context, values: list[Value]) -> Value:
    if values[0].kind == "integer":
        return text(f"upper(to_hex({values[0].cast_ready}::bigint))")
    if values[0].kind in ("decimal", "float", "boolean", "bit"):
        raise UntranslatableError(f"HEX of {values[0].kind}")
    return text(f"upper(encode({_as_bytes(values[0])}, 'hex'))")


def _unhex(_: Context, values: list[Value]) -> Value:
    made = as_text(values[0])
    even = f"CASE WHEN char_length({made.sql}) % 2 = 1 THEN '0' ELSE '' END || {made.at(OTHER + 1)}"
    return Value(
        f"CASE WHEN {made.at(OTHER)} ~ '^[0-9A-Fa-f]*$' THEN decode({even}, 'hex') END", "binary", type="bytea"
    )


def _md5(_: Context, values: list[Value]) -> Value:
    return text(f"md5({values[0].sql if values[0].kind == 'binary' else as_text(values[0]).sql})")


def _sha2(_: Context, values: list[Value]) -> Value:
    length = {"0": "256", "224": "224", "256": "256", "384": "384", "512": "512"}.get(values[1].literal or "")
    if length is None:
        raise UntranslatableError("SHA2 of a length that is not known")
    return text(f"encode(sha{length}({_as_bytes(values[0])}), 'hex')")


def _format(_: Context, values: list[Value]) -> Value:
    digits = whole(values[1]).literal
    if values[0].kind not in ("integer", "decimal") or digits is None or not 0 <= int(digits) <= _DIGITS:
        raise UntranslatableError("FORMAT of a float, or to digits that are not known")
    pattern = "FM" + ",".join(["999"] * 12) + ",990" + ("." + "0" * int(digits) if int(digits) else "")
    return text(f"to_char(round({values[0].cast_ready}::numeric, {digits}), '{pattern}')")


def _space(_: Context, values: list[Value]) -> Value:
    return text(f"repeat(' ', {narrow(values[0])})")


TEXTS: dict[str, tuple[int, int | None, Build]] = {
    "ASCII": (1, 1, _ascii),
    "CHAR_LENGTH": (1, 1, _count("char_length")),
    "CONCAT": (1, None, concat),
    "CONCAT_WS": (2, None, _concat_ws),
    "ELT": (2, None, _elt),
    "FIELD": (2, None, _field),
    "FIND_IN_SET": (2, 2, _find_in_set),
    "FORMAT": (2, 2, _format),
    "HEX": (1, 1, _hex),
    "INSTR": (2, 2, lambda context, values: locate(context, values[1], values[0])),
    "LEFT": (2, 2, _side("left")),
    "LENGTH": (1, 1, _bytes),
    "LOCATE": (2, 3, lambda context, values: locate(context, *values)),
    "LOWER": (1, 1, _plain("lower")),
    "LPAD": (3, 3, _pad("lpad")),
    "LTRIM": (1, 1, lambda context, values: trim(context, values[0], None, "LEADING")),
    "MD5": (1, 1, _md5),
    "MID": (3, 3, substring),
    # How MySQL 8 prints REGEXP; a third argument would choose another way to match.
    "REGEXP_LIKE": (2, 2, lambda context, values: matches(context, *values)),
    "REPEAT": (2, 2, _repeat),
    "REPLACE": (3, 3, _replace),
    "REVERSE": (1, 1, _plain("reverse")),
    "RIGHT": (2, 2, _side("right")),
    "RPAD": (3, 3, _pad("rpad")),
    "RTRIM": (1, 1, lambda context, values: trim(context, values[0], None, "TRAILING")),
    "SHA2": (2, 2, _sha2),
    "SPACE": (1, 1, _space),
    "STRCMP": (2, 2, _strcmp),
    "SUBSTRING_INDEX": (3, 3, _substring_index),
    "UNHEX": (1, 1, _unhex),
    "UPPER": (1, 1, _plain("upper")),
}
TEXTS |= {
    "CHARACTER_LENGTH": TEXTS["CHAR_LENGTH"],
    "LCASE": TEXTS["LOWER"],
    "OCTET_LENGTH": TEXTS["LENGTH"],
    "UCASE": TEXTS["UPPER"],
}
