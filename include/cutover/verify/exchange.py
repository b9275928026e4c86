"""Rows of a table that are exchanged for others in one transaction, without leaving a foreign key broken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import psycopg
import pyarrow as pa
from psycopg import sql

from cutover.data.load import checked, load_schema
from cutover.dialects import postgresql, postgresql_found
from cutover.dialects.postgresql_copy import copy
from cutover.route import ColumnRoute, TableRoute
from cutover.schema.model import ForeignKey

# Temporary tables: the source's rows as they are sent and as the table takes them, the keys of what differs, and the
# rows of the target that go.
SENT, ROWS, KEYS, GONE = map(sql.Identifier, ("cutover_sent", "cutover_rows", "cutover_keys", "cutover_gone"))
_SHOWN = 5
# Rows that a table does not take are found one by one, up to so many.
_REFUSED = 100


@dataclass(frozen=True)
class Bound:
    """A foreign key of the target, of which either table is the one that is repaired."""

    child: str
    key: ForeignKey


@dataclass
class Repaired:
    """What a repair did to a table: rows put in and taken out, and why some were left as they are."""

    table: str
    put: int = 0
    taken: int = 0
    left: list[str] = field(default_factory=list)


def written(column: ColumnRoute, staged: sql.Identifier) -> sql.Composed:
    """Return the SQL that makes a staged value one of the column's type."""
    before, after = postgresql_found.write_expression(column.arrow, column.target_type).split("{c}")
    return sql.SQL("{}{}{}").format(sql.SQL(before), staged, sql.SQL(after))


def names(columns: Iterable[str]) -> sql.Composed:
    """Return columns as a list."""
    return sql.SQL(", ").join(map(sql.Identifier, columns))


@dataclass(frozen=True)
class _Left:
    """Rows of a temporary table, by their places, that cannot be changed; ``other`` has their other side."""

    here: sql.Identifier
    other: sql.Identifier
    places: list[str]
    why: str


