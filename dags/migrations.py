"""One DAG for each folder of migrations that holds a migration.yaml.

A folder whose spec is wrong shows as a DAG of its own that fails with the reason; the others go on.
"""

from __future__ import annotations

import os
from pathlib import Path

from cutover.airflow.factory import broken_dag, build_dags
from cutover.errors import CutoverError

HERE = Path(__file__).resolve().parent
MIGRATIONS = Path(os.environ.get("CUTOVER_MIGRATIONS", HERE.parent / "include" / "migrations"))

for folder in sorted(MIGRATIONS.iterdir()) if MIGRATIONS.is_dir() else ():
    if not (folder / "migration.yaml").is_file():
        continue
    try:
        made = build_dags(folder)
    except CutoverError as error:
        made = [broken_dag(folder.name, str(error))]
    globals().update({dag.dag_id: dag for dag in made})
