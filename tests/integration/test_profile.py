"""What flags and enums hold is seen wherever in a table it is."""

from __future__ import annotations

import pytest
from helpers import endpoint, mysql, spec

from cutover.local.servers import Server
from cutover.schema import inspect_mysql
from cutover.schema import profile as profiling
from cutover.schema.profile import profile

ROWS = 1000


@pytest.mark.parametrize("large", [1, 10 * ROWS], ids=["by two sessions", "by one"])
def test_a_strange_value_is_seen_in_either_half(source_db: Server, monkeypatch: pytest.MonkeyPatch, large: int) -> None:
    monkeypatch.setattr(profiling, "_LARGE", large)
    mysql(
        source_db,
        "SET sql_mode = ''",
        "CREATE TABLE t (id INT PRIMARY KEY, first TINYINT(1), last TINYINT(1), plain TINYINT(1), late TINYINT(1), "
        "empty TINYINT(1), low ENUM('a'), high ENUM('a'), fine ENUM('a'))",
        # Strange in the first row, in the last, nowhere; known in the upper half alone; never known.
        f"INSERT INTO t SELECT seq, IF(seq = 1, 2, 1), IF(seq = {ROWS}, 2, 1), seq % 2, IF(seq > {ROWS} / 2, 1, NULL), "
        f"NULL, IF(seq = 1, 'no', 'a'), IF(seq = {ROWS}, 'no', 'a'), 'a' FROM seq_1_to_{ROWS}",
        "CREATE TABLE none_yet (id INT PRIMARY KEY, flag TINYINT(1), kind ENUM('a'))",
        "ANALYZE TABLE t",
    )
    source = inspect_mysql.inspect(endpoint(source_db))
    seen = profile(endpoint(source_db), source, spec(), {"t", "none_yet"})
    assert seen.table("t").statistics.booleans == ("plain", "late")
    assert seen.table("t").statistics.unlabelled == ("low", "high")
    assert seen.table("none_yet").statistics.booleans == ()
    assert seen.table("none_yet").statistics.unlabelled == ()
