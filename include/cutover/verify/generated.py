"""Write down what every table of the target must fulfil, as queries that return whatever does not.

What the server itself guarantees is asked of its catalogue, which is exact and takes no time; a
table is only scanned for what no valid constraint stands for, once for all its columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg

from cutover.route import Scalar
from cutover.schema.model import ForeignKey
from cutover.schema.target import TargetTable

GUARANTEED = "the catalogue guarantees it"
SCANNED = "every row was looked at"
_SHOWN = 5
# Great Expectations passes a query through str.format, SQLAlchemy through its search for :names.
# Text in which either would see something is written as Unicode escapes.
_SAFE = re.compile(r"""[\w .,/@+"()=<>-]*""")


@dataclass(frozen=True)
class Rule:
    """One thing that must hold.

    Attributes:
        table: the table.
        expectation: what must hold, in words.
        columns: the columns it is about; each gets a result of its own.
        query: returns ``column_name``, ``rows`` (NULL where none were counted) and ``examples`` for
            each column in which it does not hold; ``{batch}`` stands for the table.
        rows: how many rows the table must have; then there is no query.
        how: how it is known to hold.
    """

    table: str
    expectation: str
    columns: tuple[str, ...] = ()
    query: str = ""
    rows: int | None = None
    how: str = ""


def rules(
    connection: psycopg.Connection,
    schema: str,
    table: TargetTable,
    expected_rows: int,
    relaxed: frozenset[str],
    kinds: frozenset[str],
) -> Iterator[Rule]:
    """Yield the rules of one table that exists; ``connection`` has ``schema`` as its search path."""
    if "rows" in kinds:
        yield Rule(table.name, f"expect {expected_rows} rows", rows=expected_rows)
    if "types" in kinds:
        query = _types(connection, schema, table)
        yield Rule(table.name, "expect the planned columns and types", query=query, how=GUARANTEED)
    if "not_null" in kinds:
        yield from _not_null(connection, schema, table, relaxed)
    if "unique" in kinds:
        for columns in _unique_columns(table):
            proof, scan = _unique_proof(schema, table, columns), _twice(columns)
            yield _either(connection, table.name, "expect unique", columns, proof, scan)
    if "foreign_keys" in kinds:
        for key in table.foreign_keys:
            what = f"expect a parent row in {key.referred_table}({', '.join(key.referred_columns)})"
            proof, scan = _foreign_key_proof(schema, table, key), _orphans(schema, key)
            yield _either(connection, table.name, what, key.columns, proof, scan)
    if "values" in kinds:
        allowed = _allowed(table)
        if allowed:
            query = _strangers(allowed)
            yield Rule(table.name, "expect only planned values", tuple(allowed), query, how=SCANNED)


def _either(
    connection: psycopg.Connection,
    table: str,
    expectation: str,
    columns: Sequence[str],
    proof: str,
    scan: str,
) -> Rule:
    proven = connection.execute(proof).fetchone() is None
    query, how = (proof, GUARANTEED) if proven else (scan, SCANNED)
    return Rule(table, expectation, (", ".join(columns),), query, how=how)


def _name(*parts: str) -> str:
    return ".".join(
        f'"{part}"' if _SAFE.fullmatch(part) and '"' not in part else f'U&"{_escapes(part)}"' for part in parts
    )


def _text(value: str) -> str:
    return f"'{value}'" if _SAFE.fullmatch(value) else f"U&'{_escapes(value)}'"


def _escapes(text: str) -> str:
    return "".join(c if c.isalnum() or c in " _" else f"\\+{ord(c):06X}" for c in text)


def _table(schema: str, table: str) -> str:
    """The table's identity in the catalogue, looked up when the query runs."""
    quoted = ".".join('"' + part.replace('"', '""') + '"' for part in (schema, table))
    return f"to_regclass({_text(quoted)})"


def _array(names: Sequence[str]) -> str:
    return f"ARRAY[{', '.join(_text(name) for name in names)}]"


