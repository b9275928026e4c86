"""What of the source tells when its rows changed, where passes go by times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cutover.errors import SpecError
from cutover.schema.model import Schema, Table
from cutover.schema.target import Findings
from cutover.spec import MigrationSpec


def log_of(spec: MigrationSpec) -> str | None:
    """Return the source's table of changes, which is not migrated; None where there is none."""
    feed = spec.data.extraction.strategy.feed
    return feed.log if feed is not None else None


def times(
    source: Schema, chosen: Sequence[Table], spec: MigrationSpec, findings: Findings
) -> tuple[tuple[str, str], ...]:
    """Return what bears times, the log of changes or the chosen tables, with the column that holds them.

    Raises:
        SpecError: the log or its column is not there, a column is no time, or no table has one.
    """
    feed = spec.data.extraction.strategy.feed
    if feed is None:
        return ()
    key = f"data.extraction.strategy.{spec.feed_name}"
    found = _log(source, feed.log, feed.time, key) if feed.log is not None else list(_rows(chosen, feed.time, findings))
    if not found:
        raise SpecError([f"{key}: no table of {source.name} has a column {feed.time!r}; nothing tells what changed"])
    problems = [
        f"{key}: {table.name}.{feed.time} is {table.column(feed.time).type}; it must be TIMESTAMP or DATETIME, "
        "by which what changed since is found"
        for table in found
        if not table.column(feed.time).type.lower().startswith(("timestamp", "datetime"))
    ]
    if problems:
        raise SpecError(problems)
    for table in found:
        if not any(index.columns[:1] == (feed.time,) for index in table.indexes):
            findings.note(f"table {table.name}", f"{feed.time} has no index: each pass reads the whole table for it")
    return tuple((table.name, feed.time) for table in found)


def _log(source: Schema, log: str, time: str, key: str) -> list[Table]:
    cure = "`cutover tracking NAME` prints the statements that make it"
    table = next((table for table in source.tables if table.name == log), None)
    if table is None:
        raise SpecError([f"{key}: {source.name} has no table {log!r}; {cure}"])
    columns = {column.name for column in table.columns}
    missing = [name for name in ("table_name", "row_key", time) if name not in columns]
    if missing:
        raise SpecError([f"{key}: {log} has no column {', '.join(missing)}; {cure}"])
    return [table]


def _rows(chosen: Sequence[Table], time: str, findings: Findings) -> Iterator[Table]:
    for table in chosen:
        columns = {column.name: column for column in table.columns}
        if time not in columns:
            findings.note(f"table {table.name}", f"has no column {time}: each pass reads it whole")
        elif not table.primary_key:
            findings.note(f"table {table.name}", "has no primary key: each pass reads it whole")
        else:
            yield table
            if columns[time].nullable:
                findings.note(f"table {table.name}", f"{time} may be NULL: each pass reads the rows where it is")
