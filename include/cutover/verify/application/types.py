"""Types of results that application code sees change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import MySQLdb
import psycopg
from sqlglot import exp

from cutover.dialects import mysql, postgresql
from cutover.schema.target import TargetTable
from cutover.verify import preparing
from cutover.verify.application.drivers import Seen, of_source, of_target
from cutover.verify.application.finding import Finding, Known
from cutover.verify.preparing import ResultColumn
from cutover.verify.queries import Query

_TYPES = """
    SELECT t.oid, t.typname, t.typtype, t.typcategory = 'A', t.typnamespace = 'pg_catalog'::regnamespace, b.typname
    FROM pg_type t LEFT JOIN pg_type b ON b.oid = t.typbasetype WHERE t.oid = ANY (%s)"""
_WRITTEN = "SELECT format_type(%s, %s)"


def check_types(
    source: Any, connection: psycopg.Connection, queries: Sequence[Query], known: Known
) -> Iterator[Finding]:
    """Yield the columns of the queries' results that a program gets as another type.

    Args:
        source: a session that may only read (:func:`cutover.verify.performance.asking.reading`).
        connection: a session that sees the schema (:func:`cutover.verify.preparing.looking`).
        queries: the application's; those that change or lock rows are passed over.
        known: what each may be on the target.

    Raises:
        psycopg.Error, TransientError: a connection was lost.
    """
    for query in queries:
        if not query.reads:
            continue
        made = known[query.name]
        target = made[0] if made is not None else query.text
        try:
            there = preparing.prepare(connection, target)
            here = described(source, _without_rows(query))
        except psycopg.Error as error:
            yield Finding(query.name, f"the types of its columns are not known: {preparing.said(error)}")
            continue
        except MySQLdb.Error as error:
            yield Finding(query.name, f"the types of its columns are not known: the source says {_said(error)}")
            continue
        if len(here) != len(there):
            yield Finding(query.name, f"it has {len(here)} columns in the source, and {len(there)} here")
            continue
        yield from (Finding(query.name, line) for line in _differences(connection, here, there))


def check_tables(source: Any, connection: psycopg.Connection, tables: Sequence[TargetTable]) -> Iterator[str]:
    """Yield the columns of tables that a program gets as another type, where no queries say which it reads.

    Raises:
        psycopg.Error, MySQLdb.Error: a connection was lost, or a table is not there.
    """
    for table in tables:
        routes = [column for column in table.route.columns if column.added is None]
        asked = mysql.select(table.route.source, [(mysql.quoted(c.source), c.source) for c in routes], limit=0)
        listed = ", ".join(postgresql.quoted(column.target) for column in routes)
        # Two identifiers, quoted; prepared, and never run.
        there = preparing.prepare(connection, f"SELECT {listed} FROM {postgresql.quoted(table.name)}")  # noqa: S608
        for line in _differences(connection, described(source, asked), there):
            yield f"table {table.name}: {line}"


Column = tuple[str, int, int, int]


def described(source: Any, statement: str) -> list[Column]:
    """Return the name, type, flags and width of each column that a query gives.

    Raises:
        MySQLdb.Error: the server does not take it.
    """
    source.query(statement)
    result = source.store_result()
    columns = zip(result.describe(), result.field_flags(), strict=True)
    return [(column[0], column[1], flags, column[3]) for column, flags in columns]


def _without_rows(query: Query) -> str:
    assert isinstance(query.tree, exp.Query)
    return query.tree.copy().limit(0).sql(dialect="mysql", comments=False)


def _differences(
    connection: psycopg.Connection, here: Sequence[Column], there: Sequence[ResultColumn]
) -> Iterator[str]:
    seen = _on_target(connection, there)
    for (name, code, flags, width), column, after in zip(here, there, seen, strict=True):
        before = of_source(code, flags, width, after.python == "bytes")
        if before.type == "null" or (before.python, before.java) == (after.python, after.java):
            continue
        told = []
        if before.python != after.python:
            told.append(f"Python gets {after.python} in place of {before.python}")
        if before.java != after.java:
            told.append(f"Java gets {after.java} in place of {before.java}")
        called = f" (here {column.name})" if column.name != name else ""
        yield f"column {name}{called}: {before.type} is {after.type}; {', '.join(told)}"


def _on_target(connection: psycopg.Connection, columns: Sequence[ResultColumn]) -> list[Seen]:
    found = {row[0]: row[1:] for row in connection.execute(_TYPES, ([column.oid for column in columns],))}
    seen = []
    for column in columns:
        name, kind, is_array, own, base = found[column.oid]
        written = connection.execute(_WRITTEN, (column.oid, column.modifier)).fetchone()
        assert written is not None
        seen.append(of_target(written[0], base or (name if own else ""), kind, is_array))
    return seen


def _said(error: MySQLdb.Error) -> str:
    """Return the server's words.

    Raises:
        MySQLdb.Error: the same one, where it may pass: it is none about the query.
    """
    if mysql.passes(error):
        raise error
    return str(error.args[-1])
