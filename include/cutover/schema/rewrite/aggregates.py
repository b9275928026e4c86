"""MySQL's aggregates and window functions, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from cutover.schema.rewrite.context import LETTER_BY_LETTER, Context
from cutover.schema.rewrite.documents import plain
from cutover.schema.rewrite.scope import UntranslatableError
from cutover.schema.rewrite.value import (
    ATOM,
    IS,
    NUMBERS,
    Value,
    as_text,
    counted,
    double,
    integer,
    narrow,
    number,
    shown,
    string,
    text,
    whole,
    wide,
)

Build = Callable[[Context, list[Value], bool], Value]
_ALL_BITS = 18446744073709551615
_MORE = 4


@dataclass(frozen=True)
class Sorting:
    """One entry of an ORDER BY: the value and the words that follow it."""

    value: Value
    ending: str


def _each(distinct: bool) -> str:
    return "DISTINCT " if distinct else ""


def _count(context: Context, values: list[Value], distinct: bool) -> Value:
    if distinct and any(value.ignores_case for value in values):
        context.note(LETTER_BY_LETTER)
    if len(values) == 1:
        return integer(f"count({_each(distinct)}{values[0].sql})", type_="bigint")
    # MySQL leaves out what has a NULL anywhere.
    known = " AND ".join(f"{value.at(IS + 1)} IS NOT NULL" for value in values)
    return integer(
        f"count(DISTINCT ({', '.join(value.sql for value in values)})) FILTER (WHERE {known})", type_="bigint"
    )


def _sum(_: Context, values: list[Value], distinct: bool) -> Value:
    made = counted(values[0])
    if made.kind == "integer":
        return Value(f"sum({_each(distinct)}{made.sql})", "decimal", scale=0)
    return Value(f"sum({_each(distinct)}{made.sql})", made.kind, type=made.type, scale=made.scale, loose=made.loose)


def _avg(_: Context, values: list[Value], distinct: bool) -> Value:
    made = counted(values[0])
    if made.kind == "float":
        return Value(f"avg({_each(distinct)}{made.sql})", "float", type="double precision")
    if made.scale is None:
        raise UntranslatableError("AVG of a number whose digits are not known")
    scale = made.scale + _MORE
    kept = -(-scale // 9) * 9
    return Value(f"avg({_each(distinct)}{made.sql})", "decimal", scale=scale, loose=True, kept=kept)


def _extreme(name: str) -> Build:
    def build(context: Context, values: list[Value], distinct: bool) -> Value:
        made = values[0]
        if made.kind == "boolean":
            made = number(made)
        elif made.kind in ("enum", "uuid"):
            made = as_text(made)
        if made.kind not in NUMBERS | {"text", "date", "timestamp", "timestamptz", "interval"}:
            raise UntranslatableError(f"{name.upper()} of {made.kind}")
        if made.kind == "text":
            context.note("it orders text by the target's collation")
        return Value(
            f"{name}({made.sql})",
            made.kind,
            type=made.type,
            scale=made.scale,
            loose=made.loose,
            kept=made.kept,
            ignores_case=made.ignores_case,
        )

    return build


def _any(context: Context, values: list[Value], _: bool) -> Value:
    """Before PostgreSQL 16 has any_value(): one of the values, and of equal ones the one that all are."""
    context.note("where a group has several values of a column, the source shows any of them and the target one")
    made = values[0]
    called = f"(array_agg({made.sql}))[1]"
    if made.kind in NUMBERS | {"date", "timestamp", "timestamptz", "interval"}:
        called = f"min({made.sql})"
    return replace(made, sql=called, rank=ATOM, literal=None)


def _statistic(name: str) -> Build:
    return lambda _, values, distinct: Value(
        f"{name}({_each(distinct)}{double(values[0])})", "float", type="double precision"
    )


def _bits(name: str) -> Build:
    def build(context: Context, values: list[Value], _: bool) -> Value:
        context.note("bits of a negative number make a negative number, in the source a large positive one")
        made = wide(whole(values[0]))
        called = f"{name}({made.cast_ready}::bigint)"
        if name == "bit_and":
            return Value(f"COALESCE({called}::numeric, {_ALL_BITS})", "decimal", scale=0)
        return integer(f"COALESCE({called}, 0)", type_="bigint")

    return build


def _json_array(_: Context, values: list[Value], distinct: bool) -> Value:
    return Value(f"json_agg({_each(distinct)}{plain(values[0])})", "json", type="json")


def _json_object(_: Context, values: list[Value], __: bool) -> Value:
    return Value(f"json_object_agg({', '.join(plain(value) for value in values)})", "json", type="json")


def group_concat(
    context: Context, values: Sequence[Value], distinct: bool, order: Sequence[Sorting], separator: str
) -> Value:
    """Return GROUP_CONCAT.

    Raises:
        UntranslatableError: DISTINCT values are ordered by what has no least value.
    """
    context.note("it joins a group's texts whole, where the source cuts them at group_concat_max_len")
    if not order:
        context.note("it joins a group's texts in no fixed order, as the source does")
    made = [as_text(value) for value in values]
    joined = made[0] if len(made) == 1 else text(" || ".join(value.at(IS + 2) for value in made), *made)
    if distinct and joined.ignores_case:
        context.note(LETTER_BY_LETTER)
    sorts = ", ".join(f"{entry.value.sql}{entry.ending}" for entry in order)
    if not distinct or not order or [entry.value.sql for entry in order] == [joined.sql]:
        ending = f" ORDER BY {sorts}" if order else ""
        return text(f"string_agg({_each(distinct)}{joined.sql}, {string(separator)}{ending})", joined)
    return text(_distinct_in_order(joined, order, separator))


def _distinct_in_order(joined: Value, order: Sequence[Sorting], separator: str) -> str:
    """Join distinct texts in the order of something else, which PostgreSQL's DISTINCT forbids.

    A text that came with several keys stands where the least of them puts it; the source takes any.

    Raises:
        UntranslatableError: it is ordered by what has no least value.
    """
    if any(entry.value.kind not in NUMBERS | {"text", "date", "timestamp", "timestamptz"} for entry in order):
        raise UntranslatableError("GROUP_CONCAT(DISTINCT a ORDER BY b)")
    keys = [f"k{place}" for place in range(len(order))]
    arrays = ", ".join(f"array_agg({value.sql})" for value in (joined, *(entry.value for entry in order)))
    least = ", ".join(f"min(u.{key}) AS {key}" for key in keys)
    sorts = ", ".join(f"d.{key}{entry.ending}" for key, entry in zip(keys, order, strict=True))
    return (
        f"(SELECT string_agg(d.v, {string(separator)} ORDER BY {sorts}) FROM (SELECT u.v, {least} "  # noqa: S608
        f"FROM unnest({arrays}) AS u (v, {', '.join(keys)}) WHERE u.v IS NOT NULL GROUP BY u.v) AS d)"
    )


AGGREGATES: dict[str, tuple[int, int | None, Build]] = {
    "ANY_VALUE": (1, 1, _any),
    "AVG": (1, 1, _avg),
    "BIT_AND": (1, 1, _bits("bit_and")),
    "BIT_OR": (1, 1, _bits("bit_or")),
    "BIT_XOR": (1, 1, _bits("bit_xor")),
    "COUNT": (1, None, _count),
    "JSON_ARRAYAGG": (1, 1, _json_array),
    "JSON_OBJECTAGG": (2, 2, _json_object),
    "MAX": (1, 1, _extreme("max")),
    "MIN": (1, 1, _extreme("min")),
    "STDDEV_POP": (1, 1, _statistic("stddev_pop")),
    "STDDEV_SAMP": (1, 1, _statistic("stddev_samp")),
    "SUM": (1, 1, _sum),
    "VAR_POP": (1, 1, _statistic("var_pop")),
    "VAR_SAMP": (1, 1, _statistic("var_samp")),
}
AGGREGATES |= {
    "STD": AGGREGATES["STDDEV_POP"],
    "STDDEV": AGGREGATES["STDDEV_POP"],
    "VARIANCE": AGGREGATES["VAR_POP"],
}


def _row(name: str) -> Build:
    return lambda _, __, ___: integer(f"{name}()", type_="bigint")


def _share(name: str) -> Build:
    return lambda _, __, ___: Value(f"{name}()", "float", type="double precision")


def _other_row(name: str) -> Build:
    def build(_: Context, values: list[Value], __: bool) -> Value:
        made = shown(values[0])
        more = [narrow(values[1])] if len(values) > 1 else []
        if len(values) > 2:
            # PostgreSQL wants the default to be of the very same type.
            more.append(f"({shown(values[2]).sql})::{made.type or 'text'}")
        return Value(
            f"{name}({', '.join([made.sql, *more])})",
            made.kind,
            type=made.type,
            scale=made.scale,
            ignores_case=made.ignores_case,
        )

    return build


WINDOWS: dict[str, tuple[int, int | None, Build]] = {
    "CUME_DIST": (0, 0, _share("cume_dist")),
    "DENSE_RANK": (0, 0, _row("dense_rank")),
    "FIRST_VALUE": (1, 1, _other_row("first_value")),
    "LAG": (1, 3, _other_row("lag")),
    "LAST_VALUE": (1, 1, _other_row("last_value")),
    "LEAD": (1, 3, _other_row("lead")),
    "NTH_VALUE": (2, 2, _other_row("nth_value")),
    "NTILE": (1, 1, lambda _, values, __: integer(f"ntile({narrow(values[0])})")),
    "PERCENT_RANK": (0, 0, _share("percent_rank")),
    "RANK": (0, 0, _row("rank")),
    "ROW_NUMBER": (0, 0, _row("row_number")),
}
