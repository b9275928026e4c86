"""What every object of a PostgreSQL schema is, in the server's own words, so that two schemas can be compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.schema import CreateSchema

from cutover.dialects import postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.schema.ddl import Statement

# Kind, table, name, definition, and what it takes to make it; names are short, for the schema is the search path's
# first. pg_get_functiondef alone names the schema; where a routine looks for its tables is not a part of it.
_OBJECTS = """
WITH extensions AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
here AS (SELECT to_regnamespace(quote_ident(%(schema)s))::oid AS oid),
relations AS (SELECT c.* FROM pg_class c, here WHERE c.relnamespace = here.oid AND c.relkind IN ('r', 'p')
  AND NOT EXISTS (SELECT 1 FROM extensions e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid))
SELECT 'table', c.relname, '', concat_ws(' ',
    CASE c.relkind WHEN 'p' THEN 'PARTITION BY ' || pg_get_partkeydef(c.oid) END,
    CASE WHEN c.relispartition THEN pg_get_expr(c.relpartbound, c.oid) END,
    'COMMENT ' || quote_literal(obj_description(c.oid, 'pg_class'))),
  jsonb_build_object('by', CASE c.relkind WHEN 'p' THEN pg_get_partkeydef(c.oid) END,
    'of', CASE WHEN c.relispartition THEN (SELECT p.relname FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent
                                           WHERE i.inhrelid = c.oid) END,
    'bound', CASE WHEN c.relispartition THEN pg_get_expr(c.relpartbound, c.oid) END,
    'comment', obj_description(c.oid, 'pg_class'))
FROM relations c
UNION ALL
SELECT 'column', c.relname, a.attname, concat_ws(' ', format_type(a.atttypid, a.atttypmod),
    CASE WHEN a.attcollation <> t.typcollation THEN 'COLLATE ' || a.attcollation::regcollation::text END,
    CASE WHEN a.attnotnull THEN 'NOT NULL' END,
    CASE WHEN a.attidentity <> '' THEN 'IDENTITY' END,
    CASE a.attgenerated WHEN '' THEN 'DEFAULT ' ELSE 'GENERATED ALWAYS AS ' END || pg_get_expr(d.adbin, d.adrelid),
    'COMMENT ' || quote_literal(col_description(c.oid, a.attnum))),
  jsonb_build_object('position', a.attnum, 'type', concat_ws(' COLLATE ', format_type(a.atttypid, a.atttypmod),
      CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END),
    'nullable', NOT a.attnotnull, 'identity', nullif(a.attidentity, ''),
    'default', CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END,
    'generated', CASE WHEN a.attgenerated <> '' THEN pg_get_expr(d.adbin, d.adrelid) END,
    'comment', col_description(c.oid, a.attnum))
FROM relations c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE NOT c.relispartition
UNION ALL
SELECT CASE k.contype WHEN 'p' THEN 'primary key' WHEN 'f' THEN 'foreign key' WHEN 'c' THEN 'check'
    ELSE 'constraint' END, c.relname, k.conname, pg_get_constraintdef(k.oid, true),
  jsonb_build_object('refers', CASE WHEN k.contype = 'f' THEN (SELECT relname FROM pg_class WHERE oid = k.confrelid)
    END)
FROM relations c JOIN pg_constraint k ON k.conrelid = c.oid WHERE NOT c.relispartition AND k.contype <> 'n'
UNION ALL
SELECT 'index', c.relname, x.relname,
  regexp_replace(pg_get_indexdef(i.indexrelid, 0, true), '^CREATE (UNIQUE )?INDEX .*? (ON ONLY|ON) ', '\\1ON '),
  jsonb_build_object('sql', pg_get_indexdef(i.indexrelid, 0, true))
FROM relations c JOIN pg_index i ON i.indrelid = c.oid JOIN pg_class x ON x.oid = i.indexrelid
WHERE NOT c.relispartition AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid)
UNION ALL
SELECT 'trigger', c.relname, t.tgname, pg_get_triggerdef(t.oid, true), '{}'
FROM relations c JOIN pg_trigger t ON t.tgrelid = c.oid WHERE NOT t.tgisinternal AND NOT c.relispartition
UNION ALL
SELECT 'view', v.relname, '', pg_get_viewdef(v.oid, true) || coalesce(' ' || array_to_string(v.reloptions, ', '), ''),
  jsonb_build_object('select', pg_get_viewdef(v.oid, true), 'options', v.reloptions,
    'columns', (SELECT jsonb_agg(attname ORDER BY attnum) FROM pg_attribute WHERE attrelid = v.oid AND attnum > 0),
    'reads', (SELECT coalesce(jsonb_agg(DISTINCT u.relname), '[]') FROM pg_rewrite r
              JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
              JOIN pg_class u ON d.refclassid = 'pg_class'::regclass AND u.oid = d.refobjid AND u.oid <> v.oid
              WHERE r.ev_class = v.oid))
FROM pg_class v, here WHERE v.relnamespace = here.oid AND v.relkind = 'v'
  AND NOT EXISTS (SELECT 1 FROM extensions e WHERE e.classid = 'pg_class'::regclass AND e.objid = v.oid)
