"""What a user's own function gets, what it may return, and what it is told where that does not fit."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest

from cutover.data.functions import found
from cutover.data.transform import Tally, transform
from cutover.data.types import arrow_type
from cutover.errors import DataError, SpecError
from cutover.plan import build_plan
from cutover.route import ColumnRoute, TableRoute
from cutover.schema.model import Column, Schema, Table
from cutover.spec import MigrationSpec

KEY = ColumnRoute("id", "int", "`id`", "int32", "id", "integer", "int32", False, False)
# Arrow type, PostgreSQL type and values that are not to be changed.
KINDS: dict[str, tuple[str, list[Any]]] = {
    "int16": ("smallint", [1, None, -32768]),
    "int32": ("integer", [1, None, -(2**31)]),
    "int64": ("bigint", [2**63 - 1, None, 2**53 + 1]),
    "decimal(38,10)": ("numeric(38,10)", [Decimal("1234567890123456789012345678.0123456789"), None, Decimal(0)]),
    "decimal(65,30)": ("numeric(65,30)", [Decimal("1." + "1" * 30), None, Decimal(9) ** 30]),
    "float32": ("real", [1.5, None, 0.1]),
    "float64": ("double precision", [0.1, None, 1e308]),
    "bool": ("boolean", [True, None, False]),
    "string": ("text", ["", None, "é 😀"]),
    "binary": ("bytea", [b"\0\xff", None, b""]),
    "date32": ("date", [date(1, 1, 1), None, date(9999, 12, 31)]),
    "timestamp": ("timestamp", [datetime(1000, 1, 1), None, datetime(9999, 12, 31, 23, 59, 59, 999999)]),
    "timestamptz": ("timestamptz", [datetime(2024, 1, 1, 0, 0, 0, 1), None, datetime(1970, 1, 1)]),
    "duration": ("interval", [timedelta(hours=-838, microseconds=1), None, timedelta(0)]),
    "json": ("json", ['{"b": 1.50, "a": [1e400, "é"]}', None, "null"]),
    "uuid": ("uuid", [str(UUID(int=7)), None, str(UUID(int=2**128 - 1))]),
    "enum": ('"moods"', ["sad", None, "glad"]),
    "set": ("text[]", ["a,b", None, ""]),
}
PLANNED = Table("things", (Column("id", "int", False), Column("c0", "text", True)), ("id",))
Written = Callable[..., TableRoute]


def _wire(kind: str) -> str:
    return "string" if kind in ("json", "uuid") else kind


def spec(functions: Any) -> MigrationSpec:
    ends = {"name": "x", "source": {"env": "S"}, "target": {"env": "T"}}
    return MigrationSpec.model_validate(ends | {"data": {"transformation": {"functions": functions}}})


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Write a module with a function ``own`` of the given body, and return a route of a table that goes through it."""

    def write(body: str, *kinds: str, **more: Any) -> TableRoute:
        (tmp_path / "transforms.py").write_text(f"import pandas as pd\n\n\ndef own(frame):\n    {body}\n")
        function = found(spec({"things": "transforms.own"}), tmp_path)["things"]
        columns = [
            ColumnRoute(f"c{n}", "", f"`c{n}`", _wire(kind), f"c{n}", KINDS[kind][0], kind, labels=("sad", "glad"))
            for n, kind in enumerate(kinds)
        ]
        return TableRoute("things", "things", (KEY, *(replace(c, **more) for c in columns)), ("id",), function=function)

    return write


def through(route: TableRoute, *columns: list[Any]) -> tuple[list[dict[str, Any]], Tally]:
    """Send rows through a route in two batches; return what arrives."""
    arrays = [pa.array(range(len(columns[0])), pa.int32())]
    for column, values in zip(route.columns[1:], columns, strict=True):
        arrays.append(pa.array(values, arrow_type(column.wire)))
    whole = pa.RecordBatch.from_arrays(arrays, names=[f"c{n}" for n in range(len(arrays))])
    tally = Tally()
    made = transform(route, [whole.slice(0, 2), whole.slice(2)], tally)
    return [row for batch in made for row in batch.to_pylist()], tally


