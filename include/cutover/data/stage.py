"""Batches on disk between two tasks, as Arrow IPC streams."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from cutover.errors import PreflightError

# No space on the disk, or none that this user or process may still take.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


def is_full(error: Exception) -> bool:
    """Whether a file could not be written for want of room."""
    told = str(error)
    return getattr(error, "errno", None) in _FULL or any(os.strerror(number) in told for number in _FULL)


def no_room(folder: Path, error: Exception) -> PreflightError:
    """Return the error that says that staging has no room, and what to do."""
    text = f"no space left for staging in {folder} ({error}); free some, or set CUTOVER_STAGING to a larger disk"
    return PreflightError([text])


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
        if is_full(error):
            raise no_room(path.parent, error) from None
        raise
    return rows


def read(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a file that :func:`write` made, one at a time in memory."""
    if not path.stat().st_size:
        return
    with pa.OSFile(str(path), "rb") as source, pa.ipc.open_stream(source) as reader:
        yield from reader
