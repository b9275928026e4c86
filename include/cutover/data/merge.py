"""Fill the row that stays from its duplicates, and keep what it was: the proof starts from there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import psycopg
from psycopg import sql

from cutover.dialects import postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.route import TableRoute


def merged_table(route: TableRoute) -> str:
    """Return the name of the table, in the shadow schema, that holds the rows others were merged into, as loaded."""
    return "cutover_merged_" + hashlib.sha256(route.target.encode()).hexdigest()[:12]


def is_there(connection: psycopg.Connection, schema: str, table: str) -> bool:
    """Whether a table is there; those that hold rows aside are made when the first row needs it."""
    query = "SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename = %s"
    return connection.execute(query, (schema, table)).fetchone() is not None


def fillable(route: TableRoute, key: Sequence[str]) -> list[str]:
    """Return the columns that may be NULL in one of several rows that are alike in ``key``, and are loaded."""
    return [c.target for c in route.columns if c.computed is None and c.target not in (*route.key, *key)]


def alike(one: str, other: str, columns: Iterable[str]) -> sql.Composed:
    """Return the condition that two rows, by their names in a statement, have the same values in ``columns``."""
    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier(one, name), sql.Identifier(other, name)) for name in columns
    )


def known(columns: Iterable[str]) -> sql.Composed:
    """Return the condition that none of ``columns`` is NULL."""
    return sql.SQL(" AND ").join(sql.SQL("{} IS NOT NULL").format(sql.Identifier(name)) for name in columns)


def names(columns: Iterable[str], row: str | None = None) -> sql.Composed:
    """Return columns as a list, of the row that a statement calls ``row`` where it has several."""
    return sql.SQL(", ").join(sql.Identifier(row, name) if row else sql.Identifier(name) for name in columns)


def fill(connection: psycopg.Connection, route: TableRoute, key: Sequence[str]) -> None:
    """Give the first of each set of rows alike in ``key`` the first value of the others, in columns where it is NULL.

    The first in the order of the primary key, that is. What such a row was when it was loaded is kept in
    :func:`merged_table`, once, whether it changes or not. ``connection`` has the shadow schema as its search path.
    """
    kept, columns = sql.Identifier(merged_table(route)), [c.target for c in route.columns]
    connection.execute(
        sql.SQL("CREATE TABLE IF NOT EXISTS {} AS SELECT {} FROM {} WITH NO DATA").format(
            kept, names(columns), sql.Identifier(route.target)
        )
    )
    filled = fillable(route, key)
    values = [
        sql.SQL("first_value({0}) OVER (PARTITION BY {1} ORDER BY {0} IS NULL, {2}) AS {0}").format(
            sql.Identifier(name), names(key), names(route.key)
        )
        for name in filled
    ]
    place = sql.SQL("row_number() OVER (PARTITION BY {} ORDER BY {})").format(names(key), names(route.key))
    chosen = sql.SQL(
        # ctid alone does not tell a partition's rows from another's.
        "WITH chosen AS MATERIALIZED (SELECT * FROM (SELECT {values} FROM {table} WHERE ({key}) IN "
        "(SELECT {key} FROM {table} WHERE {known} GROUP BY {key} HAVING count(*) > 1)) AS ranked "
        "WHERE cutover_place = 1), "
        "kept AS (INSERT INTO {kept} SELECT {columns} FROM {table} AS t JOIN chosen AS c "
        "ON t.ctid = c.cutover_ctid AND t.tableoid = c.cutover_part "
        "WHERE NOT EXISTS (SELECT 1 FROM {kept} AS k WHERE {same})) "
    ).format(
        values=sql.SQL(", ").join(
            [
                sql.SQL("tableoid AS cutover_part, ctid AS cutover_ctid, {} AS cutover_place").format(place),
                *values,
            ]
        ),
        table=sql.Identifier(route.target),
        key=names(key),
        known=known(key),
        kept=kept,
        columns=names(columns, "t"),
        same=alike("k", "t", route.key),
    )
    if not filled:
        connection.execute(sql.SQL("{}SELECT 1").format(chosen))
        return
    connection.execute(
        sql.SQL(
            "{chosen}UPDATE {table} AS t SET {set} FROM chosen AS c "
            "WHERE t.ctid = c.cutover_ctid AND t.tableoid = c.cutover_part AND ({changes})"
        ).format(
            chosen=chosen,
            table=sql.Identifier(route.target),
            set=sql.SQL(", ").join(
                sql.SQL("{} = {}").format(sql.Identifier(name), sql.Identifier("c", name)) for name in filled
            ),
            changes=sql.SQL(" OR ").join(
                sql.SQL("({} IS NULL AND {} IS NOT NULL)").format(sql.Identifier("t", name), sql.Identifier("c", name))
                for name in filled
            ),
        )
    )


def filled(target: Endpoint, schema: str, route: TableRoute) -> list[tuple[str, int]]:
    """Return how many values each column of the rows that stay took from duplicates, where it took any."""
    columns = fillable(route, ())
    with postgresql.session(target, schema) as connection:
        if not columns or not is_there(connection, schema, merged_table(route)):
            return []
        counts = connection.execute(
            sql.SQL("SELECT {} FROM {} AS k JOIN {} AS t ON {}").format(
                sql.SQL(", ").join(
                    sql.SQL("count(*) FILTER (WHERE {} IS NULL AND {} IS NOT NULL)").format(
                        sql.Identifier("k", name), sql.Identifier("t", name)
                    )
                    for name in columns
                ),
                sql.Identifier(merged_table(route)),
                sql.Identifier(route.target),
                alike("k", "t", route.key),
            )
        ).fetchone()
    return [(name, count) for name, count in zip(columns, counts or (), strict=False) if count]
