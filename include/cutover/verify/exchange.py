"""Rows of a table that are exchanged for others in one transaction, without leaving a foreign key broken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import psycopg
import pyarrow as pa
from psycopg import sql

from cutover.data.load import checked, load_schema
from cutover.dialects import postgresql, postgresql_found
from cutover.dialects.postgresql_copy import copy
from cutover.route import ColumnRoute, TableRoute
from cutover.verify.keeping import Bound, Found, alike, still_referred_to, without_parent

# Temporary tables: the source's rows as they are sent and as the table takes them, the target's as a comparison saw
# them, and those of the target that go.
SENT, ROWS, SEEN, GONE = map(sql.Identifier, ("cutover_sent", "cutover_rows", "cutover_seen", "cutover_gone"))
_SHOWN = 5
# Rows that a table does not take are found one by one, up to so many.
_REFUSED = 100


@dataclass
class Repaired:
    """What a repair did to a table: rows put in and taken out, and why some were left as they are."""

    table: str
    put: int = 0
    taken: int = 0
    left: list[str] = field(default_factory=list)


def filled(expression: str, *name: str) -> sql.Composed:
    """Put a column in the place of each ``{c}``."""
    first, *rest = expression.split("{c}")
    parts: list[sql.Composable] = [sql.SQL(first)]
    for text in rest:
        parts += [sql.Identifier(*name), sql.SQL(text)]
    return sql.Composed(parts)


def written(column: ColumnRoute, *staged: str) -> sql.Composed:
    """Return the SQL that makes a staged value one of the column's type."""
    return filled(postgresql_found.write_expression(column.arrow, column.target_type), *staged)


