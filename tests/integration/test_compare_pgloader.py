"""A database that pgloader loaded is compared with its source, and mended."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from comparing import compared
from helpers import one, postgres

from cutover import verdict
from cutover.local.seed import seed_camera_counting
from cutover.local.servers import Server

ROWS = 20_000


@pytest.mark.slow
def test_what_pgloader_lost_is_found_and_brought(source_db: Server, target_db: Server, tmp_path: Path) -> None:
    seed_camera_counting(source_db, ROWS)
    script = tmp_path / "camera.load"
    script.touch(0o600)
    script.write_text(
        f"LOAD DATABASE FROM {source_db.url()} INTO {target_db.url()} "
        f"ALTER SCHEMA '{source_db.name}' RENAME TO 'loaded';\n"
    )
    done = subprocess.run(["pgloader", str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout

    found = compared(source_db, target_db, "loaded")
    counts = {table.table: (table.rows, table.lost, table.extra, table.changed) for table in found.tables}
    # It exits with 0 all the same.
    assert counts == {
        "users": (0, 20_000, 0, 0),
        "cameras": (0, 2_000, 0, 0),
        "analytics": (ROWS, 0, 0, 0),
        "temp_import": (10, 0, 0, 0),
    }
    assert "foreign key analytics.analytics_camera: the target has none over its columns" in found.notes
    assert any("analytics.confidence" in line and "shortest decimal of their FLOAT" in line for line in found.explained)

    # Dates that are none become NULL, which its table of users does not take.
    mended = compared(source_db, target_db, "loaded", repair=True)
    assert (mended.status, mended.count) == (verdict.DIFFERENT, 5)
    postgres(target_db, "ALTER TABLE loaded.users ALTER created_at DROP NOT NULL")
    mended = compared(source_db, target_db, "loaded", repair=True)
    assert (mended.status, mended.count, mended.unlike) == (verdict.SAME, 0, [])
    assert one(target_db, "SELECT count(*) FROM loaded.users") == 20_000
    assert compared(source_db, target_db, "loaded", fast=True).status == verdict.SAME
