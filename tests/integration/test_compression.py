"""Large values are compressed in the quicker way, unless somebody chose another."""

from __future__ import annotations

import pytest
from helpers import begin, loaded, mysql, postgres, rows

from cutover.local.servers import Server


@pytest.mark.parametrize(("chosen", "found"), [(None, "lz4"), ("pglz", "pglz")])
def test_lz4_unless_the_target_says_otherwise(
    source_db: Server, target_db: Server, chosen: str | None, found: str
) -> None:
    mysql(
        source_db,
        "CREATE TABLE pages (id INT PRIMARY KEY, body TEXT NOT NULL)",
        "INSERT INTO pages VALUES (1, REPEAT('All work and no play. ', 2000))",
    )
    if chosen is not None:
        postgres(target_db, f"ALTER DATABASE {target_db.name} SET default_toast_compression = {chosen}")
    run = loaded(begin(source_db, target_db))
    told = rows(target_db, f"SELECT pg_column_compression(body), length(body) FROM {run.shadow}.pages")
    assert told == [(found, 44_000)]