@dataclass
class Exchange:
    """One table, in the transaction of ``connection``."""

    connection: psycopg.Connection
    schema: str
    route: TableRoute

    def run(self, statement: str, **parts: sql.Composable) -> int:
        """Run a statement, and return how many rows it was about.

        ``{table}``, ``{rows}`` and ``{gone}`` are known in it, and ``{here}`` and ``{there}``, one text for all values
        of a row ``t`` of the table or ``r`` of the rows; ``parts`` are the others.
        """
        made = sql.SQL(statement).format(
            **{
                "table": self._table,
                "rows": ROWS,
                "gone": GONE,
                "here": self._text("t"),
                "there": self._text("r"),
            }
            | parts
        )
        return self.connection.execute(made).rowcount

    @property
    def _table(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.route.target)

    def _text(self, row: str) -> sql.Composed:
        texts = (sql.SQL("{}::text").format(sql.Identifier(row, c.target)) for c in self.route.columns)
        return sql.SQL("ROW({})::text").format(sql.SQL(", ").join(texts))

    def stage(self, table: sql.Identifier, columns: Sequence[ColumnRoute]) -> None:
        """Make a table that takes columns as they are sent."""
        typed = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(c.target), sql.SQL(postgresql_found.staged_type(c.arrow)))
            for c in columns
        )
        self.run("CREATE TEMP TABLE {staged} ({typed}) ON COMMIT DROP", staged=table, typed=typed)

    def send(self, table: sql.Identifier, columns: Sequence[ColumnRoute], batches: Iterable[pa.RecordBatch]) -> None:
        """Send rows into a table that :meth:`stage` made."""
        narrow = replace(self.route, columns=tuple(columns))
        copy(self.connection, table, load_schema(narrow), checked(narrow, batches))

    def bring_to_type(self) -> None:
        """Make the rows that were sent rows as the table takes them, by assignment: nothing is cut in silence."""
        columns = names(c.target for c in self.route.columns)
        self.run(
            "CREATE TEMP TABLE {rows} ON COMMIT DROP AS SELECT {columns} FROM {table} WITH NO DATA", columns=columns
        )
        values = sql.SQL(", ").join(written(c, sql.Identifier(c.target)) for c in self.route.columns)
        self.run(
            "INSERT INTO {rows} ({columns}) SELECT {values} FROM {sent}", columns=columns, values=values, sent=SENT
        )

    def exchange(self, bound: Sequence[Bound]) -> Repaired:
        """Take rows out and put rows in, without those that the table does not take or that leave a key broken.

        Raises:
            psycopg.Error: it takes too few of them, or the server was lost.
        """
        done = Repaired(self.route.target)
        while True:
            self.connection.execute("SAVEPOINT before")
            done.taken = self.run(
                "DELETE FROM {table} AS t USING {gone} AS g "
                "WHERE t.tableoid = g.cutover_place AND t.ctid = g.cutover_row"
            )
            refused = self._put_in(done)
            broken = refused or [*self._without_parent(bound), *self._still_referred_to(bound)]
            if not broken:
                return done
            self.connection.execute("ROLLBACK TO SAVEPOINT before")
            for left in broken:
                self._leave(left, done)

    def _put_in(self, done: Repaired) -> list[_Left]:
        """Put all rows in; where the table does not take them, return those that it does not."""
        made_by_target = self._made_by_target()
        columns = names(c.target for c in self.route.columns if c.target not in made_by_target)
        put = sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {}").format(
            self._table, columns, columns, ROWS
        )
        problem = self._tried(put)
        if problem is None:
            done.put = self.connection.execute(sql.SQL("SELECT count(*) FROM {}").format(ROWS)).fetchall()[0][0]
            return []
        places = self.connection.execute(sql.SQL("SELECT ctid::text FROM {} ORDER BY ctid").format(ROWS)).fetchall()
        return list(self._refused(put, [place for (place,) in places], problem))

    def _refused(self, put: sql.Composed, places: Sequence[str], problem: psycopg.Error) -> Iterator[_Left]:
        """Put in what can be, and halve the rest until the rows that cannot stand alone."""
        waiting, found = [list(places)], 0
        while waiting:
            some = waiting.pop()
            among = sql.SQL("{} WHERE ctid = ANY ({}::tid[])").format(put, sql.Literal(some))
            error = self._tried(among)
            if error is None:
                continue
            if len(some) > 1:
                middle = len(some) // 2
                waiting += [some[middle:], some[:middle]]
                continue
            found += 1
            if found > _REFUSED:
                raise problem
            why = " ".join((error.diag.message_primary or str(error)).split())
            yield _Left(ROWS, GONE, some, f"the table does not take them: {why}")

    def _tried(self, statement: sql.Composed) -> psycopg.Error | None:
        """Run a statement; return the error of one that the rows are to blame for, and undo it alone."""
        try:
            with self.connection.transaction():
                self.connection.execute(statement)
        except psycopg.Error as error:
            if not postgresql.refuses_rows(error.sqlstate):
                raise
            return error
        return None

    def _made_by_target(self) -> set[str]:
        query = "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attgenerated <> ''"
        found = self.connection.execute(query, (postgresql.quoted(self.schema, self.route.target),))
        return {str(name) for (name,) in found}

    def _without_parent(self, bound: Sequence[Bound]) -> Iterator[_Left]:
        """Yield the rows that have come and refer to a row that is not there."""
        for key in (each.key for each in bound if each.child == self.route.target):
            places = self.connection.execute(
                sql.SQL(
                    "SELECT c.ctid::text FROM {rows} AS c WHERE {whole} AND NOT EXISTS "
                    "(SELECT 1 FROM {parent} AS p WHERE {found})"
                ).format(
                    rows=ROWS,
                    whole=_known("c", key.columns),
                    parent=sql.Identifier(self.schema, key.referred_table),
                    found=_alike("p", key.referred_columns, "c", key.columns),
                )
            ).fetchall()
            if places:
                why = f"{key.referred_table} has no row they refer to (foreign key {key.name})"
                yield _Left(ROWS, GONE, [place for (place,) in places], why)

    def _still_referred_to(self, bound: Sequence[Bound]) -> Iterator[_Left]:
        """Yield the rows that have gone, and that a row refers to which stays."""
        for child, key in ((each.child, each.key) for each in bound if each.key.referred_table == self.route.target):
            places = self.connection.execute(
                sql.SQL(
                    "SELECT DISTINCT g.ctid::text FROM {gone} AS g JOIN {child} AS c ON {refers} WHERE NOT EXISTS "
                    "(SELECT 1 FROM {parent} AS p WHERE {found})"
                ).format(
                    gone=GONE,
                    child=sql.Identifier(self.schema, child),
                    refers=_alike("c", key.columns, "g", key.referred_columns),
                    parent=self._table,
                    found=_alike("p", key.referred_columns, "c", key.columns),
                )
            ).fetchall()
            if places:
                why = f"{child} has rows that refer to them (foreign key {key.name})"
                yield _Left(GONE, ROWS, [place for (place,) in places], why)

    def _leave(self, left: _Left, done: Repaired) -> None:
        """Leave rows as they are: they neither come nor go."""
        key = self.route.key or tuple(column.target for column in self.route.columns)
        among = sql.SQL("ctid = ANY ({}::tid[])").format(sql.Literal(left.places))
        told = self.connection.execute(
            sql.SQL("SELECT concat_ws(', ', {}) FROM {} WHERE {} LIMIT {}").format(
                names(key), left.here, among, sql.Literal(_SHOWN)
            )
        ).fetchall()
        rows = ", ".join(f"{self.route.target}[{name}]" for (name,) in told)
        more = f" and {len(left.places) - len(told)} more" if len(left.places) > len(told) else ""
        done.left.append(f"{rows}{more}: left as they are, for {left.why}")
        if self.route.key:
            statement = "DELETE FROM {other} AS o USING {here} AS h WHERE h.{among} AND {alike}"
            alike = _alike("o", self.route.key, "h", self.route.key)
            self.run(statement, other=left.other, here=left.here, among=among, alike=alike)
        self.run("DELETE FROM {here} WHERE {among}", here=left.here, among=among)

    def raise_counters(self) -> None:
        """Let the sequences of the table's columns go on above every number that is there now."""
        table = postgresql.quoted(self.schema, self.route.target)
        for column in self.route.columns:
            query = "SELECT pg_get_serial_sequence(%s, %s)"
            (counter,) = self.connection.execute(query, (table, column.target)).fetchone() or (None,)
            if counter is not None:
                self.run(
                    "SELECT setval({name}, m) FROM (SELECT max({column}) AS m FROM {table}) AS t, {counter} AS s "
                    "WHERE m > s.last_value",
                    name=sql.Literal(counter),
                    column=sql.Identifier(column.target),
                    counter=sql.SQL(counter),
                )


def _known(row: str, columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(" AND ").join(sql.SQL("{} IS NOT NULL").format(sql.Identifier(row, name)) for name in columns)


def _alike(one: str, columns: Sequence[str], other: str, others: Sequence[str]) -> sql.Composed:
    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier(one, a), sql.Identifier(other, b))
        for a, b in zip(columns, others, strict=True)
    )
