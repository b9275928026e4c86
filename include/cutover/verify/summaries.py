"""Compare a summary table with what its queries give, in the source or over the target's own tables.

Every value is compared as text that is the same on both sides, but for floats: the sum of floats depends on the order
in which they are added up, which no server promises. Their difference is held against what was added up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from cutover.data import scratch as scratches
from cutover.data.types import cast
from cutover.dialects import mysql, postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.errors import PreflightError
from cutover.schema.target import Evaluation, SummaryColumn, TargetSummary

# Of the sum of the absolute values: a double holds sixteen digits, and a sum of many loses some of them.
TOLERANCE = 1e-9
_SHOWN = 5
# A decimal without the zeros at its end, as PostgreSQL's trim_scale() writes it; with 0 added, which takes those in
# front from a ZEROFILL column.
_SHORTEST = "IF(LOCATE('.', {t}), TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM {t})), {t})"
_MOMENT = "DATE_FORMAT({c}, '%Y-%m-%d %H:%i:%s.%f')"
_NUMBER = _SHORTEST.replace("{t}", "CAST({c} + 0 AS CHAR)")
_SOURCE = {
    "integer": _NUMBER,
    "boolean": _NUMBER,
    "decimal": _NUMBER,
    # What typeMapping makes a date may be a moment there.
    "date": "CAST(CAST({c} AS DATE) AS CHAR)",
    "timestamp": _MOMENT,
    "timestamptz": _MOMENT,
}
_SAME_MOMENT = "to_char({c}, 'YYYY-MM-DD HH24:MI:SS.US')"
_TARGET = {
    "boolean": "({c})::int::text",
    "decimal": "trim_scale({c})::text",
    "date": "to_char({c}, 'YYYY-MM-DD')",
    "timestamp": _SAME_MOMENT,
    "timestamptz": _SAME_MOMENT,
}


@dataclass(frozen=True)
class SummaryResult:
    """What comparing a summary found; ``shown`` are the first differences, in words."""

    summary: str
    rows: int
    differences: int
    shown: tuple[str, ...] = ()


def refuse_unreadable(source: Endpoint, summaries: Collection[TargetSummary]) -> None:
    """Ask the source for no row of each query: what it cannot read is better known before anything changes.

    Raises:
        TransientError: the connection failed.
        PreflightError: it refuses a query.
    """
    for summary in summaries:
        for evaluation in summary.evaluations:
            try:
                with mysql.client(source) as connection, closing(connection.cursor()) as cursor:
                    cursor.execute(f"{_source_query(evaluation)} LIMIT 0")
            except PreflightError as error:
                raise PreflightError([f"summary {summary.name}: {finding}" for finding in error.findings]) from None


def compare_summary(
    source: Endpoint,
    target: Endpoint,
    schema: str,
    summary: TargetSummary,
    own: Collection[Evaluation],
    scratch: Path,
    batch_rows: int,
) -> SummaryResult:
    """Compare every cell of a summary table with what its queries give.

    Args:
        source: the source database.
        target: the target database.
        schema: the schema of the target that holds the summary and the tables it is made of.
        summary: the summary.
        own: those of its queries that the target evaluates, over its own tables, and not the source.
        scratch: folder for what does not fit in memory.
        batch_rows: rows in memory at a time, for each side.

    Raises:
        TransientError: a connection failed.
        PreflightError: a server refused a query.
    """
    width = len(summary.columns)
    with scratches.database(scratch) as database:
        _create(database, "expected", [*_names("c", width), *_names("m", width)])
        _create(database, "found", _names("c", width))
        for evaluation in summary.evaluations:
            if evaluation in own:
                rows = _from_target(target, schema, evaluation.target, _expected(evaluation, _TARGET), batch_rows)
            else:
                rows = _from_source(source, evaluation, batch_rows)
            _fill(database, "expected", rows)
        table = f"SELECT * FROM {postgresql.quoted(summary.name)}"  # noqa: S608
        _fill(database, "found", _from_target(target, schema, table, _found(summary), batch_rows))
        return _compared(database, summary)


def _names(letter: str, count: int) -> list[str]:
    return [f"{letter}{place}" for place in range(count)]


def _create(database: Any, table: str, columns: Sequence[str]) -> None:
    database.execute(f"CREATE TABLE {table} ({', '.join(f'{column} VARCHAR' for column in columns)})")


def _fill(database: Any, table: str, batches: Iterator[list[pa.Array]]) -> None:
    for arrays in batches:
        batch = pa.RecordBatch.from_arrays([cast(a, "string") for a in arrays], [str(n) for n in range(len(arrays))])
        database.register("incoming", batch)
        database.execute(f"INSERT INTO {table} SELECT * FROM incoming")  # noqa: S608
        database.unregister("incoming")


def _text(column: SummaryColumn, dialect: dict[str, str]) -> str:
    quoted, other = (mysql.quoted, "CAST({c} AS CHAR)") if dialect is _SOURCE else (postgresql.quoted, "({c})::text")
    return dialect.get(column.kind, other).replace("{c}", quoted(column.name))


def _expected(evaluation: Evaluation, dialect: dict[str, str]) -> list[str]:
    """Return the expressions that read what a query gives: the values, then the magnitude of each or NULL."""
    magnitudes = [
        "CAST(NULL AS CHAR)" if column.magnitude is None else _text(SummaryColumn(column.magnitude, "float"), dialect)
        for column in evaluation.columns
    ]
    return [*(_text(column, dialect) for column in evaluation.columns), *magnitudes]


def _found(summary: TargetSummary) -> list[str]:
    return [_text(column, _TARGET) for column in summary.columns]


def _from_source(source: Endpoint, evaluation: Evaluation, batch_rows: int) -> Iterator[list[pa.Array]]:
    for batch in mysql.read(source, _source_query(evaluation), batch_rows):
        yield batch.columns


def _source_query(evaluation: Evaluation) -> str:
    columns = ", ".join(f"{read} AS r{place}" for place, read in enumerate(_expected(evaluation, _SOURCE)))
    return f"SELECT {columns} FROM ({evaluation.source}) AS made"  # noqa: S608


def _from_target(
    target: Endpoint, schema: str, query: str, reads: Sequence[str], batch_rows: int
) -> Iterator[list[pa.Array]]:
    statement = f"SELECT {', '.join(reads)} FROM ({query}) AS made"  # noqa: S608
    with postgresql.session(target, schema) as connection:
        postgresql.find_extensions(connection, schema)
        with connection.cursor(name="summary") as cursor:
            cursor.execute(statement.encode())
            while rows := cursor.fetchmany(batch_rows):
                yield [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]


def _compared(database: Any, summary: TargetSummary) -> SummaryResult:
    """Put the rows of both sides beside each other by their key; one that is there twice has no second to stand by."""
    keys = [place for place, column in enumerate(summary.columns) if column.name in summary.key]
    others = [place for place in range(len(summary.columns)) if place not in keys]
    by = ", ".join(f"c{place}" for place in keys)
    numbered = "SELECT *, row_number() OVER (PARTITION BY {by}) AS n FROM {table}"
    sides = [f"({numbered.format(by=by, table=table)})" for table in ("expected", "found")]
    same_key = " AND ".join(f"e.c{place} IS NOT DISTINCT FROM f.c{place}" for place in keys)
    alike = [f"coalesce({_alike(place)}, false)" for place in others]
    database.execute(
        f"CREATE TABLE unlike AS SELECT e.n IS NULL AS extra, f.n IS NULL AS lost, "  # noqa: S608
        f"{', '.join(f'coalesce(e.c{p}, f.c{p}) AS k{p}' for p in keys)}, "
        f"{', '.join(f'e.c{p} AS e{p}, f.c{p} AS f{p}, {a} AS a{p}' for p, a in zip(others, alike, strict=True))} "
        f"FROM {sides[0]} AS e FULL JOIN {sides[1]} AS f ON {same_key} AND e.n = f.n "
        f"WHERE e.n IS NULL OR f.n IS NULL OR NOT ({' AND '.join(alike)})"
    )
    (rows,) = database.execute("SELECT count(*) FROM found").fetchone()
    (differences,) = database.execute("SELECT count(*) FROM unlike").fetchone()
    cursor = database.execute(f"SELECT * FROM unlike ORDER BY ALL LIMIT {_SHOWN}")  # noqa: S608
    names = [entry[0] for entry in cursor.description]
    shown = [line for row in cursor.fetchall() for line in _told(dict(zip(names, row, strict=True)), summary, keys)]
    return SummaryResult(summary.name, rows, differences, tuple(shown))


def _alike(place: int) -> str:
    value, other, magnitude = f"e.c{place}", f"f.c{place}", f"e.m{place}"
    apart = f"abs(TRY_CAST({value} AS DOUBLE) - TRY_CAST({other} AS DOUBLE))"
    near = f"{apart} <= {TOLERANCE} * abs(TRY_CAST({magnitude} AS DOUBLE))"
    return f"{value} IS NOT DISTINCT FROM {other} OR ({magnitude} IS NOT NULL AND {near})"


def _told(row: dict[str, Any], summary: TargetSummary, keys: Sequence[int]) -> Iterator[str]:
    where = f"{summary.name}[{', '.join('NULL' if row[f'k{place}'] is None else row[f'k{place}'] for place in keys)}]"
    if row["extra"] or row["lost"]:
        yield f"{where}: {'is in the summary alone' if row['extra'] else 'is not in the summary'}"
        return
    for place, column in enumerate(summary.columns):
        if place not in keys and not row[f"a{place}"]:
            yield f"{where}.{column.name}: {row[f'e{place}']} expected, {row[f'f{place}']} found"
