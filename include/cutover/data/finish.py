"""Rows that were loaded and may not stay: taken out, kept aside, counted, and held against the limits."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from cutover.data import merge, shadow
from cutover.data.load import ERROR, MARKERS, REJECTS, RULE
from cutover.dialects import postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.errors import DataError
from cutover.route import ColumnRoute, TableRoute
from cutover.schema.target import TargetTable

# How the reason of every row begins that is set aside as a duplicate.
DUPLICATE = "duplicate "


@dataclass(frozen=True)
class Removed:
    """Rows taken out of a loaded table and kept aside, and why."""

    table: str
    reason: str
    rows: int


def removed_table(route: TableRoute) -> str:
    """Return the name of the table, in the shadow schema, that holds the rows taken out of ``route``'s."""
    return "cutover_removed_" + hashlib.sha256(route.target.encode()).hexdigest()[:12]


def remove_duplicates(target: Endpoint, schema: str, table: TargetTable) -> list[Removed]:
    """Move every row whose values in a key are held by an earlier row, over the whole table.

    Where they are merged, the row that stays is filled from them first. What fills one key may make rows alike in
    another, of several fields; so the keys are gone through until no row moves.

    The server compares and orders, so memory is its work memory and what is a duplicate is what a
    unique key of the target would refuse.
    """
    removed: list[Removed] = []
    route = table.route
    order = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL("DESC" if route.keep_last else "ASC"))
        for name in route.key
    )
    while True:
        moved = 0
        for key in route.duplicates:
            field = ", ".join(key)
            reason = f"{DUPLICATE}{field}" + (", merged into the first" if route.merge else "")
            with postgresql.session(target, schema) as connection:
                if route.merge:
                    merge.fill(connection, route, key)
                count = move_aside(connection, route, all_but_first(route.target, key, order), field, reason, RULE)
            if count:
                removed.append(Removed(route.target, reason, count))
                moved += count
        if not moved or not route.merge:
            return removed


def all_but_first(table: str, columns: Sequence[str], order: sql.Composable) -> sql.Composed:
    """Choose every row whose values in ``columns``, none of them NULL, another row has that comes before it."""
    return sql.SQL(
        "SELECT tableoid, ctid FROM ("
        "SELECT tableoid, ctid, row_number() OVER (PARTITION BY {key} ORDER BY {order}) AS place "
        "FROM {table} WHERE {known}) AS ranked WHERE place > 1"
    ).format(key=merge.names(columns), order=order, table=sql.Identifier(table), known=merge.known(columns))


def source_key(route: TableRoute) -> sql.Composed:
    """Return the expression that writes a row's key in the source as JSON; without a key, the whole row."""
    keyed = route.identifying
    # A function takes a hundred arguments at most.
    pairs = [
        sql.SQL("jsonb_build_object({})").format(
            sql.SQL(", ").join(part for c in some for part in (sql.Literal(c.source), _shown(c)))
        )
        for some in (keyed[start : start + 40] for start in range(0, len(keyed), 40))
    ]
    return sql.SQL("({})::text").format(sql.SQL(" || ").join(pairs))


def move_aside(
    connection: psycopg.Connection,
    route: TableRoute,
    chosen: sql.Composed,
    column: str,
    reason: str,
    kind: str,
) -> int:
    """Move the chosen rows to the table of removed rows and note each in the reject table."""
    aside = removed_table(route)
    columns = sql.SQL(", ").join(sql.Identifier(c.target) for c in route.columns)
    connection.execute(
        sql.SQL("CREATE TABLE IF NOT EXISTS {} AS SELECT {} FROM {} WITH NO DATA").format(
            sql.Identifier(aside), columns, sql.Identifier(route.target)
        )
    )
    moved = connection.execute(
        sql.SQL(
            # A partition's rows are counted from one again: ctid alone does not tell them apart.
            "WITH chosen (part, place) AS MATERIALIZED ({chosen}), "
            "gone AS (DELETE FROM {table} AS t USING chosen WHERE t.ctid = chosen.place AND t.tableoid = chosen.part "
            "RETURNING {returned}), "
            "kept AS (INSERT INTO {aside} SELECT {columns} FROM gone) "
            "INSERT INTO {rejects} (table_name, source_key, column_name, reason, kind) "
            "SELECT {name}, {key}, {column}, {reason}, {kind} FROM gone"
        ).format(
            table=sql.Identifier(route.target),
            chosen=chosen,
            columns=columns,
            returned=sql.SQL(", ").join(sql.Identifier("t", c.target) for c in route.columns),
            aside=sql.Identifier(aside),
            rejects=sql.Identifier(REJECTS),
            name=sql.Literal(route.target),
            key=source_key(route),
            column=sql.Literal(column),
            reason=sql.Literal(reason),
            kind=sql.Literal(kind),
        )
    )
    return moved.rowcount


