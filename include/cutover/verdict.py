"""What comparing source and target came to, folded from the events of the comparison."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from cutover.ledger import Event, Ledger
from cutover.plan import Plan

# How a piece was compared.
BY_CELL, BY_DIGEST = "every cell", "one number for a range of keys"
SAME, DIFFERENT, RUNNING, FAILED = "the same", "different", "running", "failed"


@dataclass
class Compared:
    """One table; ``rows`` are those of the target that were looked at, ``pieces`` the ranges of its key.

    ``by_digest`` of the pieces were found alike by one number that both servers made of them, and not read.
    """

    table: str
    pieces: int = 0
    done: int = 0
    by_digest: int = 0
    of: int = 0
    rows: int = 0
    lost: int = 0
    extra: int = 0
    changed: int = 0
    refused: int = 0
    seconds: float = 0.0

    @property
    def differences(self) -> int:
        """Rows that are not alike on both sides."""
        return self.lost + self.extra + self.changed + self.refused


@dataclass
class Verdict:
    """What is the same in source and target, and what is not.

    Attributes:
        status: :data:`SAME`, :data:`DIFFERENT`, :data:`RUNNING` or :data:`FAILED`.
        how: what was compared, in words: a sample or a digest is never taken for all.
        unlike: what is missing in the target, or cannot be compared.
        explained: values and rows that differ because a rule says so, counted under it.
        differences: rows and cells that differ; the first of each range.
        repaired: what a repair did, table by table.
        notes: what else a reader has to know.
    """

    migration: str
    run: str
    status: str = RUNNING
    source: str = ""
    target: str = ""
    started: str = ""
    seconds: float = 0.0
    how: str = ""
    cause: str | None = None
    tables: list[Compared] = field(default_factory=list)
    unlike: list[str] = field(default_factory=list)
    explained: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows of the target that were looked at."""
        return sum(table.rows for table in self.tables)

    @property
    def count(self) -> int:
        """Rows that are not alike on both sides."""
        return sum(table.differences for table in self.tables)

    def to_json(self) -> str:
        """Write the verdict as JSON."""
        return json.dumps(asdict(self) | {"rows": self.rows, "count": self.count}, indent=2)


def build(ledger: Ledger, run_id: str) -> Verdict:
    """Fold a comparison's events.

    Raises:
        KeyError: the ledger has no such run.
    """
    events = ledger.events(run_id)
    if not events:
        raise KeyError(run_id)
    found = Verdict(events[0].migration, run_id)
    last: dict[str, Event] = {}
    for event in events:
        _take(found, event)
        if event.kind == "verified":
            last[event.detail["chunk"]] = event
        elif event.kind == "repaired" and (event.detail["put"] or event.detail["taken"]):
            mended = (each.detail for each in last.values() if each.detail["table"] == event.detail["table"])
            found.repaired += [f"  {line}" for each in mended for line in each["differences"]]
    _tables(found, [event for event in events if event.kind == "verified"])
    # Each round of a repair says again what it leaves.
    found.notes = list(dict.fromkeys(found.notes))
    found.seconds = round((events[-1].at - events[0].at).total_seconds(), 1)
    if found.status == SAME and (found.count or found.unlike):
        found.status = DIFFERENT
    return found


def _take(found: Verdict, event: Event) -> None:
    detail = event.detail
    if event.kind == "run_started":
        found.started = event.at.isoformat(timespec="seconds")
        found.source, found.target = detail["source"], detail["target"]
    elif event.kind == "planned":
        plan = Plan.from_json(detail["plan"])
        found.tables = [Compared(table.route.source) for table in plan.tables]
        for table in found.tables:
            chunks = [chunk for chunk in plan.chunks if chunk.table == table.table]
            table.pieces = len(chunks) if plan.table(table.table).route.ordered else min(len(chunks), 1)
    elif event.kind == "matched":
        found.unlike, found.notes = list(detail["unlike"]), list(detail["notes"])
        found.how = _how(detail["options"])
        for table in found.tables:
            table.of = detail["pieces"].get(table.table, table.pieces)
    elif event.kind == "moved":
        found.notes.append(detail["text"])
    elif event.kind == "repaired":
        if detail["put"] or detail["taken"]:
            found.repaired.append(f"{detail['table']}: {detail['put']} rows put in, {detail['taken']} taken out")
        found.notes += detail["left"]
    elif event.kind == "left":
        found.notes.append(f"{detail['table']}: not repaired: {detail['why']}")
    elif event.kind == "step_failed":
        found.cause = detail["cause"]
    elif event.kind in ("completed", "failed"):
        found.status = SAME if event.kind == "completed" else FAILED


def _how(options: dict[str, object]) -> str:
    ways = []
    if options["sample"] is not None:
        ways.append(f"a sample: {float(str(options['sample'])):.2%} of the ranges of each table's key, at least one")
    if options["fast"]:
        ways.append("one number for each range of keys, made by both servers; rows only where it differs")
    return "; ".join(ways) or "every cell of every row"


def _tables(found: Verdict, verified: Iterable[Event]) -> None:
    tables = {table.table: table for table in found.tables}
    told: dict[tuple[str, str], int] = {}
    # A piece that was compared several times counts once: its last look holds.
    for event in {event.detail["chunk"]: event for event in verified}.values():
        detail, table = event.detail, tables[event.detail["table"]]
        table.done += 1
        table.by_digest += detail["how"] == BY_DIGEST
        for name in ("rows", "lost", "extra", "changed", "refused", "seconds"):
            setattr(table, name, getattr(table, name) + detail[name])
        found.differences += detail["differences"]
        for column, what, count in detail["explained"]:
            where = f"{table.table}.{column}" if column else table.table
            told[where, what] = told.get((where, what), 0) + count
    found.explained = [f"{where}: {count} {what}" for (where, what), count in sorted(told.items())]
