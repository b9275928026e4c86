"""PostgreSQL statements that make summary tables and take them away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cutover.dialects.postgresql import quoted
from cutover.schema.ddl import Statement
from cutover.schema.target import Evaluation, SummaryColumn, TargetSummary


def create(summaries: Iterable[TargetSummary]) -> Iterator[Statement]:
    """Yield what makes the tables, with their rows, and then their keys; the tables they are made of must be there."""
    for summary in summaries:
        queries = " UNION ALL ".join(_rows(summary, evaluation) for evaluation in summary.evaluations)
        sql = f"CREATE TABLE {quoted(summary.name)} AS {queries}"
        yield Statement(summary.name, f"summary table {summary.name}", sql)
        if summary.key_name:
            yield Statement(summary.name, f"key of {summary.name}", _key(summary))


def drop(summaries: Iterable[TargetSummary]) -> Iterator[Statement]:
    """Yield the way back of :func:`create`."""
    for summary in summaries:
        sql = f"DROP TABLE IF EXISTS {quoted(summary.name)}"
        yield Statement(summary.name, f"drop summary table {summary.name}", sql)


def _rows(summary: TargetSummary, evaluation: Evaluation) -> str:
    pairs = zip(summary.columns, evaluation.columns, strict=True)
    columns = ", ".join(f"{_value(made, given)} AS {quoted(made.name)}" for made, given in pairs)
    return f"SELECT {columns} FROM ({evaluation.target}) AS q"  # noqa: S608


def _value(made: SummaryColumn, given: SummaryColumn) -> str:
    name = quoted("q", given.name)
    if made.kind == "text":
        return f'{name} COLLATE "default"'
    if made.kind == "decimal" and given.kind == "float":
        # All its digits: a cast would keep fifteen.
        return f"{name}::text::numeric"
    return f"{name}::numeric" if made.kind == "decimal" else name


def _key(summary: TargetSummary) -> str:
    columns = ", ".join(map(quoted, summary.key))
    if summary.primary:
        return f"ALTER TABLE {quoted(summary.name)} ADD CONSTRAINT {quoted(summary.key_name)} PRIMARY KEY ({columns})"
    return f"CREATE UNIQUE INDEX {quoted(summary.key_name)} ON {quoted(summary.name)} ({columns})"
