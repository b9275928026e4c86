"""The append-only stream of events that everything else is read from.

Each run's events form a chain: an event carries the hash of the one before it, so that a change
made behind the ledger's back is found by :meth:`Ledger.broken_at`. The unique key on (run, number)
makes the database itself serialise the writers of a run.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cutover.errors import PreflightError, TransientError

_FIRST = "0" * 64
_ATTEMPTS = 200
_METADATA = sa.MetaData()
_EVENTS = sa.Table(
    "cutover_events",
    _METADATA,
    sa.Column("run_id", sa.String(200), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("migration", sa.String(64), nullable=False, index=True),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("previous_hash", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)


@dataclass(frozen=True)
class Event:
    """Something that happened in a run; ``at`` is UTC."""

    run_id: str
    number: int
    migration: str
    at: datetime
    kind: str
    detail: Mapping[str, Any]
    previous_hash: str
    hash: str


def home() -> Path:
    """Return the folder for ledger, staging, backups and reports: CUTOVER_HOME, or ``.cutover`` here."""
    return Path(os.environ.get("CUTOVER_HOME", ".cutover")).absolute()


def default_url() -> str:
    """Return the ledger's address: CUTOVER_LEDGER, or an SQLite file in :func:`home`.

    Raises:
        PreflightError: that folder cannot be made.
    """
    given = os.environ.get("CUTOVER_LEDGER")
    if given:
        return given
    try:
        home().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PreflightError([f"{home()} cannot be made ({error.strerror}); set CUTOVER_HOME to a folder"]) from None
    return f"sqlite:///{home() / 'ledger.db'}"


class Ledger:
    """The events of every run, in any database SQLAlchemy can reach.

    Raises:
        PreflightError: it cannot be reached or written.
    """

    def __init__(self, url: str | None = None) -> None:
        self._url = url or default_url()
        address = sa.make_url(self._url)
        options = {"timeout": 60} if address.get_backend_name() == "sqlite" else {}
        self._engine = sa.create_engine(address, connect_args=options, poolclass=sa.NullPool)
        if options:
            # Readers must not stop the writers of a run: write-ahead logging lets both go on.
            sa.event.listen(self._engine, "connect", lambda c, _: c.execute("PRAGMA journal_mode=WAL"))
        try:
            _METADATA.create_all(self._engine)
        except sa.exc.DBAPIError as error:
            # Two processes may create the table at once; the second finds it there.
            if not self._is_there():
                where = address.render_as_string(hide_password=True)
                text = f"the ledger {where} cannot be opened: {error.orig}; see CUTOVER_LEDGER"
                raise PreflightError([text]) from None

    def _is_there(self) -> bool:
        try:
            return sa.inspect(self._engine).has_table(_EVENTS.name)
        except sa.exc.DBAPIError:
            return False

    def __reduce__(self) -> tuple[type[Ledger], tuple[str]]:
        """A worker process opens the ledger anew: connections do not cross processes."""
        return (Ledger, (self._url,))

    @property
    def url(self) -> str:
        """Where it is; a password in it is not for showing."""
        return self._url

    def append(self, run_id: str, migration: str, kind: str, detail: Mapping[str, Any] | None = None) -> Event:
        """Add one event to a run's chain and return it.

        Raises:
            TransientError: other writers were always faster, or the ledger cannot be reached.
        """
        body = json.dumps(detail or {}, sort_keys=True, default=str)
        problem: Exception | None = None
        for _ in range(_ATTEMPTS):
            try:
                with self._engine.begin() as connection:
                    last = connection.execute(
                        sa.select(_EVENTS.c.number, _EVENTS.c.hash)
                        .where(_EVENTS.c.run_id == run_id)
                        .order_by(_EVENTS.c.number.desc())
                        .limit(1)
                    ).first()
                    number, previous = (last.number + 1, last.hash) if last else (1, _FIRST)
                    at = datetime.now(UTC).isoformat(timespec="microseconds")
                    row = {
                        "run_id": run_id,
                        "number": number,
                        "migration": migration,
                        "at": at,
                        "kind": kind,
                        "detail": body,
                        "previous_hash": previous,
                        "hash": _hash(run_id, number, migration, at, kind, body, previous),
                    }
                    connection.execute(sa.insert(_EVENTS).values(row))
                return _event(row)
            except (sa.exc.IntegrityError, sa.exc.OperationalError) as error:
                problem = error
        raise TransientError(f"the ledger took no event of run {run_id}: {problem}")

    def events(self, run_id: str, *kinds: str, after: int = 0, naming: str | None = None) -> list[Event]:
        """Return a run's events in order, of the given kinds or all, numbered above ``after``.

        With ``naming``, only those in whose detail a value is that text: a run of many chunks has many events.
        """
        chosen = sa.select(_EVENTS).where(_EVENTS.c.run_id == run_id, _EVENTS.c.number > after)
        if kinds:
            chosen = chosen.where(_EVENTS.c.kind.in_(kinds))
        if naming is not None:
            chosen = chosen.where(_EVENTS.c.detail.contains(json.dumps(naming), autoescape=True))
        with self._engine.connect() as connection:
            events = [_event(row._mapping) for row in connection.execute(chosen.order_by(_EVENTS.c.number))]
        return events if naming is None else [event for event in events if naming in event.detail.values()]

    def last(self, run_id: str, kind: str) -> Event | None:
        """Return a run's latest event of one kind, or None."""
        chosen = sa.select(_EVENTS).where(_EVENTS.c.run_id == run_id, _EVENTS.c.kind == kind)
        with self._engine.connect() as connection:
            row = connection.execute(chosen.order_by(_EVENTS.c.number.desc()).limit(1)).first()
        return _event(row._mapping) if row else None

    def latest(self, migration: str, kind: str) -> Event | None:
        """Return the latest event of one kind over all runs of a migration, or None."""
        chosen = (
            sa.select(_EVENTS)
            .where(_EVENTS.c.migration == migration, _EVENTS.c.kind == kind)
            .order_by(_EVENTS.c.at.desc())
            .limit(1)
        )
        with self._engine.connect() as connection:
            row = connection.execute(chosen).first()
        return _event(row._mapping) if row else None

    def all_of(self, migration: str, *kinds: str) -> list[Event]:
        """Return the events of some kinds over all runs of a migration, newest first."""
        chosen = (
            sa.select(_EVENTS)
            .where(_EVENTS.c.migration == migration, _EVENTS.c.kind.in_(kinds))
            .order_by(_EVENTS.c.at.desc())
        )
        with self._engine.connect() as connection:
            return [_event(row._mapping) for row in connection.execute(chosen)]

    def runs(self, migration: str | None = None) -> list[tuple[str, str, datetime]]:
        """Return (run, migration, time of its first event) of every run, newest first."""
        chosen = sa.select(_EVENTS.c.run_id, _EVENTS.c.migration, _EVENTS.c.at).where(_EVENTS.c.number == 1)
        if migration is not None:
            chosen = chosen.where(_EVENTS.c.migration == migration)
        with self._engine.connect() as connection:
            rows: Sequence[Any] = connection.execute(chosen.order_by(_EVENTS.c.at.desc())).all()
        return [(row.run_id, row.migration, datetime.fromisoformat(row.at)) for row in rows]

    def broken_at(self, run_id: str) -> int | None:
        """Return the number of the first event that does not follow from the one before, or None."""
        with self._engine.connect() as connection:
            rows = connection.execute(
                sa.select(_EVENTS).where(_EVENTS.c.run_id == run_id).order_by(_EVENTS.c.number)
            ).all()
        return next(_breaks([row._mapping for row in rows]), None)


def _breaks(rows: Sequence[sa.RowMapping]) -> Iterator[int]:
    previous = _FIRST
    for position, row in enumerate(rows, start=1):
        wanted = _hash(
            row["run_id"],
            row["number"],
            row["migration"],
            row["at"],
            row["kind"],
            row["detail"],
            row["previous_hash"],
        )
        if row["number"] != position or row["previous_hash"] != previous or row["hash"] != wanted:
            yield position
        previous = row["hash"]


def _hash(run_id: str, number: int, migration: str, at: str, kind: str, body: str, previous: str) -> str:
    return hashlib.sha256(json.dumps([run_id, number, migration, at, kind, body, previous]).encode()).hexdigest()


def _event(row: Mapping[str, Any] | sa.RowMapping) -> Event:
    return Event(
        row["run_id"],
        row["number"],
        row["migration"],
        datetime.fromisoformat(row["at"]),
        row["kind"],
        json.loads(row["detail"]),
        row["previous_hash"],
        row["hash"],
    )
