"""What Cutover adds to Airflow."""

from __future__ import annotations

import importlib
import sys

from airflow.plugins_manager import AirflowPlugin

from cutover.airflow.timetable import MaintenanceWindowTimetable

if {"scheduler", "celery"} & set(sys.argv):
    # Tasks are forked from these processes: what is loaded here once, no task loads again (about a second each).
    for module in ("adbc_driver_postgresql.dbapi", "connectorx", "pandas", "cutover.airflow.alerts", "cutover.run"):
        importlib.import_module(module)


class CutoverPlugin(AirflowPlugin):
    """Registers the timetable that keeps migrations within their maintenance window."""

    name = "cutover"
    timetables = [MaintenanceWindowTimetable]
