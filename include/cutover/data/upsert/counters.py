"""Identities and sequences go on above the values that were carried."""

from __future__ import annotations

import psycopg
from psycopg import sql

from cutover.data.upsert.ways import Way
from cutover.dialects import postgresql

# Sequences that belong to a number column (identity, serial), and those that its default counts with.
_SEQUENCES = """
WITH counting AS (
  SELECT d.refobjsubid AS attnum, d.objid AS sequence FROM pg_depend d
  WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
    AND d.refobjid = to_regclass(%(table)s) AND d.deptype IN ('a', 'i')
  UNION
  SELECT a.adnum, d.refobjid FROM pg_attrdef a JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass
    AND d.objid = a.oid AND d.refclassid = 'pg_class'::regclass WHERE a.adrelid = to_regclass(%(table)s))
SELECT a.attname, s.seqrelid::regclass::text, s.seqincrement, s.seqmin, s.seqmax
FROM counting c JOIN pg_sequence s ON s.seqrelid = c.sequence
JOIN pg_attribute a ON a.attrelid = to_regclass(%(table)s) AND a.attnum = c.attnum
JOIN pg_type t ON t.oid = a.atttypid AND t.typcategory = 'N' ORDER BY 2"""


def go_above(connection: psycopg.Connection, way: Way) -> None:
    """Let each sequence that a new table counts with go on behind the values that the table holds.

    A value is skipped by whole increments, and a sequence with none left stays at its end. What setval does is not
    undone with its transaction, which costs no more than numbers that nobody gets.
    """
    table = postgresql.quoted(way.shadow, way.table)
    for column, sequence, increment, least, most in connection.execute(_SEQUENCES, {"table": table}).fetchall():
        utmost = sql.SQL("max" if increment > 0 else "min")
        row = connection.execute(
            sql.SQL("SELECT s.last_value, s.is_called, (SELECT {}({}) FROM {}) FROM {} AS s").format(
                utmost, sql.Identifier(column), sql.Identifier(way.shadow, way.table), sql.SQL(sequence)
            )
        ).fetchone()
        assert row is not None
        last, called, held = row
        following = last + increment if called else last
        if held is None or (held - following) * increment < 0:
            continue
        following += (int(held - following) // increment + 1) * increment
        ended = not least <= following <= most
        value = (most if increment > 0 else least) if ended else following
        connection.execute("SELECT setval(%s::regclass, %s, %s)", (sequence, value, ended))
