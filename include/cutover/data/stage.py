"""Batches on disk between two tasks, as Arrow IPC streams."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from cutover.errors import PreflightError

_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


def write(
    path: Path,
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema | None = None,
    before: Callable[[], object] | None = None,
) -> int:
    """Write batches to ``path`` and return their rows; the file appears only when it is whole.

    Args:
        path: the file; its folder is made.
        batches: the batches, all of one schema.
        schema: their schema; taken from the first batch where it is None. No batch and no schema
            make an empty file.
        before: called when every batch is written, before the file appears.

    Raises:
        PreflightError: the disk is full.
    """
    partial = path.with_suffix(".partial")
    rows = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with pa.OSFile(str(partial), "wb") as sink:
            writer = pa.ipc.new_stream(sink, schema, options=_OPTIONS) if schema is not None else None
            for batch in batches:
                writer = writer or pa.ipc.new_stream(sink, batch.schema, options=_OPTIONS)
                writer.write_batch(batch)
                rows += batch.num_rows
            if writer is not None:
                writer.close()
        if before is not None:
            before()
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        if error.errno == errno.ENOSPC or "No space left" in str(error):
            raise PreflightError(
                [f"no space left for staging in {path.parent}; free some, or set CUTOVER_HOME to a larger disk"]
            ) from None
        raise
    return rows


def read(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a file that :func:`write` made, one at a time in memory."""
    if not path.stat().st_size:
        return
    with pa.OSFile(str(path), "rb") as source, pa.ipc.open_stream(source) as reader:
        yield from reader
