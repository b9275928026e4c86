"""The old tables, which the cutover has put aside, back in their place: the reverse of what it did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from cutover.data import shadow
from cutover.errors import RollbackError
from cutover.rollback import swap
from cutover.rollback.strategy import Site


class DdlRollback:
    """Schema and rows come back in one transaction, in which nothing is copied."""

    whole: ClassVar[bool] = False
    needs_backup: ClassVar[bool] = False

    def lacking(self, site: Site) -> list[str]:
        """Nothing: who may cut over may go back."""
        return []

    def prepare(self, site: Site) -> dict[str, Any]:
        """Nothing: the cutover keeps the old tables."""
        return {}

    def unusable(self, site: Site, taken: Mapping[str, Any]) -> list[str]:
        """Nothing that would not stop the exchange itself, before it has changed anything."""
        return []

    def rehearse(self, site: Site, taken: Mapping[str, Any]) -> None:
        """Look whether the old tables are kept; the exchange was tried before the cutover was committed.

        Raises:
            RollbackError: they are not.
        """
        if not swap.swapped(site.target, site.shadow):
            raise RollbackError(f"schema {site.shadow} of {site.target} does not hold the old tables")

    def is_back(self, site: Site) -> bool:
        """Whether the old tables stand in the live schema."""
        return not swap.swapped(site.target, site.shadow)

    def go_back(self, site: Site, taken: Mapping[str, Any]) -> bool:
        """Exchange the tables again.

        Raises:
            TransientError: the lock was not to be had; nothing was changed.
            TerminalError: it would have taken too long; nothing was changed.
        """
        return swap.go_back(site.target, site.shadow, site.timeout_ms)

    def go_forth(self, site: Site) -> bool:
        """Exchange them once more.

        Raises:
            As :func:`cutover.rollback.swap.go_forth` does.
        """
        return swap.go_forth(site.target, site.shadow, site.timeout_ms)

    def forget(self, site: Site) -> None:
        """Drop the run's schema, with whichever tables are not live.

        Raises:
            PreflightError: something outside depends on it; the message names it.
        """
        shadow.drop(site.target, site.shadow, site.timeout_ms)
