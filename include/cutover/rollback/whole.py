"""What the ways back have in common that bring the whole database: made beside, exchanged by rename."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from cutover.dialects.endpoint import Endpoint
from cutover.rollback import databases, properties
from cutover.rollback.strategy import Site


class Whole(ABC):
    """A database beside the live one takes its name, in one transaction; the live one stays under another."""

    whole: ClassVar[bool] = True
    needs_backup: ClassVar[bool] = False

    def lacking(self, site: Site) -> list[str]:
        """Return what the target lacks for making databases beside it and exchanging them."""
        return databases.lacking(site.target, clones=not self.needs_backup)

    @abstractmethod
    def bring(self, site: Site, taken: Mapping[str, Any]) -> str:
        """Make what comes back beside the live database, and return the name of it."""

    def rehearse(self, site: Site, taken: Mapping[str, Any]) -> None:
        """Bring it, prove it, and drop it.

        Raises:
            As :meth:`bring` does.
        """
        databases.drop(site.target, self.bring(site, taken))

    def is_back(self, site: Site) -> bool:
        """Whether the databases are exchanged: the one that was live is kept under its other name."""
        return databases.exists(site.target, site.kept)

    def go_back(self, site: Site, taken: Mapping[str, Any]) -> bool:
        """Bring it, and exchange it with the live database.

        Raises:
            RollbackError: what was brought is not what was backed up; nothing was changed.
            PreflightError: the server refuses something; nothing was changed.
            TransientError: the sessions on the database did not end in time; nothing was changed.
        """
        if self.is_back(site):
            return False
        coming = self.bring(site, taken)
        properties.carry(site.target, site.target.database, coming)
        databases.exchange(site.target, coming, site.kept, site.timeout_ms)
        return True

    def go_forth(self, site: Site) -> bool:
        """Exchange the databases once more; what had come back is thrown away.

        Raises:
            PreflightError: what was replaced has not been kept, or the server refuses something.
            TransientError: the sessions on the database did not end in time; nothing was changed.
        """
        if not databases.exists(site.target, site.kept):
            return False
        databases.drop(site.target, site.beside)
        databases.exchange(site.target, site.kept, site.beside, site.timeout_ms)
        return True

    def forget(self, site: Site) -> None:
        """Drop the databases that are kept."""
        for name in (site.kept, site.beside):
            databases.drop(site.target, name)


def at(target: Endpoint, name: str) -> Endpoint:
    """Return another database of the target's server."""
    return replace(target, database=name).keeping_none()
