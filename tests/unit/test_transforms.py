"""Each transform changes what it must, refuses what it must, and counts both."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as some

from cutover.data.transform import Tally, transform
from cutover.data.types import cast
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


def test_nul_characters_are_taken_out_and_counted() -> None:
    out, tally = through(column(), ["a\0b\0", "\0", "plain", None])
    assert out == ["ab", "", "plain", None]
    assert dict(tally.altered) == {("new", "NUL characters removed"): 2}


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
