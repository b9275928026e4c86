"""What every test against the servers needs."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test's runs keep is the test's own."""
    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path / "home"))
