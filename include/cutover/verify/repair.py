"""Make a table's rows those of the source, as far as the target's own constraints let them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
from psycopg import sql

from cutover.data import stage
from cutover.dialects import mysql_types, postgresql, postgresql_found
from cutover.dialects.endpoint import Endpoint
from cutover.errors import PreflightError
from cutover.route import ColumnRoute, TableRoute
from cutover.verify import keeping
from cutover.verify.differing import Differing
from cutover.verify.exchange import SEEN, SENT, Exchange, Repaired, filled, written
from cutover.verify.keeping import Bound

_REPLICA = "SELECT set_config('session_replication_role', 'replica', true)"
# How long to wait for the application's own transactions on the table, in milliseconds.
_PATIENCE = 30_000


def refuse_unable(target: Endpoint) -> None:
    """Make sure that rows can be changed, without triggers that change others.

    Raises:
        PreflightError: the target is read only, or the account may not switch triggers off.
        TransientError: the target could not be reached.
    """
    with postgresql.session(target) as connection:
        read_only = connection.execute("SELECT current_setting('transaction_read_only')").fetchone()
    if read_only == ("on",):
        raise PreflightError([f"target {target} is read only, and a repair has to write: name its primary server"])
    try:
        with postgresql.session(target) as connection:
            connection.execute(_REPLICA)
    except PreflightError as error:
        cure = f"GRANT SET ON PARAMETER session_replication_role TO {postgresql.quoted(target.user)}"
        raise PreflightError(
            [*error.findings, f"a repair switches the target's triggers off for itself: {cure}, or use a superuser"]
        ) from None


def repair_by_key(target: Endpoint, schema: str, route: TableRoute, differing: Sequence[Differing]) -> Repaired:
    """Put rows in the place of those that differ, in one transaction; a comparison has written down which.

    A row stays as it is where the change would leave a row without its parent, and where it is no more what the
    comparison saw: who has changed it since knows better.

    Args:
        target: the server.
        schema: the schema of the table.
        route: the way of the table.
        differing: what the comparison of its chunks wrote.

    Raises:
        TransientError: the target was lost.
        RefusedRowsError: a constraint of the target does not take the source's rows.
        PreflightError: it refused something else, or has a constraint that cannot be looked after. In each case
            nothing was changed.
    """
    keys = [route.column(name) for name in route.key]
    with _repairing(target, schema, route) as (work, bound):
        work.stage(SEEN, route.columns)
        for each in differing:
            work.send(SEEN, route.columns, stage.read(each.seen))
            work.send(SENT, route.columns, stage.read(each.rows))
        work.bring_to_type()
        work.run(
            "CREATE TEMP TABLE {gone} ON COMMIT DROP AS SELECT DISTINCT ON (t.tableoid, t.ctid) t.*, "
            "t.tableoid AS cutover_place, t.ctid AS cutover_row FROM {table} AS t JOIN {seen} AS s ON {same}",
            seen=SEEN,
            same=sql.SQL(" AND ").join([*map(_found_by, keys), *map(_as_seen, filter(_is_read_back, route.columns))]),
        )
        return work.exchange(bound)


def _found_by(column: ColumnRoute) -> sql.Composed:
    return sql.SQL("{} = {}").format(sql.Identifier("t", column.target), written(column, "s", column.target))


def _is_read_back(column: ColumnRoute) -> bool:
    """Whether a value that was read can be told to be the same still: not where reading it brings it to one form."""
    return column.arrow != "jsonb" and not (column.arrow == "float64" and mysql_types.is_float(column.source_type))


def _as_seen(column: ColumnRoute) -> sql.Composed:
    """Say that a column of a row ``t`` is what it was in ``s``, which holds it as it was sent."""
    exact = column.arrow.startswith("decimal")
    read = "{c}::numeric" if exact else postgresql_found.read_expression(column.arrow, column.target_type)
    now = filled(read, "t", column.target)
    return sql.SQL("{} IS NOT DISTINCT FROM {}").format(
        now, filled(postgresql_found.sent_expression(column.arrow), "s", column.target)
    )


def repair_whole(target: Endpoint, schema: str, route: TableRoute, batches: Iterable[pa.RecordBatch]) -> Repaired:
    """Make a table hold the rows of ``batches`` and no others, in one transaction; what is alike is not touched.

    Raises:
        As :func:`repair_by_key` does.
    """
    with _repairing(target, schema, route) as (work, bound):
        work.send(SENT, route.columns, batches)
        work.bring_to_type()
        # Each copy of a row has its number: as many may stay as the other side has.
        work.run(
            "CREATE TEMP TABLE {gone} ON COMMIT DROP AS SELECT a.* FROM (SELECT t.*, t.tableoid AS cutover_place, "
            "t.ctid AS cutover_row, {here} AS cutover_text, row_number() OVER (PARTITION BY {here}) AS cutover_n "
            "FROM {table} AS t) AS a LEFT JOIN (SELECT {there} AS text, count(*) AS n FROM {rows} AS r GROUP BY 1) "
            "AS b ON a.cutover_text = b.text WHERE a.cutover_n > coalesce(b.n, 0)"
        )
        work.run(
            "DELETE FROM {rows} WHERE ctid IN (SELECT a.place FROM (SELECT r.ctid AS place, {there} AS text, "
            "row_number() OVER (PARTITION BY {there}) AS n FROM {rows} AS r) AS a JOIN (SELECT {here} AS text, "
            "count(*) AS n FROM {table} AS t GROUP BY 1) AS b ON a.text = b.text WHERE a.n <= b.n)"
        )
        return work.exchange(bound)


@contextmanager
def _repairing(target: Endpoint, schema: str, route: TableRoute) -> Iterator[tuple[Exchange, list[Bound]]]:
    with postgresql.session(target, lock_timeout=_PATIENCE, doing=f"repairing {route.target}") as connection:
        connection.execute(_REPLICA)
        connection.execute(postgresql.COMPRESS_FAST)
        # Rows are found by their places: nobody may move them meanwhile.
        connection.execute(
            sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(sql.Identifier(schema, route.target))
        )
        work = Exchange(connection, schema, route)
        work.stage(SENT, route.columns)
        yield work, keeping.bound(connection, schema, route.target)
        work.raise_counters()
