"""What every row of a table is looked at for, as queries: one pass for all that a row shows by itself.

Each gives ``place``, ``column_name``, ``holds``, ``rows`` (those that break it), ``found`` in words, and ``shown``: the
keys of some rows that break it, each with the value that does. The keys are looked for only where something breaks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cutover.dialects.postgresql import literal, quoted
from cutover.route import Scalar, TableRoute
from cutover.schema.model import ForeignKey

_SHOWN = 5
# A SELECT gives 1,664 columns at most (PostgreSQL manual, Limits), and a measure takes three.
AT_ONCE = 500


@dataclass(frozen=True)
class Measure:
    """One thing that a pass over a table measures; all SQL, over the table as ``t``.

    Attributes:
        column: the column it is about; None where it is the whole table.
        broken: is true of each row that breaks it; "" where no single row does.
        value: what is shown of such a row beside its key.
        rows: the aggregate that counts them, where there is a faster one than counting ``broken``.
        holds: the aggregate that tells whether it holds, where that is not that there are none of them.
        found: the aggregate that says what was found, where that tells more than their number.
    """

    column: str | None
    broken: str = ""
    value: str = "NULL"
    rows: str = ""
    holds: str = ""
    found: str = ""


def name(column: str) -> str:
    """Return a column of the table that is passed over, as SQL."""
    return f"t.{quoted(column)}"


def count(rows: int) -> Measure:
    """Measure whether a table has so many rows."""
    return Measure(None, holds=f"count(*) = {rows}", found="'found ' || count(*)", rows="NULL")


def nulls(column: str) -> Measure:
    """Measure whether a column holds no NULL."""
    return Measure(column, f"{name(column)} IS NULL", rows=f"count(*) - count({name(column)})")


def strangers(column: str, allowed: Sequence[Scalar], of_set: bool) -> Measure:
    """Measure whether a column holds only values that are allowed, or sets of them."""
    words = (str(value).lower() if isinstance(value, bool) else str(value) for value in dict.fromkeys(allowed))
    listed = ", ".join(map(literal, words))
    known = f"{name(column)} <@ CAST(ARRAY[{listed}] AS text[])" if of_set else f"{name(column)} IN ({listed})"
    return Measure(column, f"NOT ({known})", f"CAST({name(column)} AS text)")


def condition(sql: str, column: str | None) -> Measure:
    """Measure whether a condition is false for no row; ``column`` is shown where it is about one."""
    return Measure(None, f"NOT ({sql})", f"CAST({name(column)} AS text)" if column else "NULL")


def in_one_pass(schema: str, route: TableRoute, measures: Sequence[tuple[int, Measure]]) -> str:
    """Return the query that makes measures, each with the place that its answer bears."""
    table = f"{quoted(schema, route.target)} AS t"
    taken, answers = [], []
    for number, (place, each) in enumerate(measures):
        counted = each.rows or f"count(*) FILTER (WHERE {each.broken})"
        holds = each.holds or f"{counted} = 0"
        taken.append(f"{holds} AS h{number}, {counted} AS r{number}, {each.found or 'NULL'} AS f{number}")
        few = f"FROM {table} WHERE {each.broken}" if each.broken else ""
        answers.append(_answer(place, each.column, number, _shown(route, each.value, few)))
    return f"""
WITH pass AS MATERIALIZED (SELECT {", ".join(taken)} FROM {table}){" UNION ALL ".join(answers)}"""  # noqa: S608


def twice(schema: str, route: TableRoute, columns: Sequence[str]) -> str:
    """Return the query that looks for values, none of them NULL, that several rows have in some columns."""
    table, names = quoted(schema, route.target), ", ".join(map(quoted, columns))
    whole = " AND ".join(f"{quoted(column)} IS NOT NULL" for column in columns)
    few = f"FROM {table} AS t JOIN (SELECT {names} FROM twice ORDER BY {names} LIMIT {_SHOWN}) AS w USING ({names})"  # noqa: S608
    value = f"concat_ws(', ', {', '.join(map(name, columns))})"
    shown = _shown(route, value, few, [name(column) for column in columns])
    return f"""
WITH twice AS MATERIALIZED (
  SELECT {names}, count(*) AS times FROM {table} WHERE {whole} GROUP BY {names} HAVING count(*) > 1),
pass AS MATERIALIZED (
  SELECT count(*) = 0 AS h0, CAST(sum(times) AS bigint) AS r0, NULL AS f0 FROM twice)
{_answer(0, ", ".join(columns), 0, shown)}"""  # noqa: S608


def orphans(schema: str, route: TableRoute, key: ForeignKey) -> str:
    """Return the query that looks for rows whose key is whole (MATCH SIMPLE: no part is NULL) and has no parent."""
    whole = " AND ".join(f"{name(column)} IS NOT NULL" for column in key.columns)
    alike = " AND ".join(
        f"p.{quoted(theirs)} = {name(mine)}" for mine, theirs in zip(key.columns, key.referred_columns, strict=True)
    )
    parent = quoted(schema, key.referred_table)
    alone = f"NOT EXISTS (SELECT 1 FROM {parent} AS p WHERE {alike})"  # noqa: S608
    rows = f"FROM {quoted(schema, route.target)} AS t WHERE {whole} AND {alone}"
    value = f"concat_ws(', ', {', '.join(map(name, key.columns))})"
    return f"""
WITH pass AS MATERIALIZED (SELECT count(*) = 0 AS h0, count(*) AS r0, NULL AS f0 {rows})
{_answer(0, ", ".join(key.columns), 0, _shown(route, value, rows))}"""


def _answer(place: int, column: str | None, number: int, shown: str) -> str:
    about = literal(column) if column is not None else "NULL"
    return f"""
SELECT {place} AS place, CAST({about} AS text) AS column_name, h{number} AS holds, CAST(r{number} AS bigint) AS rows,
  CAST(f{number} AS text) AS found, CASE WHEN NOT h{number} THEN {shown} END AS shown FROM pass"""  # noqa: S608


def _shown(route: TableRoute, value: str, rows: str, first: Sequence[str] = ()) -> str:
    """The keys of a few of some rows, and a value of each, as an array that is made only when it is asked for."""
    if not rows:
        return "CAST(NULL AS text[])"
    key = [name(column) for column in route.key] or ["t.ctid"]
    order = ", ".join([*first, *key])
    words = f"concat_ws(', ', {', '.join(key)})" if route.key else "'ctid ' || t.ctid"
    return f"ARRAY(SELECT ARRAY[{words}, {value}] {rows} ORDER BY {order} LIMIT {_SHOWN})"
