"""Indexes and constraints, added to loaded tables."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock

import psycopg
from psycopg import sql

from cutover.data import shadow
from cutover.data.finish import Removed, all_but_first, move_aside
from cutover.data.load import ERROR, MARKERS
from cutover.dialects import postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.errors import DataError
from cutover.schema import ddl
from cutover.schema.ddl import Statement
from cutover.schema.model import ForeignKey, Index
from cutover.schema.target import TargetTable

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


@dataclass
class Built:
    """What building indexes led to: ``refused`` are those that cannot be, as (table, index, reason).

    ``twins`` are unique ones that rows stand in the way of, until those are set aside.
    """

    removed: list[Removed] = field(default_factory=list)
    refused: list[tuple[TargetTable, Index, str]] = field(default_factory=list)
    twins: list[tuple[TargetTable, Index, Statement]] = field(default_factory=list)


def build_indexes(target: Endpoint, schema: str, tables: Sequence[TargetTable], parallel: int, timeout: int) -> Built:
    """Build the tables' indexes, ``parallel`` at a time, each with ``timeout`` milliseconds.

    Rows that are different in the source and alike in the target (NUL characters, or white space that the spec
    takes out, were all that told them apart) are set aside, so that the others keep their key. An index whose
    entries are too long for PostgreSQL is left out.
    """
    built = Built()
    pending = iter([(table, *pair) for table in tables for pair in ddl.index_builds(table)])
    lock = Lock()

    def take() -> tuple[TargetTable, Index, Statement] | None:
        with lock:
            return next(pending, None)

    def work() -> None:
        with postgresql.session(target, schema, statement_timeout=timeout) as connection:
            connection.execute("SELECT set_config('maintenance_work_mem', %s, false)", (_SORT_MEMORY,))
            connection.commit()
            while (build := take()) is not None:
                _build(connection, *build, built)
                connection.commit()

    with ThreadPoolExecutor(parallel) as pool:
        for future in [pool.submit(work) for _ in range(parallel)]:
            future.result()
    # One after the other, always in the same order: each takes rows out of its table.
    for table, index, statement in sorted(built.twins, key=lambda twin: (twin[0].name, twin[1].name)):
        rewritten = any(table.route.column(name).rewritten for name in index.columns)
        why = "its text is brought to one form" if rewritten else "what PostgreSQL cannot hold is taken out"
        reason = f"its {', '.join(index.columns)} is another row's too, once {why}"
        with postgresql.session(target, schema, statement_timeout=timeout) as connection:
            twins = all_but_first(table.name, index.columns, sql.SQL("tableoid, ctid"))
            moved = move_aside(connection, table.route, twins, ", ".join(index.columns), reason, ERROR)
            _once(connection, statement)
        built.removed.append(Removed(table.name, reason, moved))
    return built


def _build(
    connection: psycopg.Connection, table: TargetTable, index: Index, statement: Statement, built: Built
) -> None:
    try:
        _once(connection, statement)
    except psycopg.errors.ProgramLimitExceeded as error:
        if index.columns == table.route.key and index.unique:
            raise
        built.refused.append((table, index, error.diag.message_primary or str(error)))
    except (psycopg.errors.ExclusionViolation, psycopg.errors.DataException) as error:
        # A date that is none has left a period without its start or end, or rows break the period's own check.
        if index.period is None:
            raise
        built.refused.append((table, index, error.diag.message_primary or str(error)))
    except psycopg.errors.UniqueViolation as error:
        # In the catalogue it is the index itself that another session makes.
        if not index.whole or error.diag.schema_name == "pg_catalog":
            raise
        built.twins.append((table, index, statement))


def apply(
    target: Endpoint, schema: str, statements: Sequence[Statement], timeout: int, extensions: bool = False
) -> None:
    """Run statements one after the other, each in its own transaction.

    With ``extensions`` a view finds the operators that they bring, and what it compares means what it is to mean.
    """
    if not statements:
        return
    with postgresql.session(target, schema, statement_timeout=timeout) as connection:
        if extensions:
            postgresql.find_extensions(connection, schema)
        connection.commit()
        for statement in statements:
            _once(connection, statement)
            connection.commit()


def _once(connection: psycopg.Connection, statement: Statement) -> None:
    try:
        with connection.transaction():
            shadow.run(connection, statement.sql)
    except _DONE:
        pass


def add_constraints(
    target: Endpoint, schema: str, table: TargetTable, not_null: Sequence[str], unasked: Collection[str], timeout: int
) -> None:
    """Add a table's key, NOT NULLs and checks.

    Checks that are ``unasked``, and those that rows break, hold for rows to come alone: a check is the
    source's word about later rows. That some rows of the source break it, or that PostgreSQL reads it
    more strictly, must not keep the rows away.
    """
    broken: set[str] = set(unasked)
    while (statement := ddl.constraints(table, not_null, broken)) is not None:
        try:
            apply(target, schema, [statement], timeout)
            return
        except DataError as error:
            cause = error.__cause__
            name = cause.diag.constraint_name if isinstance(cause, psycopg.errors.CheckViolation) else None
            found = next((check for check in table.checks if check.name == name), None)
            if found is None or found.name in broken:
                raise
            broken.add(found.name)


def became_null(target: Endpoint, schema: str) -> set[tuple[str, str]]:
    """Return (table, column) of what the load turned values of into NULL, as the chunks' markers tell."""
    query = sql.SQL(
        "SELECT DISTINCT m.table_name, a->>0 FROM {} AS m, json_array_elements(m.altered::json) AS a"
    ).format(sql.Identifier(MARKERS))
    with postgresql.session(target, schema) as connection:
        return {(table, column) for table, column in connection.execute(query)}


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

    Where the source compares the key without regard to case or trailing spaces, what has no parent letter
    by letter may have one there: no row is set aside then, and the key holds for rows to come alone.

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
            if any(table.route.column(name).ignores_case for name in key.columns):
                apply(target, schema, [ddl.foreign_key(table, key, deferrable, valid=False)], timeout)
                return None
            with postgresql.session(target, schema, statement_timeout=timeout) as connection:
                moved = move_aside(connection, table.route, _orphans(table, key), ", ".join(key.columns), reason, kind)
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


def not_validated(target: Endpoint, schema: str) -> Iterator[tuple[str, str, bool]]:
    """Yield (table, constraint, whether it is a foreign key) of what holds for rows to come alone.

    The catalogue tells, not the attempt that made it so: that may have been another one.
    """
    query = (
        "SELECT c.relname, k.conname, k.contype = 'f' FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid "
        "WHERE k.connamespace = to_regnamespace(quote_ident(%s)) AND NOT k.convalidated ORDER BY 1, 2"
    )
    with postgresql.session(target) as connection:
        yield from connection.execute(query, (schema,)).fetchall()
