"""Load what can be loaded of rows that the target refuses: a batch is halved until the bad rows are alone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from cutover.data.transform import Reject, Tally, source_keys
from cutover.dialects import postgresql
from cutover.errors import DataError
from cutover.route import TableRoute

_SAVEPOINT = "cutover_batch"


def ingest(
    cursor: Any,
    schema: str,
    route: TableRoute,
    batches: Iterable[pa.RecordBatch],
    tally: Tally,
    most: int,
) -> int:
    """Copy batches in the cursor's transaction, and return how many rows were taken.

    Args:
        cursor: an ADBC cursor.
        schema: the shadow schema.
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
            refusal = _tried(cursor, schema, route, piece)
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


def _tried(cursor: Any, schema: str, route: TableRoute, piece: pa.RecordBatch) -> str | None:
    """Copy some rows; return why the target refuses one of them, if it does, and then none is there."""
    from adbc_driver_postgresql import dbapi

    cursor.execute(f"SAVEPOINT {_SAVEPOINT}")
    try:
        cursor.adbc_ingest(route.target, pa.table(piece), mode="append", db_schema_name=schema)
    except dbapi.Error as error:
        if not postgresql.refuses_rows(error.sqlstate):
            raise
        cursor.execute(f"ROLLBACK TO {_SAVEPOINT}")
        # What follows the message holds the row's values, or the line of a batch that is of no use to anybody.
        words = re.split(r" (?:DETAIL|HINT|CONTEXT):", postgresql.first_line(error))[0]
        return f"the target refuses it: {words.rpartition('ERROR: ')[2]}"
    cursor.execute(f"RELEASE {_SAVEPOINT}")
    return None
