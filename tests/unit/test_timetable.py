"""Scheduled runs start in the maintenance window, at a slot, and at no other time."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

# Airflow makes a home for itself when it is imported.
os.environ.setdefault("AIRFLOW_HOME", str(Path(__file__).resolve().parents[2] / ".local" / "airflow-tests"))

import pendulum
import pytest
from airflow.timetables.base import DataInterval, TimeRestriction
from hypothesis import given, settings
from hypothesis import strategies as st

from cutover import window
from cutover.airflow import timetable as module
from cutover.airflow.timetable import MaintenanceWindowTimetable
from cutover.spec import MigrationSpec

DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
ANYTIME = TimeRestriction(earliest=pendulum.datetime(2026, 1, 1), latest=None, catchup=False)
# 2026-03-01 is a Sunday.
SUNDAY = datetime(2026, 3, 1, 2, tzinfo=UTC)


def make(schedule: str = "0 2 * * 0", **changes: Any) -> MaintenanceWindowTimetable:
    maintenance = {"startTime": "02:00", "endTime": "06:00", "timezone": "UTC", "days": ["saturday", "sunday"]}
    return MaintenanceWindowTimetable(
        MigrationSpec.model_validate(
            {
                "name": "museum",
                "source": {"env": "A"},
                "target": {"env": "B"},
                "strategy": {
                    "planning": {
                        "scheduling": {
                            "maintenanceWindow": maintenance | changes,
                            "automated": {"schedule": schedule},
                        }
                    }
                },
            }
        )
    )


def at(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return now.astimezone(tz)

    monkeypatch.setattr(module, "datetime", Clock)


def following(timetable: MaintenanceWindowTimetable, last: datetime | None) -> datetime | None:
    interval = DataInterval.exact(pendulum.instance(last)) if last else None
    info = timetable.next_dagrun_info(last_automated_data_interval=interval, restriction=ANYTIME)
    return None if info is None else info.run_after


def stored(timetable: MaintenanceWindowTimetable, slot: datetime) -> datetime | None:
    """What becomes of a slot that the scheduler worked out before it went down."""
    model: Any = SimpleNamespace(
        next_dagrun=slot,
        next_dagrun_create_after=slot,
        next_dagrun_data_interval=DataInterval.exact(pendulum.instance(slot)),
        next_dagrun_partition_date=None,
        next_dagrun_partition_key=None,
    )
    info = timetable.next_run_info_from_dag_model(dag_model=model)
    return None if info is None else info.run_after


def test_after_a_run_comes_the_next_sunday(monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, SUNDAY + timedelta(minutes=5))
    assert following(make(), SUNDAY) == SUNDAY + timedelta(days=7)


def test_the_first_run_of_all_is_at_the_first_slot_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, SUNDAY - timedelta(days=2))
    assert following(make(), None) == SUNDAY


@pytest.mark.parametrize("late", [timedelta(seconds=1), timedelta(hours=1), timedelta(hours=3, minutes=59)])
def test_a_missed_slot_is_made_up_while_its_window_is_open(monkeypatch: pytest.MonkeyPatch, late: timedelta) -> None:
    at(monkeypatch, SUNDAY + late)
    assert following(make(), SUNDAY - timedelta(days=7)) == SUNDAY
    assert stored(make(), SUNDAY) == SUNDAY


@pytest.mark.parametrize("late", [timedelta(hours=4), timedelta(hours=9), timedelta(days=3), timedelta(days=6)])
def test_a_missed_slot_is_left_out_once_its_window_has_closed(monkeypatch: pytest.MonkeyPatch, late: timedelta) -> None:
    at(monkeypatch, SUNDAY + late)
    assert following(make(), SUNDAY - timedelta(days=7)) == SUNDAY + timedelta(days=7)
    assert stored(make(), SUNDAY) == SUNDAY + timedelta(days=7)


def test_a_window_that_closed_for_a_moment_since_is_another_window(monkeypatch: pytest.MonkeyPatch) -> None:
    # Sunday's slot, seen on Wednesday: the window is shut for a quarter of an hour every midnight.
    at(monkeypatch, SUNDAY + timedelta(days=3, hours=3))
    nearly_always = make(startTime="00:00", endTime="23:45", days=DAYS)
    assert stored(nearly_always, SUNDAY) == SUNDAY + timedelta(days=7)


def test_a_slot_of_long_ago_is_not_kept_in_a_later_window_either(monkeypatch: pytest.MonkeyPatch) -> None:
    # Saturday's window is open, but the slot belongs to a Sunday of last month.
    saturday = SUNDAY + timedelta(days=6, hours=1)
    at(monkeypatch, saturday)
    assert stored(make(), SUNDAY - timedelta(days=28)) == SUNDAY + timedelta(days=7)


def test_a_slot_yet_to_come_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, SUNDAY - timedelta(days=1))
    assert stored(make(), SUNDAY) == SUNDAY


def test_slots_outside_the_window_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, SUNDAY + timedelta(hours=1))
    hourly = make("0 * * * *")
    last = SUNDAY + timedelta(hours=3)
    assert following(hourly, last) == SUNDAY + timedelta(days=6)


def test_schedule_and_window_are_in_the_windows_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    # 02:00 on Sunday in Saigon is 19:00 on Saturday in UTC.
    at(monkeypatch, SUNDAY - timedelta(days=2))
    assert following(make(timezone="Asia/Ho_Chi_Minh"), None) == SUNDAY - timedelta(hours=7)


@pytest.mark.parametrize(
    ("last", "day"),
    [
        # Berlin's clocks go from 02:00 to 03:00 on 29 March 2026: 02:30 is not there, its run is.
        ("2026-03-22T02:30+01:00", "2026-03-29"),
        ("2026-03-29T03:30+02:00", "2026-04-05"),
        # They go from 03:00 back to 02:00 on 25 October: 02:30 is there twice, but starts one run.
        ("2026-10-18T02:30+02:00", "2026-10-25"),
        ("2026-10-25T02:30+02:00", "2026-11-01"),
    ],
)
def test_summer_time_neither_loses_nor_doubles_a_run(monkeypatch: pytest.MonkeyPatch, last: str, day: str) -> None:
    before = datetime.fromisoformat(last)
    at(monkeypatch, before + timedelta(minutes=1))
    timetable = make("30 2 * * 0", timezone="Europe/Berlin")
    slot = following(timetable, before)
    assert slot is not None
    assert slot.astimezone(ZoneInfo("Europe/Berlin")).date().isoformat() == day
    assert window.is_open(timetable._spec, slot)


@pytest.mark.parametrize(
    ("now", "slot"),
    [
        ("2026-03-01T00:30", "2026-02-28T23:00"),  # an hour and a half after it, the window open since
        ("2026-03-01T03:30", "2026-03-01T23:00"),  # closed: tonight's, which is Sunday's
        ("2026-03-02T01:59", "2026-03-01T23:00"),  # Monday early still belongs to Sunday's window
        ("2026-03-02T02:00", "2026-03-07T23:00"),
    ],
)
def test_a_window_past_midnight(monkeypatch: pytest.MonkeyPatch, now: str, slot: str) -> None:
    at(monkeypatch, datetime.fromisoformat(now).replace(tzinfo=UTC))
    nightly = make("0 23 * * *", startTime="22:00", endTime="02:00")
    before = datetime(2026, 2, 27, 23, tzinfo=UTC)
    assert following(nightly, before) == datetime.fromisoformat(slot).replace(tzinfo=UTC)


def test_without_a_window_every_slot_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, SUNDAY)
    daily = make("0 12 * * *", enabled=False)
    assert following(daily, SUNDAY) == SUNDAY + timedelta(hours=10)


def test_a_schedule_that_never_meets_its_window_never_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, SUNDAY)
    assert following(make("0 12 * * 0"), None) is None


def test_no_run_after_the_dags_end(monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, SUNDAY - timedelta(days=1))
    end = pendulum.instance(SUNDAY - timedelta(hours=1))
    until = TimeRestriction(earliest=pendulum.datetime(2026, 1, 1), latest=end, catchup=False)
    assert make().next_dagrun_info(last_automated_data_interval=None, restriction=until) is None


def test_it_is_the_same_after_a_round_trip_through_airflows_database(monkeypatch: pytest.MonkeyPatch) -> None:
    original = make("30 22 * * 5", timezone="Asia/Tokyo", startTime="22:00", endTime="01:00", days=["friday"])
    again = MaintenanceWindowTimetable.deserialize(json.loads(json.dumps(original.serialize())))
    assert again.serialize() == original.serialize()
    assert (again.summary, again.description) == (original.summary, original.description)
    at(monkeypatch, SUNDAY)
    assert following(again, None) == following(original, None) == datetime(2026, 3, 6, 13, 30, tzinfo=UTC)


def test_what_is_stored_says_nothing_of_the_databases() -> None:
    assert set(make().serialize()) == {"scheduling"}


def test_a_run_by_hand_covers_the_moment_it_was_asked_for() -> None:
    moment = pendulum.datetime(2026, 3, 4, 15)
    assert make().infer_manual_data_interval(run_after=moment) == DataInterval.exact(moment)


_TIMES = st.integers(0, 95).map(lambda n: f"{n // 4:02d}:{n % 4 * 15:02d}")
_MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))
_SCHEDULES = st.builds(
    lambda minute, hour, day: f"{minute} {hour} * * {day}",
    st.sampled_from(["0", "15", "30", "*/20"]),
    st.sampled_from(["*", "0", "2", "*/6", "23"]),
    st.sampled_from(["*", "0", "6", "1-5"]),
)


@settings(max_examples=150, deadline=None)
@given(
    schedule=_SCHEDULES,
    start=_TIMES,
    end=_TIMES,
    days=st.lists(st.sampled_from(DAYS), min_size=1, max_size=7, unique=True),
    zone=st.sampled_from(["UTC", "Asia/Ho_Chi_Minh", "Europe/Berlin", "America/St_Johns"]),
    after=_MOMENTS,
    now=_MOMENTS,
    taken=st.booleans(),
)
def test_every_slot_is_in_the_window_and_a_past_one_has_had_it_open_since(
    schedule: str, start: str, end: str, days: list[str], zone: str, after: datetime, now: datetime, taken: bool
) -> None:
    if start == end:
        return
    timetable = make(schedule, startTime=start, endTime=end, days=days, timezone=zone)
    slot = timetable.next_slot(after, now, taken)
    if slot is None:
        return
    spec = timetable._spec
    assert window.is_open(spec, slot)
    assert slot > after if taken else slot >= after
    if slot < now:
        steps = int((now - slot) / timedelta(minutes=15))
        assert all(window.is_open(spec, slot + n * timedelta(minutes=15)) for n in range(steps + 1))
        assert window.is_open(spec, now)
