"""Load what can be loaded of rows that the target refuses: a batch is halved until the bad rows are alone."""

from __future__ import annotations

from collections.abc import Iterable

import psycopg
import pyarrow as pa
from psycopg import sql

from cutover.data.transform import Reject, Tally, source_keys
from cutover.dialects import postgresql
from cutover.dialects.postgresql_copy import copy
from cutover.errors import DataError
from cutover.route import TableRoute


def recovering(
    connection: psycopg.Connection,
    into: sql.Identifier,
    route: TableRoute,
    batches: Iterable[pa.RecordBatch],
    tally: Tally,
    most: int,
) -> int:
    """Copy batches in the connection's transaction, and return how many rows were taken.

    Args:
        connection: to the target.
        into: the table.
        route: the way of the table.
        batches: as COPY takes them.
        tally: gets a reject, with the server's words, for each row that the target refuses.
        most: how many rejects of the chunk are too many to go on.

    Raises:
        DataError: there are more.
    """
    taken = 0
    for batch in batches:
        waiting = [batch]
        while waiting:
            piece = waiting.pop()
            refusal = _tried(connection, into, piece)
            if refusal is None:
                taken += piece.num_rows
            elif piece.num_rows > 1:
                half = piece.num_rows // 2
                waiting += [piece.slice(half), piece.slice(0, half)]
            else:
                tally.rejects.append(Reject(next(source_keys(route, piece)), None, refusal))
                if len(tally.rejects) > most:
                    raise DataError(f"{route.target}: more than maxErrors {most} rows are refused, the last: {refusal}")
    return taken


def _tried(connection: psycopg.Connection, into: sql.Identifier, piece: pa.RecordBatch) -> str | None:
    """Copy some rows; return why the target refuses one of them, if it does, and then none is there."""
    try:
        with connection.transaction():
            copy(connection, into, piece.schema, [piece])
    except psycopg.Error as error:
        if not postgresql.refuses_rows(error.sqlstate):
            raise
        # What follows the message holds the row's values, or the line of a batch that is of no use to anybody.
        return f"the target refuses it: {error.diag.message_primary}"
    return None