def _types(connection: psycopg.Connection, schema: str, table: TargetTable) -> str:
    planned = table.route.columns
    # The server says how it spells each planned type; it need not be how the plan spells it.
    nothing = ", ".join(f"CAST(NULL AS {c.target_type})" for c in planned)
    described = connection.execute(f"SELECT {nothing} LIMIT 0").pgresult
    assert described is not None
    codes = [(described.ftype(i), described.fmod(i)) for i in range(len(planned))]
    wanted = ", ".join(
        f"({place}, {_text(c.target)}, {_text(row[0])})"
        for place, (c, code) in enumerate(zip(planned, codes, strict=True), 1)
        for row in connection.execute("SELECT format_type(%s, %s)", code)
    )
    return f"""
SELECT coalesce(e.name, f.name) AS column_name, CAST(NULL AS bigint) AS rows, ARRAY[
  CASE WHEN f.name IS NULL THEN 'missing' WHEN e.name IS NULL THEN 'was not planned'
  WHEN e.type <> f.type THEN f.type || ' instead of ' || e.type
  ELSE 'is column ' || f.place || ' instead of ' || e.place END] AS examples
FROM (VALUES {wanted}) AS e (place, name, type)
FULL OUTER JOIN (
  SELECT row_number() OVER (ORDER BY attnum) AS place, CAST(attname AS text) AS name,
    format_type(atttypid, atttypmod) AS type
  FROM pg_attribute WHERE attrelid = {_table(schema, table.name)} AND attnum > 0 AND NOT attisdropped
) AS f ON e.name = f.name
WHERE (e.place, e.type) IS DISTINCT FROM (f.place, f.type)
ORDER BY coalesce(e.place, f.place), e.place"""  # noqa: S608


def _not_null(
    connection: psycopg.Connection, schema: str, table: TargetTable, relaxed: frozenset[str]
) -> Iterator[Rule]:
    columns = [
        c.target
        for c in table.route.columns
        if c.target in table.route.key
        or (not (c.nullable and c.source_nullable) and f"{table.name}.{c.target}" not in relaxed)
    ]
    if not columns:
        return
    query = _not_null_proof(schema, table, columns)
    unproven = {row[0] for row in connection.execute(query)}
    proven = tuple(c for c in columns if c not in unproven)
    if proven:
        query = _not_null_proof(schema, table, proven)
        yield Rule(table.name, "expect no NULL", proven, query, how=GUARANTEED)
    if unproven:
        rest = tuple(c for c in columns if c in unproven)
        yield Rule(table.name, "expect no NULL", rest, _nulls(rest), how=SCANNED)


def _not_null_proof(schema: str, table: TargetTable, columns: Sequence[str]) -> str:
    # Since PostgreSQL 18 attnotnull is also set where NOT NULL was declared NOT VALID.
    return f"""
SELECT e.name AS column_name, CAST(NULL AS bigint) AS rows,
  ARRAY['no valid NOT NULL constraint'] AS examples
FROM unnest({_array(columns)}) AS e (name)
WHERE NOT EXISTS (
  SELECT 1 FROM pg_attribute AS a
  WHERE a.attrelid = {_table(schema, table.name)} AND a.attname = e.name AND a.attnotnull AND NOT EXISTS (
    SELECT 1 FROM pg_constraint AS k
    WHERE k.conrelid = a.attrelid AND k.contype = 'n' AND NOT k.convalidated
      AND k.conkey = ARRAY[a.attnum]))"""  # noqa: S608


def _nulls(columns: Sequence[str]) -> str:
    counts = ", ".join(f"count(*) - count({_name(c)}) AS n{i}" for i, c in enumerate(columns))
    pairs = ", ".join(f"({_text(c)}, n{i})" for i, c in enumerate(columns))
    return f"""
SELECT column_name, rows, CAST(NULL AS text[]) AS examples
FROM (SELECT {counts} FROM {{batch}}) AS counted, LATERAL (VALUES {pairs}) AS v (column_name, rows)
WHERE rows > 0"""  # noqa: S608


def _unique_columns(table: TargetTable) -> list[tuple[str, ...]]:
    found = [table.route.key] if table.route.key else []
    found += [index.columns for index in table.indexes if index.unique and index.whole and not index.period]
    found += table.route.duplicates
    return list(dict.fromkeys(found))


def _unique_proof(schema: str, table: TargetTable, columns: Sequence[str]) -> str:
    return f"""
SELECT {_text(", ".join(columns))} AS column_name, CAST(NULL AS bigint) AS rows,
  ARRAY['no valid unique index'] AS examples
WHERE NOT EXISTS (
  SELECT 1 FROM pg_index AS i
  WHERE i.indrelid = {_table(schema, table.name)} AND i.indisunique AND i.indisvalid AND i.indisready
    AND i.indpred IS NULL AND i.indexprs IS NULL AND {_array(columns)} = ARRAY(
      SELECT CAST(a.attname AS text)
      FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, place), pg_attribute AS a
      WHERE a.attrelid = i.indrelid AND a.attnum = k.attnum AND k.place <= i.indnkeyatts ORDER BY k.place))"""  # noqa: S608


