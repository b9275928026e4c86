"""What the tables take on disk, on both sides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import psycopg
import sqlalchemy as sa

from cutover.dialects import mysql
from cutover.dialects.endpoint import Endpoint
from cutover.schema.target import TargetTable
from cutover.verify.performance.limits import Limits

# Bytes below which a difference is a page or two.
NOISE = 16 * 1024 * 1024
_SOURCE = sa.text(
    "SELECT table_name, COALESCE(data_length, 0), COALESCE(index_length, 0) FROM information_schema.tables "
    "WHERE table_schema = DATABASE() AND table_name IN :tables"
).bindparams(sa.bindparam("tables", expanding=True))
_TARGET = """
    SELECT c.relname, sum(pg_table_size(p.relid))::bigint, sum(pg_indexes_size(p.relid))::bigint
    FROM pg_class c CROSS JOIN LATERAL (
      SELECT c.oid AS relid WHERE c.relkind <> 'p'
      UNION ALL SELECT relid FROM pg_partition_tree(c.oid) WHERE isleaf AND c.relkind = 'p') p
    WHERE c.relnamespace = to_regnamespace(quote_ident(%s)) AND c.relkind IN ('r', 'p') GROUP BY 1"""


@dataclass(frozen=True)
class Size:
    """A table's bytes: its rows' and its indexes', in the source (estimated by it) and the target."""

    table: str
    source: int
    source_indexes: int
    target: int
    target_indexes: int

    @property
    def before(self) -> int:
        """All bytes in the source."""
        return self.source + self.source_indexes

    @property
    def after(self) -> int:
        """All bytes in the target."""
        return self.target + self.target_indexes


def sizes(source: Endpoint, target: psycopg.Connection, schema: str, tables: Sequence[TargetTable]) -> list[Size]:
    """Return what each table takes on both sides.

    Raises:
        TransientError: the source was lost.
        psycopg.Error: the target was lost.
    """
    names = [table.route.source for table in tables]
    if not names:
        return []
    with mysql.session(source) as connection:
        before: Mapping[str, tuple[int, int]] = {
            str(name): (int(data), int(indexes))
            for name, data, indexes in connection.execute(_SOURCE, {"tables": names})
        }
    after = {name: (data, indexes) for name, data, indexes in target.execute(_TARGET, (schema,))}
    return [
        Size(table.name, *before.get(table.route.source, (0, 0)), *after.get(table.name, (0, 0))) for table in tables
    ]


def grown(found: Sequence[Size], limits: Limits) -> Iterator[str]:
    """Yield the tables that take more than the threshold allows."""
    for size in found:
        if size.after > size.before * (1 + limits.threshold) and size.after - size.before > NOISE:
            yield (
                f"table {size.table}: takes {_mb(size.after)} with its indexes ({_mb(size.target_indexes)}), "
                f"in the source {_mb(size.before)} ({_mb(size.source_indexes)})"
            )


def _mb(size: int) -> str:
    return f"{size / 2**20:,.1f} MB"
