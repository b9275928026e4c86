"""Every transform keeps one contract, and any chain of them does what a slow and obvious one does."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import struct
import unicodedata
from collections import Counter
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import pandas as pd
import phonenumbers
import pyarrow as pa
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given, settings
from hypothesis import strategies as some

from cutover.data.transform import Tally, transform
from cutover.data.transforms import (
    TRANSFORMS,
    Outcome,
    among,
    dates,
    defaults,
    email,
    normal,
    not_null,
    nul,
    numbers,
    phone,
    required,
    shapes,
    standard,
    types,
    values,
)
from cutover.data.transforms import json as json_
from cutover.data.types import arrow_type
from cutover.route import ColumnRoute, Function, TableRoute

TEXT = ColumnRoute("old", "text", "`old`", "string", "new", "text", "string")
WORDS = (
    *("", " ", "a", "A", " a", "A\u00a0", "b", "Mary  SMITH", "e\u0301", "É", "x\0", "\0", "two\n lines"),
    *("a@b.example", "A.B@Example.COM", "a@@b", "@", "2024-02-29", "2023-02-29", "1066-10-14", "2024-02-29T10:00"),
    *("0", "-1.5", "1e3", "12", ".5", "1,5", "030 123456", "+49 30 123456", "+49 30 1", "030 123456 x 7"),
)


@dataclass(frozen=True)
class Sample:
    """A column that a transform applies to, and what may be in it as the transform gets it."""

    transform: ModuleType
    route: ColumnRoute
    values: some.SearchStrategy[Any]
    arrow: str = "string"


def sample(transform: ModuleType, arrow: str = "string", found: Any = None, **more: Any) -> Sample:
    route = replace(TEXT, wire=arrow, arrow=arrow, **more)
    return Sample(transform, route, some.sampled_from(WORDS) if found is None else found, arrow)


DAYS = ("1970-01-01", "2100-12-31")
POINT = struct.pack("<BIdd", 1, 1, 1.0, 2.0)
LINE_OF_ONE = struct.pack("<BIIdd", 1, 2, 1, 1.0, 2.0)
SAMPLES = [
    sample(nul),
    sample(normal, normal=("nfc", "trim", "squeeze")),
    *(sample(standard, standard=rule, region="DE") for rule in ("e164", "email", "upper", "lower", "title")),
    *(
        sample(values, values=(("a", "x"), ("A", None)), unmapped=how, unmapped_default="y")
        for how in ("refuse", "nullify", "keep", "default")
    ),
    sample(types, target_type="varchar(5)"),
    replace(
        sample(types, "int64", some.integers(-70_000, 70_000)),
        route=replace(TEXT, wire="int64", arrow="int16", target_type="smallint"),
    ),
    sample(json_, "json", some.sampled_from(("1", "1.", "[2.e3]", '"\\x"', '{"a": "\\n"}'))),
    sample(shapes, "geometry", some.sampled_from((POINT, POINT + b"x", LINE_OF_ONE, b""))),
    sample(defaults, default="z"),
    sample(among, among=("a", "12", None)),
    sample(among, among=("A", "", 12)),
    sample(among, "decimal(9,3)", some.decimals(-3, 3, places=1), among=(-1, "2.5", "0.10")),
    sample(among, "uuid", some.sampled_from([bytes(16), bytes(15) + b"a"]), among=("0" * 32,)),
    sample(email, email=True),
    sample(phone, phone=True, region="DE"),
    sample(dates, dates=DAYS),
    sample(dates, "timestamp", some.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31)), dates=DAYS),
    sample(numbers, numbers=("-1", "12.5")),
    sample(numbers, "decimal(9,3)", some.decimals(-1000, 1000, places=3), numbers=("-1", None)),
    sample(required, required=True),
    sample(not_null, nullable=False),
]
FILLS, REFUSES_NULL = (defaults,), (required, not_null)


def named(each: Sample) -> str:
    return each.transform.__name__.rsplit(".", 1)[1]


def test_every_transform_has_a_sample() -> None:
    assert {each.transform for each in SAMPLES} == set(TRANSFORMS)
    assert all(each.transform.applies(each.route) for each in SAMPLES)
    needed_by_any = {transform for transform in TRANSFORMS if transform.applies(replace(TEXT, wire="int64"))}
    assert needed_by_any == {types}


def mask(outcome: pa.Array | None, length: int) -> list[bool]:
    if outcome is None:
        return [False] * length
    assert outcome.type == pa.bool_()
    assert len(outcome) == length
    return [bool(each) for each in outcome.to_pylist()]


def told(outcome: Outcome, length: int) -> tuple[list[Any], list[bool], list[bool]]:
    assert len(outcome.array) == length
    return outcome.array.to_pylist(), mask(outcome.refused, length), mask(outcome.altered, length)


@pytest.mark.parametrize("each", SAMPLES, ids=named)
@given(data=some.data())
@settings(max_examples=60)
def test_the_contract(each: Sample, data: some.DataObject) -> None:
    given_ = data.draw(some.lists(some.one_of(some.none(), each.values), max_size=12))
    array = pa.array(given_, pa.string() if each.arrow == "json" else arrow_type(each.arrow))
    if each.arrow == "json":
        array = pa.ExtensionArray.from_storage(pa.json_(), array)
    outcome = each.transform.apply(each.route, array)
    made, refused, altered = whole = told(outcome, len(array))
    assert outcome.array.type == arrow_type(each.route.arrow)
    assert outcome.reason or not any(refused)
    assert outcome.alteration or not any(altered)
    for before, after, out, changed in zip(array.to_pylist(), made, refused, altered, strict=True):
        if before is None and each.transform not in FILLS:
            assert after is None
            assert out is (each.transform in REFUSES_NULL or None not in (each.route.among or (None,)))
        # A mapping's own words are no alteration, nor is what is refused.
        if before != after and not out and each.transform is not values:
            assert changed
    assert told(each.transform.apply(each.route, array), len(array)) == whole
    cut = data.draw(some.integers(0, len(array)))
    pieces = [array.slice(0, cut), array.slice(cut)]
    parts = [told(each.transform.apply(each.route, piece), len(piece)) for piece in pieces]
    assert tuple(left + right for left, right in zip(*parts, strict=True)) == whole


# The slow and obvious chain: one value at a time, in Python's own words.


def _spaces(text: str) -> str:
    return "".join(" " if c in "\t\n\v\f\r\x85" or unicodedata.category(c)[0] == "Z" else c for c in text)


def _trimmed(text: str) -> str:
    blank = _spaces(text)
    left, right = len(blank) - len(blank.lstrip(" ")), len(blank.rstrip(" "))
    return text[left:right]


def _squeezed(text: str) -> str:
    found: list[str] = []
    for c, blank in zip(text, _spaces(text), strict=True):
        found += [] if blank == " " and found and found[-1] == " " else [" " if blank == " " else c]
    return "".join(found)


def _standard(text: str, rule: str) -> str | None:
    if rule == "e164":
        number = _phone(text)
        return None if number is None or number.extension else f"+49{number.national_number}"
    if rule == "email":
        *name, domain = text.split("@")
        return "@".join([*name, domain.lower()]) if name else text
    return {"upper": text.upper(), "lower": text.lower(), "title": text.title()}[rule]


def _phone(text: str) -> phonenumbers.PhoneNumber | None:
    if any(c not in "+0123456789 ()-/.xX\u00a0" for c in text):
        return None
    try:
        number = phonenumbers.parse(text, "DE")
    except phonenumbers.NumberParseException:
        return None
    return number if phonenumbers.is_valid_number(number) else None


def _is_email(text: str) -> bool:
    try:
        validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return False
    return True


def _is_date(text: str, first: str, last: str) -> bool:
    for form in ("%Y-%m-%d", "%Y-%m-%dT%H:%M"):
        try:
            day = datetime.strptime(text, form).date()
        except ValueError:
            continue
        return date.fromisoformat(first) <= day <= date.fromisoformat(last)
    return False


def _is_number(text: str, low: str | None, high: str | None) -> bool:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return False
    return (low is None or Decimal(low) <= number) and (high is None or number <= Decimal(high))


def changed(route: ColumnRoute, value: str | None) -> tuple[str | None, bool, list[str]]:
    """Return what becomes of a value, whether its row is refused, and what was done to it on the way."""
    done = []

    def to(new: str | None, what: str) -> None:
        nonlocal value
        if new != value:
            done.append(what)
        value = new

    if value is not None:
        to(value.replace("\0", ""), "NUL characters removed")
        normalised = value
        for how in route.normal:
            by = {"nfc": lambda t: unicodedata.normalize("NFC", t), "trim": _trimmed, "squeeze": _squeezed}
            normalised = by[how](normalised)
        to(normalised, f"values normalised ({', '.join(route.normal)})")
    if route.standard and value is not None:
        written = _standard(value, route.standard)
        if written is None:
            return None, True, []
        to(written, f"values standardised ({route.standard})")
    if route.values and value is not None:
        meanings = dict(route.values)
        if value in meanings:
            value = meanings[value]  # type: ignore[assignment]
        elif route.unmapped == "refuse":
            return None, True, []
        else:
            what = {"keep": "were kept", "nullify": "became NULL", "default": f"became {route.unmapped_default}"}
            done.append(f"values that valueMapping does not name {what[route.unmapped]}")
            value = {"keep": value, "nullify": None, "default": str(route.unmapped_default)}[route.unmapped]
    length = re.search(r"\d+", route.target_type)
    if length and value is not None and len(value) > int(length[0]):
        return None, True, []
    if route.default is not None and value is None:
        to(str(route.default), f"NULL became {route.default}")
    return value, False, done


def bad(route: ColumnRoute, value: str | None) -> bool:
    """Say whether what became of a value refuses its row."""
    if value is None:
        return route.required or not route.nullable or None not in (route.among or (None,))
    good = [
        route.among is None or value in [str(each) for each in route.among],
        not route.email or _is_email(value),
        not route.phone or _phone(value) is not None,
        route.dates is None or _is_date(value, *route.dates),
        route.numbers is None or _is_number(value, *route.numbers),
    ]
    return not all(good)


OWN = '''
import pandas as pd


def own(frame):
    """Take an A from the beginning; in the first column NULL becomes a lone a, and rows with a lone b are left out."""
    frame = frame[(frame["t0"] != "b").fillna(True)]
    for name in frame.columns.drop("id"):
        frame[name] = [None if value is pd.NA else value.removeprefix('A') for value in frame[name]]
    return frame.assign(t0=frame["t0"].fillna("a"))
'''
_FOLDER = TemporaryDirectory()


@functools.cache
def own_function() -> Function:
    path = Path(_FOLDER.name, "mine.py")
    path.write_text(OWN)
    return Function("mine.own", str(path), hashlib.sha256(OWN.encode()).hexdigest())


def row_slowly(
    routes: list[ColumnRoute], row: tuple[str | None, ...], through: bool
) -> tuple[list[str | None], str | None, list[tuple[str, str]]]:
    """Return what becomes of a row, the column for which it is refused ("" for the function), and what was done."""
    ends = [changed(route, value) for route, value in zip(routes, row, strict=True)]
    made = [value for value, _, _ in ends]
    done = [(route.target, what) for route, (_, _, some) in zip(routes, ends, strict=True) for what in some]
    early = [out for _, out, _ in ends]
    if not through:
        refused = [route.target for route, v, out in zip(routes, made, early, strict=True) if out or bad(route, v)]
        return made, refused[0] if refused else None, done
    if any(early):
        return made, routes[early.index(True)].target, done
    if made[0] == "b":
        return made, "", done
    own = [None if value is None else value.removeprefix("A") for value in made]
    own[0] = "a" if own[0] is None else own[0]
    pairs = zip(routes, made, own, strict=True)
    done += [(route.target, "values changed by mine.own") for route, old, new in pairs if old != new]
    refused = [route.target for route, value in zip(routes, own, strict=True) if bad(route, value)]
    return own, refused[0] if refused else None, done


def columns() -> some.SearchStrategy[ColumnRoute]:
    rarely = some.integers(0, 5).map(lambda n: n == 0)
    orders = [("nfc", "trim", "squeeze"), ("trim",), ("squeeze",), ("nfc", "squeeze"), ()]
    return some.builds(
        lambda **more: replace(TEXT, **more),
        normal=some.sampled_from(orders),
        standard=some.sampled_from([None, None, "e164", "email", "upper", "lower", "title"]),
        values=some.sampled_from([(), (), (("a", "x"), ("A", None), ("0", "12"), ("", "+4930123456"))]),
        unmapped=some.sampled_from(["refuse", "nullify", "keep", "default"]),
        unmapped_default=some.just("2024-02-29"),
        target_type=some.sampled_from(["text", "varchar(12)"]),
        default=some.sampled_from([None, None, "12", "a@b.example"]),
        among=some.sampled_from([None, None, None, ("a", "A", "12", None), (12, "2024-02-29")]),
        email=rarely,
        phone=rarely,
        region=some.just("DE"),
        dates=some.sampled_from([None, None, None, ("1900-01-01", "2100-12-31")]),
        numbers=some.sampled_from([None, None, None, ("-1", "100"), (None, None)]),
        required=rarely,
        nullable=some.integers(0, 3).map(bool),
    )


@given(some.lists(columns(), min_size=1, max_size=3), some.booleans(), some.data())
@settings(max_examples=200, deadline=None)
def test_a_random_table_through_a_random_chain(routes: list[ColumnRoute], through: bool, data: some.DataObject) -> None:
    routes = [replace(route, source=f"s{n}", target=f"t{n}") for n, route in enumerate(routes)]
    row = some.tuples(*(some.one_of(some.none(), some.sampled_from(WORDS)) for _ in routes))
    names = [route.target for route in routes]
    frame = pd.DataFrame(data.draw(some.lists(row, max_size=15)), columns=names, dtype=object)

    key = ColumnRoute("id", "int", "`id`", "int32", "id", "integer", "int32", False, False)
    table = TableRoute("t", "t", (key, *routes), ("id",), True, function=own_function() if through else None)
    batch_rows = data.draw(some.integers(1, 16))
    batches = [
        pa.RecordBatch.from_arrays(
            [
                pa.array(range(start, min(start + batch_rows, len(frame))), pa.int32()),
                *(pa.array(list(frame[name][start : start + batch_rows]), pa.string()) for name in names),
            ],
            names=["c0", *names],
        )
        for start in range(0, len(frame), batch_rows)
    ]
    tally = Tally()
    made = [tuple(row.values()) for batch in transform(table, batches, tally) for row in batch.to_pylist()]

    wanted: list[tuple[Any, ...]] = []
    refused: dict[int, str] = {}
    altered: Counter[tuple[str, str]] = Counter()
    for number, values_ in enumerate(frame.itertuples(index=False)):
        ends, out, done = row_slowly(routes, tuple(values_), through)
        if out is not None:
            refused[number] = out
            continue
        wanted.append((number, *ends))
        altered.update(done)
    assert made == wanted
    assert {json.loads(reject.key)["id"]: reject.column for reject in tally.rejects} == refused
    assert len(tally.rejects) == len(refused)
    assert {(column, what): count for (column, what, _), count in tally.altered.items()} == altered
