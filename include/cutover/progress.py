"""Live numbers of a run, folded from its events as they come."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from cutover.ledger import Event, Ledger
from cutover.plan import Plan


@dataclass
class TableProgress:
    """How far one table is; ``planned`` is an estimate, ``bytes`` are those of the rows that were read."""

    table: str
    planned: int
    chunks: int
    rows: int = 0
    bytes: int = 0
    chunks_done: int = 0
    verified: int = 0
    checked: set[str] = field(default_factory=set)
    first: float | None = None
    last: float = 0.0

    @property
    def rows_per_second(self) -> float:
        """Rows loaded in a second since the table's first chunk began; compared, where nothing is loaded."""
        elapsed = self.last - (self.first or self.last)
        return (self.rows or self.verified) / elapsed if elapsed > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Estimated time until the table is loaded, or compared; None before the first chunk."""
        rate = self.rows_per_second
        if self.chunks in (self.chunks_done, len(self.checked)):
            return 0.0
        return max(self.planned - (self.rows or self.verified), 0) / rate if rate else None


@dataclass
class Progress:
    """A run as it goes; call :meth:`update` to read what is new."""

    ledger: Ledger
    run_id: str
    tables: dict[str, TableProgress] = field(default_factory=dict)
    step: str = ""
    began: float = field(default_factory=time.time)
    ended: str | None = None
    _seen: int = 0

    def update(self) -> None:
        """Take in the events since the last call."""
        for event in self.ledger.events(self.run_id, after=self._seen):
            self._seen = event.number
            self._take(event)

    def _take(self, event: Event) -> None:
        detail = event.detail
        if event.kind == "planned":
            plan = Plan.from_json(detail["plan"])
            for name in (planned.route.source for planned in plan.tables):
                chunks = [c for c in plan.chunks if c.table == name]
                self.tables[name] = TableProgress(name, sum(c.rows for c in chunks), len(chunks))
        elif event.kind == "step_started":
            self.step = detail["step"]
        elif event.kind in ("completed", "failed", "rolled_back"):
            self.ended = event.kind
        elif event.kind == "extracted":
            self._begin(event)
        elif event.kind == "loaded":
            table = self._begin(event)
            self.step = "load"
            table.rows += detail["rows"]
            table.bytes += detail["bytes"]
            table.chunks_done += 1
            table.last = event.at.timestamp()
        elif event.kind == "verified":
            table = self.tables[detail["table"]]
            if table.rows:
                self.step = "validate_rows"
            else:
                # Nothing is loaded: it is a comparison, whose looks after the first bring no new rows.
                self._begin(event)
                table.last = event.at.timestamp()
            if detail["chunk"] not in table.checked:
                table.verified += detail["rows"]
            table.checked.add(detail["chunk"])

    def _begin(self, event: Event) -> TableProgress:
        table = self.tables[event.detail["table"]]
        started = event.at.timestamp() - event.detail["seconds"]
        table.first = min(table.first or started, started)
        return table
