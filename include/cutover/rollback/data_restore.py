"""The old tables back in their place, with the rows of the backup: what became of their own rows does not matter.

Only what is not as it was backed up is loaded.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import psycopg
from psycopg import sql

from cutover.data import shadow
from cutover.data.upsert import guards
from cutover.errors import RollbackError
from cutover.rollback import backups, databases, swap
from cutover.rollback.backup_restore import proven
from cutover.rollback.ddl_rollback import DdlRollback
from cutover.rollback.strategy import Site
from cutover.schema.target import Movable


class DataRestore(DdlRollback):
    """The schema comes back by exchange; where a table's rows differ, they are loaded anew in the same transaction."""

    needs_backup: ClassVar[bool] = True

    def unusable(self, site: Site, taken: Mapping[str, Any]) -> list[str]:
        """Return what is wrong with the backup; where there was nothing to back up, there is nothing to load."""
        if "skipped" in taken:
            return []
        return backups.check(site.backup, taken.get("digest"), site.owner)

    def rehearse(self, site: Site, taken: Mapping[str, Any]) -> None:
        """Restore the backup beside the live database, and prove every row of it.

        Raises:
            As :func:`cutover.rollback.backup_restore.proven` does.
        """
        super().rehearse(site, taken)
        if "skipped" in taken:
            return
        proven(site, site.backup, site.beside, site.key)
        databases.drop(site.target, site.beside)

    def go_back(self, site: Site, taken: Mapping[str, Any]) -> bool:
        """Exchange the tables again and load the rows of those that have not kept theirs.

        Raises:
            RollbackError: the rows are not those that were backed up; nothing was changed.
            TransientError: the lock was not to be had, or the target was lost; nothing was changed.
            TerminalError: a statement would have taken too long; nothing was changed.
        """
        reload = partial(_reload, path=site.backup, live=site.live, key=site.key)
        return swap.go_back(site.target, site.shadow, site.timeout_ms, then=reload)


def _reload(connection: psycopg.Connection, back: Collection[Movable], path: Path, live: str, key: str | None) -> None:
    there = shadow.contents(connection, live)
    oids = {there[movable].oid: movable.name for movable in back if movable.kind == "TABLE"}
    if not oids:
        return
    if not (touched := backups.changed(path, connection, oids)):
        return
    names = sorted(oids[oid] for oid in touched)
    with guards.lifted(connection, live, names):
        emptied = sql.SQL(", ").join(sql.Identifier(live, name) for name in names)
        connection.execute(sql.SQL("TRUNCATE {}").format(emptied))
        for statement, chunks in backups.table_rows(path, key, touched):
            with connection.cursor().copy(statement.encode()) as copy:
                for chunk in chunks:
                    copy.write(chunk)
    if differences := backups.changed(path, connection, touched):
        said = "; ".join(differences.values())
        raise RollbackError(f"the rows that were loaded are not those of the backup: {said}")
