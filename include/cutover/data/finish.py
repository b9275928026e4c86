"""After the load: take out duplicates, build keys and indexes, set orphans aside, add foreign keys."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from cutover.data import shadow
from cutover.data.load import ERROR, MARKERS, REJECTS, RULE
from cutover.dialects import postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.errors import DataError
from cutover.route import TableRoute
from cutover.schema import ddl
from cutover.schema.ddl import Statement
from cutover.schema.model import ForeignKey
from cutover.schema.target import TargetCheck, TargetTable

# A statement that a killed attempt has already run; the shadow schema is this run's alone, so
# what bears the name is what the statement makes.
_DONE = (
    psycopg.errors.DuplicateTable,
    psycopg.errors.DuplicateObject,
    psycopg.errors.DuplicateFunction,
    psycopg.errors.InvalidTableDefinition,
    # A key's index is a constraint's already.
    psycopg.errors.ObjectNotInPrerequisiteState,
)
# Index builds sort in this much memory each, on the target server.
_SORT_MEMORY = "64MB"
_ORPHAN_ROUNDS = 100


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
    """Move every row whose value in a key field is held by an earlier row, over the whole table.

    The server compares and orders, so memory is its work memory and what is a duplicate is what a
    unique key of the target would refuse.
    """
    removed = []
    route = table.route
    for field in route.duplicates:
        reason = f"duplicate {field}"
        order = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL("DESC" if route.keep_last else "ASC"))
            for name in route.key
        )
        chosen = sql.SQL(
            "SELECT tableoid, ctid FROM ("
            "SELECT tableoid, ctid, row_number() OVER (PARTITION BY {field} ORDER BY {order}) AS place "
            "FROM {table} WHERE {field} IS NOT NULL) AS ranked WHERE place > 1"
        ).format(field=sql.Identifier(field), order=order, table=sql.Identifier(route.target))
        with postgresql.session(target, schema) as connection:
            count = _move(connection, route, chosen, field, reason, RULE)
        if count:
            removed.append(Removed(route.target, reason, count))
    return removed


def build_indexes(target: Endpoint, schema: str, statements: Sequence[Statement], parallel: int, timeout: int) -> None:
    """Run index and key statements, ``parallel`` at a time, each with ``timeout`` milliseconds."""

    def build(statement: Statement) -> None:
        with postgresql.session(target, schema, statement_timeout=timeout) as connection:
            connection.execute("SELECT set_config('maintenance_work_mem', %s, true)", (_SORT_MEMORY,))
            _once(connection, statement)

    with ThreadPoolExecutor(parallel) as pool:
        list(pool.map(build, statements))


def apply(target: Endpoint, schema: str, statements: Sequence[Statement], timeout: int) -> None:
    """Run statements one after the other, each in its own transaction."""
    for statement in statements:
        with postgresql.session(target, schema, statement_timeout=timeout) as connection:
            _once(connection, statement)


def _once(connection: psycopg.Connection, statement: Statement) -> None:
    try:
        with connection.transaction():
            shadow.run(connection, statement.sql)
    except _DONE:
        pass


def add_constraints(
    target: Endpoint, schema: str, table: TargetTable, not_null: Sequence[str], unasked: Collection[str], timeout: int
) -> list[TargetCheck]:
    """Add a table's key, NOT NULLs and checks; return the checks that hold for rows to come alone.

    Those are ``unasked``, and the ones that rows break: a check is the source's word about later rows.
    That some rows of the source break it, or that PostgreSQL reads it more strictly, must not keep
    the rows away.
    """
    broken: set[str] = set(unasked)
    while (statement := ddl.constraints(table, not_null, broken)) is not None:
        try:
            apply(target, schema, [statement], timeout)
            break
        except DataError as error:
            cause = error.__cause__
            name = cause.diag.constraint_name if isinstance(cause, psycopg.errors.CheckViolation) else None
            found = next((check for check in table.checks if check.name == name), None)
            if found is None or found.name in broken:
                raise
            broken.add(found.name)
    if not table.constrained:
        return []
    # The catalogue tells, not the loop: an attempt before this one may have found some out.
    query = "SELECT conname FROM pg_constraint WHERE conrelid = to_regclass(%s) AND contype = 'c' AND NOT convalidated"
    with postgresql.session(target, schema) as connection:
        named = {name for (name,) in connection.execute(query, (postgresql.quoted(schema, table.name),))}
    return [check for check in table.checks if check.name in named]


def became_null(target: Endpoint, schema: str, table: str, column: str) -> bool:
    """Whether the load turned values of the column into NULL, as the chunks' markers tell."""
    query = sql.SQL(
        "SELECT EXISTS (SELECT 1 FROM {} AS m, json_array_elements(m.altered::json) AS a "
        "WHERE m.table_name = %s AND a->>0 = %s)"
    ).format(sql.Identifier(MARKERS))
    with postgresql.session(target, schema) as connection:
        row = connection.execute(query, (table, column)).fetchone()
    return bool(row and row[0])