UNION ALL
SELECT CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END, '',
  p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')',
  concat_ws(' ', pg_get_function_result(p.oid), p.provolatile, p.prosrc),
  jsonb_build_object('sql', regexp_replace(regexp_replace(pg_get_functiondef(p.oid),
      '^(CREATE OR REPLACE (FUNCTION|PROCEDURE) )("([^"]|"")*"|[^".(]+)\\.', '\\1'),
      '\n SET search_path TO [^\n]*', ''),
    'result', pg_get_function_result(p.oid),
    'identity', quote_ident(p.proname) || '(' || pg_get_function_identity_arguments(p.oid) || ')')
FROM pg_proc p, here WHERE p.pronamespace = here.oid AND p.prokind IN ('f', 'p')
  AND NOT EXISTS (SELECT 1 FROM extensions e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid)
UNION ALL
SELECT 'type', '', t.typname, string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder),
  jsonb_build_object('as', format_type(t.oid, NULL))
FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid, here WHERE t.typnamespace = here.oid
  AND NOT EXISTS (SELECT 1 FROM extensions e WHERE e.classid = 'pg_type'::regclass AND e.objid = t.oid)
GROUP BY t.oid
UNION ALL
SELECT 'sequence', '', c.relname, concat_ws(' ', format_type(s.seqtypid, NULL), 'INCREMENT', s.seqincrement,
  'MINVALUE', s.seqmin, 'MAXVALUE', s.seqmax, 'START', s.seqstart, CASE WHEN s.seqcycle THEN 'CYCLE' END), '{}'
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid, here WHERE c.relnamespace = here.oid AND NOT EXISTS (
  SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
    AND d.deptype IN ('a', 'i', 'e'))
UNION ALL
SELECT 'collation', '', c.collname, concat_ws(' ', c.collprovider, c.collisdeterministic),
  jsonb_build_object('deterministic', c.collisdeterministic, 'locale',
    coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale', c.collcollate))
FROM pg_collation c, here WHERE c.collnamespace = here.oid
ORDER BY 1, 2, 3"""


@dataclass(frozen=True)
class Definition:
    """One object: what it is in the server's words, and the parts that it is made of.

    ``table`` is what it belongs to, or '' where it stands by itself; of a table or view it is the name, and ``name``
    is ''. Two objects are alike where ``text`` is.
    """

    kind: str
    table: str
    name: str
    text: str
    parts: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, str, str]:
        """Kind, table and name, which together are unique."""
        return self.kind, self.table, self.name


Definitions = Mapping[tuple[str, str, str], Definition]


@dataclass(frozen=True)
class Difference:
    """One object that is not alike: ``before`` and ``after`` are its definitions, None where it is not there."""

    kind: str
    table: str
    name: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        what = f"{self.kind} {'.'.join(part for part in (self.table, self.name) if part)}"
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
    with postgresql.transaction(target, schema) as connection:
        return read(connection, schema)


def of_statements(target: Endpoint, statements: Iterable[Statement]) -> Definitions:
    """Return what statements make, as definitions: they run in a transaction that is rolled back.

    Raises:
        PreflightError: the target refuses one of them.
    """
    with scratch(target) as (connection, schema):
        run(connection, statements)
        return read(connection, schema)


@contextmanager
def scratch(target: Endpoint) -> Iterator[tuple[sa.Connection, str]]:
    """Open a transaction in an empty schema of its own, the search path's only one; it is rolled back in the end.

    Raises:
        As :func:`cutover.dialects.postgresql.transaction` does.
    """
    schema = f"cutover_rehearsal_{uuid4().hex[:8]}"
    with postgresql.transaction(target, schema) as connection:
        connection.execute(CreateSchema(schema))
        yield connection, schema
        connection.rollback()


def run(connection: sa.Connection, statements: Iterable[Statement]) -> None:
    """Execute statements, whose words hold no parameters."""
    for statement in statements:
        postgresql.driver(connection).execute(statement.sql.encode())


def read(connection: sa.Connection, schema: str) -> Definitions:
    """Read the definitions of a schema that is the search path's first."""
    driver = postgresql.driver(connection)
    path = driver.execute("SELECT current_setting('search_path')").fetchone()
    assert path is not None
    # The server writes a type's schema where it would not find it, and the extensions' may be the live schema.
    postgresql.find_extensions(driver, schema)
    found = [Definition(*row) for row in driver.execute(_OBJECTS, {"schema": schema})]
    driver.execute("SELECT set_config('search_path', %s, false)", path)
    return {definition.key: definition for definition in found}


def compare(before: Definitions, after: Definitions) -> list[Difference]:
    """Return what has to change for ``before`` to be ``after``, by kind and name."""

    def text(side: Definitions, key: tuple[str, str, str]) -> str | None:
        return side[key].text if key in side else None

    return [
        Difference(*key, text(before, key), text(after, key))
        for key in sorted(before.keys() | after.keys())
        if text(before, key) != text(after, key)
    ]


def within(found: Definitions, known: Definitions) -> Definitions:
    """Return those of ``found`` that ``known`` has too, or that belong to one of its tables."""
    tables = {table for kind, table, _ in known if kind == "table"}
    return {key: definition for key, definition in found.items() if key in known or key[1] in tables}


def to_rows(found: Iterable[Definition]) -> list[list[Any]]:
    """Return definitions as what JSON can hold."""
    return [[d.kind, d.table, d.name, d.text, d.parts] for d in found]


def from_rows(rows: Iterable[Iterable[Any]]) -> Definitions:
    """Return the definitions that :func:`to_rows` was given."""
    return {d.key: d for d in (Definition(*row) for row in rows)}
