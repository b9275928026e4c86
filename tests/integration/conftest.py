"""What every test against the servers needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from backward import LIVE
from comparing import ROWS, SOURCE, TARGET
from helpers import SHOP, access, mysql, postgres, rows
from versioned import VERSIONED, Make, Migration

from cutover.local.servers import Server
from cutover.verify import expectations


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test's runs keep is the test's own."""
    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path / "home"))


@pytest.fixture(autouse=True)
def _without_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data Docs take most of a small run's time; they are made where they are looked at."""
    monkeypatch.setattr(expectations, "DOCUMENTED", 0)


@pytest.fixture
def shop(source_db: Server) -> Server:
    """A source of two tables, one of which refers to the other."""
    mysql(source_db, *SHOP)
    return source_db


@pytest.fixture
def make(shop: Server, target_db: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Make a migration of the shop whose target has versions."""
    for name, value in access(shop, target_db).items():
        monkeypatch.setenv(name, value)
    return lambda strategy=VERSIONED: Migration(tmp_path, shop, target_db, strategy)


@pytest.fixture
def copied(source_db: Server, target_db: Server) -> tuple[Server, Server]:
    """A source, and what another tool has made of it."""
    mysql(source_db, *SOURCE, *ROWS)
    postgres(target_db, *TARGET, *ROWS)
    return source_db, target_db


@pytest.fixture
def live(target_db: Server, pg_server: Server) -> Iterator[Server]:
    """A target in use; what runs keep beside it goes in the end."""
    postgres(target_db, *LIVE)
    yield target_db
    left = "SELECT datname FROM pg_database WHERE datname ~ '^cutover_(back|kept)_'"
    for (name,) in rows(pg_server, left):
        postgres(pg_server, f"DROP DATABASE {name} WITH (FORCE)")
