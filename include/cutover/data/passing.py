"""Batches on their way through a library in another language, which would tell their errors in words of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pyarrow as pa


@contextmanager
def passing(batches: Iterable[pa.RecordBatch]) -> Iterator[Iterator[pa.RecordBatch]]:
    """Hand on batches; an error of theirs leaves the block as it is, and so may still be one that passes."""
    problems: list[Exception] = []

    def told() -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except Exception as error:
            problems.append(error)
            raise

    try:
        yield told()
    except Exception:
        if problems:
            raise problems[0] from None
        raise