def refusal(route: TableRoute, *columns: list[Any]) -> str:
    with pytest.raises(DataError) as caught:
        through(route, *columns)
    return str(caught.value)


def test_what_is_returned_as_it_came_is_as_it_came(written: Written) -> None:
    values = [values for _, values in KINDS.values()]
    plain = replace(written("return frame", *KINDS), function=None)
    route = written("return frame.sort_index(ascending=False)[list(reversed(frame.columns))]", *KINDS)
    made, tally = through(route, *values)
    assert repr(made) == repr(through(plain, *values)[0])
    assert len(made) == 3
    assert not tally.rejects
    assert not tally.altered


def test_a_function_sees_types_of_arrow_and_text_for_what_pandas_has_no_type_for(written: Written) -> None:
    body = "frame['c3'] = ' '.join(str(t) for t in frame.dtypes); return frame"
    made, _ = through(written(body, "decimal(38,10)", "uuid", "json", "string"), *[[None]] * 4)
    assert made[0]["c3"] == "int32[pyarrow] decimal128(38, 10)[pyarrow] string[pyarrow] string[pyarrow] string[pyarrow]"


def test_values_change_rows_stay_behind_and_new_columns_are_filled(written: Written) -> None:
    body = "\n    ".join(
        (
            "frame = frame[frame['c0'] != 'gone']",
            "frame['c1'] = frame['c1'].fillna(0) + 1",
            "frame['new'] = [None if v is pd.NA else v.upper() for v in frame['c0']]",
            "return frame",
        )
    )
    route = written(body, "string", "int32")
    new = ColumnRoute("new", "", "NULL", "string", "new", "varchar(5)", "string", added="given by transforms.own")
    route = replace(route, columns=(*route.columns, new))
    made, tally = through(route, ["a", "gone", "b", "gone"], [1, 2, None, 4], [None] * 4)
    assert made == [{"id": 0, "c0": "a", "c1": 2, "new": "A"}, {"id": 2, "c0": "b", "c1": 1, "new": "B"}]
    assert [(json.loads(r.key), r.reason, r.by_rule) for r in tally.rejects] == [
        ({"id": 1}, "transforms.own leaves it out", True),
        ({"id": 3}, "transforms.own leaves it out", True),
    ]
    assert tally.altered == {("c1", "values changed by transforms.own", True): 2}


def test_it_comes_after_what_is_changed_and_before_what_is_checked(written: Written) -> None:
    body = "frame['c0'] = frame['c0'].fillna('x@x.example').replace('two', None); return frame"
    rules = {"values": (("1", "one"), ("2", "two")), "email": False, "required": True, "wire": "string"}
    made, tally = through(written(body, "string", **rules), ["1", "2", None, "3"])
    assert [row["c0"] for row in made] == ["one", "x@x.example"]
    assert [(json.loads(r.key)["id"], r.reason) for r in tally.rejects] == [
        (1, "c0 is NULL, and nullHandling is remove"),
        (3, "c0 holds a value that valueMapping does not name"),
    ]


@pytest.mark.parametrize("body", ["return frame.iloc[:0]", "return frame[frame['id'] > 100]"])
def test_every_row_may_stay_behind(written: Written, body: str) -> None:
    made, tally = through(written(body, "enum"), ["sad", None, "glad"])
    assert (made, len(tally.rejects)) == ([], 3)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("return None", "returned NoneType, and not a DataFrame"),
        ("return frame.drop(columns='c0')", "returned no column 'c0'"),
        ("return frame.assign(more=1)", "returned a column 'more', which the table has not; declare it under adds"),
        ("return frame[['id', 'c0', 'c0']]", "returned a column twice"),
        ("return frame.reset_index(drop=True)", "keep the index"),
        ("return frame.iloc[1:].reset_index(drop=True)", "keep the index"),
        ("return pd.concat([frame, frame])", "keep the index"),
        ("return frame.set_index('c0', drop=False)", "keep the index"),
        ("frame['id'] += 1; return frame", "column id is of the key"),
        ("raise ValueError('first\\nsecond')", "failed: ValueError: first"),
        ("raise KeyError", "failed: KeyError"),
        ("1 / 0", "failed: ZeroDivisionError: division by zero"),
    ],
)
def test_what_is_no_frame_of_the_same_rows_is_refused(written: Written, body: str, why: str) -> None:
    told = refusal(written(body, "string"), ["a", "b", "c"])
    assert told.startswith("function transforms.own ") or told.startswith("function transforms.own: ")
    assert why in told
    assert "second" not in told


