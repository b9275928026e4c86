"""A database for what does not fit in memory: DuckDB, in a folder of its own that goes in the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

from cutover.data import stage
from cutover.data.passing import passing

_MEMORY = "256MB"


@contextmanager
def database(folder: Path) -> Iterator[Any]:
    """Open an empty database below ``folder``, which is made.

    Raises:
        PreflightError: the disk is full.
    """
    import duckdb

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder) as own, duckdb.connect(str(Path(own) / "scratch.db")) as connection:
            connection.execute(f"SET memory_limit = '{_MEMORY}'")
            yield connection
    except (duckdb.Error, OSError) as error:
        if stage.is_full(error):
            raise stage.no_room(folder, error) from None
        raise


def create(connection: Any, table: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    """Make a table of batches."""
    with passing(batches) as arriving:
        connection.register("incoming", pa.RecordBatchReader.from_batches(schema, arriving))
        connection.execute(f"CREATE TABLE {table} AS SELECT * FROM incoming")  # noqa: S608
    connection.unregister("incoming")
