"""Which columns cut a table, what their ranges hold, and how two sorted streams are walked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as some

from cutover.data.chunks import CHUNK_ROWS, undivided
from cutover.dialects import mysql_ranges
from cutover.errors import PreflightError
from cutover.plan import Plan, build_plan
from cutover.route import ColumnRoute, CutColumn, TableRoute
from cutover.schema.cutting import cut_by
from cutover.schema.model import Column, Index, IndexPart, Schema, Statistics, Table
from cutover.spec import MigrationSpec
from cutover.verify.comparison import Comparison
from cutover.verify.walk import walk

COLUMNS = (
    Column("id", "bigint(20) unsigned", False),
    Column("day", "date", False),
    Column("code", "varchar(9)", False, collation="latin1_swedish_ci"),
    Column("long", "varchar(3000)", False, collation="latin1_swedish_ci"),
    Column("kind", "enum('b','a')", False),
    Column("ratio", "double", False),
    Column("seen", "datetime(6)", True),
)
SMALL = some.integers(-3, 3)


def _cuts(table: Table) -> list[tuple[str, str]]:
    return [(column.name, column.kind) for column in cut_by(table)]


@pytest.mark.parametrize(
    ("key", "indexes", "cut"),
    [
        (("id", "day", "code"), (), [("id", "number"), ("day", "day"), ("code", "text")]),
        # An ENUM is sorted by its number and compared as text: what comes before it has to do.
        (("id", "kind", "day"), (), [("id", "number")]),
        (("kind", "day"), (), []),
        # By another index than its own each chunk would cost a reading of the whole table.
        (("ratio",), (Index.over("u", ("day",), unique=True),), []),
        ((), (Index.over("a", ("day",)), Index.over("n", ("id", "seen"), unique=True)), []),
        (
            (),
            (Index.over("a", ("day",)), Index.over("u", ("id", "day"), unique=True)),
            [("id", "number"), ("day", "day")],
        ),
        ((), (Index("p", (IndexPart("code", 3),)), Index("d", (IndexPart("day", None, True),))), []),
        ((), (Index.over("hashed", ("long",), unique=True),), []),
        ((), (Index("words", (IndexPart("code"),), kind="fulltext"),), []),
    ],
)
def test_a_table_is_cut_by_the_first_columns_that_its_rows_are_stored_by(
    key: tuple[str, ...], indexes: tuple[Index, ...], cut: list[tuple[str, str]]
) -> None:
    assert _cuts(Table("t", COLUMNS, key, indexes)) == cut


@settings(deadline=None)
@given(
    some.integers(1, 3).flatmap(
        lambda n: some.tuples(some.lists(some.tuples(*[SMALL] * n)), some.sets(some.tuples(*[SMALL] * n), min_size=1))
    )
)
def test_every_row_is_in_one_range(given_: tuple[list[tuple[int, ...]], set[tuple[int, ...]]]) -> None:
    """Any rows, any edges, as SQLite evaluates the conditions."""
    rows, edges = given_
    columns = [CutColumn(name, "number") for name in "abc"[: len(next(iter(edges)))]]
    written = [tuple(map(str, edge)) for edge in sorted(edges)]
    with sa.create_engine("sqlite://").connect() as connection:
        names = [column.name for column in columns]
        connection.exec_driver_sql(f"CREATE TABLE t ({', '.join(names)})")
        if rows:
            marks = ", ".join("?" * len(names))
            connection.exec_driver_sql(f"INSERT INTO t VALUES ({marks})", rows)
        found: Counter[tuple[int, ...]] = Counter()
        for lower, upper in pairwise([None, *written, None]):
            conditions = mysql_ranges.within(columns, lower, upper)
            query = sa.select(*(sa.column(name) for name in names)).select_from(sa.table("t")).where(*conditions)
            inside = [tuple(row) for row in connection.execute(query)]
            assert all(lower is None or row >= tuple(map(int, lower)) for row in inside)
            assert all(upper is None or row < tuple(map(int, upper)) for row in inside)
            found.update(inside)
    assert found == Counter(rows)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("number", "1 OR 1"),
        ("day", "2024-13-01"),
        ("moment", "2024-01-01' OR '"),
        ("time", "12"),
        ("text", "O'Brien"),
        ("bytes", "0x00"),
        ("uuid", "a'b"),
    ],
)
def test_an_edge_that_is_no_value_of_its_column_is_refused(kind: str, value: str) -> None:
    with pytest.raises((ValueError, ArithmeticError)):
        mysql_ranges.literal(CutColumn("c", kind, "utf8mb4_bin"), value)


SPEC = {"name": "s", "source": {"env": "S"}, "target": {"env": "T"}}
LARGE = Statistics(2 * CHUNK_ROWS, 1, edges=(("7", "2024-01-01"), ("7", "2024-01-02")))


def _planned(*columns: Column, key: tuple[str, ...], statistics: Statistics = LARGE, **data: object) -> Plan:
    source = Schema("old", (Table("t", columns, key, statistics=statistics),))
    return build_plan(MigrationSpec.model_validate(SPEC | {"data": data}), source, Schema("public", ()))


def test_edges_survive_being_written_down() -> None:
    made = _planned(*COLUMNS[:2], key=("id", "day"))
    assert [(c.lower, c.upper) for c in made.chunks] == [
        (None, ("7", "2024-01-01")),
        (("7", "2024-01-01"), ("7", "2024-01-02")),
        (("7", "2024-01-02"), None),
    ]
    again = Plan.from_json(made.to_json())
    assert (again, again.digest) == (made, made.digest)
    assert again.source.digest() == _planned(*COLUMNS[:2], key=("id", "day"), statistics=Statistics()).source.digest()


def test_a_plan_of_an_earlier_version_is_refused_and_not_misread() -> None:
    written = json.loads(_planned(*COLUMNS[:2], key=("id", "day")).to_json())
    written["batches"][0][0]["upper"] = 7
    with pytest.raises(PreflightError, match=r"written by another version of Cutover .*start a new run"):
        Plan.from_json(json.dumps(written))


@pytest.mark.parametrize(
    ("column", "data", "ordered"),
    [
        (Column("c", "int unsigned", False), {}, True),
        (Column("c", "bigint unsigned", False), {}, True),
        (Column("c", "decimal(40,20)", False), {}, True),
        (Column("c", "binary(16)", False), {}, True),
        (Column("c", "datetime", False), {}, True),
        (Column("c", "varchar(9)", False, collation="utf8mb4_bin"), {}, False),
        (Column("c", "enum('b','a')", False), {}, False),
        (Column("c", "uuid", False), {}, False),
        (Column("c", "time", False), {}, False),
        # A date takes the place of what is none, and comes out of the row's order.
        (Column("c", "date", False), {"transformation": {"cleaning": {"zeroDates": "1970-01-01"}}}, False),
        (
            Column("c", "int", False),
            {"transformation": {"mapping": {"valueMapping": {"t.c": {"1": 9, "2": 3}}}}},
            False,
        ),
        (Column("c", "datetime", False), {"transformation": {"mapping": {"typeMapping": {"datetime": "text"}}}}, False),
    ],
)
def test_the_proof_walks_along_what_both_servers_sort_alike(
    column: Column, data: dict[str, object], ordered: bool
) -> None:
    made = _planned(Column("a", "int", False), column, key=("a", "c"), statistics=Statistics(), **data)
    assert made.tables[0].route.ordered is ordered


def test_a_large_table_in_one_piece_is_noted_with_the_reason() -> None:
    notes = _planned(Column("c", "enum('b','a')", False), key=("c",)).notes
    told = "is loaded in one piece, by one worker: it has no key that can be cut"
    assert [note.text for note in notes if note.object == "table t"] == [told]
    route = TableRoute("t", "t", (), (), (CutColumn("day", "day"),))
    same = undivided(route, Statistics(CHUNK_ROWS + 1))
    assert same is not None
    assert "its rows are alike in day" in same.text
    assert undivided(route, Statistics(CHUNK_ROWS)) is None


WALKED = TableRoute(
    "t",
    "t",
    tuple(ColumnRoute(name, "int(11)", name, "int32", name, "integer", "int32") for name in "abn"),
    ("a", "b"),
    ordered=True,
)
Row = tuple[int, int, int]
ROWS = some.dictionaries(some.tuples(SMALL, SMALL), some.integers(0, 1))


def _batches(rows: dict[tuple[int, int], int], size: int) -> Iterator[pa.RecordBatch]:
    made = [(*key, n) for key, n in sorted(rows.items())]
    schema = pa.schema([(name, pa.int32()) for name in "abn"])
    for start in range(0, len(made), size):
        columns = zip(*made[start : start + size], strict=True)
        yield pa.RecordBatch.from_arrays([pa.array(column, pa.int32()) for column in columns], schema=schema)


@settings(deadline=None)
@given(ROWS, ROWS, some.integers(1, 5), some.integers(1, 5))
def test_a_walk_finds_what_comparing_all_at_once_would(
    source: dict[tuple[int, int], int], target: dict[tuple[int, int], int], left: int, right: int
) -> None:
    found = Comparison()
    pairs = list(walk(WALKED, _batches(source, left), _batches(target, right), found))
    changed = {key for key in source.keys() & target.keys() if source[key] != target[key]}
    lost, extra = source.keys() - target.keys(), target.keys() - source.keys()
    assert (found.rows, found.lost, found.extra, found.changed) == (len(target), len(lost), len(extra), len(changed))
    assert {d.key for d in found.shown} <= {f"{a}, {b}" for a, b in lost | extra | changed}
    # What a repair would put in, and what it would take out.
    wanted = [tuple(row.values()) for mine, _ in pairs for row in mine.to_pylist()]
    seen = {tuple(row.values()) for _, theirs in pairs for row in theirs.to_pylist()}
    assert sorted(wanted) == sorted((*key, source[key]) for key in lost | changed)
    assert seen == {(*key, target[key]) for key in extra | changed}
