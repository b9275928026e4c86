"""The slowest queries of the source, as its statement digest tells them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from cutover.dialects import mysql
from cutover.dialects.endpoint import Endpoint

_COLUMNS = sa.text(
    "SELECT column_name FROM information_schema.columns WHERE table_schema = 'performance_schema' "
    "AND table_name = 'events_statements_summary_by_digest'"
)
_ON = sa.text("SELECT @@performance_schema")
# What was first seen after the run began may be the run's own reading; what asks for SQL_NO_CACHE first is a dump's.
_DIGESTS = """
    SELECT {text}, digest_text, avg_timer_wait / 1000000000
    FROM performance_schema.events_statements_summary_by_digest
    WHERE schema_name = DATABASE() AND digest_text LIKE 'SELECT%' AND first_seen < :before
    AND digest_text NOT LIKE '%information_schema%' AND digest_text NOT LIKE 'SELECT SQL_NO_CACHE %'
    ORDER BY avg_timer_wait DESC"""
_CUT = "..."
# How a digest shows a value, and several of them.
_VALUES = re.compile(r"\?|\(\s*\.\.\.\s*\)")
_WORD = re.compile(r"[\w$]+")


@dataclass(frozen=True)
class Digests:
    """The slowest queries by name, and what could not be had of them."""

    queries: dict[str, str]
    warnings: tuple[str, ...] = ()


def slowest(source: Endpoint, tables: Iterable[str], wanted: int, before: datetime) -> Digests:
    """Return the slowest SELECTs of tables with the values that they once had.

    Args:
        source: the source database.
        tables: names of tables; what reads none of them is left out.
        wanted: how many.
        before: those first seen later are left out.

    Raises:
        TransientError: the source was lost.
    """
    with mysql.session(source) as connection:
        if not connection.execute(_ON).scalar():
            return Digests({}, ("the source's slowest queries are not known: its performance_schema is off",))
        columns = {str(name).lower() for (name,) in connection.execute(_COLUMNS)}
        if not columns:
            cure = "GRANT SELECT ON performance_schema.* TO the source's account"
            return Digests({}, (f"the source's slowest queries are not known: it may not read its digests; {cure}",))
        # One of two names of columns, and NULL for a server that keeps no values.
        text = "query_sample_text" if "query_sample_text" in columns else "NULL"
        asked = sa.text(_DIGESTS.format(text=text))
        try:
            # Some servers tell when only to the second.
            begun = before.astimezone(UTC).replace(tzinfo=None, microsecond=0)
            rows = connection.execute(asked, {"before": begun}).all()
        except sa.exc.OperationalError as error:
            if mysql.passes(error):
                raise
            said = error.orig.args[-1] if error.orig is not None else error
            return Digests({}, (f"the source's slowest queries are not known: {said}",))
    names = {table.lower() for table in tables}
    found = [(row[0], str(row[1]).strip(), float(row[2] or 0)) for row in rows]
    return named([row for row in found if names & set(_WORD.findall(row[1].lower()))][:wanted], wanted)


def named(rows: Sequence[tuple[str | None, str, float]], wanted: int) -> Digests:
    """Return digests as queries that can be run, and name those that cannot.

    Args:
        rows: a sample with its values where the server keeps one, the digest, and milliseconds on average; the slowest
            first.
        wanted: how many were asked for.
    """
    queries, warnings = {}, []
    for number, (sample, digest, milliseconds) in enumerate(rows, 1):
        name = f"slowest {number}"
        shown = f"{name} ({milliseconds:,.1f} ms on average)"
        if sample is None and _VALUES.search(digest):
            warnings.append(f"query {shown} cannot be run: the source keeps none of its values: {digest}")
        elif (sample or digest).endswith(_CUT):
            warnings.append(f"query {shown} cannot be run: the source keeps only its beginning: {digest}")
        else:
            queries[name] = sample or digest
    if len(rows) < wanted:
        warnings.append(
            f"the source's digest holds {len(rows)} SELECTs of these tables from before the run, and not {wanted}"
        )
    return Digests(queries, tuple(warnings))
