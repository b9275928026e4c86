"""The whole database as it was at a moment, from a base backup and the log that the server has archived since."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from psycopg import sql

from cutover.data.shadow import PREFIX
from cutover.dialects import postgresql
from cutover.errors import PreflightError
from cutover.rollback import backups, base, recovery
from cutover.rollback.backup_restore import proven
from cutover.rollback.strategy import Site
from cutover.rollback.whole import Whole, at

_POLL = 0.2
# The server itself tries three times in a row, and then only once a minute (PostgreSQL manual, 26.3).
_FAILURES = 3


class PointInTime(Whole):
    """A private server recovers the moment; what the database was then is dumped there and restored beside the target.

    Unless another is asked for, the moment is that of the cutover: nothing is lost that was written before it.
    """

    def lacking(self, site: Site) -> list[str]:
        """Return what the target, its archive or this machine lacks."""
        if site.archive is None:
            return ["no archive is given"]
        found = [*super().lacking(site), *base.lacking(site.target, site.archive)]
        return [*found, *base.unreachable(_base(site).parent)]

    def prepare(self, site: Site) -> dict[str, Any]:
        """Take a base backup of the target's cluster."""
        made = base.take(site.target, _base(site), site.timeout_ms / 1000)
        return asdict(made) | {"path": str(made.path)}

    def unusable(self, site: Site, taken: Mapping[str, Any]) -> list[str]:
        """Return what is wrong with the base or the archive, and that the moment is before the base."""
        found = [*base.check(_base(site)), *base.unreadable(_archive(site))]
        mine = taken.get("point_in_time", {})
        if not found and site.moment is not None and site.moment < datetime.fromisoformat(mine["taken"]):
            found.append(f"{site.moment} is before the base backup, which was taken at {mine['taken']}")
        return found

    def bring(self, site: Site, taken: Mapping[str, Any]) -> str:
        """Recover the moment, and restore beside the live database what it was then.

        Raises:
            PreflightError: the archive does not reach the moment, or a server refuses something.
            RollbackError: what was restored is not what the database was then.
        """
        if site.moment is None:
            raise PreflightError(["no moment is known to recover; give one"])
        _archived(site)
        timeout = site.timeout_ms / 1000
        with (
            recovery.recovered(_base(site), _archive(site), site.moment, site.target, timeout) as past,
            base.beside(site.backup.with_name("moment")) as folder,
        ):
            # What the run had loaded by then is no part of what was there before it.
            with postgresql.session(past) as connection:
                if site.shadow.startswith(PREFIX):
                    dropped = sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(site.shadow))
                    connection.execute(dropped)
            archive = folder / "dump"
            backups.take(past, archive, owner=site.owner, jobs=site.workers)
            proven(site, archive, site.beside, key=None)
        return at(site.target, site.beside).database


def _base(site: Site) -> Path:
    return site.backup.with_name("base")


def _archive(site: Site) -> Path:
    assert site.archive is not None, "the spec's loader asks for it"
    return site.archive


def _archived(site: Site) -> None:
    """Have the server archive what it has written until now, and wait for it.

    Raises:
        PreflightError: it fails to, again and again, or takes too long.
    """
    with postgresql.beside(site.target) as connection:
        row = connection.execute(
            "SELECT pg_walfile_name(pg_switch_wal()), failed_count FROM pg_stat_archiver"
        ).fetchone()
        assert row is not None
        segment, failed = row
        deadline = time.monotonic() + site.timeout_ms / 1000
        while not (_archive(site) / segment).exists():
            now = connection.execute("SELECT failed_count FROM pg_stat_archiver").fetchone()
            assert now is not None
            if now[0] - failed >= _FAILURES:
                raise PreflightError([f"{site.target} fails to archive its log into {site.archive}; its log says why"])
            if time.monotonic() > deadline:
                raise PreflightError([f"the server has not archived {segment} into {site.archive}; its log says why"])
            time.sleep(_POLL)
