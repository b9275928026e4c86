"""A way back: what it needs, what is taken before a run, and how that comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Protocol

from cutover.dialects.endpoint import Endpoint


@dataclass(frozen=True)
class Site:
    """Where a run goes back, and with what.

    Attributes:
        target: the database.
        live: the schema that the application reads.
        shadow: the run's own schema, which holds the old tables once the run is cut over.
        token: what tells the run's own databases from any other's.
        backup: the folder of the run's backup.
        owner: the migration and the run, as a backup knows them.
        workers: how many tables are dumped or restored at once.
        timeout_ms: how long going back may take.
        key: the passphrase that backups are sealed with; None where they are not.
        tablespace: where a clone is put; None for the database's own.
        archive: the folder into which the target's server archives its log.
        moment: what is to be recovered from that.
    """

    target: Endpoint
    live: str
    shadow: str
    token: str
    backup: Path
    owner: Mapping[str, str]
    workers: int = 1
    timeout_ms: int = 3_600_000
    key: str | None = field(default=None, repr=False)
    tablespace: str | None = None
    archive: Path | None = None
    moment: datetime | None = None

    @property
    def beside(self) -> str:
        """The database in which what comes back is made."""
        return f"cutover_back_{self.token}"

    @property
    def kept(self) -> str:
        """The database that was live until the run was taken back."""
        return f"cutover_kept_{self.token}"


class Strategy(Protocol):
    """One way back, of a run that was cut over."""

    whole: ClassVar[bool]
    """Whether the whole database goes back, not only what the run has replaced."""

    needs_backup: ClassVar[bool]
    """Whether it restores from the dump that is taken before the run."""

    def lacking(self, site: Site) -> list[str]:
        """Return what the target lacks for it, each with its cure; nothing is changed."""

    def prepare(self, site: Site) -> dict[str, Any]:
        """Take what it needs before the run changes anything, and return what is to be remembered of it."""

    def unusable(self, site: Site, taken: Mapping[str, Any]) -> list[str]:
        """Return why the run cannot go back by it now; nothing is changed."""

    def rehearse(self, site: Site, taken: Mapping[str, Any]) -> None:
        """Do what can be done of it without touching what is live, and throw that away again.

        Raises:
            RollbackError: it would not bring back what was there before the run.
        """

    def is_back(self, site: Site) -> bool:
        """Whether :meth:`go_back` has done its work, of a run that was cut over."""

    def go_back(self, site: Site, taken: Mapping[str, Any]) -> bool:
        """Bring back what was there before the run; return False where it is back already.

        What it replaces stays, for :meth:`go_forth`. Killed anywhere, it is called again.
        """

    def go_forth(self, site: Site) -> bool:
        """Put in place again what :meth:`go_back` replaced; return False where it stands there."""

    def forget(self, site: Site) -> None:
        """Throw away what is kept for either way."""
