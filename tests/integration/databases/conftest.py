"""A target database, and another one beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from helpers import endpoint, postgres, quoted
from neighbours import beside, databases_of, mark

from cutover.local.servers import Server
from cutover.rollback import databases


@pytest.fixture
def live(target_db: Server) -> Iterator[Server]:
    """A target database whose marker says ``old``; what is made beside it goes."""
    mark(target_db, "old")
    yield target_db
    for name in databases_of(target_db).keys() - {target_db.name}:
        postgres(replace(target_db, name="postgres"), f"DROP DATABASE {quoted(name)} WITH (FORCE)")


@pytest.fixture
def both(live: Server) -> Server:
    """The target database, and one beside it, ``_new``, whose marker says ``new``."""
    new = beside(live, "new")
    databases.make_like(endpoint(live), new.name)
    mark(new, "new")
    return live
