"""Where measuring is done: two servers and a folder, the same for every engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import MySQLdb
import psycopg
from psycopg import sql

from cutover.dialects import mysql
from cutover.local.airflow_server import Airflow
from cutover.local.servers import Server

SCHEMA = "bench"


class NoResultError(Exception):
    """A run that failed, or lost rows, is not measured; the message says which."""


@dataclass(frozen=True)
class Place:
    """The source, of which ``source.name`` is the case's own database, the target, and Airflow where it runs."""

    folder: Path
    source: Server
    target: Server
    airflow: Airflow | None = None


def seed_once(place: Place, seed: Callable[[Server, int], None], rows: int) -> None:
    """Fill the case's database, unless an earlier benchmark has; one that was killed meanwhile has not."""
    server = replace(place.source, name="mysql")
    name, done = place.source.name, f"{place.source.name}_whole"
    with closing(connect(server)) as session:
        cursor = session.cursor()
        cursor.execute("SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", (done,))
        if cursor.fetchone():
            return
    execute(
        server,
        f"DROP DATABASE IF EXISTS {mysql.quoted(name)}",
        f"CREATE DATABASE {mysql.quoted(name)} CHARACTER SET utf8mb4",
    )
    seed(place.source, rows)
    execute(server, f"CREATE DATABASE {mysql.quoted(done)}")


def execute(source: Server, *statements: str) -> None:
    """Run statements on the source, each in a transaction of its own."""
    with closing(connect(source)) as session:
        cursor = session.cursor()
        for statement in statements:
            cursor.execute(statement)


def connect(source: Server) -> MySQLdb.Connection:
    """Open a session on the source that commits after every statement."""
    login = {"host": source.host, "port": source.port, "user": source.user, "password": source.password}
    return MySQLdb.connect(**login, db=source.name, charset="utf8mb4", autocommit=True)


def clean(target: Server) -> None:
    """Empty the target and let the servers' background writes settle, the same before every run."""
    with psycopg.connect(target.url(), autocommit=True) as session:
        tables = session.execute(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname ~ '^(bench$|cutover_)' AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
        ).fetchall()
        # One by one: a thousand tables in one transaction are more locks than the server has.
        for names in tables:
            session.execute(sql.SQL("DROP TABLE IF EXISTS {} CASCADE").format(sql.Identifier(*names)))
        found = session.execute("SELECT nspname FROM pg_namespace WHERE nspname ~ '^(bench$|cutover_)'").fetchall()
        for (name,) in found:
            session.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))
        session.execute("CHECKPOINT")


def require_rows(target: Server, rows: int, tables: Sequence[str]) -> None:
    """Count what arrived, in some tables of the target's schema or in all where none is named.

    Raises:
        NoResultError: it is not as many rows.
    """
    with psycopg.connect(target.url()) as session:
        found = session.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = %s AND c.relkind IN ('r', 'p') AND NOT c.relispartition",
            (SCHEMA,),
        ).fetchall()
        arrived = 0
        for (name,) in found:
            if not tables or name in tables:
                query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(SCHEMA, name))
                counted = session.execute(query).fetchone()
                arrived += counted[0] if counted else 0
    if arrived != rows:
        raise NoResultError(f"{arrived} rows arrived, not {rows}")
