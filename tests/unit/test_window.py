"""The window is open exactly when the spec says so, in its own time zone, past midnight too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from cutover import window
from cutover.errors import WindowClosedError
from cutover.spec import MigrationSpec


def spec(start: str = "02:00", end: str = "06:00", zone: str = "UTC", **scheduling: Any) -> MigrationSpec:
    days = scheduling.pop("days", ["saturday", "sunday"])
    open_ = {"enabled": True, "startTime": start, "endTime": end, "timezone": zone, "days": days}
    return MigrationSpec.model_validate(
        {
            "name": "shop",
            "source": {"env": "S"},
            "target": {"env": "T"},
            "strategy": {"planning": {"scheduling": {"enabled": True, "maintenanceWindow": open_} | scheduling}},
        }
    )


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# 2024-06-01 was a Saturday.
@pytest.mark.parametrize(
    ("moment", "open_"),
    [
        ("2024-06-01 01:59:59", False),
        ("2024-06-01 02:00:00", True),
        ("2024-06-01 05:59:59", True),
        ("2024-06-01 06:00:00", False),
        ("2024-06-02 03:00:00", True),
        ("2024-06-03 03:00:00", False),
    ],
)
def test_the_default_window(moment: str, open_: bool) -> None:
    assert window.is_open(spec(), at(moment)) is open_


@pytest.mark.parametrize(
    ("moment", "open_"),
    [
        ("2024-06-01 21:59:00", False),
        ("2024-06-01 22:00:00", True),
        ("2024-06-02 01:59:00", True),  # still Saturday's
        ("2024-06-02 02:00:00", False),
        ("2024-06-01 01:00:00", False),  # Friday's, which there is none of
        ("2024-06-02 22:30:00", False),
    ],
)
def test_a_window_past_midnight_belongs_to_the_day_it_starts_on(moment: str, open_: bool) -> None:
    assert window.is_open(spec("22:00", "02:00", days=["saturday"]), at(moment)) is open_


def test_the_window_is_in_its_own_time_zone() -> None:
    tokyo = spec("02:00", "06:00", "Asia/Tokyo", days=["saturday"])
    assert window.is_open(tokyo, at("2024-05-31 18:00:00"))  # Saturday 03:00 there
    assert not window.is_open(tokyo, at("2024-06-01 03:00:00"))


@pytest.mark.parametrize(
    ("start", "end", "hours"), [("02:00", "06:00", 4), ("22:00", "02:00", 4), ("00:01", "00:00", 24)]
)
def test_a_window_has_its_length_past_midnight_too(start: str, end: str, hours: int) -> None:
    assert round(window.length(spec(start, end)).total_seconds() / 3600) == hours


@given(some.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)))
def test_a_spec_without_a_window_is_always_open(moment: datetime) -> None:
    assert window.is_open(spec(enabled=False), moment.replace(tzinfo=UTC))


def test_a_closed_window_is_said_in_words() -> None:
    now = at("2024-06-03 12:00:00")
    with pytest.raises(
        WindowClosedError, match=r"Monday 12:00 UTC is outside the maintenance window of shop: saturday"
    ):
        window.check(spec(), now, False, now)
    window.check(spec(), now, True, now)


def test_the_longest_duration_holds_even_where_the_window_is_ignored() -> None:
    limited = spec(automated={"enabled": True, "schedule": "0 2 * * 0", "maxDuration": "1h"})
    started = at("2024-06-01 02:00:00")
    window.check(limited, started, False, started + timedelta(hours=1))
    with pytest.raises(WindowClosedError, match=r"3601 s, longer than maxDuration 3600 s"):
        window.check(limited, started, True, started + timedelta(seconds=3601))
