"""The old tables back in their place, with the rows of the backup: what became of their own rows does not matter."""

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
    """The schema comes back by exchange; the rows of its tables are thrown away and loaded, in the same transaction."""

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
        """Exchange the tables again and load their rows.

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
    with guards.lifted(connection, live, sorted(oids.values())):
        emptied = sql.SQL(", ").join(sql.Identifier(live, name) for name in sorted(oids.values()))
        connection.execute(sql.SQL("TRUNCATE {}").format(emptied))
        for statement, chunks in backups.table_rows(path, key, oids):
            with connection.cursor().copy(statement.encode()) as copy:
                for chunk in chunks:
                    copy.write(chunk)
    if differences := backups.differing(path, connection, oids):
        raise RollbackError(f"the rows that were loaded are not those of the backup: {'; '.join(differences)}")
