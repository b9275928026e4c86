"""An independent checker: says everything of a MySQL or MariaDB database that is not in a PostgreSQL schema.

It shares no code with the product, reads both catalogues and every cell on its own terms, and only reads
(but for a temporary table in which the source works out its own defaults).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any, TypedDict

import MySQLdb
import psycopg

from checker import cells, columns, constraints, indexes, programs
from checker.finding import Finding
from checker.source import Source, read_source
from checker.target import Target, read_target

__all__ = ["Address", "Finding", "check"]


class Address(TypedDict):
    """Where the source is."""

    host: str
    port: int
    user: str
    password: str
    database: str


def check(source: Address, target_dsn: str, schema: str) -> list[Finding]:
    """Compare the source database with a schema of the target, catalogue by catalogue and cell by cell."""
    with closing(_source(source)) as mysql, psycopg.connect(target_dsn, autocommit=True) as postgres:
        _as_written(postgres)
        return sorted(_findings(mysql, postgres, read_source(mysql), read_target(postgres, schema)))


def _findings(mysql: Any, postgres: psycopg.Connection, source: Source, target: Target) -> Iterator[Finding]:
    for table in source.tables:
        counterpart = target.tables.get(table.name)
        if counterpart is None:
            yield Finding("table", table.name, "there is no such table")
            continue
        yield from columns.compare(mysql, postgres, table, counterpart)
        yield from indexes.compare(table, counterpart)
        yield from constraints.compare(mysql, postgres, table, counterpart)
        yield from cells.compare_tables(mysql, postgres, table, counterpart)
    yield from programs.compare(mysql, postgres, source, target)


def _source(source: Address) -> Any:
    login = {key: source[key] for key in ("host", "port", "user", "password", "database")}
    connection = MySQLdb.connect(**login, charset="utf8mb4", autocommit=True)
    cursor = connection.cursor()
    # Instants are read in UTC; no mode may pad, quote or refuse what is read.
    cursor.execute("SET SESSION time_zone = '+00:00', SESSION sql_mode = ''")
    if "mariadb" not in connection.get_server_info().lower():
        # MySQL remembers statistics, AUTO_INCREMENT among them, for a day.
        cursor.execute("SET SESSION information_schema_stats_expiry = 0")
    return connection


def _as_written(connection: psycopg.Connection) -> None:
    for setting in ("timezone = 'UTC'", "datestyle = 'ISO, YMD'", "extra_float_digits = 3", "search_path = ''"):
        connection.execute(f"SET {setting}".encode())
