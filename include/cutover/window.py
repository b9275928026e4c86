"""When a migration may run: the maintenance window and the longest duration."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from cutover.errors import WindowClosedError
from cutover.spec import MigrationSpec

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def is_open(spec: MigrationSpec, moment: datetime) -> bool:
    """Whether the maintenance window is open; always, where the spec has none.

    A window that ends before it starts runs past midnight and belongs to the day it starts on.
    """
    scheduling = spec.strategy.planning.scheduling
    window = scheduling.maintenance_window
    if not (scheduling.enabled and window.enabled):
        return True
    local = moment.astimezone(ZoneInfo(window.timezone))
    start, end = time.fromisoformat(window.start_time), time.fromisoformat(window.end_time)
    now = local.time().replace(tzinfo=None)
    today, yesterday = _DAYS[local.weekday()], _DAYS[local.weekday() - 1]
    if start < end:
        return today in window.days and start <= now < end
    return (today in window.days and now >= start) or (yesterday in window.days and now < end)


def opened_at(spec: MigrationSpec, moment: datetime) -> datetime | None:
    """Return when the window that is open at ``moment`` opened; None where it is closed, or there is none."""
    scheduling = spec.strategy.planning.scheduling
    window = scheduling.maintenance_window
    if not (scheduling.enabled and window.enabled) or not is_open(spec, moment):
        return None
    local = moment.astimezone(ZoneInfo(window.timezone))
    start = time.fromisoformat(window.start_time)
    day = local.date() if local.time().replace(tzinfo=None) >= start else local.date() - timedelta(days=1)
    return datetime.combine(day, start, tzinfo=local.tzinfo).astimezone(UTC)


def length(spec: MigrationSpec) -> timedelta:
    """Return how long the maintenance window is open each time."""
    window = spec.strategy.planning.scheduling.maintenance_window
    start, end = (datetime.combine(datetime.min, time.fromisoformat(at)) for at in (window.start_time, window.end_time))
    return (end - start) % timedelta(days=1)


def check(spec: MigrationSpec, started: datetime, ignore_window: bool, now: datetime | None = None) -> None:
    """Refuse to go on outside the window, or beyond the longest duration.

    Args:
        spec: the migration.
        started: when the run began.
        ignore_window: whether the operator asked to run outside the window; the longest duration
            holds all the same.
        now: the moment to judge; the present where it is None.

    Raises:
        WindowClosedError: with what is closed, and when it opens.
    """
    now = now or datetime.now(UTC)
    scheduling = spec.strategy.planning.scheduling
    if not ignore_window and not is_open(spec, now):
        window = scheduling.maintenance_window
        raise WindowClosedError(
            f"{now:%A %H:%M} UTC is outside the maintenance window of {spec.name}: "
            f"{', '.join(window.days)} {window.start_time}-{window.end_time} {window.timezone}. "
            "Wait for it, or trigger the run with ignore_window"
        )
    automatic = spec.rollback.triggers.automatic
    limits = []
    if scheduling.enabled and scheduling.automated.enabled:
        limits.append(("maxDuration", scheduling.automated.max_duration))
    if automatic.enabled and automatic.timeout_threshold is not None:
        limits.append(("rollback.triggers.automatic.timeoutThreshold", automatic.timeout_threshold))
    for key, limit in limits:
        longest = timedelta(milliseconds=limit)
        if now - started > longest:
            raise WindowClosedError(
                f"the run has taken {(now - started).total_seconds():.0f} s, longer than "
                f"{key} {longest.total_seconds():.0f} s allows"
            )