def names(columns: Iterable[str]) -> sql.Composed:
    """Return columns as a list."""
    return sql.SQL(", ").join(map(sql.Identifier, columns))


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
        """Make the rows that were sent rows as the table takes them, by assignment: nothing is cut in silence.

        They have the table's other columns, too, which are filled later by :meth:`exchange`.
        """
        columns = names(c.target for c in self.route.columns)
        every = names([*(c.target for c in self.route.columns), *self.others])
        empty = "CREATE TEMP TABLE {rows} ON COMMIT DROP AS SELECT {every}, false AS cutover_known FROM {table} "
        self.run(empty + "WITH NO DATA", every=every)
        values = sql.SQL(", ").join(written(c, c.target) for c in self.route.columns)
        fill = "INSERT INTO {rows} ({columns}, cutover_known) SELECT {values}, false FROM {sent}"
        self.run(fill, columns=columns, values=values, sent=SENT)

    @cached_property
    def others(self) -> tuple[str, ...]:
        """The columns of the table that are not compared; what they hold stays, where a row does."""
        known = {column.target for column in self.route.columns}
        return tuple(name for name, made in self._columns() if name not in known and not made)

    def exchange(self, bound: Sequence[Bound]) -> Repaired:
        """Take rows out and put rows in, without those that the table does not take or that leave a key broken.

        A table without a key, whose rows have nothing that tells which of them takes whose place, is left as it is
        where a row has to be.

        Raises:
            psycopg.Error: it takes too few of them, or the server was lost.
        """
        done = Repaired(self.route.target)
        if self.route.key:
            self._keep_a_copy()
            self._carry_others()
        elif self.others:
            done.left.append(f"{self.route.target}: it has no key, and {', '.join(self.others)}, which is not compared")
            return done
        while True:
            self.connection.execute("SAVEPOINT before")
            done.taken = self.run(
                "DELETE FROM {table} AS t USING {gone} AS g "
                "WHERE t.tableoid = g.cutover_place AND t.ctid = g.cutover_row"
            )
            broken = self._put_in(done)
            if not broken:
                broken = [(ROWS, found) for found in without_parent(self.connection, ROWS, bound)]
                broken += [(GONE, found) for found in still_referred_to(self.connection, GONE, bound)]
            if not broken:
                return done
            self.connection.execute("ROLLBACK TO SAVEPOINT before")
            done.put = done.taken = 0
            for here, found in broken:
                self._leave(here, found, done)
            if not self.route.key:
                return done

    def _keep_a_copy(self) -> None:
        """Of a key that the target has several times, and the source's rows not at all, let one row be."""
        self.run(
            "DELETE FROM {gone} WHERE ctid IN (SELECT first FROM (SELECT g.ctid AS first, count(*) OVER w AS copies, "
            "row_number() OVER (w ORDER BY g.ctid) AS n FROM {gone} AS g WINDOW w AS (PARTITION BY {key})) AS c "
            "WHERE n = 1 AND copies > 1) AND NOT EXISTS (SELECT 1 FROM {rows} AS r WHERE {same})",
            same=alike("r", self.route.key, "cutover_gone", self.route.key),
            key=sql.SQL(", ").join(sql.Identifier("g", name) for name in self.route.key),
        )
        # One that stays has nobody to make room for.
        self.run(
            "DELETE FROM {rows} AS r USING {table} AS t WHERE {same} AND NOT EXISTS "
            "(SELECT 1 FROM {gone} AS g WHERE g.cutover_place = t.tableoid AND g.cutover_row = t.ctid)",
            same=alike("t", self.route.key, "r", self.route.key),
        )

    def _carry_others(self) -> None:
        """Give rows that take another's place what that one has in the columns that are not compared."""
        others = sql.SQL("").join(
            sql.SQL(", {} = g.{}").format(sql.Identifier(name), sql.Identifier(name)) for name in self.others
        )
        same = alike("r", self.route.key, "g", self.route.key)
        self.run(
            "UPDATE {rows} AS r SET cutover_known = true{others} FROM {gone} AS g WHERE {same}",
            others=others,
            same=same,
        )

    def _put_in(self, done: Repaired) -> list[tuple[sql.Identifier, Found]]:
        """Put all rows in; where the table does not take them, return those that it does not."""
        problem = self._tried(*(self._insert(known) for known in (True, False)))
        if problem is None:
            done.put = self.connection.execute(sql.SQL("SELECT count(*) FROM {}").format(ROWS)).fetchall()[0][0]
            return []
        found = []
        for known in (True, False):
            query = sql.SQL("SELECT ctid::text FROM {} WHERE cutover_known = {} ORDER BY ctid").format(ROWS, known)
            places = [place for (place,) in self.connection.execute(query)]
            found += [(ROWS, each) for each in self._refused(self._insert(known), places, problem)]
        return found

    def _insert(self, known: bool) -> sql.Composed:
        """Return the INSERT of rows that take another's place, or of those that do not: these have defaults."""
        made_by_target = {name for name, made in self._columns() if made}
        given = [c.target for c in self.route.columns if c.target not in made_by_target]
        columns = names([*given, *(self.others if known else ())])
        return sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} WHERE cutover_known = {}").format(
            self._table, columns, columns, ROWS, known
        )

    def _refused(self, put: sql.Composed, places: Sequence[str], problem: psycopg.Error) -> Iterator[Found]:
        """Put in what can be, and halve the rest until the rows that cannot stand alone."""
        waiting, found = [list(places)] if places else [], 0
        while waiting:
            some = waiting.pop()
            error = self._tried(sql.SQL("{} AND ctid = ANY ({}::tid[])").format(put, sql.Literal(some)))
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
            yield Found(some, f"the table does not take them: {why}")

    def _tried(self, *statements: sql.Composed) -> psycopg.Error | None:
        """Run statements; return the error of one that the rows are to blame for, and undo these alone."""
        try:
            with self.connection.transaction():
                for statement in statements:
                    self.connection.execute(statement)
        except psycopg.Error as error:
            if not postgresql.refuses_rows(error.sqlstate):
                raise
            return error
        return None

    def _columns(self) -> list[tuple[str, bool]]:
        """Return the table's columns, and which of them the server makes itself."""
        query = (
            "SELECT attname, attgenerated <> '' FROM pg_attribute "
            "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        )
        found = self.connection.execute(query, (postgresql.quoted(self.schema, self.route.target),))
        return [(str(name), bool(made)) for name, made in found]

    def _leave(self, here: sql.Identifier, found: Found, done: Repaired) -> None:
        """Leave rows as they are: they neither come nor go."""
        key = self.route.key or tuple(column.target for column in self.route.columns)
        among = sql.SQL("ctid = ANY ({}::tid[])").format(sql.Literal(found.places))
        told = self.connection.execute(
            sql.SQL("SELECT concat_ws(', ', {}) FROM {} WHERE {} LIMIT {}").format(
                names(key), here, among, sql.Literal(_SHOWN)
            )
        ).fetchall()
        rows = ", ".join(f"{self.route.target}[{name}]" for (name,) in told)
        more = f" and {len(found.places) - len(told)} more" if len(found.places) > len(told) else ""
        whole = "" if self.route.key else ", with the whole table, which has no key"
        done.left.append(f"{rows}{more}: left as they are{whole}, for {found.why}")
        if self.route.key:
            self.run(
                "DELETE FROM {other} AS o USING {here} AS h WHERE h.{among} AND {same}",
                other=GONE if here is ROWS else ROWS,
                here=here,
                among=among,
                same=alike("o", self.route.key, "h", self.route.key),
            )
            self.run("DELETE FROM {here} WHERE {among}", here=here, among=among)

    def raise_counters(self) -> None:
        """Let the sequences of the table's columns go on above every number that is there now."""
        table = postgresql.quoted(self.schema, self.route.target)
        for column in self.route.columns:
            query = "SELECT pg_get_serial_sequence(%s, %s)"
            (counter,) = self.connection.execute(query, (table, column.target)).fetchone() or (None,)
            if counter is not None:
                self.run(
                    "SELECT setval({name}, m) FROM (SELECT max({column}) AS m FROM {table}) AS t, {counter} AS s "
                    "WHERE m >= s.last_value",
                    name=sql.Literal(counter),
                    column=sql.Identifier(column.target),
                    counter=sql.SQL(counter),
                )
