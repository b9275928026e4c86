"""Prove what merging made: the rows it had are merged again, another way, and compared cell by cell.

The rows it had are those kept as they were loaded and those set aside; :mod:`cutover.verify.rows` proves that
they are the source's. All of it happens in a transaction of the target that is rolled back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from cutover.data import finish
from cutover.data.load import REJECTS, RULE
from cutover.data.merge import alike, fillable, is_there, known, merged_table, names
from cutover.dialects import postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.route import TableRoute

_REPLAY = sql.Identifier("cutover_replay")
# Unlike any column: the prefix is the product's own.
_GONE, _FIRST = sql.Identifier("cutover_gone"), sql.Identifier("cutover_first")


@dataclass(frozen=True)
class Unlike:
    """A cell that is not what merging should have made, or a row (no column) that should be where it is not."""

    key: str
    column: str | None
    expected: str | None
    found: str | None


def unlike(target: Endpoint, schema: str, beside: str, route: TableRoute) -> list[Unlike]:
    """Merge the rows that were merged once more, and return what differs from the target's.

    Args:
        target: the server.
        schema: where the table is.
        beside: where the rows are that were set aside, and those that others were merged into; it may be the same.
        route: the way of the table.

    Raises:
        TransientError: the target was lost.
    """
    with postgresql.session(target) as connection:
        path = f"{postgresql.quoted(schema)}, {postgresql.quoted(beside)}"
        connection.execute("SELECT set_config('search_path', %s, false)", (path,))
        aside, kept = finish.removed_table(route), merged_table(route)
        if not is_there(connection, beside, kept) or not is_there(connection, beside, aside):
            return []
        _begin(connection, route)
        while sum(_merge(connection, route, key) for key in route.duplicates):
            pass
        found = [*_cells(connection, route), *_rows(connection, route)]
        connection.rollback()
    return found


def _begin(connection: psycopg.Connection, route: TableRoute) -> None:
    """Put the rows together as they were loaded: one that was filled and then set aside is kept as it was before."""
    kept, aside = sql.Identifier(merged_table(route)), sql.Identifier(finish.removed_table(route))
    columns = [c.target for c in route.columns]
    connection.execute(
        sql.SQL(
            "CREATE TABLE {replay} AS SELECT {columns}, false AS {gone}, false AS {first} FROM ("
            "SELECT {columns} FROM {kept} UNION ALL SELECT {columns} FROM {aside} AS a "
            "WHERE NOT EXISTS (SELECT 1 FROM {kept} AS k WHERE {same})) AS loaded"
        ).format(
            replay=_REPLAY,
            columns=names(columns),
            gone=_GONE,
            first=_FIRST,
            kept=kept,
            aside=aside,
            same=alike("k", "a", route.key),
        )
    )


def _merge(connection: psycopg.Connection, route: TableRoute, key: Sequence[str]) -> int:
    """Merge by one key, a column at a time; return how many rows went."""
    here = sql.SQL("NOT {} AND {}").format(_GONE, known(key))
    of_key = {"replay": _REPLAY, "first": _FIRST, "here": here, "key": names(key), "order": names(route.key)}
    connection.execute(
        sql.SQL(
            "UPDATE {replay} SET {first} = ctid IN "
            "(SELECT DISTINCT ON ({key}) ctid FROM {replay} WHERE {here} ORDER BY {key}, {order}) WHERE {here}"
        ).format(**of_key)
    )
    for name in fillable(route, key):
        connection.execute(
            sql.SQL(
                "UPDATE {replay} AS r SET {column} = f.{column} FROM (SELECT DISTINCT ON ({key}) {key}, {column} "
                "FROM {replay} WHERE {here} AND {column} IS NOT NULL ORDER BY {key}, {order}) AS f "
                "WHERE r.{first} AND NOT r.{gone} AND r.{column} IS NULL AND {same}"
            ).format(column=sql.Identifier(name), same=alike("r", "f", key), gone=_GONE, **of_key)
        )
    for column in route.columns:
        if column.computed is not None:
            connection.execute(
                sql.SQL("UPDATE {} SET {} = {} WHERE {} AND NOT {}").format(
                    _REPLAY, sql.Identifier(column.target), sql.SQL(column.computed), _FIRST, _GONE
                )
            )
    gone = connection.execute(
        sql.SQL("UPDATE {replay} SET {gone} = true WHERE {here} AND NOT {first}").format(gone=_GONE, **of_key)
    )
    connection.execute(sql.SQL("UPDATE {} SET {} = false WHERE {}").format(_REPLAY, _FIRST, _FIRST))
    return gone.rowcount


def _cells(connection: psycopg.Connection, route: TableRoute) -> Iterator[Unlike]:
    """Yield each cell that differs, wherever its row is now; one that is nowhere is NULL throughout."""
    columns = [c.target for c in route.columns]
    cells = [
        sql.SQL("({}, {}::text, {}::text)").format(
            sql.Literal(name), sql.Identifier("r", name), sql.Identifier("n", name)
        )
        for name in columns
    ]
    query = sql.SQL(
        "SELECT concat_ws(', ', {key}), v.name, v.expected, v.found FROM {replay} AS r LEFT JOIN "
        "(SELECT {columns} FROM {table} UNION ALL SELECT {columns} FROM {aside}) AS n ON {same}, "
        "LATERAL (VALUES {cells}) AS v (name, expected, found) WHERE v.expected IS DISTINCT FROM v.found"
    ).format(
        key=names(route.key, "r"),
        replay=_REPLAY,
        columns=names(columns),
        table=sql.Identifier(route.target),
        aside=sql.Identifier(finish.removed_table(route)),
        same=alike("r", "n", route.key),
        cells=sql.SQL(", ").join(cells),
    )
    for key, name, expected, found in connection.execute(query):
        yield Unlike(key, name, expected, found)


def _rows(connection: psycopg.Connection, route: TableRoute) -> Iterator[Unlike]:
    """Yield each row that was set aside as a duplicate and is none, or is one and was not."""
    query = sql.SQL(
        "WITH expected AS (SELECT {key} AS key FROM {replay} WHERE {gone}), "
        "noted AS (SELECT source_key AS key FROM {rejects} "
        "WHERE table_name = {table} AND chunk IS NULL AND kind = {kind} AND starts_with(reason, {reason})) "
        "(SELECT key, true FROM (SELECT key FROM expected EXCEPT ALL SELECT key FROM noted) AS a) UNION ALL "
        "(SELECT key, false FROM (SELECT key FROM noted EXCEPT ALL SELECT key FROM expected) AS b)"
    ).format(
        key=finish.source_key(route),
        replay=_REPLAY,
        gone=_GONE,
        rejects=sql.Identifier(REJECTS),
        table=sql.Literal(route.target),
        kind=sql.Literal(RULE),
        reason=sql.Literal(finish.DUPLICATE),
    )
    for key, expected in connection.execute(query):
        yield Unlike(key, None, None if expected else "present", "present" if expected else None)
