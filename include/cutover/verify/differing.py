"""Which rows of a chunk differ, all of them, on disk: what a repair takes away, and what it puts in its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pyarrow as pa

from cutover.data import stage
from cutover.data.transform import target_schema
from cutover.route import TableRoute

# Rows as they should be, and the keys of the target's that are not like them.
Pair = tuple[pa.Table, pa.Table]


@dataclass(frozen=True)
class Differing:
    """Two files of one chunk: the keys of rows that differ on either side, and the rows as they should be."""

    folder: Path
    name: str

    @property
    def keys(self) -> Path:
        """Where the keys are."""
        return self.folder / f"{self.name}.keys"

    @property
    def rows(self) -> Path:
        """Where the rows are."""
        return self.folder / f"{self.name}.rows"

    def write(self, route: TableRoute, pairs: Iterator[Pair]) -> None:
        """Write both in place of what was there; where nothing differs there are no files.

        Raises:
            PreflightError: the disk is full.
        """
        for path in (self.rows, self.keys):
            path.unlink(missing_ok=True)
        first = next(pairs, None)
        if first is None:
            return
        wanted = target_schema(route)
        gone: list[pa.Table] = []

        def rows() -> Iterator[pa.RecordBatch]:
            for mine, theirs in chain([first], pairs):
                gone.append(theirs)
                yield from mine.to_batches()

        stage.write(self.rows, rows(), wanted)
        keys = pa.schema([wanted.field(name) for name in route.key])
        stage.write(self.keys, (batch for table in gone for batch in table.to_batches()), keys)
