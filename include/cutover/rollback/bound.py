"""What of a live schema would be broken by taking objects out of it."""

from __future__ import annotations

from collections.abc import Collection

from psycopg import sql

from cutover.data import shadow
from cutover.dialects import postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.schema.target import Movable

# What is displaced, as the catalogue's (class, object); a table's row type and an enum's array go with it.
_OURS = """
WITH relations AS (
    SELECT c.oid, c.relname, c.relnamespace, c.relrowsecurity FROM pg_class c
    WHERE c.relnamespace = to_regnamespace(quote_ident(%(schema)s)) AND c.relkind IN ('r', 'p', 'v', 'S')
      AND c.relname = ANY (%(relations)s)),
types AS (
    SELECT t.oid, t.typarray FROM pg_type t
    WHERE t.typrelid IN (SELECT oid FROM relations)
       OR (t.typnamespace = to_regnamespace(quote_ident(%(schema)s)) AND t.typname = ANY (%(types)s))),
ours AS (
    SELECT 'pg_class'::regclass::oid AS class, oid FROM relations
    UNION ALL SELECT 'pg_type'::regclass, oid FROM types
    UNION ALL SELECT 'pg_type'::regclass, typarray FROM types
    UNION ALL SELECT 'pg_proc'::regclass, unnest(%(routines)s::oid[])
    UNION ALL SELECT 'pg_collation'::regclass, c.oid FROM pg_collation c
      WHERE c.collnamespace = to_regnamespace(quote_ident(%(schema)s)) AND c.collname = ANY (%(collations)s))
"""
# Whatever depends on an object by identity, and neither is one of ours nor belongs to a relation of ours, or of a run's
# own schema: the rows that a run set aside may be of a type that is exchanged, and go with the run.
_DEPENDENT = sql.SQL(
    _OURS  # noqa: S608
    + """,
found AS (
    SELECT DISTINCT d.classid, d.objid, d.objsubid, d.refclassid, d.refobjid, CASE d.classid
      WHEN 'pg_rewrite'::regclass THEN (SELECT ev_class FROM pg_rewrite WHERE oid = d.objid)
      WHEN 'pg_attrdef'::regclass THEN (SELECT adrelid FROM pg_attrdef WHERE oid = d.objid)
      WHEN 'pg_constraint'::regclass THEN (SELECT conrelid FROM pg_constraint WHERE oid = d.objid)
      WHEN 'pg_trigger'::regclass THEN (SELECT tgrelid FROM pg_trigger WHERE oid = d.objid)
      WHEN 'pg_policy'::regclass THEN (SELECT polrelid FROM pg_policy WHERE oid = d.objid)
      WHEN 'pg_class'::regclass THEN coalesce(
        (SELECT indrelid FROM pg_index WHERE indexrelid = d.objid),
        (SELECT refobjid FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = d.objid
           AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i') LIMIT 1), d.objid)
      END AS relation
    FROM pg_depend d JOIN ours o ON o.class = d.refclassid AND o.oid = d.refobjid WHERE d.deptype IN ('n', 'a'))
SELECT DISTINCT CASE classid WHEN 'pg_rewrite'::regclass THEN pg_describe_object('pg_class'::regclass, relation, 0)
  ELSE pg_describe_object(classid, objid, objsubid) END || ' depends on ' || pg_describe_object(refclassid, refobjid, 0)
FROM found f
WHERE NOT EXISTS (SELECT 1 FROM ours o WHERE o.class = f.classid AND o.oid = f.objid)
  AND (relation IS NULL OR relation NOT IN (SELECT oid FROM relations))
  AND NOT EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
                  WHERE c.oid = f.relation AND starts_with(s.nspname, %(own)s))
ORDER BY 1"""
)
# What is tied to a table and would stay with the old one.
_ATTACHED = sql.SQL(
    _OURS  # noqa: S608
    + """
SELECT 'trigger ' || t.tgname || ' on ' || r.relname FROM relations r JOIN pg_trigger t ON t.tgrelid = r.oid
WHERE NOT t.tgisinternal AND t.tgfoid NOT IN (SELECT oid FROM ours WHERE class = 'pg_proc'::regclass)
UNION ALL
SELECT 'policy ' || p.polname || ' on ' || r.relname FROM relations r JOIN pg_policy p ON p.polrelid = r.oid
UNION ALL
SELECT 'row security on ' || relname FROM relations WHERE relrowsecurity
UNION ALL
SELECT 'publication ' || p.pubname || ' of ' || r.relname FROM relations r
JOIN pg_publication_rel l ON l.prrelid = r.oid JOIN pg_publication p ON p.oid = l.prpubid
UNION ALL
SELECT 'inheritance or partitioning of ' || r.relname FROM relations r
JOIN pg_inherits i ON r.oid IN (i.inhrelid, i.inhparent)
WHERE NOT (i.inhrelid IN (SELECT oid FROM relations) AND i.inhparent IN (SELECT oid FROM relations))
UNION ALL
SELECT DISTINCT 'column grants on ' || r.relname FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid
WHERE a.attacl IS NOT NULL
ORDER BY 1"""
)
_TAKEN = """
SELECT DISTINCT c.relkind, c.relname FROM pg_class c
WHERE c.relnamespace = to_regnamespace(quote_ident(%(schema)s)) AND c.relname = ANY (%(relations)s)
  AND NOT (c.relkind IN ('r', 'p', 'v', 'S') AND c.relname = ANY (%(displaced)s))
  AND NOT EXISTS (SELECT 1 FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
                  WHERE i.indexrelid = c.oid AND t.relname = ANY (%(displaced)s))
  AND NOT EXISTS (SELECT 1 FROM pg_depend d JOIN pg_class t ON t.oid = d.refobjid
                  WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
                    AND d.deptype IN ('a', 'i') AND t.relname = ANY (%(displaced)s))
UNION ALL
SELECT 'T', t.typname FROM pg_type t
WHERE t.typnamespace = to_regnamespace(quote_ident(%(schema)s))
  AND (t.typname = ANY (%(types)s) OR t.typname = ANY (%(tables)s) AND t.typtype <> 'c')
  AND NOT (t.typtype = 'e' AND t.typname = ANY (%(displaced)s))
UNION ALL
SELECT 'P', p.proname FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
WHERE p.pronamespace = to_regnamespace(quote_ident(%(schema)s)) AND p.proname = ANY (%(routines)s) AND d.deptype = 'e'
ORDER BY 2"""
_KINDS = {"r": "table", "p": "table", "v": "view", "m": "materialized view", "i": "index", "I": "index"} | {
    "S": "sequence",
    "f": "foreign table",
    "c": "type",
    "T": "type",
    "P": "an extension's function",
}