def _shown(column: ColumnRoute) -> sql.Composable:
    # PostGIS would write a geometry as GeoJSON, which has no SRID.
    name = sql.Identifier(column.target)
    return sql.SQL("{}::bytea").format(name) if column.arrow == "geometry" else name


def analyze(target: Endpoint, schema: str, tables: Sequence[str]) -> None:
    """Gather planner statistics: without them the first queries after the cutover are slow."""
    with postgresql.session(target, schema) as connection:
        for table in tables:
            connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table)))


@dataclass(frozen=True)
class TableCount:
    """What the target's own bookkeeping says of a table.

    ``errors`` and ``by_rule`` are rejected rows by kind; ``set_aside`` are those of them that had been loaded.
    """

    table: str
    rows_read: int
    rows_loaded: int
    chunks: int
    errors: int
    by_rule: int
    set_aside: int


def counts(target: Endpoint, schema: str) -> list[TableCount]:
    """Read rows read, loaded and rejected from the shadow schema, table by table."""
    query = sql.SQL(
        "SELECT m.table_name, m.rows_read, m.rows_loaded, m.chunks, "
        "count(r.kind) FILTER (WHERE r.kind = {error}), count(r.kind) FILTER (WHERE r.kind = {rule}), "
        "count(r.kind) FILTER (WHERE r.chunk IS NULL) "
        "FROM (SELECT table_name, sum(rows_read)::bigint AS rows_read, sum(rows_loaded)::bigint AS rows_loaded, "
        "count(*) AS chunks FROM {markers} GROUP BY table_name) AS m "
        "LEFT JOIN {rejects} AS r USING (table_name) GROUP BY 1, 2, 3, 4 ORDER BY 1"
    ).format(
        error=sql.Literal(ERROR),
        rule=sql.Literal(RULE),
        markers=sql.Identifier(schema, MARKERS),
        rejects=sql.Identifier(schema, REJECTS),
    )
    with postgresql.session(target) as connection:
        return [TableCount(*row) for row in connection.execute(query)]


def count_rows(target: Endpoint, schema: str, tables: Sequence[str]) -> dict[str, int]:
    """Count the rows of those of the tables that are there."""
    found = {}
    with postgresql.session(target) as connection:
        for table in tables:
            known = connection.execute("SELECT to_regclass(%s)", (postgresql.quoted(schema, table),)).fetchone()
            if known and known[0]:
                query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))
                row = connection.execute(query).fetchone()
                found[table] = row[0] if row else 0
    return found


def reject_summary(target: Endpoint, schema: str) -> list[dict[str, object]]:
    """Say how many rows were rejected, by table, column, reason and kind, with the first keys of each."""
    query = sql.SQL(
        "SELECT table_name, column_name, reason, kind, chunk IS NULL AS set_aside, count(*) AS rows, "
        "(array_agg(source_key ORDER BY length(source_key), source_key))[:5] AS keys "
        "FROM {} GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 4, 6 DESC, 2"
    ).format(sql.Identifier(schema, REJECTS))
    with postgresql.session(target) as connection:
        if not shadow.exists(connection, schema):
            return []
        cursor = connection.cursor(row_factory=dict_row)
        return [dict(row) for row in cursor.execute(query)]


def enforce_limits(found: Sequence[TableCount], max_errors: int, threshold: float) -> None:
    """Fail when more rows were refused than the spec allows.

    Raises:
        DataError: more than ``max_errors`` in all, or more than ``threshold`` of a table's rows.
    """
    errors = sum(table.errors for table in found)
    if errors > max_errors:
        per_table = ", ".join(f"{t.table} {t.errors}" for t in found if t.errors)
        raise DataError(f"{errors} rows were refused ({per_table}), more than maxErrors {max_errors}")
    for table in found:
        if table.rows_read and table.errors / table.rows_read > threshold:
            raise DataError(
                f"{table.table}: {table.errors} of {table.rows_read} rows were refused, "
                f"more than errorThreshold {threshold:.2%}"
            )
