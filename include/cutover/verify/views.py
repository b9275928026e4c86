"""Compare what a view gives in source and target, row by row."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from cutover.data.extract import extract
from cutover.data.transform import Tally, transform
from cutover.data.types import cast
from cutover.dialects import mysql, mysql_types, postgresql, postgresql_types
from cutover.dialects.endpoint import Endpoint
from cutover.route import Chunk, ColumnRoute, TableRoute
from cutover.schema.model import View
from cutover.schema.target import TargetView
from cutover.verify.comparison import Comparison
from cutover.verify.multiset import columns_as_multisets

# What gives another value each time it is asked.
_VOLATILE = re.compile(
    r"\b(now|sysdate|curdate|curtime|current_\w+|utc_\w+|local\w+|rand|uuid\w*|connection_id|user|nextval|lastval)\b",
    re.IGNORECASE,
)

_UNORDERED = re.compile(r"\bgroup_concat\((?!.*\border by\b)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class ViewResult:
    """What comparing a view found; ``problem`` says in words why it was not compared, or where it differs."""

    view: str
    rows: int = 0
    differences: int = 0
    problem: str | None = None


def compare_view(
    source: Endpoint, target: Endpoint, schema: str, view: View, made: TargetView, scratch: Path, batch_rows: int
) -> ViewResult:
    """Compare a view's rows as multisets, in the types that the source gives its columns.

    Args:
        source: the source database.
        target: the target database.
        schema: the schema of the target that holds the view.
        view: the view as inspected.
        made: the view as built.
        scratch: folder for what does not fit in memory.
        batch_rows: rows in memory at a time, for each side.
    """
    if _UNORDERED.search(view.definition):
        return ViewResult(view.name, problem="was not compared: it joins texts in no fixed order")
    if _VOLATILE.search(view.definition):
        return ViewResult(view.name, problem="was not compared: what it gives depends on when it is asked")
    try:
        found = _compare(source, target, schema, _route(view, made), scratch, batch_rows)
    except Exception as error:
        # Whatever the readers and DuckDB raise: a view need not be proven before the cutover, but what is
        # not known is said.
        return ViewResult(view.name, problem=f"could not be compared: {' '.join(str(error).split())[:300]}")
    if not found.differences:
        return ViewResult(view.name, found.rows)
    shown = "; ".join(str(difference) for difference in found.shown[:3])
    return ViewResult(
        view.name,
        found.rows,
        found.differences,
        f"gives other rows than in the source: {found.lost} only there, {found.extra} only here ({shown})",
    )


def _route(view: View, made: TargetView) -> TableRoute:
    columns = []
    for column, name in zip(view.columns, made.columns, strict=True):
        travel = mysql_types.travel(column.type)
        if travel is None:
            raise ValueError(f"column {column.name} has type {column.type}")
        read = travel.read.replace("{c}", mysql.quoted(column.name))
        type_ = "text" if travel.arrow in ("string", "enum") else travel.target_type
        columns.append(
            ColumnRoute(column.name, column.type, read, travel.wire or travel.arrow, name, type_, travel.arrow)
        )
    return TableRoute(view.name, made.name, tuple(columns))


def _compare(
    source: Endpoint, target: Endpoint, schema: str, route: TableRoute, scratch: Path, batch_rows: int
) -> Comparison:
    chunk = Chunk(route.source, 0)
    expected = transform(route, extract(source, route, chunk, batch_rows), Tally())
    booleans = _booleans(target, schema, route.target)
    columns = [(column.target, _expression(column, column.target in booleans)) for column in route.columns]
    batches = postgresql.read(target, postgresql.select([(schema, route.target)], columns))
    found = (
        [cast(array, column.arrow) for array, column in zip(batch.columns, route.columns, strict=True)]
        for batch in batches
    )
    return columns_as_multisets(route, expected, found, scratch)


def _expression(column: ColumnRoute, boolean: bool) -> str:
    """Read a view's column in the type that the source gives it: a condition is a number there."""
    name = postgresql.quoted(column.target)
    if boolean and column.arrow != "bool":
        name = f"CAST({name} AS integer)"
    return postgresql_types.read_expression(column.arrow).replace("{c}", f"CAST({name} AS {column.target_type})")


def _booleans(target: Endpoint, schema: str, view: str) -> set[str]:
    query = "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND atttypid = 'boolean'::regtype"
    with postgresql.session(target) as connection:
        return {name for (name,) in connection.execute(query, (postgresql.quoted(schema, view),))}
