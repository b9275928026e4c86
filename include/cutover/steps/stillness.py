"""Whether the source of a bulk run stood still from the first row that was read to the cutover."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from cutover.data.sync import binlog
from cutover.dialects import mysql
from cutover.dialects.endpoint import Endpoint
from cutover.errors import PreflightError, VerificationError
from cutover.steps import feeds
from cutover.steps.context import Run

# Changes after which it is plain which tables are written to.
ENOUGH = 10_000


def remember(run: Run) -> dict[str, int | None] | None:
    """Return what says later that the source has moved, where its binary log cannot: a checksum of each table.

    The server reads every table for that (MariaDB manual, CHECKSUM TABLE).
    """
    if run.plan.follows or not binlog.unfit(run.source):
        return None
    return checksums(run.source, [table.route.source for table in run.plan.tables])


def checksums(source: Endpoint, tables: Sequence[str]) -> dict[str, int | None]:
    """Return a number for each table that stays the same as long as its rows do; None where there is no such table."""
    found = {}
    with mysql.session(source) as connection:
        for table in tables:
            row = connection.execute(
                sa.text(f"CHECKSUM TABLE {mysql.quoted(table).replace(':', chr(92) + ':')}")
            ).first()
            found[table] = None if row is None or row[1] is None else int(row[1])
    return found


def refuse_moved_source(run: Run) -> str | None:
    """Make sure that nothing changed in the source since the run began.

    Returns what the report has to say where something did, and the operator allowed it.

    Raises:
        VerificationError: with the tables that changed.
        DriftError: the schema of one changed.
        TransientError: the source was lost.
    """
    if run.plan.follows:
        return None
    before = (run.finished("preflight") or {}).get("binlog")
    known = (run.finished("create_schema") or {}).get("checksums")
    tables = _by_checksum(run, known) if known is not None else _by_log(run, before)
    if not tables:
        return None
    text = f"the source was written to during the run, in {', '.join(tables)}"
    if run.params.allow_source_changes:
        return f"{text}: what is there now may not have arrived"
    raise VerificationError(
        f"{text}: what arrived is not what is there. Stop its writes and run again; or follow them with strategy "
        "streaming; or say allow_source_changes (--allow-source-changes), if what arrived will do"
    )


def _by_checksum(run: Run, known: Mapping[str, int | None]) -> list[str]:
    now = checksums(run.source, list(known))
    return [table for table, number in known.items() if now[table] != number]


def _by_log(run: Run, before: str | None) -> list[str]:
    now = binlog.position(run.source)
    if before == now:
        return []
    if before is None or now is None:
        return ["tables that its binary log cannot name: it was switched on or off meanwhile"]
    try:
        return binlog.changes(run.source, feeds.tables(run.plan), before, now, ENOUGH).tables
    except PreflightError as error:
        return [f"tables that its binary log cannot name: {error}"]
