"""Which rows changed, by a time that every row bears, or a log of changes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cutover.data.sync.changes import Changes, Followed, Key
from cutover.data.sync.keyset import Keyset
from cutover.data.sync.snapshot import snapshot
from cutover.dialects import mysql
from cutover.dialects.endpoint import Endpoint
from cutover.errors import DriftError, PreflightError
from cutover.schema import tracking

# Before every time that a column may hold.
_BEGINNING = "1970-01-01 00:00:00"
# With more changed keys than this it is cheaper, in memory too, to read the table.
MANY = 1_000_000
_BATCH = 10_000
# What a transaction writes bears a time after its start, but may be seen much later. The server tells the start in its
# own time zone.
_OLDEST = "SELECT TIMESTAMPDIFF(MICROSECOND, MIN(trx_started), NOW(6)) FROM information_schema.innodb_trx"

_COLUMNS = """
SELECT table_name, column_name, CAST(column_type AS CHAR) FROM information_schema.columns
WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position"""


@dataclass(frozen=True)
class TimeFeed:
    """A :class:`~cutover.data.sync.feed.Feed` whose positions are times, of every table that bears them, as JSON.

    Attributes:
        source: the server.
        followed: what is followed, by source table.
        name: incremental or delta.
        times: what bears times, the log or tables, to the column that holds them.
        log: the table of changes; None where rows bear their time.
        overlap: milliseconds to look back, besides open transactions.
        keys: what compares the keys of all rows; None where nothing does.
    """

    source: Endpoint
    followed: Mapping[str, Followed]
    name: str
    times: Mapping[str, str]
    log: str | None
    overlap: int
    keys: Keyset | None = field(default=None, compare=False)

    def position(self) -> str:
        """Return the times from which a pass has to look, if what is read after this was loaded."""
        with snapshot(self.source) as source:
            return self._position(source)

    def _position(self, source: Any) -> str:
        back = self.overlap * 1000 + max(0, oldest_transaction(source) or 0)
        found = {}
        for table, column in self.times.items():
            name = mysql.quoted(column)
            # A time of the future is no reason to pass over those of the present.
            statement = (
                f"SELECT CAST(LEAST(MAX({name}), NOW(6)) - INTERVAL {back:d} MICROSECOND AS CHAR) "  # noqa: S608
                f"FROM {mysql.quoted(table)}"
            )
            found[table] = _first(source, statement) or _BEGINNING
        return json.dumps(found)

    @contextmanager
    def tell(self, since: str, limit: int) -> Iterator[tuple[Any, Changes]]:
        """Say which rows bear a time from ``since`` on; all of them, whatever ``limit`` is."""
        known = json.loads(since)
        if known.keys() != self.times.keys():
            raise PreflightError([f"the checkpoint of {self.name} is of other tables; a new run starts over"])
        with snapshot(self.source) as source:
            self._refuse_drift(source)
            changes = Changes(since, self._position(source))
            if self.log is not None:
                self._by_log(source, changes, known[self.log])
            else:
                self._by_rows(source, changes, known)
            if self.keys is not None:
                self.keys.compare(source, self.followed, changes)
            yield source, changes

    def _refuse_drift(self, source: Any) -> None:
        """Nothing tells of a changed schema but the schema itself."""
        now: dict[str, list[tuple[str, str]]] = {}
        for batch in mysql.batches(source, _COLUMNS, _BATCH):
            for table, *column in zip(*(values.to_pylist() for values in batch.columns), strict=True):
                now.setdefault(table, []).append((column[0], column[1]))
        changed = [
            f"table {name} was {'changed' if name in now else 'dropped'}"
            for name, table in self.followed.items()
            if not _alike(table.columns, now.get(name, ()))
        ]
        if changed:
            raise DriftError("source", changed)

    def _by_rows(self, source: Any, changes: Changes, known: Mapping[str, str]) -> None:
        for name, table in self.followed.items():
            if name not in self.times or not table.key:
                changes.whole.add(name)
                continue
            column = mysql.quoted(self.times[name])
            keys = ", ".join(mysql.quoted(part.name) for part in table.key)
            statement = f"SELECT {keys} FROM {mysql.quoted(name)} WHERE {column} >= %s OR {column} IS NULL"  # noqa: S608
            found: set[Key] = set()
            for batch in mysql.batches(source, statement, _BATCH, [known[name]]):
                found.update(zip(*(values.to_pylist() for values in batch.columns), strict=True))
                if len(found) > MANY:
                    break
            _note(changes, name, found)

    def _by_log(self, source: Any, changes: Changes, since: str) -> None:
        assert self.log is not None
        found: dict[str, set[Key]] = {}
        time = mysql.quoted(self.times[self.log])
        statement = (
            f"SELECT DISTINCT {tracking.TABLE}, {tracking.KEY} FROM {mysql.quoted(self.log)} "  # noqa: S608
            f"WHERE {time} >= %s OR {time} IS NULL"
        )
        for batch in mysql.batches(source, statement, _BATCH, [since]):
            for name, key in zip(*(values.to_pylist() for values in batch.columns), strict=True):
                table = self.followed.get(name)
                if table is None or name in changes.whole:
                    continue
                if not table.key or key is None or len(found.get(name, ())) > MANY:
                    changes.whole.add(name)
                    continue
                found.setdefault(name, set()).add(self._parsed(table, key))
        for name, keys in found.items():
            _note(changes, name, keys)
        changes.events += len(changes.whole)

    def _parsed(self, table: Followed, text: str) -> Key:
        try:
            values = json.loads(text)
            return tuple(part.parsed(str(value)) for part, value in zip(table.key, values, strict=True))
        except (ValueError, TypeError, ArithmeticError):
            raise PreflightError(
                [
                    f"{self.log}: {text!r} is no key of {table.route.source}; it should be a JSON list of the values "
                    f"of {', '.join(part.name for part in table.key)} as text, as `cutover tracking` makes it"
                ]
            ) from None


def _alike(planned: Sequence[tuple[str, str]], now: Sequence[tuple[str, str]]) -> bool:
    # MariaDB calls a JSON column longtext.
    pairs = zip(planned, now, strict=False)
    return len(planned) == len(now) and all(a == b and x in (y, "json") for (a, x), (b, y) in pairs)


def _note(changes: Changes, table: str, keys: set[Key]) -> None:
    changes.events += len(keys)
    if table in changes.whole or len(keys) > MANY:
        changes.whole.add(table)
    elif keys:
        changes.add(table, keys)


def oldest_transaction(source: Any) -> int | None:
    """Return the age of the source's oldest open transaction in microseconds; None where the account may not see it."""
    import MySQLdb

    try:
        _first(source, "SET time_zone = 'SYSTEM'")
        found = _first(source, _OLDEST)
    except MySQLdb.Error:
        return None
    finally:
        _first(source, "SET time_zone = '+00:00'")
    return int(found or 0)


def _first(source: Any, statement: str) -> str | None:
    cursor = source.cursor()
    try:
        cursor.execute(statement)
        row = cursor.fetchone() if cursor.description else None
        return None if row is None or row[0] is None else str(row[0])
    finally:
        cursor.close()
