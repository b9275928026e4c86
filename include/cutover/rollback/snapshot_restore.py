"""The whole database from a clone that the server made before the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cutover.dialects import postgresql
from cutover.errors import RollbackError
from cutover.rollback import databases
from cutover.rollback.strategy import Site
from cutover.rollback.whole import Whole, at


class SnapshotRestore(Whole):
    """CREATE DATABASE ... TEMPLATE copies files, so the way back is a rename and takes no time of its own.

    Once the clone has been exchanged, it is what the application works on: there is one way back by it, and the way
    forth again.
    """

    def prepare(self, site: Site) -> dict[str, Any]:
        """Clone the live database.

        Raises:
            PreflightError: others are connected to it; the message names them.
        """
        databases.clone(site.target, site.target.database, site.beside, site.tablespace)
        return {"database": site.beside, "bytes": databases.size(site.target, site.beside)}

    def unusable(self, site: Site, taken: Mapping[str, Any]) -> list[str]:
        """Return that the clone is not there, where it is not."""
        if databases.exists(site.target, site.beside) or databases.exists(site.target, site.kept):
            return []
        return [f"{site.target} has no database {site.beside}, the clone that the run made; it was dropped"]

    def rehearse(self, site: Site, taken: Mapping[str, Any]) -> None:
        """Look whether the clone is there and can be opened; going back is a rename.

        Raises:
            RollbackError: it is not there.
        """
        if problems := self.unusable(site, taken):
            raise RollbackError("; ".join(problems))
        with postgresql.session(at(site.target, site.beside)):
            pass

    def bring(self, site: Site, taken: Mapping[str, Any]) -> str:
        """Nothing is to be made."""
        return site.beside

    def go_forth(self, site: Site) -> bool:
        """Exchange the databases once more; the clone stays, with what was written to it while it was live.

        Raises:
            PreflightError: the server refuses something.
            TransientError: the sessions on the database did not end in time; nothing was changed.
        """
        if not databases.exists(site.target, site.kept):
            return False
        databases.exchange(site.target, site.kept, site.beside, site.timeout_ms)
        return True
