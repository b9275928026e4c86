"""Statements of the application's that are run on either side, where they can change nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import MySQLdb
import psycopg
from psycopg.pq import ExecStatus

from cutover.dialects import mysql
from cutover.dialects.endpoint import Endpoint
from cutover.verify.preparing import said

# Each server's own word for the longest that a statement may take; either passes over the other's comment.
_SECONDS = "SET @cutover_limited = NULL /*M!100101 , max_statement_time = {seconds} */"
_MILLISECONDS = "SET @cutover_limited = NULL /*!50708 , SESSION max_execution_time = {milliseconds} */"
# MySQL 8.3 and later write plans in another shape by default (manual, explain_json_format_version).
_SHAPE = "SET @cutover_limited = NULL /*!80300 , SESSION explain_json_format_version = 1 */"


# Rows of the target that are in memory at a time.
_CHUNK = 1000
_TOO_LONG = "it took longer than rules.performance.timeout"


class StatementError(Exception):
    """A server did not answer a statement; its words are the message."""


@contextmanager
def reading(source: Endpoint, timeout: int) -> Iterator[Any]:
    """Open a session of the C client in a transaction that can write nothing.

    Args:
        source: the source database.
        timeout: milliseconds that a SELECT may take; 0 is without end.

    Raises:
        As :func:`cutover.dialects.mysql.client` does.
    """
    with mysql.client(source) as connection:
        for statement in (
            _SECONDS.format(seconds=timeout / 1000),
            _MILLISECONDS.format(milliseconds=timeout),
            _SHAPE,
            "START TRANSACTION READ ONLY",
        ):
            connection.query(statement)
        yield connection
        connection.rollback()


def limits_time(source: Any) -> bool:
    """Whether the source's server can end a SELECT that takes too long: MySQL from 5.7.8, MariaDB from 10.1 on."""
    source.query("SHOW VARIABLES WHERE Variable_name IN ('max_execution_time', 'max_statement_time')")
    return int(source.store_result().num_rows()) > 0


def on_source(source: Any, statement: str) -> tuple[float, int]:
    """Run a query and drop its rows as they come; return milliseconds and how many there were.

    Raises:
        StatementError: the server refused it, or it took too long.
        MySQLdb.Error: the connection was lost.
    """
    try:
        started = time.perf_counter()
        source.query(statement)
        result = source.use_result()
        result.discard()
        return (time.perf_counter() - started) * 1000, int(result.num_rows())
    except MySQLdb.Error as error:
        raise _explained(error) from None


def plan_of_source(source: Any, statement: str) -> Any:
    """Return the source's plan of a query, as its JSON has it.

    Raises:
        StatementError: the server has no such plan.
        MySQLdb.Error: the connection was lost.
    """
    try:
        source.query(f"EXPLAIN FORMAT=JSON {statement}")
        ((text,),) = source.store_result().fetch_row(0)
        return json.loads(text)
    except MySQLdb.Error as error:
        raise _explained(error) from None


def _explained(error: MySQLdb.Error) -> StatementError:
    number = error.args[0] if error.args else 0
    # ER_STATEMENT_TIMEOUT of MariaDB, ER_QUERY_TIMEOUT of MySQL.
    if number in (1969, 3024):
        return StatementError(_TOO_LONG)
    if mysql.passes(error):
        raise error
    return StatementError(str(error.args[-1]))


def on_target(target: psycopg.Connection, statement: str) -> tuple[float, int]:
    """Run a query and drop its rows as they come; return milliseconds and how many there were.

    Raises:
        StatementError: the server refused it, or it took too long; the session goes on.
        psycopg.Error: the connection was lost.
    """
    with _trying(target):
        started = time.perf_counter()
        rows = sum(result.ntuples for result in _answers(target, statement))
        return (time.perf_counter() - started) * 1000, rows


def plan_of_target(target: psycopg.Connection, statement: str) -> Any:
    """Return the target's plan of a query, as its JSON has it.

    Raises:
        As :func:`on_target` does.
    """
    with _trying(target):
        texts = [answer.get_value(0, 0) for answer in _answers(target, f"EXPLAIN (FORMAT JSON) {statement}")]
        return json.loads(texts[0] or b"[]")


@contextmanager
def _trying(target: psycopg.Connection) -> Iterator[None]:
    try:
        with target.transaction():
            yield
    except psycopg.errors.QueryCanceled:
        raise StatementError(_TOO_LONG) from None
    except psycopg.Error as error:
        raise StatementError(said(error)) from None


def _answers(target: psycopg.Connection, statement: str) -> Iterator[psycopg.pq.abc.PGresult]:
    """Run one statement in the extended protocol, which takes no second one behind a semicolon, and yield its rows."""
    target.pgconn.send_query_params(statement.encode(), None)
    # Row by row would take the client longer than the server.
    target.pgconn.set_chunked_rows_mode(_CHUNK)
    error = None
    while (result := target.pgconn.get_result()) is not None:
        # A last one without rows tells that all have come.
        if result.status in (ExecStatus.TUPLES_CHUNK, ExecStatus.TUPLES_OK):
            if error is None and result.ntuples:
                yield result
        else:
            error = psycopg.errors.error_from_result(result, target.info.encoding)
    if error is not None:
        raise error
