"""The whole database from the dump that was taken before the run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from cutover.dialects import postgresql_programs
from cutover.errors import PreflightError, RollbackError
from cutover.rollback import backups, databases
from cutover.rollback.strategy import Site
from cutover.rollback.whole import Whole, at


class BackupRestore(Whole):
    """pg_restore into a database beside, proven, then exchanged."""

    needs_backup: ClassVar[bool] = True

    def lacking(self, site: Site) -> list[str]:
        """Return what the target lacks, and programs that are not here."""
        found = super().lacking(site)
        for name in ("pg_dump", "pg_restore"):
            try:
                postgresql_programs.program(name)
            except PreflightError as error:
                found += error.findings
        return found

    def prepare(self, site: Site) -> dict[str, Any]:
        """Nothing: the run's backup is of the whole database."""
        return {}

    def unusable(self, site: Site, taken: Mapping[str, Any]) -> list[str]:
        """Return what is wrong with the backup."""
        return backups.check(site.backup, taken.get("digest"), site.owner)

    def bring(self, site: Site, taken: Mapping[str, Any]) -> str:
        """Restore the backup beside the live database, and prove every row of it."""
        proven(site, site.backup, site.beside, site.key)
        return site.beside


def proven(site: Site, backup: Path, name: str, key: str | None) -> None:
    """Restore a backup into a database of that name, which is made anew, and compare it with the backup.

    Raises:
        RollbackError: the restored database is not what was backed up.
        PreflightError: pg_restore failed, or the passphrase is not the backup's.
        TerminalError: it took too long.
    """
    into = at(site.target, name)
    databases.make_like(site.target, name)
    backups.restore(backup, into, jobs=site.workers, key=key, timeout=site.timeout_ms / 1000)
    if differences := backups.compare(backup, into):
        found = "; ".join(differences)
        raise RollbackError(f"database {name}, restored from {backup}, is not what was backed up: {found}")