def _summary(columns: Sequence[str], found: str) -> str:
    """Sum up a query that returns ``value`` and, on every row, the same number of ``rows``."""
    return f"""
SELECT {_text(", ".join(columns))} AS column_name, max(rows) AS rows, array_agg(value) AS examples
FROM ({found} LIMIT {_SHOWN}) AS found HAVING count(*) > 0"""  # noqa: S608


def _twice(columns: Sequence[str]) -> str:
    names = ", ".join(_name(c) for c in columns)
    whole = " AND ".join(f"{_name(c)} IS NOT NULL" for c in columns)
    return _summary(
        columns,
        f"""
  SELECT concat_ws(', ', {names}) AS value, sum(times) OVER () AS rows
  FROM (SELECT {names}, count(*) AS times FROM {{batch}} WHERE {whole}
    GROUP BY {names} HAVING count(*) > 1) AS t""",  # noqa: S608
    )


def _foreign_key_proof(schema: str, table: TargetTable, key: ForeignKey) -> str:
    def named(relation: str, numbers: str) -> str:
        return f"""ARRAY(
      SELECT CAST(a.attname AS text)
      FROM unnest({numbers}) WITH ORDINALITY AS k (attnum, place), pg_attribute AS a
      WHERE a.attrelid = {relation} AND a.attnum = k.attnum ORDER BY k.place)"""  # noqa: S608

    return f"""
SELECT {_text(", ".join(key.columns))} AS column_name, CAST(NULL AS bigint) AS rows,
  ARRAY['no valid foreign key'] AS examples
WHERE NOT EXISTS (
  SELECT 1 FROM pg_constraint AS c
  WHERE c.contype = 'f' AND c.convalidated AND c.conrelid = {_table(schema, table.name)}
    AND c.confrelid = {_table(schema, key.referred_table)}
    AND {_array(key.columns)} = {named("c.conrelid", "c.conkey")}
    AND {_array(key.referred_columns)} = {named("c.confrelid", "c.confkey")})"""  # noqa: S608


def _orphans(schema: str, key: ForeignKey) -> str:
    """Rows whose key is whole (MATCH SIMPLE: no part is NULL) and is found nowhere among the parents."""
    names = ", ".join(f"c.{_name(column)}" for column in key.columns)
    whole = " AND ".join(f"c.{_name(column)} IS NOT NULL" for column in key.columns)
    alike = " AND ".join(
        f"p.{_name(theirs)} = c.{_name(mine)}" for mine, theirs in zip(key.columns, key.referred_columns, strict=True)
    )
    return _summary(
        key.columns,
        f"""
  SELECT concat_ws(', ', {names}) AS value, count(*) OVER () AS rows FROM (SELECT * FROM {{batch}}) AS c
  WHERE {whole} AND NOT EXISTS (SELECT 1 FROM {_name(schema, key.referred_table)} AS p WHERE {alike})""",  # noqa: S608
    )


def _allowed(table: TargetTable) -> dict[str, tuple[Scalar, ...]]:
    """Say which values each column may hold, for those whose values are known beforehand."""
    allowed: dict[str, tuple[Scalar, ...]] = {check.column: check.labels for check in table.checks if check.column}
    for c in table.route.columns:
        if c.values and c.unmapped != "keep":
            allowed[c.target] = (*(meaning for _, meaning in c.values), c.unmapped_default)
        if c.target in allowed and c.default is not None:
            allowed[c.target] += (c.default,)
    return {c: kept for c, values in allowed.items() if (kept := tuple(v for v in values if v is not None))}


def _strangers(allowed: dict[str, tuple[Scalar, ...]]) -> str:
    def among(column: str) -> str:
        values = (str(v).lower() if isinstance(v, bool) else str(v) for v in dict.fromkeys(allowed[column]))
        return f"t.{_name(column)} IN ({', '.join(_text(v) for v in values)})"

    strange = " OR ".join(f"NOT {among(column)}" for column in allowed)
    sets = ", ".join(f"({_text(c)}, CAST(t.{_name(c)} AS text), {among(c)})" for c in allowed)
    return f"""
SELECT column_name, max(rows) AS rows, array_agg(value ORDER BY place) AS examples FROM (
  SELECT v.column_name, v.value, sum(count(*)) OVER (PARTITION BY v.column_name) AS rows,
    row_number() OVER (PARTITION BY v.column_name ORDER BY count(*) DESC, v.value) AS place
  FROM (SELECT * FROM {{batch}}) AS t, LATERAL (VALUES {sets}) AS v (column_name, value, known)
  WHERE ({strange}) AND NOT v.known GROUP BY v.column_name, v.value) AS found
WHERE place <= {_SHOWN} GROUP BY column_name"""  # noqa: S608
