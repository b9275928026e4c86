"""Try on the target what it may refuse, on empty tables, and take everything back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import uuid4

import psycopg
from psycopg import sql

from cutover.dialects import postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.schema import ddl
from cutover.schema.target import Loss, TargetTable


def rehearse(target: Endpoint, tables: Sequence[TargetTable]) -> tuple[tuple[TargetTable, ...], tuple[Loss, ...]]:
    """Return the tables with those indexes, checks and triggers that the target accepts, and the others as losses.

    Everything happens in one transaction that is rolled back, table by table, so that no more locks
    are held than one table needs.

    Raises:
        TransientError: the target was lost.
        PreflightError: it refuses a table itself.
    """
    accepted: list[TargetTable] = []
    losses: list[Loss] = []
    with postgresql.session(target) as connection:
        schema = f"cutover_rehearsal_{uuid4().hex[:8]}"
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        connection.execute("SELECT set_config('search_path', %s, true)", (postgresql.quoted(schema),))
        for table in tables:
            with connection.transaction(force_rollback=True):
                for statement in ddl.create_tables((table,)):
                    connection.execute(statement.sql.encode())
                accepted.append(_with_what_is_accepted(connection, table, losses))
        connection.rollback()
    return tuple(accepted), tuple(losses)


def _with_what_is_accepted(connection: psycopg.Connection, table: TargetTable, losses: list[Loss]) -> TargetTable:
    indexes, checks = [], []
    for index in table.indexes:
        (statement,) = ddl.indexes(replace(table, indexes=(index,), constrained=False))
        refusal = _refusal(connection, statement.sql)
        if refusal is None:
            indexes.append(index)
        else:
            losses.append(Loss(f"index {table.name}.{index.name}", f"the target refuses {statement.sql}: {refusal}"))
    for check in table.checks:
        statement = ddl.check(table, check)
        refusal = _refusal(connection, statement.sql)
        if refusal is None:
            checks.append(check)
        else:
            losses.append(Loss(f"check {table.name}.{check.name}", f"the target refuses {check.sql}: {refusal}"))
    refusals = [refusal for statement in ddl.touch(table) if (refusal := _refusal(connection, statement.sql))]
    if refusals:
        names = ", ".join(table.touched)
        losses.append(Loss(f"ON UPDATE of {table.name}", f"the target refuses a trigger on {names}: {refusals[0]}"))
    return replace(table, indexes=tuple(indexes), checks=tuple(checks), touched=() if refusals else table.touched)


def _refusal(connection: psycopg.Connection, statement: str) -> str | None:
    try:
        with connection.transaction():
            connection.execute(statement.encode())
    except psycopg.Error as error:
        if postgresql.transient(error.sqlstate):
            raise
        return error.diag.message_primary or str(error)
    return None
