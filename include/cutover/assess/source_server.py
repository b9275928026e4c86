"""What the source's server tells of itself: version, binary log, connections, collations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import sqlalchemy as sa

from cutover.assess.facts import Server
from cutover.dialects import mysql
from cutover.dialects.endpoint import Endpoint
from cutover.plan import Plan

_SETTINGS = (
    *("version", "log_bin", "binlog_format", "binlog_row_image", "expire_logs_days", "binlog_expire_logs_seconds"),
    *("max_connections", "max_user_connections", "character_set_server", "collation_server"),
)
_VARIABLES = sa.text("SHOW GLOBAL VARIABLES WHERE variable_name IN :names").bindparams(
    sa.bindparam("names", expanding=True)
)
_CONNECTED = sa.text("SHOW GLOBAL STATUS LIKE 'Threads_connected'")
_DATABASE = sa.text(
    "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata "
    "WHERE schema_name = DATABASE()"
)
# Whoever follows a source wants to find its log after a weekend, too.
_RETENTION = 3 * 86_400


def describe(source: Endpoint, plan: Plan, needed: int, by_log: bool) -> Server:
    """Ask the source's server for what a run depends on.

    Args:
        source: the source database.
        plan: the plan, whose tables say how much there is.
        needed: how many connections a run holds at once.
        by_log: whether the live tables follow the source by its binary log.

    Raises:
        TransientError: the server could not be reached, or was lost.
        PreflightError: it refused.
    """
    with mysql.session(source) as connection:
        rows = connection.execute(_VARIABLES, {"names": list(_SETTINGS)})
        settings = {str(name).lower(): str(value) for name, value in rows}
        connected = int(connection.execute(_CONNECTED).one()[1])
        charset, collation = connection.execute(_DATABASE).one()
    collations = sorted({c.collation for t in plan.source.tables for c in t.columns if c.collation})
    free = int(settings["max_connections"]) - connected
    described = (
        ("version", plan.source.server),
        ("database", f"{source.database}, {charset}, {collation}"),
        ("collations", ", ".join(collations) or "none: there is no text"),
        ("binary log", _log(settings)),
        ("log kept for", _kept(settings)),
        ("connections", f"{free:,} of {int(settings['max_connections']):,} free, the run takes {needed:,}"),
    )
    return Server(
        described,
        (*_old(plan.source.server), *_short_log(source, settings, plan, by_log)),
        tuple(_tight(source, settings, free, needed)),
    )


def _on(settings: Mapping[str, str]) -> bool:
    return settings.get("log_bin", "OFF").upper() in ("ON", "1")


def _log(settings: Mapping[str, str]) -> str:
    if not _on(settings):
        return "off: a checksum of each table tells whether the source stood still, which reads it twice more"
    return f"on, {settings.get('binlog_format', 'ROW')}, row image {settings.get('binlog_row_image', 'not told')}"


def _seconds(settings: Mapping[str, str]) -> int | None:
    """Return for how long the log is kept; None where for good."""
    found = float(settings.get("binlog_expire_logs_seconds") or 0) or 86_400 * float(
        settings.get("expire_logs_days") or 0
    )
    return int(found) or None


def _kept(settings: Mapping[str, str]) -> str:
    seconds = _seconds(settings)
    if not _on(settings):
        return "there is none"
    return "as long as nobody purges it" if seconds is None else f"{seconds / 3600:,.1f} h"


def _short_log(source: Endpoint, settings: Mapping[str, str], plan: Plan, by_log: bool) -> Iterator[str]:
    seconds = _seconds(settings)
    if by_log and _on(settings) and seconds is not None and seconds < max(_RETENTION, 2 * plan.seconds):
        yield (
            f"{source}: the binary log is kept for {seconds / 3600:,.1f} h; a stream that stops for longer has to "
            "start over with a new run. Raise binlog_expire_logs_seconds"
        )


def _old(version: str) -> Iterator[str]:
    """Say what a server of an old version lacks."""
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    if found is None:
        return
    number, mariadb = tuple(map(int, found.groups())), "mariadb" in version.lower()
    lacking = [
        ((10, 2, 1) if mariadb else (8, 0, 16), "CHECK constraints: there are none to compare"),
        ((10, 2, 3) if mariadb else (5, 7, 8), "JSON_VALID: what is no JSON is seen while it is loaded"),
    ]
    for since, what in lacking:
        if number < since:
            yield f"the source's version {version} knows no {what}"


def _tight(source: Endpoint, settings: Mapping[str, str], free: int, needed: int) -> Iterator[str]:
    own = int(settings.get("max_user_connections", 0)) or None
    if free < needed:
        yield f"{source}: {free:,} connections are free, and the run takes {needed:,}; set fewer workers, or a pool"
    if own is not None and own < needed:
        yield f"{source}: an account may hold {own:,} connections, and the run takes {needed:,}; set a pool"
    if not _on(settings):
        yield f"{source}: there is no binary log; each table is read once more before the load, and once after it"
