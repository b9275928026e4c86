"""What a feed offers: which rows of a source changed, and a look at the source in which their changes are seen."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

from cutover.data.sync.changes import Changes


class Feed(Protocol):
    """Tells which rows of a source changed since a position."""

    @property
    def name(self) -> str:
        """What its checkpoint is kept under."""

    def position(self) -> str:
        """Return where the source stands: a load that begins to read after this can be followed from here.

        Raises:
            PreflightError: the source does not tell.
        """

    def tell(self, since: str, limit: int) -> AbstractContextManager[tuple[Any, Changes]]:
        """Open a session of :func:`cutover.data.sync.snapshot.snapshot` and say what changed before that moment.

        Args:
            since: a position, of this feed.
            limit: row changes after which it is enough, where the feed can stop between them.

        Raises:
            DriftError: the schema of a followed table changed.
            PreflightError: the feed cannot be read.
            TransientError: a connection was lost.
        """
