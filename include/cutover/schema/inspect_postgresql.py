"""Read one PostgreSQL schema's structure and statistics, and which extensions are at hand."""

from __future__ import annotations

from collections import defaultdict

import sqlalchemy as sa

from cutover.dialects import postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.schema.model import Column, Extension, ForeignKey, Index, OtherObject, Schema, Statistics, Table

# What belongs to an extension is neither ours nor anybody's to move.
_OWN = (
    "NOT EXISTS (SELECT 1 FROM pg_depend e "
    "WHERE e.classid = '{catalogue}'::regclass AND e.objid = {oid} AND e.deptype = 'e')"
)
_OWN_RELATION = _OWN.format(catalogue="pg_class", oid="c.oid")
_TABLES = sa.text(f"""
    SELECT c.relname, GREATEST(c.reltuples, 0)::bigint, pg_table_size(c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = :schema AND c.relkind IN ('r', 'p') AND {_OWN_RELATION} ORDER BY c.relname COLLATE "C" """)  # noqa: S608
_COLUMNS = sa.text("""
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
           CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END, a.attidentity <> '',
           col_description(c.oid, a.attnum)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE n.nspname = :schema AND c.relkind IN ('r', 'p') ORDER BY c.relname, a.attnum""")
_OTHERS = sa.text(f"""
    SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
                          ELSE 'foreign table' END, c.relname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = :schema AND c.relkind IN ('v', 'm', 'S', 'f') AND {_OWN_RELATION}
    UNION ALL
    SELECT 'function', p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = :schema AND {_OWN.format(catalogue="pg_proc", oid="p.oid")}
    UNION ALL
    SELECT 'trigger', c.relname || '.' || t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = :schema AND NOT t.tgisinternal AND {_OWN_RELATION}
    UNION ALL
    SELECT 'check', c.relname || '.' || k.conname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = :schema AND k.contype = 'c' AND {_OWN_RELATION}
    ORDER BY 1, 2""")  # noqa: S608
_EXTENSIONS = sa.text("""
    SELECT e.extname, n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname IN ('postgis', 'citext', 'btree_gist') ORDER BY 1""")


def inspect(endpoint: Endpoint, schema: str) -> Schema:
    """Read the structure of ``schema``; a schema that does not exist yet has no tables.

    Raises:
        TransientError: the server could not be reached, or was lost.
        PreflightError: it refused.
    """
    with postgresql.transaction(endpoint) as connection:
        version = str(connection.execute(sa.text("SHOW server_version")).scalar_one())
        inspector = sa.inspect(connection)
        primary = inspector.get_multi_pk_constraint(schema=schema)
        indexes = inspector.get_multi_indexes(schema=schema)
        keys = inspector.get_multi_foreign_keys(schema=schema)
        columns: dict[str, list[Column]] = defaultdict(list)
        for table, name, type_, nullable, default, identity, comment in connection.execute(
            _COLUMNS, {"schema": schema}
        ):
            columns[table].append(Column(name, type_, nullable, default, identity, comment=comment))
        others = tuple(OtherObject(kind, name) for kind, name in connection.execute(_OTHERS, {"schema": schema}))
        extensions = tuple(Extension(name, where) for name, where in connection.execute(_EXTENSIONS))
        tables = []
        for name, rows, size in connection.execute(_TABLES, {"schema": schema}):
            where = (schema, name)
            tables.append(
                Table(
                    name,
                    tuple(columns[name]),
                    tuple(primary[where]["constrained_columns"]) if where in primary else (),
                    tuple(
                        Index.over(str(i["name"]), (c or "" for c in i["column_names"]), bool(i["unique"]))
                        for i in sorted(indexes.get(where, ()), key=lambda i: str(i["name"]))
                    ),
                    tuple(
                        ForeignKey(
                            str(k["name"]),
                            tuple(k["constrained_columns"]),
                            k["referred_table"],
                            tuple(k["referred_columns"]),
                            k.get("options", {}).get("ondelete"),
                            k.get("options", {}).get("onupdate"),
                        )
                        for k in sorted(keys.get(where, ()), key=lambda k: str(k["name"]))
                    ),
                    statistics=Statistics(int(rows), int(size)),
                )
            )
    return Schema(schema, tuple(tables), others, version, extensions=extensions)
