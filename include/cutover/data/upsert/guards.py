"""Foreign keys and triggers of tables, out of the way while their rows are exchanged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import sql

_KEYS = """
SELECT k.conrelid::regclass::text, k.conname, pg_get_constraintdef(k.oid), obj_description(k.oid, 'pg_constraint')
FROM pg_constraint k JOIN pg_class child ON child.oid = k.conrelid JOIN pg_class parent ON parent.oid = k.confrelid
WHERE k.contype = 'f' AND k.conparentid = 0 AND k.connamespace = to_regnamespace(quote_ident(%(schema)s))
  AND (child.relname = ANY (%(tables)s) OR parent.relname = ANY (%(tables)s)) ORDER BY 1, 2"""
_TRIGGERS = """
SELECT c.oid::regclass::text, t.tgname, CASE t.tgenabled WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE' END
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = to_regnamespace(quote_ident(%(schema)s)) AND c.relname = ANY (%(tables)s)
  AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') ORDER BY 1, 2"""


@contextmanager
def lifted(connection: psycopg.Connection, schema: str, tables: Sequence[str]) -> Iterator[None]:
    """Take away the tables' foreign keys and triggers, and put them back when the block ends well.

    A foreign key that is made anew is asked of every row, whatever the order in which these came, and while it is
    away no ON DELETE CASCADE acts. An owner may do so; session_replication_role would take a superuser.

    Raises:
        psycopg.errors.ForeignKeyViolation: a row has no parent.
    """
    known = {"schema": schema, "tables": list(tables)}
    keys = connection.execute(_KEYS, known).fetchall()
    triggers = connection.execute(_TRIGGERS, known).fetchall()
    for table, name, _, _ in keys:
        _alter(connection, table, sql.SQL("DROP CONSTRAINT {}").format(sql.Identifier(name)))
    for table, name, _ in triggers:
        _alter(connection, table, sql.SQL("DISABLE TRIGGER {}").format(sql.Identifier(name)))
    yield
    for table, name, enable in triggers:
        _alter(connection, table, sql.SQL("{} TRIGGER {}").format(sql.SQL(enable), sql.Identifier(name)))
    for table, name, definition, comment in keys:
        _alter(connection, table, sql.SQL("ADD CONSTRAINT {} {}").format(sql.Identifier(name), sql.SQL(definition)))
        if comment is not None:
            connection.execute(
                sql.SQL("COMMENT ON CONSTRAINT {} ON {} IS {}").format(
                    sql.Identifier(name), sql.SQL(table), sql.Literal(comment)
                )
            )


def _alter(connection: psycopg.Connection, table: str, what: sql.Composable) -> None:
    connection.execute(sql.SQL("ALTER TABLE {} {}").format(sql.SQL(table), what))
