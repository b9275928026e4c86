"""What is told of slow queries, indexes and storage, without a server."""

from __future__ import annotations

from dataclasses import replace

from cutover.route import ColumnRoute, TableRoute
from cutover.schema.model import Column, ForeignKey, Index, Schema, Table
from cutover.schema.target import TargetPartition, TargetPartitioning, TargetTable
from cutover.verify.performance.indexes import LARGE, Built, Indexes
from cutover.verify.performance.limits import Limits
from cutover.verify.performance.plans import Found, Scan
from cutover.verify.performance.slowest import named
from cutover.verify.performance.storage import NOISE, Size, grown

COLUMNS = ("id", "Place", "day", "person")


def _table() -> TargetTable:
    routes = tuple(ColumnRoute(name, "int(11)", name, "int32", name.lower(), "integer", "int32") for name in COLUMNS)
    parts = TargetPartitioning("RANGE (day)", (TargetPartition("visits_old", "FROM (1) TO (2)"),))
    return TargetTable(
        TableRoute("Visits", "visits", routes, ("id",)),
        indexes=(Index.over("by_place", ["place"]), Index.over("visits_by_day", ["day"])),
        foreign_keys=(ForeignKey("person", ("person",), "people", ("id",)),),
        partitioning=parts,
    )


def _source() -> Schema:
    indexes = (Index.over("by_place", ["Place", "day"]), Index.over("by_person", ["person"]))
    table = Table("Visits", tuple(Column(name, "int(11)", False) for name in COLUMNS), ("id",), indexes)
    return Schema("shop", (table,))


def indexes(*built: Built, rows: int = LARGE) -> Indexes:
    return Indexes(_source(), (_table(),), built, {"visits": rows})


def over(*parts: str, name: str = "made", unique: bool = False) -> Built:
    return Built("visits", name, unique, parts)


SCAN = Scan("visits", "(place = 7)", 10)
BY_PLACE = Found("visits", "by_place")


def test_a_scan_of_a_large_table_that_has_no_such_index_is_told() -> None:
    (told,) = indexes(over("id", unique=True)).scanned("q", [BY_PLACE, BY_PLACE], [SCAN, replace(SCAN, rows=11)])
    assert told == (
        "query q: reads all 10,000 rows of visits, and by index by_place in the source, which has none like it here; "
        'its condition is on place. CREATE INDEX ON "visits" ("place", "day")'
    )
    (told,) = indexes(over("place")).scanned("q", [Found("Visits", "PRIMARY")], [Scan("visits", "", 10)])
    assert told.endswith('which has none like it here. CREATE INDEX ON "visits" ("id")')


def test_a_scan_that_is_no_loss_is_not_told() -> None:
    assert list(indexes(rows=LARGE - 1).scanned("q", [BY_PLACE], [SCAN])) == []
    assert list(indexes().scanned("q", [], [SCAN])) == []
    assert list(indexes().scanned("q", [BY_PLACE], [Scan("others", "", 1)])) == []
    # Most of the rows stay: reading all of the table is the faster way.
    assert list(indexes(over('"place"')).scanned("q", [BY_PLACE], [Scan("visits", "(place > 7)", LARGE)])) == []


def test_partitions_belong_to_their_table() -> None:
    assert indexes().parents() == {"visits_old": "visits"}


def test_indexes_that_did_not_arrive_are_told_with_the_reason() -> None:
    found = indexes(over("id", unique=True), over("place", "day", "id"))
    reasons = {"index Visits.by_person": "stays behind"}
    assert list(found.arrived(reasons)) == [
        "index Visits.by_person: the target has none like it (person); stays behind"
    ]
    by_name = indexes(over("id"), over("lower(place)", name="by_place"), over("person"))
    assert list(by_name.arrived({})) == []
    assert list(indexes(over("place", "day"), over("person")).arrived({})) == [
        "index Visits.PRIMARY: the target has none like it (id); nothing in the plan says why"
    ]


def test_indexes_that_no_query_uses_are_told_by_table() -> None:
    built = (over("id", unique=True), over("person", name="fk"), over("day", name="a"), over("place", name="b"))
    assert list(indexes(*built).unused({"b"}, 2)) == ["table visits: of the queries that were planned (2) none uses a"]
    assert list(indexes(*built).unused({"a", "b"}, 2)) == []
    cut = Built("visits", "day", False, ("day",), ("old_day", "new_day"))
    assert list(indexes(cut).unused({"old_day"}, 1)) == []
    assert list(indexes(*built, rows=LARGE - 1).unused(set(), 2)) == []


def test_tables_that_take_more_are_told_beyond_the_threshold_and_a_few_pages() -> None:
    mb = 2**20
    assert list(grown([Size("t", 60 * mb, 40 * mb, 100 * mb, 51 * mb)], Limits(threshold=0.5))) == [
        "table t: takes 151.0 MB with its indexes (51.0 MB), in the source 100.0 MB (40.0 MB)"
    ]
    assert list(grown([Size("t", 60 * mb, 40 * mb, 100 * mb, 50 * mb)], Limits(threshold=0.5))) == []
    assert list(grown([Size("t", 0, 0, NOISE, 0)], Limits(threshold=0.0))) == []


def test_digests_are_run_by_the_samples_that_a_server_keeps() -> None:
    found = named(
        [
            ("SELECT a FROM t WHERE b = 7", "SELECT `a` FROM `t` WHERE `b` = ?", 1500.0),
            ("SELECT a FROM t WHERE c IN (1, 2, 3...", "SELECT `a` FROM `t` WHERE `c` IN (...)", 12.34),
            (None, "SELECT `a` FROM `t` WHERE `b` = ?", 3.0),
            (None, "SELECT `a` FROM `t`", 2.0),
            (None, "SELECT `a` FROM `t` WHERE `b` IN (...)", 1.0),
        ],
        5,
    )
    assert found.queries == {"slowest 1": "SELECT a FROM t WHERE b = 7", "slowest 4": "SELECT `a` FROM `t`"}
    assert found.warnings == (
        "query slowest 2 (12.3 ms on average) cannot be run: the source keeps only its beginning: "
        "SELECT `a` FROM `t` WHERE `c` IN (...)",
        "query slowest 3 (3.0 ms on average) cannot be run: the source keeps none of its values: "
        "SELECT `a` FROM `t` WHERE `b` = ?",
        "query slowest 5 (1.0 ms on average) cannot be run: the source keeps none of its values: "
        "SELECT `a` FROM `t` WHERE `b` IN (...)",
    )
