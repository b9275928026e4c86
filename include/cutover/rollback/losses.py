"""What was written since a moment, and a way back would lose: rows by table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from psycopg import sql

from cutover.dialects import postgresql
from cutover.dialects.endpoint import Endpoint

# A row version tells by its xmin which transaction wrote it; age() counts from the next transaction back, and knows of
# the counter's wrapping (PostgreSQL manual, Routine Vacuuming). What was frozen in between is old.
_COUNT = sql.SQL(
    "SELECT count(*), count(*) FILTER (WHERE age(xmin) < age(({xid} % 4294967296)::text::xid)) FROM {table}"
)


@dataclass(frozen=True)
class Loss:
    """Rows of one table that are not as they were at a moment.

    Attributes:
        table: its name, with its schema.
        written: rows that were inserted or updated since.
        gone: rows of then that were updated or deleted since; None where it is not known how many there were.
    """

    table: str
    written: int
    gone: int | None

    def __str__(self) -> str:
        """Say what a way back would do to the table."""
        back = f", and {self.gone} that were changed or deleted come back as they were" if self.gone else ""
        return f"{self.table}: {self.written} rows that were written since are lost{back}"


def since(
    target: Endpoint, xid: int, tables: Mapping[tuple[str, str], int | None], known_as: str | None = None
) -> list[Loss]:
    """Count, in each table, what was written after a transaction; tables that are not there are left out.

    Args:
        target: the database.
        xid: the transaction, as pg_current_xact_id() gives it.
        tables: schema and name of each, with how many rows it had at that moment where that is known.
        known_as: the schema that they were live in, where that is another one.

    Raises:
        TransientError: the target could not be reached.
    """
    found = []
    with postgresql.session(target) as connection:
        for (schema, name), then in tables.items():
            there = connection.execute("SELECT to_regclass(%s)", (postgresql.quoted(schema, name),)).fetchone()
            if there is None or there[0] is None:
                continue
            counted = connection.execute(
                _COUNT.format(xid=sql.Literal(xid), table=sql.Identifier(schema, name))
            ).fetchone()
            assert counted is not None
            now, written = counted
            gone = None if then is None else max(0, then - (now - written))
            if written or gone:
                found.append(Loss(f"{known_as or schema}.{name}", written, gone))
    return found
