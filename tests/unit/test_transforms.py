"""Each transform changes what it must, refuses what it must, and counts both."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as some

from cutover.data.transform import Tally, transform
from cutover.data.types import arrow_type, cast
from cutover.route import ColumnRoute, TableRoute

KEY = ColumnRoute("id", "int", "`id`", "int32", "id", "integer", "int32", False, False)


def column(wire: str = "string", arrow: str = "string", **more: Any) -> ColumnRoute:
    return replace(ColumnRoute("old", "text", "`old`", wire, "new", "text", arrow), **more)


def through(route: ColumnRoute, values: list[Any], type_: pa.DataType | None = None) -> tuple[list[Any], Tally]:
    """Send values through, each in a row whose key is its position; return what comes out."""
    batch = pa.RecordBatch.from_arrays(
        [pa.array(range(len(values)), pa.int32()), pa.array(values, type_)], names=["c0", "c1"]
    )
    tally = Tally()
    table = TableRoute("t", "t", (KEY, route), ("id",), True)
    out = [row["new"] for made in transform(table, [batch], tally) for row in made.to_pylist()]
    return out, tally


def refused(tally: Tally) -> list[tuple[int, str, str]]:
    return [(json.loads(r.key)["id"], r.column, r.reason) for r in tally.rejects]


def test_codes_become_what_they_mean() -> None:
    route = column(values=(("A", "active"), ("I", "inactive"), ("X", None)))
    out, tally = through(route, ["A", "I", None, "X", "a", "A "])
    assert out == ["active", "inactive", None, None]
    reason = "old holds a value that valueMapping does not name"
    assert refused(tally) == [(4, "new", reason), (5, "new", reason)]


def test_codes_may_be_numbers_and_meanings_truths() -> None:
    route = column("int16", "bool", values=(("1", True), ("0", False)))
    assert through(route, [1, 0, None], pa.int16())[0] == [True, False, None]


def test_null_becomes_the_default_after_the_mapping() -> None:
    route = column(values=(("A", "active"), ("X", None)), default="inactive")
    assert through(route, ["A", None, "X"])[0] == ["active", "inactive", "inactive"]


@pytest.mark.parametrize(
    ("address", "good"),
    [
        ("user@example.com", True),
        ("björn@exämple.de", True),
        ("a@localhost.test", True),
        ("user", False),
        ("user@", False),
        ("a@@example.com", False),
        ("a b@example.com", False),
        ("", False),
    ],
)
def test_addresses(address: str, good: bool) -> None:
    out, tally = through(column(email=True), [address, None])
    assert out == ([address, None] if good else [None])
    assert refused(tally) == ([] if good else [(0, "new", "old holds no valid e-mail address")])


@pytest.mark.parametrize(
    ("number", "region", "good"),
    [
        ("+49 30 123456", "ZZ", True),
        ("+49 (30) 12-34-56", "ZZ", True),
        ("+49 30 123456 ext. 12", "ZZ", True),
        ("030 123456", "DE", True),
        ("030 123456", "ZZ", False),
        ("+1 201 555 0123", "DE", True),
        ("+1 800 FLOWERS", "ZZ", False),
        ("call +49 30 123456", "ZZ", False),
        ("+49 30 1", "ZZ", False),
        ("+999 30 123456", "ZZ", False),
        ("()", "DE", False),
        ("", "DE", False),
    ],
)
def test_phone_numbers(number: str, region: str, good: bool) -> None:
    out, tally = through(column(phone=True, region=region), [number, None])
    assert out == ([number, None] if good else [None])
    assert refused(tally) == ([] if good else [(0, "new", "old holds no valid phone number")])


DAYS = ("1970-01-01", "2100-12-31")


@pytest.mark.parametrize(
    ("written", "good"),
    [
        ("2024-02-29", True),
        ("1970-01-01", True),
        ("2100-12-31T23:59:59.999999Z", True),
        ("2024-02-29 12:00:00+05:30", True),
        ("2023-02-29", False),
        ("1969-12-31T23:59:59", False),
        ("2101-01-01", False),
        ("2024-02-29T25:00", False),
        ("20240229", False),
        ("2024-W09-4", False),
        ("29.02.2024", False),
        (" 2024-02-29", False),
        ("2024-02-29x10:00", False),
        ("٢٠٢٤-02-29", False),
        ("", False),
    ],
)
def test_dates_as_text(written: str, good: bool) -> None:
    out, tally = through(column(dates=DAYS), [written, None])
    assert out == ([written, None] if good else [None])
    assert refused(tally) == ([] if good else [(0, "new", "old holds no date from 1970-01-01 to 2100-12-31")])


@pytest.mark.parametrize(("arrow", "type_"), [("timestamp", pa.timestamp("us")), ("date32", pa.date32())])
def test_dates_must_lie_between_the_days(arrow: str, type_: pa.DataType) -> None:
    last = datetime(2100, 12, 31, 23, 59, 59, 999_999)
    given = [datetime(1969, 12, 31, 23, 59, 59), datetime(1970, 1, 1), None, last, datetime(2101, 1, 1)]
    values = given if arrow == "timestamp" else [value and value.date() for value in given]
    out, tally = through(column(arrow, arrow, dates=DAYS), values, type_)
    assert out == values[1:4]
    assert [key for key, _, _ in refused(tally)] == [0, 4]


def test_the_day_of_an_instant_is_that_of_utc() -> None:
    values = [datetime(2100, 12, 31, 23, 59, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC)]
    out, _ = through(column("timestamptz", "timestamptz", dates=DAYS), values, pa.timestamp("us", "UTC"))
    assert out == values[:1]


@pytest.mark.parametrize(
    ("written", "good"),
    [
        *[("0", True), ("-1.5", True), ("+2.", True), (".5", True), ("1e1", True), ("10.000", True)],
        *[("10.0000000000000000000000000001", False), ("-1.50001", False), ("1e9999", False), ("1E-9999", True)],
        *[("", False), ("1,5", False), ("1 000", False), ("1_0", False), ("NaN", False), ("0x10", False), ("٣", False)],
    ],
)
def test_numbers_as_text(written: str, good: bool) -> None:
    out, tally = through(column(numbers=("-1.5", "10")), [written, None])
    assert out == ([written, None] if good else [None])
    assert refused(tally) == ([] if good else [(0, "new", "old holds no number from -1.5 to 10")])


@pytest.mark.parametrize(
    ("arrow", "bounds", "values", "kept"),
    [
        ("int16", ("-1.5", "10"), [-2, -1, None, 10, 11], [-1, None, 10]),
        ("int64", ("-1e30", None), [-(2**63), None, 2**63 - 1], [-(2**63), None, 2**63 - 1]),
        ("int64", ("1e30", None), [-(2**63), None, 2**63 - 1], [None]),
        ("int64", (None, "9223372036854775806"), [2**63 - 2, 2**63 - 1], [2**63 - 2]),
        ("float32", ("0.1", "0.1"), [0.0, 0.1, 0.2], [0.10000000149011612]),
        ("float64", (None, "0.1"), [0.1, 0.10000000000000002, -1e300], [0.1, -1e300]),
        ("decimal(5,2)", ("0.001", "9.999"), [Decimal("0.00"), Decimal("0.01"), Decimal("9.99"), None], None),
        ("decimal(65,30)", (None, "1e34"), [Decimal(10**34), Decimal(10**34 + 1)], [Decimal(10**34)]),
        ("decimal(65,30)", (None, "1e40"), [Decimal(10**34), None], [Decimal(10**34), None]),
    ],
)
def test_numbers_must_lie_between_their_bounds(
    arrow: str, bounds: tuple[str | None, str | None], values: list[Any], kept: list[Any] | None
) -> None:
    out, _ = through(column(arrow, arrow, numbers=bounds), values, arrow_type(arrow))
    assert out == (values[1:] if kept is None else kept)


def test_what_becomes_of_a_code_that_the_mapping_does_not_name() -> None:
    codes, given = (("A", "active"), ("X", None)), ["A", "B", None, "X", "C"]
    what = "values that valueMapping does not name"
    out, tally = through(column(values=codes, unmapped="keep"), given)
    assert out == ["active", "B", None, None, "C"]
    assert dict(tally.altered) == {("new", f"{what} were kept", True): 2}
    out, tally = through(column(values=codes, unmapped="nullify"), given)
    assert out == ["active", None, None, None, None]
    assert dict(tally.altered) == {("new", f"{what} became NULL", False): 2}
    out, tally = through(column(values=codes, unmapped="default", unmapped_default="other"), given)
    assert out == ["active", "other", None, None, "other"]
    assert dict(tally.altered) == {("new", f"{what} became other", False): 2}
    truths = column("int16", "bool", values=(("1", True),), unmapped="default", unmapped_default=False)
    assert through(truths, [1, 7, None], pa.int16())[0] == [True, False, None]


def test_rows_with_null_are_left_out_by_rule() -> None:
    out, tally = through(column(required=True, nullable=False), ["a", None])
    assert out == ["a"]
    assert [(r.key, r.by_rule) for r in tally.rejects] == [('{"id": 1}', True)]
    assert tally.rejects[0].reason == "new is NULL, and nullHandling is remove"


@pytest.mark.parametrize(
    ("how", "given", "made"),
    [
        (("nfc",), "e\u0301 ", "é "),
        (("trim",), "\u00a0\t a  b \u2003\x85", "a  b"),
        (("squeeze",), " a\r\n\u3000b ", " a b "),
        (("nfc", "trim", "squeeze"), "\n  e\u0301  x", "é x"),
        (("trim",), " \t ", ""),
    ],
)
def test_text_is_normalised_and_counted(how: tuple[str, ...], given: str, made: str) -> None:
    out, tally = through(column(normal=how), [given, made, None])
    assert out == [made, made, None]
    assert dict(tally.altered) == {("new", f"values normalised ({', '.join(how)})", True): 1}


@pytest.mark.parametrize(
    ("rule", "given", "made"),
    [
        ("e164", "030 / 12 34 56", "+4930123456"),
        ("email", "A.B@Example.COM", "A.B@example.com"),
        ("email", "no address", "no address"),
        ("upper", "straße", "STRAẞE"),
        ("lower", "ÉTÉ", "été"),
        ("title", "mary o'NEIL", "Mary O'Neil"),
    ],
)
def test_text_is_written_by_its_rule_and_counted(rule: str, given: str, made: str) -> None:
    out, tally = through(column(standard=rule, region="DE"), [given, None])
    assert out == [made, None]
    assert dict(tally.altered) == ({("new", f"values standardised ({rule})", True): 1} if given != made else {})


@pytest.mark.parametrize("number", ["nobody", "030 123456 ext 7"])
def test_what_e164_has_no_form_for_refuses_its_row(number: str) -> None:
    _, tally = through(column(standard="e164", region="DE", default="x"), [number])
    assert refused(tally) == [(0, "new", "old holds a value that e164 has no form for")]
    assert not tally.altered


def test_text_that_is_too_long_refuses_its_row() -> None:
    out, tally = through(column(target_type="varchar(3)"), ["äöü", "abcd", "ab  ", None])
    assert out == ["äöü", None]
    reason = "old holds a value that does not fit varchar(3)"
    assert refused(tally) == [(1, "new", reason), (2, "new", reason)]


def test_text_has_its_form_before_it_is_mapped_and_checked() -> None:
    mapped = column(normal=("trim",), standard="upper", values=(("A", "active"),))
    assert through(mapped, [" a", "A "])[0] == ["active", "active"]
    assert through(column(normal=("trim",), email=True), [" a@b.example "])[0] == ["a@b.example"]


def test_nul_characters_are_taken_out_and_counted() -> None:
    out, tally = through(column(), ["a\0b\0", "\0", "plain", None])
    assert out == ["ab", "", "plain", None]
    assert dict(tally.altered) == {("new", "NUL characters removed", False): 2}


def test_a_null_where_the_target_forbids_it() -> None:
    out, tally = through(column(nullable=False), ["a", None])
    assert out == ["a"]
    assert refused(tally) == [(1, "new", "new is NULL, which the target forbids")]


def test_a_value_that_does_not_fit_refuses_its_row_alone() -> None:
    route = column("int64", "int16", target_type="smallint")
    out, tally = through(route, [1, 40_000, -32_768, None, 32_768], pa.int64())
    assert out == [1, -32_768, None]
    reason = "old holds a value that does not fit smallint"
    assert refused(tally) == [(1, "new", reason), (4, "new", reason)]


def test_a_row_is_refused_once_for_the_first_reason() -> None:
    route = column(email=True, nullable=False, values=(("A", None),))
    _, tally = through(route, ["A", "B"])
    assert [key for key, _, _ in refused(tally)] == [1, 0] or [key for key, _, _ in refused(tally)] == [0, 1]


@given(some.lists(some.one_of(some.none(), some.integers(-(2**63), 2**63 - 1)), min_size=1))
def test_what_fits_arrives_and_what_does_not_is_refused(values: list[int | None]) -> None:
    out, tally = through(column("int64", "int32"), values, pa.int64())
    assert out == [v for v in values if v is None or -(2**31) <= v < 2**31]
    assert [key for key, _, _ in refused(tally)] == [
        n for n, v in enumerate(values) if v is not None and not -(2**31) <= v < 2**31
    ]


@given(some.timedeltas(timedelta(hours=-838, minutes=-59, seconds=-59), timedelta(hours=838, minutes=59, seconds=59)))
def test_every_time_of_mysql_is_read(value: timedelta) -> None:
    micros = abs(value) // timedelta(microseconds=1)
    seconds, fraction = divmod(micros, 1_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{'-' if value < timedelta() else ''}{hours:02d}:{minutes:02d}:{seconds:02d}.{fraction:06d}"
    assert cast(pa.array([text, None]), "duration").to_pylist() == [value, None]


def test_times_with_fewer_digits() -> None:
    found = cast(pa.array(["00:00:01", "-00:00:00.5", "838:59:59.000"]), "duration").to_pylist()
    assert found == [timedelta(seconds=1), timedelta(milliseconds=-500), timedelta(hours=838, minutes=59, seconds=59)]


def test_decimals_are_never_rounded() -> None:
    exact = Decimal("99999999999999999999999999999999999.999999999999999999999999999999")
    assert cast(pa.array([str(exact)]), "decimal(65,30)").to_pylist() == [exact]
    with pytest.raises(pa.ArrowInvalid):
        cast(pa.array([Decimal("1.25")]), "decimal(10,1)")


def test_a_float_is_never_made_text() -> None:
    with pytest.raises(pa.ArrowNotImplementedError):
        cast(pa.array([0.1]), "string")


def test_booleans_are_0_and_1_and_nothing_else() -> None:
    assert cast(pa.array([0, 1, None]), "bool").to_pylist() == [False, True, None]
    assert cast(pa.array(["y", "N", None]), "bool").to_pylist() == [True, False, None]
    with pytest.raises(pa.ArrowInvalid):
        cast(pa.array([2]), "bool")