@pytest.mark.parametrize(
    ("kind", "given", "why"),
    [
        ("int32", "2**31", "takes integer, and holds int64"),
        ("int32", "1.5", "takes integer, and holds double"),
        ("int32", "'x'", "takes integer, and holds string"),
        ("decimal(38,10)", "1 / 3", "takes numeric(38,10), and holds double"),
        ("float32", "0.1", "takes real, and holds double"),
        ("string", "1.5", "takes text, and holds double"),
        ("string", "'a\\0'", "takes text, and holds a value that is none of it"),
        ("date32", "pd.Timestamp('2024-01-01 10:00')", "takes date, and holds timestamp"),
        ("date32", "1", "takes date, and holds int64"),
        ("timestamp", "pd.Timestamp('2024-01-01', tz='CET')", "takes timestamp, and holds timestamp"),
        ("timestamp", "pd.Timestamp('2024-01-01 00:00:00.000000001')", "takes timestamp, and holds timestamp"),
        ("json", "'{1}'", "takes json, and holds a value that is none of it"),
        ("json", "'NaN'", "takes json, and holds a value that is none of it"),
        ("uuid", "'0'", "takes uuid, and holds string"),
        ("enum", "'angry'", 'takes "moods", and holds a value that is none of it'),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_its_type_and_not_shown(
    written: Written, kind: str, given: str, why: str
) -> None:
    told = refusal(written(f"frame['c0'] = {given}; return frame", kind), [None, None])
    assert told.startswith(f"function transforms.own: column c0 {why}")
    assert "2147483648" not in told
    assert "angry" not in told


def test_values_of_several_types_are_refused(written: Written) -> None:
    told = refusal(written("frame['c0'] = [1, 'x']; return frame", "string"), [None, None])
    assert told == "function transforms.own: column c0 takes text, and holds values of several types (object)"


def test_text_that_is_too_long_is_refused(written: Written) -> None:
    told = refusal(written("frame['c0'] = 'long'; return frame", "string", target_type="varchar(3)"), [None])
    assert told.endswith("takes varchar(3), and holds a value that is none of it")


@pytest.mark.parametrize(
    ("kind", "given", "made"),
    [
        ("int32", "3.0", 3),
        ("decimal(38,10)", "19.99", Decimal("19.9900000000")),
        ("float64", "7", 7.0),
        ("float64", "float('nan')", None),
        ("date32", "pd.Timestamp('2024-02-29')", date(2024, 2, 29)),
        ("timestamp", "pd.Timestamp('2024-02-29 01:02:03.123456')", datetime(2024, 2, 29, 1, 2, 3, 123456)),
        ("string", "pd.Categorical(['a'])", "a"),
        ("bool", "1", True),
        ("set", "'a,c'", "a,c"),
    ],
)
def test_what_is_the_same_value_in_another_type_fits(written: Written, kind: str, given: str, made: object) -> None:
    rows, _ = through(written(f"frame['c0'] = {given}; return frame", kind), [None])
    assert rows[0]["c0"] == made


@pytest.mark.parametrize(
    ("call", "text", "why"),
    [
        ("nothing.own", "", "there is no file nothing.py beside migration.yaml"),
        ("mine.other", "def own(frame): ...", "mine.py has no function 'other'"),
        ("mine.own", "own = 1", "mine.py has no function 'own'"),
        ("mine.own", "import nothing_such", "mine.py cannot be imported: ModuleNotFoundError: No module named"),
        ("mine.own", "def own(:", "mine.py cannot be imported: SyntaxError: "),
    ],
)
def test_a_function_that_is_not_there_is_found_out_before_the_run(
    tmp_path: Path, call: str, text: str, why: str
) -> None:
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(SpecError) as caught:
        found(spec({"things": call}), tmp_path)
    (problem,) = caught.value.problems
    assert problem.startswith("data.transformation.functions.things: ")
    assert why in problem


def test_a_migration_without_a_folder_has_no_functions() -> None:
    with pytest.raises(SpecError, match=r"the migration has no folder of its own, where mine.py would be"):
        found(spec({"things": "mine.own"}), None)
    with pytest.raises(SpecError, match=r"functions.things: the function was not looked for"):
        build_plan(spec({"things": "mine.own"}), Schema("old", (PLANNED,)), Schema("public", ()))


@pytest.mark.parametrize("call", ["own", "a.b.c", "../mine.own", "mine.", "mine own"])
def test_a_function_is_one_of_a_module_beside_the_spec(call: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        spec({"things": call})


def test_a_function_that_has_changed_since_the_plan_is_not_called(written: Written, tmp_path: Path) -> None:
    before = written("return frame", "string")
    written("return frame.iloc[:0]", "string")
    # As in another process, that has not imported it.
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "transforms.py").rename(elsewhere)
    assert before.function is not None
    moved = replace(before, function=replace(before.function, path=str(elsewhere)))
    assert "elsewhere has changed since the run was planned" in refusal(moved, ["a"])
    elsewhere.unlink()
    assert "there is no file" in refusal(moved, ["a"])


def test_nothing_is_left_behind_by_an_import(written: Written, tmp_path: Path) -> None:
    path = list(sys.path)
    route = written(
        "return frame\n\n\nfrom dataclasses import dataclass\n\n\n@dataclass\nclass Thing:\n    a: 'int' = 1", "string"
    )
    assert through(route, ["a"])[0] == [{"id": 0, "c0": "a"}]
    assert sys.path == path
    assert "transforms" not in sys.modules
    assert [file.name for file in tmp_path.iterdir()] == ["transforms.py"]


def test_the_plan_has_the_columns_that_a_function_adds(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def own(frame): return frame")
    given = spec({"things": {"call": "mine.own", "adds": {"size": "integer", "of": "uuid"}}})
    made = build_plan(given, Schema("old", (PLANNED,)), Schema("public", ()), functions=found(given, tmp_path))
    (table,) = made.tables
    assert [(c.target, c.target_type, c.added) for c in table.route.columns[2:]] == [
        ("size", "integer", "given by mine.own"),
        ("of", "uuid", "given by mine.own"),
    ]
    assert "rows of things: pass through mine.own, which may change them or leave them out" in map(str, made.notes)
    assert type(made).from_json(made.to_json()) == made


@pytest.mark.parametrize(
    ("functions", "why"),
    [
        ({"nothing": "mine.own"}, "data.transformation.functions: old has no table 'nothing'"),
        ({"things": {"call": "mine.own", "adds": {"c0": "text"}}}, "functions.things.c0: the table has a column of"),
        ({"things": {"call": "mine.own", "adds": {"new": "inet"}}}, "functions.things.new: no exact way to carry"),
    ],
)
def test_a_function_needs_a_table_and_new_columns_of_known_types(tmp_path: Path, functions: Any, why: str) -> None:
    (tmp_path / "mine.py").write_text("def own(frame): return frame")
    given = spec(functions)
    with pytest.raises(SpecError, match=why):
        build_plan(given, Schema("old", (PLANNED,)), Schema("public", ()), functions=found(given, tmp_path))


def test_the_target_does_not_compute_from_what_a_function_may_change(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def own(frame): return frame")
    given = spec({"things": "mine.own"})
    generated = replace(PLANNED, columns=(*PLANNED.columns, Column("g", "int", True, generated="`id` + 1")))
    made = build_plan(given, Schema("old", (generated,)), Schema("public", ()), functions=found(given, tmp_path))
    assert made.tables[0].computed == ()
    assert [loss.reason for loss in made.losses] == [
        "its values arrive, `id` + 1 does not: function mine.own may change what it is computed from"
    ]
