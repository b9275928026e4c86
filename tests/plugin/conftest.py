"""Tests in this folder import airflow, which makes a home for itself where it is told to."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("AIRFLOW_HOME", str(Path(__file__).resolve().parents[2] / ".local" / "airflow-tests"))