def bound_objects(target: Endpoint, schema: str, displaced: Collection[Movable]) -> list[str]:
    """Name what is bound to displaced objects, from outside or by being attached, and would stay with the old ones."""

    def names(*kinds: str) -> list[str]:
        return [movable.name for movable in displaced if movable.kind in kinds]

    with postgresql.session(target) as connection:
        there = shadow.contents(connection, schema)
        known = {
            "schema": schema,
            "own": shadow.PREFIX,
            "relations": names("TABLE", "VIEW", "SEQUENCE"),
            "types": names("TYPE"),
            "collations": names("COLLATION"),
            "routines": [there[movable].oid for movable in displaced if movable.kind == "ROUTINE" and movable in there],
        }
        found = [row for query in (_ATTACHED, _DEPENDENT) for row in connection.execute(query, known).fetchall()]
    return [str(row[0]) for row in found]


def taken_names(
    target: Endpoint,
    schema: str,
    relations: Collection[str],
    coming: Collection[Movable],
    displaced: Collection[Movable],
) -> list[str]:
    """Name what has one of the names of what comes, and does not leave.

    Relations share their names, whatever they are; ``relations`` are those of all that come. A table takes its name
    among types as well.
    """

    def names(*kinds: str) -> list[str]:
        return [movable.name for movable in coming if movable.kind in kinds]

    leaving = [movable.name for movable in displaced if movable.kind in ("TABLE", "VIEW", "SEQUENCE", "TYPE")]
    known = {
        "schema": schema,
        "relations": list(relations),
        "tables": names("TABLE", "VIEW"),
        "types": names("TYPE"),
        "routines": names("ROUTINE"),
        "displaced": leaving,
    }
    with postgresql.session(target) as connection:
        found = connection.execute(_TAKEN, known).fetchall()
    return [f"{_KINDS.get(str(kind), 'relation')} {name}" for kind, name in found]
