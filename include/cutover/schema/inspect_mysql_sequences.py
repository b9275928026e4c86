"""Read MariaDB's sequences, each of which is a table of one row; MySQL has none."""

from __future__ import annotations

import sqlalchemy as sa

from cutover.dialects import mysql
from cutover.dialects.endpoint import Endpoint
from cutover.schema.model import Sequence

_NAMES = sa.text("""
    SELECT table_name FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_type = 'SEQUENCE' ORDER BY BINARY table_name""")


def read(source: Endpoint) -> tuple[Sequence, ...]:
    """Read the sequences of a database as they are now.

    Raises:
        TransientError: the server could not be reached, or was lost.
        PreflightError: it refused.
    """
    with mysql.session(source) as connection:
        return sequences(connection)


def sequences(connection: sa.Connection) -> tuple[Sequence, ...]:
    """Read the sequences of the connection's database, all in one query."""
    names = [name for (name,) in connection.execute(_NAMES)]
    if not names:
        return ()
    parts = [
        f"SELECT {position}, start_value, minimum_value, maximum_value, increment, cycle_option, "  # noqa: S608
        f"next_not_cached_value FROM {mysql.quoted(name)}"
        for position, name in enumerate(names)
    ]
    found = connection.execute(sa.text(" UNION ALL ".join(parts).replace(":", r"\:")))
    return tuple(
        Sequence(names[position], int(start), int(minimum), int(maximum), int(increment), bool(cycles), int(following))
        for position, start, minimum, maximum, increment, cycles, following in sorted(found, key=lambda row: row[0])
    )
