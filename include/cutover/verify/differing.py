"""Which rows of a chunk differ, all of them, on disk: as they are, and as they should be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pyarrow as pa

from cutover.data import stage
from cutover.data.transform import target_schema
from cutover.route import TableRoute

# Rows as they should be, and those of the target that have their keys.
Pair = tuple[pa.Table, pa.Table]


@dataclass(frozen=True)
class Differing:
    """Two files of one chunk: the source's rows that differ, as the target should have them, and the target's."""

    folder: Path
    name: str

    @property
    def rows(self) -> Path:
        """Where the rows are as they should be."""
        return self.folder / f"{self.name}.rows"

    @property
    def seen(self) -> Path:
        """Where the target's rows are as they were seen; it is written last."""
        return self.folder / f"{self.name}.seen"

    def write(self, route: TableRoute, pairs: Iterator[Pair]) -> None:
        """Write both in place of what was there; where nothing differs there are no files.

        Raises:
            PreflightError: the disk is full.
        """
        for path in (self.seen, self.rows):
            path.unlink(missing_ok=True)
        first = next(pairs, None)
        if first is None:
            return
        wanted = target_schema(route)
        theirs: list[pa.Table] = []

        def rows() -> Iterator[pa.RecordBatch]:
            for mine, other in chain([first], pairs):
                theirs.append(other)
                yield from mine.to_batches()

        stage.write(self.rows, rows(), wanted)
        stage.write(self.seen, (batch for table in theirs for batch in table.to_batches()), wanted)
