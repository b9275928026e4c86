"""What every object of a PostgreSQL schema is, in the server's own words, so that two schemas can be compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import uuid4

import psycopg
from psycopg import sql

from cutover.dialects import postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.schema.ddl import Statement

# Each query gives kind, name and definition; names within are short, for the schema is the search path's first.
_OBJECTS = """
WITH extensions AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
here AS (SELECT to_regnamespace(quote_ident(%(schema)s))::oid AS oid),
relations AS (SELECT c.* FROM pg_class c, here WHERE c.relnamespace = here.oid AND c.relkind IN ('r', 'p')
  AND NOT EXISTS (SELECT 1 FROM extensions e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid))
SELECT 'table', c.relname, concat_ws(' ',
  CASE c.relkind WHEN 'p' THEN 'PARTITION BY ' || pg_get_partkeydef(c.oid) END,
  CASE WHEN c.relispartition THEN pg_get_expr(c.relpartbound, c.oid) END,
  'COMMENT ' || quote_literal(obj_description(c.oid, 'pg_class')))
FROM relations c
UNION ALL
SELECT 'column', c.relname || '.' || a.attname, concat_ws(' ', format_type(a.atttypid, a.atttypmod),
  CASE WHEN a.attcollation <> t.typcollation THEN 'COLLATE ' || a.attcollation::regcollation::text END,
  CASE WHEN a.attnotnull THEN 'NOT NULL' END,
  CASE WHEN a.attidentity <> '' THEN 'IDENTITY' END,
  CASE a.attgenerated WHEN '' THEN 'DEFAULT ' ELSE 'GENERATED ALWAYS AS ' END || pg_get_expr(d.adbin, d.adrelid),
  'COMMENT ' || quote_literal(col_description(c.oid, a.attnum)))
FROM relations c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE NOT c.relispartition
UNION ALL
SELECT CASE k.contype WHEN 'p' THEN 'primary key' WHEN 'f' THEN 'foreign key' WHEN 'c' THEN 'check'
    ELSE 'constraint' END,
  c.relname || '.' || k.conname, pg_get_constraintdef(k.oid, true)
FROM relations c JOIN pg_constraint k ON k.conrelid = c.oid WHERE NOT c.relispartition AND k.contype <> 'n'
UNION ALL
SELECT 'index', c.relname || '.' || x.relname,
  regexp_replace(pg_get_indexdef(i.indexrelid, 0, true), '^CREATE (UNIQUE )?INDEX .*? (ON ONLY|ON) ', '\\1ON ')
FROM relations c JOIN pg_index i ON i.indrelid = c.oid JOIN pg_class x ON x.oid = i.indexrelid
WHERE NOT c.relispartition AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid)
UNION ALL
SELECT 'trigger', c.relname || '.' || t.tgname, pg_get_triggerdef(t.oid, true)
FROM relations c JOIN pg_trigger t ON t.tgrelid = c.oid WHERE NOT t.tgisinternal AND NOT c.relispartition
UNION ALL
SELECT 'view', v.relname, pg_get_viewdef(v.oid, true) || coalesce(' ' || array_to_string(v.reloptions, ', '), '')
FROM pg_class v, here WHERE v.relnamespace = here.oid AND v.relkind = 'v'
  AND NOT EXISTS (SELECT 1 FROM extensions e WHERE e.classid = 'pg_class'::regclass AND e.objid = v.oid)
UNION ALL
SELECT CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END,
  p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')',
  concat_ws(' ', pg_get_function_result(p.oid), p.provolatile, p.prosrc)
FROM pg_proc p, here WHERE p.pronamespace = here.oid AND p.prokind IN ('f', 'p')
  AND NOT EXISTS (SELECT 1 FROM extensions e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid)
UNION ALL
SELECT 'type', t.typname, string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid, here WHERE t.typnamespace = here.oid
  AND NOT EXISTS (SELECT 1 FROM extensions e WHERE e.classid = 'pg_type'::regclass AND e.objid = t.oid)
GROUP BY t.typname
UNION ALL
SELECT 'sequence', c.relname, concat_ws(' ', format_type(s.seqtypid, NULL), 'INCREMENT', s.seqincrement,
  'MINVALUE', s.seqmin, 'MAXVALUE', s.seqmax, 'START', s.seqstart, CASE WHEN s.seqcycle THEN 'CYCLE' END)
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid, here WHERE c.relnamespace = here.oid AND NOT EXISTS (
  SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
    AND d.deptype IN ('a', 'i', 'e'))
UNION ALL
SELECT 'collation', c.collname, concat_ws(' ', c.collprovider, c.collisdeterministic)
FROM pg_collation c, here WHERE c.collnamespace = here.oid
ORDER BY 1, 2"""

Definitions = Mapping[tuple[str, str], str]


@dataclass(frozen=True)
class Difference:
    """One object that is not alike: ``before`` and ``after`` are its definitions, None where it is not there."""

    kind: str
    name: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        what = f"{self.kind} {self.name}"
        if self.before is None:
            return f"+ {what}: {_short(self.after)}"
        if self.after is None:
            return f"- {what}: {_short(self.before)}"
        return f"~ {what}: {_short(self.before)} -> {_short(self.after)}"


def _short(definition: str | None) -> str:
    text = " ".join((definition or "").split())
    return text if len(text) <= 160 else text[:157] + "..."


def of_schema(target: Endpoint, schema: str) -> Definitions:
    """Read the definitions of a schema's objects; one that is not there has none."""
    with postgresql.session(target, schema) as connection:
        return _read(connection, schema)


def of_statements(target: Endpoint, statements: Iterable[Statement]) -> Definitions:
    """Return what statements make, as definitions: they run in a transaction that is rolled back.

    Raises:
        PreflightError: the target refuses one of them.
    """
    schema = f"cutover_rehearsal_{uuid4().hex[:8]}"
    with postgresql.session(target) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        connection.execute("SELECT set_config('search_path', %s, true)", (postgresql.quoted(schema),))
        for statement in statements:
            connection.execute(statement.sql.encode())
        found = _read(connection, schema)
        connection.rollback()
    return found


def _read(connection: psycopg.Connection, schema: str) -> Definitions:
    # The server writes a type's schema where it would not find it, and the extensions' may be the live schema.
    postgresql.find_extensions(connection, schema)
    return {(kind, name): definition for kind, name, definition in connection.execute(_OBJECTS, {"schema": schema})}


def compare(before: Definitions, after: Definitions) -> list[Difference]:
    """Return what has to change for ``before`` to be ``after``, by kind and name."""
    return [
        Difference(*key, before.get(key), after.get(key))
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]
