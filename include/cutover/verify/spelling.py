"""How the server itself spells what is planned, which need not be how the plan does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import psycopg
from psycopg import sql

from cutover.dialects import postgresql
from cutover.schema import ddl
from cutover.schema.target import TargetTable

# A SELECT gives 1,664 columns at most (PostgreSQL manual, Limits).
_AT_ONCE = 1000
_CHECKS = "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'c'"


def types(connection: psycopg.Connection, tables: Iterable[TargetTable]) -> dict[str, str]:
    """Return how the server spells the planned types, by how the plan does; one that is not there stays as it is."""
    planned = list(dict.fromkeys(column.target_type for table in tables for column in table.route.columns))
    found: dict[str, str] = {}
    for start in range(0, len(planned), _AT_ONCE):
        found |= _spelled(connection, planned[start : start + _AT_ONCE])
    return found


def _spelled(connection: psycopg.Connection, some: Sequence[str]) -> dict[str, str]:
    nothing = ", ".join(f"CAST(NULL AS {type_})" for type_ in some)
    try:
        with connection.transaction():
            described = connection.execute(f"SELECT {nothing} LIMIT 0".encode()).pgresult
    except psycopg.errors.UndefinedObject:
        if len(some) == 1:
            return {some[0]: some[0]}
        half = len(some) // 2
        return _spelled(connection, some[:half]) | _spelled(connection, some[half:])
    assert described is not None
    codes = [[of(place) for place in range(len(some))] for of in (described.ftype, described.fmod)]
    query = "SELECT format_type(o, m) FROM ROWS FROM (unnest(%s::oid[]), unnest(%s::int[])) AS c (o, m)"
    return {type_: row[0] for type_, row in zip(some, connection.execute(query, codes), strict=True)}


def checks(
    connection: psycopg.Connection, schema: str, tables: Iterable[TargetTable]
) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield the definitions of planned CHECKs as the server spells them, by table and name.

    They are made on an empty temporary table, which is taken back at once. Those of a table for which that cannot be
    done, for want of the right to make one or of a column, are left out.
    """
    for table in tables:
        if not table.checks:
            continue
        try:
            with connection.transaction(force_rollback=True):
                like = sql.SQL("CREATE TEMPORARY TABLE {} (LIKE {})")
                connection.execute(like.format(sql.Identifier(table.name), sql.Identifier(schema, table.name)))
                for check in table.checks:
                    connection.execute(ddl.check(table, check).sql.encode())
                name = postgresql.quoted("pg_temp", table.name)
                made = connection.execute(_CHECKS, (name,)).fetchall()
        except psycopg.Error as error:
            if postgresql.transient(error.sqlstate):
                raise
            continue
        yield from (((table.name, check), definition) for check, definition in made)
