"""MySQL's functions of dates and times, by name: how many arguments each takes and what it is in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from cutover.schema.rewrite.context import IN_UTC, Context
from cutover.schema.rewrite.formats import date_format
from cutover.schema.rewrite.moments import as_date, as_interval, as_moment, as_timestamp
from cutover.schema.rewrite.scope import UntranslatableError
from cutover.schema.rewrite.value import MOMENTS, OTHER, Value, fraction, integer, narrow, text, whole

Build = Callable[[Context, list[Value]], Value]

# The largest TIME, in seconds.
_LONGEST = 838 * 3600 + 59 * 60 + 59
_PRECISIONS = {0: "second", 3: "milliseconds"}


def _timestamp(sql: str, digits: int = 0) -> Value:
    return Value(sql, "timestamp", type=f"timestamp({digits})")


def _cut(sql: str, digits: int) -> Value:
    """MySQL cuts the current time to its digits; a cast would round it into the future."""
    if digits == 6:
        return _timestamp(sql, 6)
    if digits not in _PRECISIONS:
        raise UntranslatableError(f"the current time with {digits} digits")
    return _timestamp(f"date_trunc('{_PRECISIONS[digits]}', {sql})", digits)


def _now(clock: str, zone: str, context: Context, values: list[Value]) -> Value:
    if values and whole(values[0]).literal is None:
        raise UntranslatableError("the current time with digits that are not known")
    if not zone:
        context.note(IN_UTC)
    sql = f"({clock} AT TIME ZONE '{zone}')" if zone else f"{clock}::timestamp"
    return _cut(sql, int(values[0].literal or 0) if values else 0)


def _today(zone: str, context: Context, _: list[Value]) -> Value:
    if zone:
        return Value("(statement_timestamp() AT TIME ZONE 'UTC')::date", "date", type="date")
    context.note(IN_UTC)
    return Value("statement_timestamp()::date", "date", type="date")


def _time_of_day(zone: str, context: Context, values: list[Value]) -> Value:
    made = _now("statement_timestamp()", zone, context, values)
    return Value(f"{made.sql}::time::interval", "interval", type=f"interval({fraction(made)})")


def part(field: str, value: Value) -> Value:
    """Return a part of a moment as a whole number."""
    if value.kind == "interval" and field in ("hour", "minute", "second"):
        taken = f"extract({field} from {value.sql})"
        return integer(f"abs(trunc({taken}))::int" if field == "second" else f"abs({taken})::int")
    made = as_moment(value)
    if field in ("hour", "minute", "second"):
        made = as_timestamp(made)
    taken = f"extract({field} from {made.sql})"
    return integer(f"trunc({taken})::int" if field == "second" else f"{taken}::int")


def _part(field: str, change: str = "") -> Build:
    def build(_: Context, values: list[Value]) -> Value:
        made = part(field, values[0])
        return integer(f"({made.sql}{change})") if change else made

    return build


def _microsecond(_: Context, values: list[Value]) -> Value:
    made = values[0] if values[0].kind == "interval" else as_timestamp(values[0])
    return integer(f"(abs(extract(microseconds from {made.sql}))::bigint % 1000000)::int")


def _named(pattern: str) -> Build:
    return lambda _, values: text(f"to_char({as_moment(values[0]).sql}, '{pattern}')")


def _week(context: Context, values: list[Value]) -> Value:
    mode = values[1].literal if len(values) > 1 else "0"
    if len(values) == 1:
        context.note("it counts weeks as WEEK(date, 0) does, the source as its default_week_format says")
    made = as_moment(values[0])
    days = f"extract(doy from {made.sql})::int"
    if mode == "0":
        return integer(f"(({days} + 6 - extract(dow from {made.sql})::int) / 7)")
    mondays = f"({days} + 7 - extract(isodow from {made.sql})::int) / 7"
    if mode == "5":
        return integer(f"({mondays})")
    if mode == "1":
        first = f"extract(isodow from date_trunc('year', {as_timestamp(made).sql}))"
        return integer(f"({mondays} + ({first} BETWEEN 2 AND 4)::int)")
    if mode == "3":
        return part("week", made)
    raise UntranslatableError(f"WEEK in mode {mode}")


def _yearweek(_: Context, values: list[Value]) -> Value:
    if len(values) < 2 or values[1].literal not in ("1", "3"):
        raise UntranslatableError("YEARWEEK in another mode than 1 and 3")
    made = as_moment(values[0]).sql
    return integer(f"(extract(isoyear from {made}) * 100 + extract(week from {made}))::int")


def _last_day(_: Context, values: list[Value]) -> Value:
    made = as_timestamp(values[0]).sql
    return Value(f"(date_trunc('month', {made}) + INTERVAL '1 month - 1 day')::date", "date", type="date")


def _datediff(_: Context, values: list[Value]) -> Value:
    one, other = (as_date(value) for value in values)
    return integer(f"({one.sql} - {other.sql})")


def _to_days(_: Context, values: list[Value]) -> Value:
    return integer(f"({as_date(values[0]).sql} - DATE '0001-01-01' + 366)")


def _from_days(_: Context, values: list[Value]) -> Value:
    return Value(f"(DATE '0001-01-01' + ({narrow(values[0])} - 366))", "date", type="date")


def _makedate(_: Context, values: list[Value]) -> Value:
    year, day = (whole(value) for value in values)
    if year.literal is None or int(year.literal) < 100:
        raise UntranslatableError("MAKEDATE of a year that may have two digits")
    return Value(
        f"CASE WHEN {day.at(OTHER)} > 0 THEN make_date({year.literal}, 1, 1) + ({narrow(day)} - 1) END",
        "date",
        type="date",
    )


def _unix_timestamp(context: Context, values: list[Value]) -> Value:
    if not values:
        return integer("floor(extract(epoch from statement_timestamp()))::bigint", type_="bigint")
    made = as_moment(values[0])
    digits = fraction(made)
    if made.kind != "timestamptz":
        context.note(IN_UTC)
        made = Value(f"{made.cast_ready}::timestamptz", "timestamptz", type=made.type)
    taken = f"extract(epoch from {made.sql})"
    if digits == 0:
        return integer(f"{taken}::bigint", type_="bigint")
    return Value(f"round({taken}, {digits})", "decimal", scale=digits)


def _from_unixtime(context: Context, values: list[Value]) -> Value:
    context.note(IN_UTC)
    made = _timestamp(f"to_timestamp({whole(values[0]).sql})::timestamp")
    return made if len(values) == 1 else date_format(context, [made, values[1]])


def _time(_: Context, values: list[Value]) -> Value:
    if values[0].kind == "interval":
        return values[0]
    made = as_moment(values[0])
    if values[0].kind not in MOMENTS:
        raise UntranslatableError("TIME() of text")
    made = as_timestamp(made)
    return Value(f"{made.cast_ready}::time::interval", "interval", type=f"interval({fraction(made)})")


def _sec_to_time(_: Context, values: list[Value]) -> Value:
    return _interval_of(whole(values[0]).sql)


def _interval_of(seconds: str) -> Value:
    """A TIME ends at 838 hours; sign() keeps a NULL, which LEAST would pass over."""
    sql = f"make_interval(secs => (sign({seconds}) * LEAST(abs({seconds}), {_LONGEST}))::double precision)"
    return Value(sql, "interval", type="interval(0)")


def _time_to_sec(_: Context, values: list[Value]) -> Value:
    made = values[0] if values[0].kind in MOMENTS else as_interval(values[0])
    if made.kind in MOMENTS:
        made = Value(f"{as_timestamp(made).cast_ready}::time", "interval")
    return integer(f"trunc(extract(epoch from {made.sql}))::bigint", type_="bigint")


def _timediff(_: Context, values: list[Value]) -> Value:
    one, other = values
    if "interval" in (one.kind, other.kind):
        one, other = as_interval(one), as_interval(other)
        digits = 0
    elif one.kind in MOMENTS and other.kind in MOMENTS and "date" not in (one.kind, other.kind):
        one, other = as_timestamp(one), as_timestamp(other)
        digits = max(fraction(one), fraction(other))
    else:
        raise UntranslatableError(f"TIMEDIFF of {one.kind} and {other.kind}")
    if digits:
        raise UntranslatableError("TIMEDIFF of moments with fractions of a second")
    return _interval_of(f"extract(epoch from {one.sql} - {other.at(OTHER)})")


def _date(_: Context, values: list[Value]) -> Value:
    return as_date(values[0])


def _as_timestamp(_: Context, values: list[Value]) -> Value:
    return as_timestamp(values[0])


_local = partial(_now, "statement_timestamp()", "")
_utc = partial(_now, "statement_timestamp()", "UTC")

DATES: dict[str, tuple[int, int | None, Build]] = {
    "CURRENT_DATE": (0, 0, partial(_today, "")),
    "CURRENT_TIME": (0, 1, partial(_time_of_day, "")),
    "DATE": (1, 1, _date),
    "DATEDIFF": (2, 2, _datediff),
    "DATE_FORMAT": (2, 2, date_format),
    "DAY": (1, 1, _part("day")),
    "DAYNAME": (1, 1, _named("FMDay")),
    "DAYOFWEEK": (1, 1, _part("dow", " + 1")),
    "DAYOFYEAR": (1, 1, _part("doy")),
    "FROM_DAYS": (1, 1, _from_days),
    "FROM_UNIXTIME": (1, 2, _from_unixtime),
    "HOUR": (1, 1, _part("hour")),
    "LAST_DAY": (1, 1, _last_day),
    "MAKEDATE": (2, 2, _makedate),
    "MICROSECOND": (1, 1, _microsecond),
    "MINUTE": (1, 1, _part("minute")),
    "MONTH": (1, 1, _part("month")),
    "MONTHNAME": (1, 1, _named("FMMonth")),
    "NOW": (0, 1, _local),
    "QUARTER": (1, 1, _part("quarter")),
    "SECOND": (1, 1, _part("second")),
    "SEC_TO_TIME": (1, 1, _sec_to_time),
    "SYSDATE": (0, 1, partial(_now, "clock_timestamp()", "")),
    "TIME": (1, 1, _time),
    "TIMEDIFF": (2, 2, _timediff),
    "TIMESTAMP": (1, 1, _as_timestamp),
    "TIME_TO_SEC": (1, 1, _time_to_sec),
    "TO_DAYS": (1, 1, _to_days),
    "UNIX_TIMESTAMP": (0, 1, _unix_timestamp),
    "UTC_DATE": (0, 0, partial(_today, "UTC")),
    "UTC_TIME": (0, 1, partial(_time_of_day, "UTC")),
    "UTC_TIMESTAMP": (0, 1, _utc),
    "WEEK": (1, 2, _week),
    "WEEKDAY": (1, 1, _part("isodow", " - 1")),
    "WEEKOFYEAR": (1, 1, _part("week")),
    "YEAR": (1, 1, _part("year")),
    "YEARWEEK": (1, 2, _yearweek),
}
DATES |= {
    "CURDATE": DATES["CURRENT_DATE"],
    "CURRENT_TIMESTAMP": DATES["NOW"],
    "CURTIME": DATES["CURRENT_TIME"],
    "DAYOFMONTH": DATES["DAY"],
    "LOCALTIME": DATES["NOW"],
    "LOCALTIMESTAMP": DATES["NOW"],
}
