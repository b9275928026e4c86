"""A database for what does not fit in memory keeps the errors of what is put into it, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from cutover.data import scratch
from cutover.errors import TransientError

SCHEMA = pa.schema([("n", pa.int64())])


def test_an_error_on_the_way_in_stays_what_it_is(tmp_path: Path) -> None:
    """A connection lost is tried again, which DuckDB's words for it are not."""

    def lost() -> Iterator[pa.RecordBatch]:
        yield pa.RecordBatch.from_pydict({"n": [1]}, schema=SCHEMA)
        raise TransientError("the source is gone")

    with (
        pytest.raises(TransientError, match="the source is gone"),
        scratch.database(tmp_path / "made") as database,
    ):
        scratch.create(database, "numbers", SCHEMA, lost())
    assert list((tmp_path / "made").iterdir()) == []
