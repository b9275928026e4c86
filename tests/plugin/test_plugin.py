"""What the plugin adds to Airflow, as Airflow itself loads it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TIMETABLE = "cutover.airflow.timetable.MaintenanceWindowTimetable"

_LOOK = """
import json, sys
from airflow import plugins_manager
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
plugins, _ = plugins_manager._get_plugins()
dag = DagBag(dag_folder=sys.argv[1]).dags["camera_counting"]
there = DagSerialization.to_dict(dag)
back = DagSerialization.from_dict(json.loads(json.dumps(there)))
print(json.dumps({
    "plugins": [plugin.name for plugin in plugins],
    "errors": plugins_manager.get_import_errors(),
    "timetables": sorted(plugins_manager.get_timetables_plugins()),
    "timetable": type(back.timetable).__module__ + "." + type(back.timetable).__name__,
    "summary": back.timetable.summary,
    "again": back.timetable.serialize() == dag.timetable.serialize(),
    "heavy": sorted({"pandas", "pyarrow", "connectorx", "great_expectations"} & set(sys.modules)),
}))
"""


def look(tmp_path: Path) -> dict[str, Any]:
    settings = {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "CUTOVER_MIGRATIONS": str(ROOT / "include" / "migrations"),
    }
    done = subprocess.run(
        [sys.executable, "-c", _LOOK, str(ROOT / "dags")],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_airflow_finds_the_timetable_and_reads_a_serialised_dag_back(tmp_path: Path) -> None:
    found = look(tmp_path)
    assert "cutover" in found["plugins"]
    assert found["errors"] == {}
    assert TIMETABLE in found["timetables"]
    assert (found["timetable"], found["summary"], found["again"]) == (TIMETABLE, "0 2 * * 0", True)
    # Preloading is for the processes that fork tasks; the API server and the DAG processor stay small.
    assert found["heavy"] == []
