"""Read one PostgreSQL schema's structure and statistics."""

from __future__ import annotations

import sqlalchemy as sa

from cutover.dialects import postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.schema.model import Column, ForeignKey, Index, OtherObject, Schema, Statistics, Table

_STATISTICS = sa.text("""
    SELECT c.relname, GREATEST(c.reltuples, 0)::bigint, pg_table_size(c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = :schema AND c.relkind IN ('r', 'p')""")
_OTHERS = sa.text("""
    SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
                          ELSE 'foreign table' END, c.relname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = :schema AND c.relkind IN ('v', 'm', 'S', 'f')
    UNION ALL
    SELECT 'function', p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = :schema
    UNION ALL
    SELECT 'trigger', c.relname || '.' || t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = :schema AND NOT t.tgisinternal
    UNION ALL
    SELECT 'check', c.relname || '.' || k.conname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = :schema AND k.contype = 'c'
    ORDER BY 1, 2""")


def inspect(endpoint: Endpoint, schema: str) -> Schema:
    """Read the structure of ``schema``; a schema that does not exist yet has no tables.

    Raises:
        sqlalchemy.exc.DBAPIError: the server could not be reached or refused.
    """
    engine = postgresql.engine(endpoint)
    with engine.connect() as connection:
        version = str(connection.execute(sa.text("SHOW server_version")).scalar_one())
        inspector = sa.inspect(connection)
        columns = inspector.get_multi_columns(schema=schema)
        primary = inspector.get_multi_pk_constraint(schema=schema)
        indexes = inspector.get_multi_indexes(schema=schema)
        keys = inspector.get_multi_foreign_keys(schema=schema)
        sizes = {name: (rows, size) for name, rows, size in connection.execute(_STATISTICS, {"schema": schema})}
        others = tuple(OtherObject(kind, name) for kind, name in connection.execute(_OTHERS, {"schema": schema}))
        tables = []
        for (key_schema, name), described in sorted(columns.items(), key=lambda item: item[0][1]):
            where = (key_schema, name)
            rows, size = sizes.get(name, (0, 0))
            tables.append(
                Table(
                    name,
                    tuple(
                        Column(
                            str(column["name"]),
                            column["type"].compile(engine.dialect).lower(),
                            column["nullable"],
                            column["default"],
                            column.get("identity") is not None,
                            comment=column.get("comment"),
                        )
                        for column in described
                    ),
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
    return Schema(schema, tuple(tables), others, version)
