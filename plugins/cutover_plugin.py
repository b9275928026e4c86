"""What Cutover adds to Airflow."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from cutover.airflow.timetable import MaintenanceWindowTimetable


class CutoverPlugin(AirflowPlugin):
    """Registers the timetable that keeps migrations within their maintenance window."""

    name = "cutover"
    timetables = [MaintenanceWindowTimetable]
