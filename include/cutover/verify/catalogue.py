"""What the catalogue of the target guarantees, as queries that return whatever it does not.

Each gives ``column_name`` and ``found``, in words, and takes no time: no row of a table is read. ``table`` is a name,
``schema`` the one that holds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cutover.dialects.postgresql import literal, quoted
from cutover.route import ColumnRoute
from cutover.schema.model import ForeignKey


def _table(schema: str, table: str) -> str:
    """The table's identity in the catalogue, looked up when the query runs."""
    return f"to_regclass({literal(quoted(schema, table))})"


def _array(names: Sequence[str]) -> str:
    return f"ARRAY[{', '.join(literal(name) for name in names)}]"


def _unless(columns: Sequence[str], found: str, there: str) -> str:
    return f"""
SELECT {literal(", ".join(columns))} AS column_name, {literal(found)} AS found WHERE NOT EXISTS ({there})"""


def _named(relation: str, numbers: str, first: str = "") -> str:
    """The names, in order, of columns whose numbers the catalogue has; ``first`` leaves out those that follow."""
    return f"""ARRAY(
  SELECT CAST(a.attname AS text) FROM unnest({numbers}) WITH ORDINALITY AS k (attnum, place), pg_attribute AS a
  WHERE a.attrelid = {relation} AND a.attnum = k.attnum {first} ORDER BY k.place)"""  # noqa: S608


def columns(schema: str, table: str, planned: Sequence[ColumnRoute], spelling: Mapping[str, str]) -> str:
    """Return what is no planned column of its type in its place; ``spelling`` is how the server spells types."""
    wanted = ", ".join(
        f"({place}, {literal(c.target)}, {literal(spelling[c.target_type])})" for place, c in enumerate(planned, 1)
    )
    return f"""
SELECT coalesce(e.name, f.name) AS column_name,
  CASE WHEN f.name IS NULL THEN 'missing' WHEN e.name IS NULL THEN 'was not planned'
  WHEN e.type <> f.type THEN f.type || ' instead of ' || e.type
  ELSE 'is column ' || f.place || ' instead of ' || e.place END AS found
FROM (VALUES {wanted}) AS e (place, name, type)
FULL OUTER JOIN (
  SELECT row_number() OVER (ORDER BY attnum) AS place, CAST(attname AS text) AS name,
    format_type(atttypid, atttypmod) AS type
  FROM pg_attribute WHERE attrelid = {_table(schema, table)} AND attnum > 0 AND NOT attisdropped
) AS f ON e.name = f.name
WHERE (e.place, e.type) IS DISTINCT FROM (f.place, f.type)
ORDER BY coalesce(e.place, f.place), e.place"""  # noqa: S608


def not_null(schema: str, table: str, names: Sequence[str]) -> str:
    """Return the columns that may hold NULL."""
    # Since PostgreSQL 18 attnotnull is also set where NOT NULL was declared NOT VALID.
    return f"""
SELECT e.name AS column_name, 'no valid NOT NULL constraint' AS found FROM unnest({_array(names)}) AS e (name)
WHERE NOT EXISTS (
  SELECT 1 FROM pg_attribute AS a
  WHERE a.attrelid = {_table(schema, table)} AND a.attname = e.name AND a.attnotnull AND NOT EXISTS (
    SELECT 1 FROM pg_constraint AS k
    WHERE k.conrelid = a.attrelid AND k.contype = 'n' AND NOT k.convalidated
      AND k.conkey = ARRAY[a.attnum]))"""  # noqa: S608


def unique(schema: str, table: str, names: Sequence[str]) -> str:
    """Return the columns unless a unique index is over them, and over all rows."""
    index = f"""
  SELECT 1 FROM pg_index AS i
  WHERE i.indrelid = {_table(schema, table)} AND i.indisunique AND i.indisvalid AND i.indisready
    AND i.indpred IS NULL AND i.indexprs IS NULL
    AND {_array(names)} = {_named("i.indrelid", "i.indkey", "AND k.place <= i.indnkeyatts")}"""  # noqa: S608
    return _unless(names, "no valid unique index", index)


def foreign_key(schema: str, table: str, key: ForeignKey) -> str:
    """Return a foreign key's columns unless it was asked of every row."""
    constraint = f"""
  SELECT 1 FROM pg_constraint AS c
  WHERE c.contype = 'f' AND c.convalidated AND c.conrelid = {_table(schema, table)}
    AND c.confrelid = {_table(schema, key.referred_table)}
    AND {_array(key.columns)} = {_named("c.conrelid", "c.conkey")}
    AND {_array(key.referred_columns)} = {_named("c.confrelid", "c.confkey")}"""  # noqa: S608
    return _unless(key.columns, "no valid foreign key", constraint)


def check(schema: str, table: str, name: str, definition: str) -> str:
    """Return a name unless a CHECK of this definition, as the server spells it, was asked of every row."""
    # What was not asked of every row, or is not enforced, has words for it in its definition.
    constraint = f"""
  SELECT 1 FROM pg_constraint AS c
  WHERE c.contype = 'c' AND c.convalidated AND c.conrelid = {_table(schema, table)}
    AND pg_get_constraintdef(c.oid) = {literal(definition)}"""  # noqa: S608
    return _unless((name,), "no valid CHECK of the planned condition", constraint)


def labels(schema: str, table: str, name: str, planned: Sequence[str]) -> str:
    """Return a column unless its type is an enum of just these labels."""
    type_ = f"""
  SELECT 1 FROM pg_attribute AS a
  WHERE a.attrelid = {_table(schema, table)} AND a.attname = {literal(name)} AND {_array(planned)} = ARRAY(
    SELECT CAST(e.enumlabel AS text) FROM pg_enum AS e WHERE e.enumtypid = a.atttypid
    ORDER BY e.enumsortorder)"""  # noqa: S608
    return _unless((name,), "no enum type of the planned labels", type_)
