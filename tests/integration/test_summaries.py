"""Summary tables and metrics: made of the rows that arrived, proven against the source, exchanged and taken back."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from helpers import begin, finished, loaded, mysql, one, postgres, rows, spec

from cutover import report
from cutover.errors import PreflightError, VerificationError
from cutover.local.servers import Server
from cutover.run import NotStartedError, run_migration
from cutover.spec import MigrationSpec
from cutover.steps import back, check, move, prove, switch, versions
from cutover.steps.context import Run
from cutover.verify import summaries

SOURCE = (
    "CREATE TABLE cameras (id INT PRIMARY KEY, city VARCHAR(40) COLLATE utf8mb4_unicode_ci, state CHAR(1))",
    "CREATE TABLE analytics (id INT PRIMARY KEY, camera_id INT NOT NULL, `count` INT NOT NULL, price DECIMAL(10,2), "
    "temperature DOUBLE, hits INT(5) UNSIGNED ZEROFILL, flags BIT(3), direction ENUM('in','out'), "
    "recorded_at DATETIME(3) NOT NULL, seen TIMESTAMP NULL)",
    "INSERT INTO cameras VALUES (1, 'Rome', 'A'), (2, 'rome', 'A'), (3, 'Rome ', 'I'), (4, NULL, 'A'), "
    "(5, 'Köln', NULL)",
    "INSERT INTO analytics VALUES "
    "(1, 1, 3, 0.10, 0.1, 7, 1, 'in', '2024-01-01 10:00:00.250', '2024-01-01 23:59:59'), "
    "(2, 1, 4, 0.20, -0.1, 7, 1, 'in', '2024-01-01 23:59:59.999', '2024-01-02 00:00:00'), "
    "(3, 1, 4, NULL, 0.3, NULL, 5, NULL, '2024-01-02 00:00:00', NULL), "
    "(4, 2, 9, 99999999.99, 1e-17, 12345, NULL, 'out', '2024-01-02 12:00:00', NULL)",
)
CALCULATED = {
    "per_camera": {"table": "analytics", "expression": "SUM(count) / COUNT(DISTINCT camera_id)"},
    "rows": {"table": "analytics", "expression": "COUNT(*)"},
    "spread": {"table": "analytics", "expression": "STDDEV_POP(temperature)"},
    "cities": {"table": "cameras", "expression": "COUNT(DISTINCT city)"},
}
SUMMARIES: dict[str, Any] = {
    "by_camera": {
        "table": "analytics",
        "groupBy": ["camera_id"],
        "count": True,
        "sum": ["count", "price", "temperature", {"worth": "price * count"}],
        "average": ["count", "price"],
    },
    "by_day": {
        "table": "analytics",
        "groupBy": [{"day": "DATE(recorded_at)"}, "direction", "flags", "hits", "seen", {"at": "recorded_at"}],
        "count": True,
    },
    "by_city": {"table": "cameras", "groupBy": ["city"], "count": True},
    "by_city_whatever_its_case": {"table": "cameras", "groupBy": [{"city": "LOWER(TRIM(city))"}], "count": True},
}


def with_summaries(name: str = "shop", into: str = "public", **transformation: Any) -> MigrationSpec:
    enrichment = {"dataAggregation": {"summaries": SUMMARIES}, "dataCalculation": {"calculatedMetrics": CALCULATED}}
    return spec(name, into, data={"transformation": {"enrichment": enrichment} | transformation})


@pytest.fixture
def counted(source_db: Server) -> Server:
    mysql(source_db, *SOURCE)
    return source_db


def _exchange(run: Run, *, complete: bool = True) -> None:
    versions.upgrade_schema(run)
    switch.cutover(run)
    switch.validate_cutover(run)
    if complete:
        switch.complete(run)


def test_summaries_come_with_the_tables_and_go_back_with_them(counted: Server, target_db: Server) -> None:
    first = finished(begin(counted, target_db, with_summaries()))
    prove.validate_views(first)
    _exchange(first)
    told = report.build(first.ledger, first.id)
    assert told.status == report.COMPLETED, (told.cause, told.losses)
    assert rows(target_db, "SELECT * FROM by_camera ORDER BY camera_id") == [
        (1, 3, 11, Decimal("0.30"), pytest.approx(0.3), Decimal("1.10"), Decimal("3.6667"), Decimal("0.150000")),
        (2, 1, 9, Decimal("99999999.99"), 1e-17, Decimal("899999999.91"), 9, Decimal("99999999.990000")),
    ]
    assert rows(target_db, "SELECT day::text, direction, flags, hits, seen::text, count FROM by_day ORDER BY at") == [
        ("2024-01-01", "in", 1, 7, "2024-01-01 23:59:59+00", 1),
        ("2024-01-01", "in", 1, 7, "2024-01-02 00:00:00+00", 1),
        ("2024-01-02", None, 5, None, None, 1),
        ("2024-01-02", "out", None, 12345, None, 1),
    ]
    # PostgreSQL tells letters apart, and groups so.
    assert rows(target_db, 'SELECT * FROM by_city ORDER BY city COLLATE "C"') == [
        *(("Köln", 1), ("Rome", 1), ("Rome ", 1), ("rome", 1), (None, 1)),
    ]
    assert rows(target_db, "SELECT * FROM by_city_whatever_its_case ORDER BY city") == [
        *(("köln", 1), ("rome", 3), (None, 1)),
    ]
    assert rows(target_db, "SELECT name, round(value, 4) FROM calculated_metrics ORDER BY name") == [
        ("cities", 4),
        ("per_camera", 10),
        ("rows", 4),
        ("spread", Decimal("0.1479")),
    ]
    assert {note for note in told.notes if note.startswith("summary by_c")} == {
        "summary by_camera: 2 rows; it is what the source makes of its rows",
        "summary by_city: 5 rows; it is what the source makes of its rows",
        "summary by_city: groups and compares text letter by letter, where the source ignores case",
        "summary by_city_whatever_its_case: 3 rows; it is what the source makes of its rows",
        "summary by_city_whatever_its_case: groups and compares text letter by letter, where the source ignores case",
    }
    keys = "SELECT indexdef FROM pg_indexes WHERE tablename = 'by_camera'"
    assert one(target_db, keys) == "CREATE UNIQUE INDEX by_camera_pkey ON public.by_camera USING btree (camera_id)"
    # A second run replaces them, a third has none to bring; the way back brings those of before.
    mysql(counted, "INSERT INTO analytics (id, camera_id, `count`, recorded_at) VALUES (5, 7, 1, '2024-02-01')")
    for written, cameras in ((with_summaries(), 3), (spec(), None)):
        run = finished(begin(counted, target_db, written))
        _exchange(run, complete=False)
        if cameras:
            assert one(target_db, "SELECT count(*) FROM by_camera") == cameras
        else:
            assert one(target_db, "SELECT to_regclass('by_camera') IS NULL")
        back.rollback(run)
        back.validate_rollback(run)
        assert one(target_db, "SELECT count(*) FROM by_camera") == 2
    back.rollback(first)
    assert one(target_db, "SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace('public')") == 0


def test_where_rows_and_values_change_the_target_makes_its_own(counted: Server, target_db: Server) -> None:
    mysql(counted, "INSERT INTO analytics (id, camera_id, `count`, recorded_at) VALUES (5, 7, 1, '0000-00-00')")
    mapping = {"valueMapping": {"cameras.state": {"A": "active", "I": "idle"}}}
    states = {"by_state": {"table": "cameras", "groupBy": ["state"], "count": True}}
    enrichment = {"dataAggregation": {"summaries": SUMMARIES | states}}
    written = with_summaries(mapping=mapping, enrichment=enrichment)
    run = finished(begin(counted, target_db, written))
    prove.validate_views(run)
    shadow = run.shadow
    assert rows(target_db, f"SELECT * FROM {shadow}.by_state ORDER BY 1") == [("active", 3), ("idle", 1), (None, 1)]
    assert one(target_db, f"SELECT count FROM {shadow}.by_day WHERE day IS NULL") == 1
    told = {s["summary"]: s["against"] for s in (run.finished("validate_summaries") or {})["summaries"]}
    own = "is what the target makes of its own rows, for values of"
    assert told == {
        "by_camera": "is what the source makes of its rows",
        "by_city": "is what the source makes of its rows",
        "by_city_whatever_its_case": "is what the source makes of its rows",
        "by_day": f"{own} analytics.recorded_at are changed",
        "by_state": f"{own} cameras.state are changed",
    }
    postgres(target_db, f"UPDATE {shadow}.by_state SET count = 4 WHERE state = 'active'")
    with pytest.raises(VerificationError, match=r"by_state\[active\]\.count: 3 expected, 4 found"):
        prove.validate_views(run)


def test_damage_to_a_summary_is_found(counted: Server, target_db: Server) -> None:
    run = loaded(begin(counted, target_db, with_summaries()))
    # The first is a row that came wrong: its summary is right by the target's own rows, and not by the source's.
    postgres(target_db, f"UPDATE {run.shadow}.analytics SET count = 10 WHERE id = 4")
    move.finish_schema(run)
    postgres(
        target_db,
        f"UPDATE {run.shadow}.by_camera SET sum_price = sum_price + 0.001 WHERE camera_id = 1",
        f"UPDATE {run.shadow}.by_camera SET sum_temperature = sum_temperature + 1e-8 WHERE camera_id = 1",
        f"DELETE FROM {run.shadow}.by_city WHERE city IS NULL",
        f"INSERT INTO {run.shadow}.calculated_metrics VALUES ('planted', 1)",
        f"UPDATE {run.shadow}.calculated_metrics SET value = value + 0.0001 WHERE name = 'per_camera'",
        # A group that is there twice, where no key can say so.
        f"INSERT INTO {run.shadow}.by_city_whatever_its_case VALUES (NULL, 1)",
    )
    with pytest.raises(VerificationError, match="6 rows of summaries differ") as found:
        prove.validate_views(run)
    assert list(found.value.differences) == [
        "by_camera[1].sum_price: 0.3 expected, 0.301 found",
        "by_camera[1].sum_temperature: 0.3 expected, 0.30000001 found",
        "by_camera[2].sum_count: 9 expected, 10 found",
        "by_camera[2].sum_worth: 899999999.91 expected, 999999999.9 found",
        "by_camera[2].average_count: 9 expected, 10 found",
        "by_city[NULL]: is not in the summary",
        "by_city_whatever_its_case[NULL]: is in the summary alone",
        "calculated_metrics[per_camera].value: 10 expected, 10.5001 found",
        "calculated_metrics[planted]: is in the summary alone",
    ]


def test_what_a_server_refuses_is_named_before_anything_changes(counted: Server, target_db: Server) -> None:
    run = begin(counted, target_db, with_summaries())
    check.preflight(run)
    made = check.worked_out(run)
    (city,) = (summary for summary in made.summaries if summary.name == "by_city")
    (evaluation,) = city.evaluations
    of_another_server = replace(evaluation, source=evaluation.source.replace("nopad_bin", "0900_bin"))
    with pytest.raises(PreflightError, match=r"summary by_city: .*Unknown collation"):
        summaries.refuse_unreadable(run.source, [replace(city, evaluations=(of_another_server,))])
    by_id = {"table": "cameras", "groupBy": ["id"], "count": True}
    written = with_summaries(enrichment={"dataAggregation": {"summaries": {"x": by_id, "x_pkey": by_id}}})
    with pytest.raises(NotStartedError, match=r"summary table x_pkey: the target refuses .* already exists"):
        run_migration(begin(counted, target_db, written))


def test_what_is_in_the_way_of_a_summary_is_named(counted: Server, target_db: Server) -> None:
    postgres(target_db, "CREATE TABLE by_city (mine int)")
    with pytest.raises(NotStartedError, match=r"is not empty: by_city were not made by this migration"):
        run_migration(begin(counted, target_db, with_summaries()))
    worth = {"by_worth": {"table": "analytics", "groupBy": [{"camera_id": "camera_id + 1"}], "count": True}}
    written = with_summaries(enrichment={"dataAggregation": {"summaries": worth}})
    postgres(target_db, "CREATE SEQUENCE by_worth_key")
    run = begin(counted, target_db, written)
    check.preflight(run)
    with pytest.raises(PreflightError, match="sequence by_worth_key of public has the name of one to be made"):
        check.make_plan(run)
