"""A schedule that never starts a migration outside its maintenance window."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pendulum
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable
from croniter import croniter

from cutover import window
from cutover.spec import MigrationSpec

if TYPE_CHECKING:
    from airflow.models.dag import DagModel

# A schedule that meets its window not once in so many slots is taken never to meet it.
_SLOTS = 1000


class MaintenanceWindowTimetable(Timetable):
    """Starts at the slots of a cron expression that fall into the window.

    A slot that was missed, because the scheduler was down or the DAG paused, is made up for while
    the window of that slot is still open, and left out once it has closed.
    """

    def __init__(self, spec: MigrationSpec) -> None:
        self._spec = spec
        scheduling = spec.strategy.planning.scheduling
        self._cron = scheduling.automated.schedule
        self._zone = ZoneInfo(scheduling.maintenance_window.timezone)
        self.description = f"{self._cron} {self._zone.key}, within the maintenance window"

    @property
    def summary(self) -> str:
        """The cron expression."""
        return self._cron

    def serialize(self) -> dict[str, Any]:
        """Return what :meth:`deserialize` needs: the schedule alone, nothing of the databases."""
        scheduling = self._spec.strategy.planning.scheduling
        return {"scheduling": scheduling.model_dump(mode="json", by_alias=True)}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> MaintenanceWindowTimetable:
        """Make the timetable from what :meth:`serialize` returned."""
        return cls(
            MigrationSpec.model_validate(
                {
                    "name": "schedule",
                    "source": {"env": "UNUSED"},
                    "target": {"env": "UNUSED"},
                    "strategy": {"planning": {"scheduling": data["scheduling"]}},
                }
            )
        )

    def infer_manual_data_interval(self, *, run_after: pendulum.DateTime) -> DataInterval:
        """A manual run covers the moment it was asked for."""
        return DataInterval.exact(run_after)

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """Return the first slot after the last run whose window has not closed yet."""
        after = last_automated_data_interval.end if last_automated_data_interval else restriction.earliest
        slot = self.next_slot(after or datetime.now(UTC), datetime.now(UTC), taken=bool(last_automated_data_interval))
        if slot is None or (restriction.latest is not None and slot > restriction.latest):
            return None
        return DagRunInfo.exact(pendulum.instance(slot))

    def next_run_info_from_dag_model(self, *, dag_model: DagModel) -> DagRunInfo | None:
        """Replace a slot that was worked out before the scheduler went down, if its window has closed.

        The scheduler creates the run of the slot it has stored, however old, without asking again.
        """
        stored = super().next_run_info_from_dag_model(dag_model=dag_model)
        if stored is None:
            return None
        slot = self.next_slot(stored.run_after, datetime.now(UTC), taken=False)
        return None if slot is None else DagRunInfo.exact(pendulum.instance(slot))

    def next_slot(self, after: datetime, now: datetime, taken: bool) -> datetime | None:
        """Return the first slot at or after ``after`` that can still be kept at ``now``.

        Args:
            after: where to begin to look.
            now: the present; a slot in the past counts while the window has been open since.
            taken: whether the slot at ``after`` itself is used up.
        """
        begin = max(after, self._earliest(now))
        # Local times without a zone: when the clocks go back, an hour comes twice and its slot once.
        local = begin.astimezone(self._zone).replace(tzinfo=None) - timedelta(microseconds=1)
        slots = croniter(self._cron, local)
        for _ in range(_SLOTS):
            slot = slots.get_next(datetime).replace(tzinfo=self._zone).astimezone(UTC)
            if slot < begin or (taken and slot <= after):
                continue
            if window.is_open(self._spec, slot):
                return slot
        return None

    def _earliest(self, now: datetime) -> datetime:
        """Return the earliest moment whose slot can still be kept: the window has been open from it until now."""
        opened = window.opened_at(self._spec, now)
        if opened is not None:
            return opened
        if window.is_open(self._spec, now):
            # No window at all: the last slot that was missed is made up for.
            previous: datetime = croniter(self._cron, now.astimezone(self._zone)).get_prev(datetime)
            return previous.astimezone(UTC)
        return now
