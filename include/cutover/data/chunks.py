"""Cut tables into chunks, and deal chunks out to workers in batches of equal size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from cutover.route import Chunk, TableRoute
from cutover.schema.model import Statistics

CHUNK_ROWS = 500_000
CHUNK_BYTES = 64 * 1024 * 1024
# Airflow refuses to map a task over more items than this ([core] max_map_length).
MAX_BATCHES = 1024


def cut(route: TableRoute, statistics: Statistics) -> Iterator[Chunk]:
    """Yield the chunks of a table, none much larger than CHUNK_ROWS or CHUNK_BYTES where keys are dense.

    The first and last chunk are open, so that no row falls outside, whatever the statistics say.
    """
    low, high = statistics.key_min, statistics.key_max
    wanted = max(-(-statistics.rows // CHUNK_ROWS), -(-statistics.bytes // CHUNK_BYTES), 1)
    if route.limit is not None:
        rows = min(route.limit, statistics.rows)
        yield Chunk(route.source, 0, rows=rows, bytes=statistics.bytes * rows // max(statistics.rows, 1))
        return
    if not route.ranged or low is None or high is None or wanted == 1:
        yield Chunk(route.source, 0, rows=statistics.rows, bytes=statistics.bytes)
        return
    count = min(wanted, high - low + 1)
    edges = [low + (high - low + 1) * n // count for n in range(1, count)]
    for number, (lower, upper) in enumerate(zip([None, *edges], [*edges, None], strict=True)):
        yield Chunk(route.source, number, lower, upper, statistics.rows // count, statistics.bytes // count)


def deal(chunks: Sequence[Chunk], workers: int) -> list[list[Chunk]]:
    """Deal chunks into batches: two for each worker, so that one can load while the other is read.

    The largest chunk goes first, each to the batch that has least.
    """
    count = max(1, min(len(chunks), 2 * workers, MAX_BATCHES))
    batches: list[list[Chunk]] = [[] for _ in range(count)]
    weights = [0] * count
    for chunk in sorted(chunks, key=lambda c: (-c.bytes, c.table, c.number)):
        lightest = weights.index(min(weights))
        batches[lightest].append(chunk)
        weights[lightest] += max(chunk.bytes, 1)
    return [in_order(batch) for batch in batches]


def in_order(chunks: Iterable[Chunk]) -> list[Chunk]:
    """Sort chunks by table and number."""
    return sorted(chunks, key=lambda c: (c.table, c.number))
