"""MySQL's functions of numbers, by name: how many arguments each takes and what it is in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from cutover.schema.rewrite.choices import coalesce, extreme, nullif
from cutover.schema.rewrite.context import Context
from cutover.schema.rewrite.operators import remainder
from cutover.schema.rewrite.scope import UntranslatableError
from cutover.schema.rewrite.value import IS, OTHER, Value, counted, double, integer, number, text, truth, whole, wide

Build = Callable[[Context, list[Value]], Value]


def _float(sql: str) -> Value:
    return Value(sql, "float", type="double precision")


def _double(name: str) -> Build:
    return lambda _, values: _float(f"{name}({', '.join(double(value) for value in values)})")


def _positive(name: str, test: str = "> 0") -> Build:
    """Where PostgreSQL refuses a number, MySQL makes NULL of it."""

    def build(_: Context, values: list[Value]) -> Value:
        made = double(values[0])
        return _float(f"CASE WHEN {number(values[0]).at(OTHER)} {test} THEN {name}({made}) END")

    return build


def _log(context: Context, values: list[Value]) -> Value:
    if len(values) == 1:
        return _positive("ln")(context, values)
    base, made = (number(value) for value in values)
    test = f"{base.at(OTHER)} > 0 AND {base.at(OTHER)} <> 1 AND {made.at(OTHER)} > 0"
    return _float(f"CASE WHEN {test} THEN ln({double(made)}) / ln({double(base)}) END")


def _abs(_: Context, values: list[Value]) -> Value:
    made = counted(values[0])
    return Value(f"abs({made.sql})", made.kind, type=made.type, scale=made.scale, loose=made.loose)


def _whole(name: str) -> Build:
    def build(_: Context, values: list[Value]) -> Value:
        made = counted(values[0])
        if made.kind == "integer":
            return made
        if made.kind == "decimal":
            return Value(f"{name}({made.sql})", "decimal", scale=0)
        return _float(f"{name}({made.sql})")

    return build


def _digits(name: str, float_name: str) -> Build:
    """ROUND and TRUNCATE; MySQL shifts a float, rounds it to a whole number and shifts it back."""

    def build(_: Context, values: list[Value]) -> Value:
        made = wide(values[0])
        written = values[1].literal if len(values) > 1 else "0"
        if written is None or (len(values) > 1 and values[1].kind != "integer"):
            raise UntranslatableError(f"{name.upper()} to a number of digits that is not known")
        digits = int(written)
        if made.kind == "null":
            return made
        if made.kind == "float":
            if digits == 0:
                return _float(f"{float_name}({made.sql})")
            if digits < 0:
                raise UntranslatableError(f"{name.upper()} of a float before its point")
            return _float(
                f"{float_name}({made.at(OTHER + 2)} * 1e{digits}::double precision) / 1e{digits}::double precision"
            )
        if made.kind == "integer":
            if digits >= 0:
                return made
            return integer(f"{name}({made.cast_ready}::numeric, {digits})::bigint", type_="bigint")
        made = counted(made)
        scale = None if made.scale is None else max(0, min(made.scale, digits))
        return Value(f"{name}({made.sql}, {digits})", "decimal", scale=scale, loose=scale != digits)

    return build


def _sign(_: Context, values: list[Value]) -> Value:
    return integer(f"sign({number(values[0]).sql})::int")


def _rand(_: Context, values: list[Value]) -> Value:
    if values:
        raise UntranslatableError("RAND() with a seed")
    return _float("random()")


def _bit_count(_: Context, values: list[Value]) -> Value:
    return integer(f"bit_count({wide(whole(values[0])).cast_ready}::bigint::bit(64))", type_="bigint")


def _isnull(_: Context, values: list[Value]) -> Value:
    return truth(f"{values[0].at(IS + 1)} IS NULL", IS)


def _uuid(_: Context, __: list[Value]) -> Value:
    return text("gen_random_uuid()::text")


NUMBER_FUNCTIONS: dict[str, tuple[int, int | None, Build]] = {
    "ABS": (1, 1, _abs),
    "ACOS": (1, 1, _positive("acos", "BETWEEN -1 AND 1")),
    "ASIN": (1, 1, _positive("asin", "BETWEEN -1 AND 1")),
    "ATAN": (1, 1, _double("atan")),
    "ATAN2": (2, 2, _double("atan2")),
    "BIT_COUNT": (1, 1, _bit_count),
    "CEIL": (1, 1, _whole("ceil")),
    "COALESCE": (1, None, coalesce),
    "COS": (1, 1, _double("cos")),
    "DEGREES": (1, 1, _double("degrees")),
    "EXP": (1, 1, _double("exp")),
    "FLOOR": (1, 1, _whole("floor")),
    "GREATEST": (2, None, partial(extreme, "GREATEST")),
    "IFNULL": (2, 2, coalesce),
    "ISNULL": (1, 1, _isnull),
    "LEAST": (2, None, partial(extreme, "LEAST")),
    "LN": (1, 1, _positive("ln")),
    "LOG": (1, 2, _log),
    "LOG10": (1, 1, _positive("log")),
    "LOG2": (1, 1, lambda context, values: _log(context, [integer("2"), values[0]])),
    "MOD": (2, 2, lambda _, values: remainder(values[0], values[1])),
    "NULLIF": (2, 2, nullif),
    "PI": (0, 0, lambda _, values: _float("pi()")),
    "POWER": (2, 2, _double("power")),
    "RADIANS": (1, 1, _double("radians")),
    "RAND": (0, 1, _rand),
    "ROUND": (1, 2, _digits("round", "round")),
    "SIGN": (1, 1, _sign),
    "SIN": (1, 1, _double("sin")),
    "SQRT": (1, 1, _positive("sqrt", ">= 0")),
    "TAN": (1, 1, _double("tan")),
    "TRUNCATE": (2, 2, _digits("trunc", "trunc")),
    "UUID": (0, 0, _uuid),
}
NUMBER_FUNCTIONS |= {"CEILING": NUMBER_FUNCTIONS["CEIL"], "POW": NUMBER_FUNCTIONS["POWER"]}
