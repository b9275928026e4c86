"""The source's binary log as a feed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cutover.data.sync import binlog
from cutover.data.sync.changes import Changes, Followed
from cutover.data.sync.snapshot import snapshot
from cutover.dialects.endpoint import Endpoint
from cutover.errors import PreflightError


@dataclass(frozen=True)
class BinlogFeed:
    """A :class:`~cutover.data.sync.feed.Feed` whose positions are those of the log, ``file:offset``."""

    source: Endpoint
    followed: Mapping[str, Followed]
    name: str = "binlog"

    def position(self) -> str:
        """Return where the log stands."""
        found = binlog.position(self.source)
        if found is None:
            raise PreflightError([f"{self.source} does not tell where its binary log stands"])
        return found

    @contextmanager
    def tell(self, since: str, limit: int) -> Iterator[tuple[Any, Changes]]:
        """Read the log up to ``limit`` changes and the end of their transaction, or to its end."""
        before = self.position()
        with snapshot(self.source) as source:
            # The snapshot was taken between the two: what changed up to the second is read in it, and told of again.
            changes = binlog.changes(self.source, self.followed, since, self.position(), limit)
            if changes.statement is not None:
                raise PreflightError(
                    [f"the binary log has a statement in place of rows: {changes.statement}. Set binlog_format to ROW"]
                )
            if changes.complete:
                changes.position = max(since, before, key=binlog.order)
            yield source, changes
