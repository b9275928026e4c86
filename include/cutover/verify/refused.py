"""Rows that the target itself refused: the source has them, the target cannot, and the report names each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import pyarrow as pa
from psycopg import sql

from cutover.data.finish import removed_table
from cutover.data.load import ERROR, REJECTS, checked
from cutover.data.merge import merged_table
from cutover.data.transform import source_keys
from cutover.dialects import postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.route import TableRoute


def without(
    target: Endpoint, schema: str, route: TableRoute, batches: Iterable[pa.RecordBatch]
) -> Iterable[pa.RecordBatch]:
    """Return transformed batches without the rows that the target refused when they were loaded."""
    refused = _keys(target, schema, route)
    return _left(route, batches, refused) if refused else batches


def any_aside(target: Endpoint, schema: str, route: TableRoute) -> bool:
    """Whether rows of the table are not in it but beside it: refused, set aside, or merged into others."""
    query = sql.SQL(
        "SELECT EXISTS (SELECT 1 FROM {} WHERE table_name = %s) OR EXISTS "
        "(SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename IN (%s, %s))"
    ).format(sql.Identifier(schema, REJECTS))
    beside = (route.target, schema, removed_table(route), merged_table(route))
    with postgresql.session(target) as connection:
        return connection.execute(query, beside).fetchone() == (True,)


def when_loaded(target: Endpoint, schema: str, route: TableRoute) -> set[tuple[str, str]]:
    """Return the rows that the spec's checks refused when the table was loaded, as (key, column)."""
    query = sql.SQL(
        "SELECT source_key, column_name FROM {} WHERE table_name = %s AND kind = %s AND column_name IS NOT NULL"
    ).format(sql.Identifier(schema, REJECTS))
    with postgresql.session(target) as connection:
        return {(str(key), str(column)) for key, column in connection.execute(query, (route.target, ERROR))}


def _keys(target: Endpoint, schema: str, route: TableRoute) -> Counter[str]:
    """Return the keys of such rows; a table without a key may have a row several times."""
    query = sql.SQL(
        "SELECT source_key, count(*) FROM {} WHERE table_name = %s AND kind = %s "
        "AND chunk IS NOT NULL AND column_name IS NULL GROUP BY 1"
    ).format(sql.Identifier(schema, REJECTS))
    with postgresql.session(target) as connection:
        return Counter(dict(connection.execute(query, (route.target, ERROR)).fetchall()))


def _left(route: TableRoute, batches: Iterable[pa.RecordBatch], refused: Counter[str]) -> Iterator[pa.RecordBatch]:
    loaded = route.loaded
    names = [column.target for column in loaded.columns]
    for batch in batches:
        (as_loaded,) = checked(loaded, [batch.select(names)])
        keep = []
        for key in source_keys(loaded, as_loaded):
            keep.append(not refused[key])
            refused[key] -= not keep[-1]
        yield batch.filter(pa.array(keep))
