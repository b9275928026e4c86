"""Cut tables into chunks, and deal chunks out to workers in batches of equal size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from cutover.route import Chunk, TableRoute
from cutover.schema.model import Statistics
from cutover.schema.target import Note

CHUNK_ROWS = 500_000
CHUNK_BYTES = 64 * 1024 * 1024
# Airflow refuses to map a task over more items than this ([core] max_map_length).
MAX_BATCHES = 1024


def wanted(statistics: Statistics) -> int:
    """Return into how many chunks a table is to be cut, by what the server estimates."""
    return max(-(-statistics.rows // CHUNK_ROWS), -(-statistics.bytes // CHUNK_BYTES), 1)


def is_dense(statistics: Statistics) -> bool:
    """Whether a key of one integer is cut well by arithmetic: no chunk holds more than twice its share of rows."""
    low, high = statistics.key_min, statistics.key_max
    return low is not None and high is not None and high - low < 2 * statistics.rows


def cut(route: TableRoute, statistics: Statistics) -> Iterator[Chunk]:
    """Yield the chunks of a table, each of about CHUNK_ROWS or CHUNK_BYTES where it has a key that can be cut.

    The first and last chunk are open, so that no row falls outside, whatever the statistics say. A sample is one
    chunk, for each SELECT draws it anew.
    """
    if route.limit is not None or route.sample is not None:
        rows = statistics.rows if route.sample is None else route.sample.rows
        rows = rows if route.limit is None else min(route.limit, rows)
        yield Chunk(route.source, 0, rows=rows, bytes=statistics.bytes * rows // max(statistics.rows, 1))
        return
    edges = (statistics.edges or _evenly(statistics)) if route.cut_by else ()
    count = len(edges) + 1
    for number, (lower, upper) in enumerate(zip([None, *edges], [*edges, None], strict=True)):
        yield Chunk(route.source, number, lower, upper, statistics.rows // count, statistics.bytes // count)


def _evenly(statistics: Statistics) -> tuple[tuple[str, ...], ...]:
    """Divide the range of a key of one integer."""
    low, high = statistics.key_min, statistics.key_max
    if low is None or high is None:
        return ()
    count = min(wanted(statistics), high - low + 1)
    return tuple((str(low + (high - low + 1) * n // count),) for n in range(1, count))


def undivided(route: TableRoute, statistics: Statistics) -> Note | None:
    """Say why a table that is larger than a chunk travels in one."""
    if route.limit is not None or wanted(statistics) == 1 or len(list(cut(route, statistics))) > 1:
        return None
    if route.cut_by:
        reason = f"its rows are alike in {', '.join(column.name for column in route.cut_by)}"
    else:
        reason = "it has no key that can be cut"
    return Note(f"table {route.source}", f"is loaded in one piece, by one worker: {reason}")


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
