"""What every test against the servers needs."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import SHOP, mysql

from cutover.local.servers import Server


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test's runs keep is the test's own."""
    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path / "home"))


@pytest.fixture
def shop(source_db: Server) -> Server:
    """A source of two tables, one of which refers to the other."""
    mysql(source_db, *SHOP)
    return source_db
