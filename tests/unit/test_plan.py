"""A plan is a function of three values: the same in, the same out, and every row in exactly one chunk."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as some

from cutover.data.chunks import cut, deal
from cutover.plan import Plan, build_plan
from cutover.route import Chunk, CutColumn, TableRoute
from cutover.schema.model import Column, ForeignKey, Index, Schema, Statistics, Table
from cutover.spec import MigrationSpec

SPEC = MigrationSpec.model_validate({"name": "shop", "source": {"env": "S"}, "target": {"env": "T"}})
PARENT = Table(
    "parent",
    (Column("id", "int", False, autoincrement=True), Column("word", "varchar(9)", True, default="'x'", comment="it's")),
    ("id",),
    (Index.over("by_word", ("word",)),),
    statistics=Statistics(2_000_000, 90_000_000, 1, 2_000_000, 2_000_001),
)
CHILD = Table(
    "child",
    (Column("id", "int", False), Column("parent", "int", False), Column("seen", "datetime", False)),
    ("id",),
    foreign_keys=(ForeignKey("child_parent", ("parent",), "parent", ("id",)),),
)
SOURCE = Schema("old", (CHILD, PARENT), server="11.4-MariaDB")
EMPTY = Schema("public", ())
RANGED = TableRoute("t", "t", (), ("id",), (CutColumn("id", "number"),), ordered=True)


def test_the_same_values_give_the_same_plan() -> None:
    one, other = build_plan(SPEC, SOURCE, EMPTY), build_plan(SPEC, SOURCE, EMPTY)
    assert one == other
    assert one.digest == other.digest
    changed = replace(PARENT, columns=(*PARENT.columns, Column("new", "int", True)))
    assert build_plan(SPEC, Schema("old", (CHILD, changed)), EMPTY).digest != one.digest


def test_a_plan_survives_being_written_down() -> None:
    made = build_plan(SPEC, SOURCE, EMPTY)
    again = Plan.from_json(made.to_json())
    assert again == made
    assert again.digest == made.digest


def test_a_plan_in_order() -> None:
    made = build_plan(SPEC, SOURCE, EMPTY)
    assert [t.name for t in made.tables] == ["parent", "child"]
    what = [statement.what for statement in made.up]
    # What has a counter comes last: its sequence must find every table's name taken.
    assert what[:2] == ["create table child", "create table parent"]
    assert what[-1] == "identity of parent"
    assert what.index("constraints of parent") < what.index("foreign key child_parent of child")
    assert {
        "unique index parent_pkey on parent",
        "index by_word on parent",
        "identity of parent",
        "comment on parent.word",
    } <= set(what)
    assert [s.what for s in made.down] == ["drop table child", "drop table parent"]
    # Zero dates may become NULL on the way, so NOT NULL comes after the load.
    assert made.late_not_null(made.table("child")) == ["seen"]
    create = next(s.sql for s in made.up if s.what == "create table child")
    assert "seen TIMESTAMP" in create or "seen timestamp(0)" in create
    assert "seen timestamp(0) NOT NULL" not in create
    assert made.replaced == ()
    assert build_plan(SPEC, SOURCE, Schema("public", (CHILD, Table("other", ())))).replaced == ("child",)


def test_a_plan_estimates() -> None:
    made = build_plan(SPEC, SOURCE, EMPTY, workers=2)
    assert (made.rows, made.bytes) == (2_000_000, 90_000_000)
    assert made.seconds > 1
    assert len([c for c in made.chunks if c.table == "parent"]) == 4
    assert len(made.batches) == 4
    assert [c.table for c in build_plan(SPEC, SOURCE, EMPTY, only=("child",)).chunks] == ["child"]


@given(
    some.integers(0, 10**9),
    some.integers(0, 10**12),
    some.integers(-(2**63), 2**63 - 1),
    some.integers(0, 2**64),
    some.lists(some.integers(-(2**63), 2**63 - 1), max_size=20),
)
def test_every_key_is_in_exactly_one_chunk(rows: int, size: int, low: int, width: int, keys: list[int]) -> None:
    high = min(low + width, 2**63 - 1)
    chunks = list(cut(RANGED, Statistics(rows % 50_000_000, size % 10**10, low, high)))
    assert [c.number for c in chunks] == list(range(len(chunks)))
    ranges = [tuple(None if edge is None else int(edge[0]) for edge in (c.lower, c.upper)) for c in chunks]
    edges = [edge for pair in ranges for edge in pair if edge is not None]
    # Rows come and go after the statistics were read: keys outside their range are in a chunk too.
    for key in {low, high, *keys, *edges, *(edge - 1 for edge in edges)}:
        holders = [1 for lower, upper in ranges if (lower is None or lower <= key) and (upper is None or key < upper)]
        assert len(holders) == 1


def test_a_table_that_no_index_cuts_is_one_chunk() -> None:
    statistics = Statistics(10**9, 10**12, 1, 10**9)
    assert [(c.lower, c.upper) for c in cut(replace(RANGED, cut_by=()), statistics)] == [(None, None)]


@given(some.lists(some.integers(0, 10**10), max_size=60), some.integers(1, 16))
def test_chunks_are_dealt_out_whole(sizes: list[int], workers: int) -> None:
    chunks = [Chunk("t", number, bytes=size) for number, size in enumerate(sizes)]
    batches = deal(chunks, workers)
    assert sorted((c for b in batches for c in b), key=lambda c: c.number) == chunks
    assert len(batches) <= 2 * workers
    # Airflow maps its tasks over them: a database without tables has one that is empty.
    assert all(batches) or batches == [[]]
    loads = [sum(max(c.bytes, 1) for c in batch) for batch in batches]
    if len(loads) > 1:
        assert max(loads) - min(loads) <= max(max(c.bytes, 1) for c in chunks)