def add_foreign_key(
    target: Endpoint,
    schema: str,
    table: TargetTable,
    key: ForeignKey,
    deferrable: bool,
    valid: bool,
    timeout: int,
    kind: str = ERROR,
) -> Removed | None:
    """Add a foreign key; rows without a parent are set aside as ``kind``, with the reason, and counted.

    Raises:
        DataError: taking orphans out does not end, or other rows refer to them.
    """
    statement = ddl.foreign_key(table, key, deferrable, valid)
    reason = f"no row in {key.referred_table} for foreign key {key.name}"
    rows = 0
    for _ in range(_ORPHAN_ROUNDS):
        try:
            with postgresql.session(target, schema, statement_timeout=timeout) as connection:
                _once(connection, statement)
            return Removed(table.name, reason, rows) if rows else None
        except DataError:
            with postgresql.session(target, schema, statement_timeout=timeout) as connection:
                moved = _move(connection, table.route, _orphans(table, key), ", ".join(key.columns), reason, kind)
            if not moved:
                raise
            rows += moved
    raise DataError(f"{table.name}: foreign key {key.name} still finds orphans after {_ORPHAN_ROUNDS} rounds")


def _orphans(table: TargetTable, key: ForeignKey) -> sql.Composed:
    """Rows whose key is whole (MATCH SIMPLE: no part is NULL) and found nowhere among the parents."""
    child, parent = sql.Identifier("c"), sql.Identifier("p")
    whole = sql.SQL(" AND ").join(sql.SQL("{}.{} IS NOT NULL").format(child, sql.Identifier(c)) for c in key.columns)
    alike = sql.SQL(" AND ").join(
        sql.SQL("{}.{} = {}.{}").format(child, sql.Identifier(mine), parent, sql.Identifier(theirs))
        for mine, theirs in zip(key.columns, key.referred_columns, strict=True)
    )
    return sql.SQL(
        "SELECT c.tableoid, c.ctid FROM {} AS c WHERE {} AND NOT EXISTS (SELECT 1 FROM {} AS p WHERE {})"
    ).format(sql.Identifier(table.name), whole, sql.Identifier(key.referred_table), alike)


def _move(
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
    keyed = [c for c in route.columns if not route.key or c.target in route.key]
    pairs: list[sql.Composable] = []
    for c in keyed:
        pairs += [sql.Literal(c.source), sql.Identifier(c.target)]
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
            "SELECT {name}, jsonb_build_object({pairs})::text, {column}, {reason}, {kind} FROM gone"
        ).format(
            table=sql.Identifier(route.target),
            chosen=chosen,
            columns=columns,
            returned=sql.SQL(", ").join(sql.Identifier("t", c.target) for c in route.columns),
            aside=sql.Identifier(aside),
            rejects=sql.Identifier(REJECTS),
            name=sql.Literal(route.target),
            pairs=sql.SQL(", ").join(pairs),
            column=sql.Literal(column),
            reason=sql.Literal(reason),
            kind=sql.Literal(kind),
        )
    )
    return moved.rowcount


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
