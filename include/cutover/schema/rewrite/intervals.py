"""Dates and intervals of MySQL's units: what is added to a moment, and how far two moments are apart."""

from __future__ import annotations

import re

from cutover.schema.rewrite.moments import as_moment, as_timestamp
from cutover.schema.rewrite.scope import UntranslatableError
from cutover.schema.rewrite.value import (
    ADD,
    MOMENTS,
    MULTIPLY,
    OTHER,
    Value,
    fraction,
    integer,
    narrow,
    whole,
)

# The argument of make_interval for a unit, and how many of it the unit is.
_UNITS = {
    "YEAR": ("years", 1),
    "QUARTER": ("months", 3),
    "MONTH": ("months", 1),
    "WEEK": ("days", 7),
    "DAY": ("days", 1),
    "HOUR": ("hours", 1),
    "MINUTE": ("mins", 1),
    "SECOND": ("secs", 1),
}
_DAYS = frozenset({"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "YEAR_MONTH"})
_PARTS = ("DAY", "HOUR", "MINUTE", "SECOND", "MICROSECOND")
_SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400, "WEEK": 604800}
_MONTHS = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}


def shift(moment: Value, amount: Value, unit: str, sign: str) -> Value:
    """Return a moment with an interval added or taken away; a date stays one where the unit has no time of day.

    Raises:
        UntranslatableError: the unit or its amount is not known well enough, or it is no moment.
    """
    unit = unit.upper().removeprefix("SQL_TSI_")
    made = moment if moment.kind == "interval" and unit not in _DAYS else as_moment(moment)
    interval, digits = _interval(amount, unit)
    if made.kind == "null":
        raise UntranslatableError("an interval added to NULL")
    if made.kind == "date" and unit in _DAYS:
        if unit in ("DAY", "WEEK"):
            days = narrow(amount) if amount.kind != "text" else narrow(_literal(amount))
            times = f"{_operand(days)} * 7" if unit == "WEEK" else _operand(days)
            return Value(f"{made.at(ADD)} {sign} {times}", "date", ADD, "date")
        return Value(f"({made.at(ADD)} {sign} {interval})::date", "date", type="date")
    if made.kind == "date":
        made = as_timestamp(made)
    digits = max(digits, fraction(made))
    type_ = {"timestamptz": "timestamp({}) with time zone", "interval": "interval({})"}.get(made.kind, "timestamp({})")
    return Value(f"{made.at(ADD)} {sign} {interval}", made.kind, ADD, type_.format(digits))


def _operand(sql: str) -> str:
    return sql if re.fullmatch(r"\d+|[\w.\"]+|.*::int", sql) else f"({sql})"


def _literal(amount: Value) -> Value:
    written = (amount.literal or "").strip()
    if not re.fullmatch(r"-?\d+", written):
        raise UntranslatableError(f"an interval of {amount.literal or 'a text'!r}")
    return Value(written, "integer", type="integer", scale=0, literal=written)


def _interval(amount: Value, unit: str) -> tuple[str, int]:
    """Return the interval, and how many digits of a second it has."""
    if amount.kind == "text" and amount.literal is not None and "_" in unit:
        return _composite(amount.literal, unit)
    made = _literal(amount) if amount.kind == "text" else whole(amount)
    if unit == "MICROSECOND":
        return f"make_interval(secs => {made.at(MULTIPLY)} / 1000000.0::double precision)", 6
    if unit not in _UNITS:
        raise UntranslatableError(f"INTERVAL of {unit}")
    argument, times = _UNITS[unit]
    number = narrow(made) if argument != "secs" else made.sql
    if made.literal is not None:
        return f"INTERVAL '{int(made.literal) * times} {argument}'", 0
    if times > 1:
        number = f"{times} * {_operand(number)}"
    return f"make_interval({argument} => {number})", 0


def _composite(written: str, unit: str) -> tuple[str, int]:
    """MySQL takes the numbers of such an interval from the right, whatever stands between them."""
    sign = -1 if written.strip().startswith("-") else 1
    numbers = [int(found) for found in re.findall(r"\d+", written)]
    first, last = unit.split("_")
    if unit == "YEAR_MONTH":
        names = ["years", "months"]
    elif first in _PARTS and last in _PARTS and last != "MICROSECOND":
        names = [_UNITS[part][0] for part in _PARTS[_PARTS.index(first) : _PARTS.index(last) + 1]]
    else:
        raise UntranslatableError(f"INTERVAL of {unit}")
    if not numbers or len(numbers) > len(names):
        raise UntranslatableError(f"INTERVAL {written!r} {unit}")
    given = zip(names[-len(numbers) :], numbers, strict=True)
    return f"make_interval({', '.join(f'{name} => {sign * number}' for name, number in given)})", 0


def apart(unit: str, start: Value, end: Value) -> Value:
    """Return TIMESTAMPDIFF: how many whole units lie between two moments.

    Raises:
        UntranslatableError: the unit is not known, or one of them is no moment.
    """
    unit = unit.upper().removeprefix("SQL_TSI_")
    if start.kind not in MOMENTS and start.literal is None:
        raise UntranslatableError("TIMESTAMPDIFF of text")
    one, other = as_timestamp(start), as_timestamp(end)
    seconds = f"extract(epoch from {other.at(OTHER)} - {one.at(OTHER + 1)})"
    if unit == "MICROSECOND":
        return integer(f"({seconds} * 1000000)::bigint", type_="bigint")
    if unit in _SECONDS:
        length = _SECONDS[unit]
        return integer(f"trunc({seconds}{f' / {length}' if length > 1 else ''})::bigint", type_="bigint")
    if unit in _MONTHS:
        forward, backward = _months(one.sql, other.sql), _months(other.sql, one.sql)
        months = f"CASE WHEN {other.at(OTHER)} >= {one.at(OTHER)} THEN {forward} ELSE -({backward}) END"
        return integer(months if unit == "MONTH" else f"(({months}) / {_MONTHS[unit]})")
    raise UntranslatableError(f"TIMESTAMPDIFF in {unit}")


def _months(start: str, end: str) -> str:
    """Whole months from one timestamp to a later one: the last one counts when its day and time are reached."""

    def rest(moment: str) -> str:
        return f"{moment} - date_trunc('month', {moment})"

    years = f"(extract(year from {end})::int - extract(year from {start})::int) * 12"
    months = f"extract(month from {end})::int - extract(month from {start})::int"
    return f"{years} + {months} - ({rest(end)} < {rest(start)})::int"
