"""Which versions a schema has, and giving it others; the search path says which schema.

A table of the schema itself holds one row for each version that is applied, so it goes wherever the schema goes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import Script
from sqlalchemy.schema import CreateTable

from cutover.dialects import postgresql
from cutover.errors import PreflightError, TransientError


@dataclass(frozen=True)
class Bookkeeping:
    """What the tables are called that tell which versions and branches are applied."""

    table: str
    version: str = "version"
    applied: str = "applied_at"
    branches: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The tables' names."""
        return (self.table, self.branches) if self.branches else (self.table,)

    def versions_table(self) -> sa.Table:
        """Return the table of versions: identifier, and when it was applied."""
        return sa.Table(
            self.table,
            sa.MetaData(),
            sa.Column(self.version, sa.Text, primary_key=True),
            sa.Column(self.applied, sa.DateTime(timezone=True), nullable=False),
        )

    def branches_table(self) -> sa.Table:
        """Return the table of branches: name, last applied version, and whether the main line has it."""
        assert self.branches is not None
        return sa.Table(
            self.branches,
            sa.MetaData(),
            sa.Column("branch", sa.Text, primary_key=True),
            sa.Column("version", sa.Text, nullable=False),
            sa.Column("merged", sa.Boolean, nullable=False),
        )


def applied(connection: psycopg.Connection, schema: str, books: Bookkeeping) -> dict[str, datetime]:
    """Return the versions that a schema has and when each was applied; none where it has no such table.

    Raises:
        PreflightError: a table of that name is something else.
    """
    columns = {
        name
        for (name,) in connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
            (postgresql.quoted(schema, books.table),),
        )
    }
    if not columns:
        return {}
    if columns != {books.version, books.applied}:
        raise PreflightError(
            [
                f"table {books.table} of schema {schema} is no table of versions: it has columns "
                f"{', '.join(sorted(columns))}, not {books.version} and {books.applied}. Name another under "
                "strategy.types.schema.versioned.versionTable"
            ]
        )
    table = postgresql.quoted(schema, books.table)
    chosen = ", ".join(postgresql.quoted(name) for name in (books.version, books.applied))
    return dict(connection.execute(f"SELECT {chosen} FROM {table}".encode()).fetchall())  # noqa: S608


def upgrade(connection: sa.Connection, scripts: Sequence[Script], books: Bookkeeping | None) -> None:
    """Apply versions in order, in the caller's transaction; without ``books`` nothing is written down.

    Raises:
        PreflightError: a version failed; the message names it and has the server's words.
        TransientError: the connection was lost, or a lock was not to be had.
    """
    _run(MigrationContext.configure(connection), scripts, books, upward=True)


def downgrade(connection: sa.Connection, scripts: Sequence[Script], books: Bookkeeping | None) -> None:
    """Take versions back in order, in the caller's transaction.

    Raises:
        As :func:`upgrade` does.
    """
    _run(MigrationContext.configure(connection), scripts, books, upward=False)


def script(scripts: Sequence[Script], books: Bookkeeping | None, schema: str, *, upward: bool) -> str:
    """Return the SQL that :func:`upgrade` or :func:`downgrade` would run in a schema, and run nothing.

    Raises:
        PreflightError: a version asks the database something, and so cannot be written down.
    """
    out = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": out, "literal_binds": True}
    )
    out.write(f"BEGIN;\n\nSET LOCAL search_path TO {postgresql.quoted(schema)};\n\n")
    _run(context, scripts, books, upward=upward)
    return out.getvalue() + "COMMIT;\n"


def _run(context: MigrationContext, scripts: Sequence[Script], books: Bookkeeping | None, *, upward: bool) -> None:
    with Operations.context(context) as operations:
        if books is not None and upward and scripts:
            operations.execute(CreateTable(books.versions_table(), if_not_exists=True))
        for version in scripts:
            with _explained(version):
                (version.module.upgrade if upward else version.module.downgrade)()
                if books is not None:
                    operations.execute(_note(version.revision, books, upward=upward))


def _note(version: str, books: Bookkeeping, *, upward: bool) -> sa.Insert | sa.Delete:
    table = books.versions_table()
    if upward:
        return sa.insert(table).values({books.version: version, books.applied: datetime.now(UTC)})
    return sa.delete(table).where(table.c[books.version] == version)


@contextmanager
def _explained(version: Script) -> Iterator[None]:
    name = f"version {version.revision} ({version.doc})"
    try:
        yield
    except sa.exc.DBAPIError as error:
        words = " ".join(str(error.orig).split())
        if isinstance(error.orig, psycopg.Error) and postgresql.transient(error.orig.sqlstate):
            raise TransientError(f"{name}: {words}") from error
        raise PreflightError([f"{name}: the target refuses it: {words}"]) from error
    except NotImplementedError as error:
        raise PreflightError([f"{name} has no way back: {error}"]) from error
    except Exception as error:  # a version is Python: anything may go wrong in it
        raise PreflightError([f"{name}: {type(error).__name__}: {error}"]) from error


def note_branches(connection: sa.Connection, books: Bookkeeping, branches: Mapping[str, tuple[str, bool]]) -> None:
    """Write down the last applied version of each branch, and whether it is merged, in place of what was there."""
    if books.branches is None:
        return
    table = books.branches_table()
    connection.execute(CreateTable(table, if_not_exists=True))
    connection.execute(sa.delete(table))
    rows = [{"branch": name, "version": head, "merged": merged} for name, (head, merged) in sorted(branches.items())]
    if rows:
        connection.execute(sa.insert(table), rows)
