"""Dates and times: how literals are read, and what becomes a date, a timestamp or an interval."""

from __future__ import annotations

import re
from datetime import datetime

from cutover.schema.rewrite.scope import UntranslatableError
from cutover.schema.rewrite.value import MOMENTS, Value, fraction, text_literal

_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[ T](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,6}))?)?)?")
_TIME = re.compile(r"(-?)(\d{1,3}):(\d{2}):(\d{2})(\.\d{1,6})?")


def moment_literal(written: str) -> tuple[str, bool]:
    """Return a date or datetime literal in full, and whether it has a time of day.

    Raises:
        UntranslatableError: it is not a date of the calendar, or written in a way that only MySQL reads.
    """
    found = _DATE.fullmatch(written)
    if found is None:
        raise UntranslatableError(f"{written!r} as a date")
    year, month, day, hour, minute, second, micro = found.groups()
    try:
        made = datetime(*(int(part or 0) for part in (year, month, day, hour, minute, second)))  # type: ignore[arg-type]
    except ValueError:
        raise UntranslatableError(f"{written!r} as a date") from None
    if hour is None:
        return made.date().isoformat(), False
    full = made.isoformat(sep=" ", timespec="seconds")
    return full + (f".{micro}" if micro else ""), True


def as_moment(value: Value) -> Value:
    """Return the value as a date or a timestamp.

    Raises:
        UntranslatableError: it is neither and no literal of one.
    """
    if value.kind in MOMENTS or value.kind == "null":
        return value
    if value.kind == "text" and value.literal is not None:
        written, timed = moment_literal(value.literal)
        if not timed:
            return Value(f"DATE '{written}'", "date", type="date")
        digits = len(written.partition(".")[2])
        return Value(f"TIMESTAMP '{written}'", "timestamp", type=f"timestamp({digits})")
    raise UntranslatableError(f"{value.kind} as a date")


def as_date(value: Value) -> Value:
    """Return the day of a moment."""
    made = as_moment(value)
    if made.kind == "date":
        return made
    return Value(f"{made.cast_ready}::date", "date", type="date")


def as_timestamp(value: Value) -> Value:
    """Return a moment as a timestamp in the session's time zone; a day is its midnight."""
    made = as_moment(value)
    if made.kind == "timestamp":
        return made
    return Value(f"{made.cast_ready}::timestamp", "timestamp", type=f"timestamp({fraction(made)})")


def as_interval(value: Value) -> Value:
    """Return a TIME, which is an interval in the target.

    Raises:
        UntranslatableError: it is no TIME and no literal of one.
    """
    if value.kind in ("interval", "null"):
        return value
    if value.kind == "text" and value.literal is not None:
        written = time_literal(value.literal)
        digits = len(written.partition(".")[2])
        return Value(f"INTERVAL '{written}'", "interval", type=f"interval({digits})")
    raise UntranslatableError(f"{value.kind} as a time")


def time_literal(written: str) -> str:
    """Return a TIME literal that both servers read alike.

    Raises:
        UntranslatableError: it is another way to write a TIME, or beyond what MySQL holds.
    """
    found = _TIME.fullmatch(written)
    if found is None or int(found[2]) > 838 or int(found[3]) > 59 or int(found[4]) > 59:
        raise UntranslatableError(f"{written!r} as a time")
    return written


def quoted_moment(value: Value, other: Value) -> Value:
    """Return a text literal that is compared with a date or timestamp, as a literal of the right type."""
    made = as_moment(value)
    if made.kind == "date":
        written = made.sql.removeprefix("DATE ").strip("'")
        # Without a cast it takes the type of what it is compared with, and keeps the index usable.
        return text_literal(written)
    if other.kind == "date":
        return made
    return text_literal(made.sql.removeprefix("TIMESTAMP ").strip("'"))
