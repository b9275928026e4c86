"""What was seen of both servers before a run, as plain values that everything else is folded from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cutover.plan import Plan
from cutover.verify.outcome import CONSTRAINT, DATA

# What becomes of the rows of a finding: they are not loaded (or are set aside) and count as errors, they arrive with
# another value, they arrive as they are and something else gives way, or the run ends with the first.
REFUSED, ALTERED, STAYS, FAILS = FATES = ("refused", "altered", "stays", "fails")
# PostgreSQL's longest field (PostgreSQL manual, Limits).
FIELD_BYTES = 2**30 - 1


@dataclass(frozen=True)
class Finding:
    """Rows of a table that something is to be said of.

    Attributes:
        kind: ``data`` or ``constraint``.
        table: the table's name in the source.
        object: what it is about: its kind, and its name in the source.
        text: what the rows do, and what becomes of them.
        rows: how many they are.
        fate: one of :data:`FATES`.
        keys: the first rows' keys in the source, as JSON; none where the table has no key.
        certain: whether a run would count each of these rows so, whatever else happens to it.
    """

    kind: str
    table: str
    object: str
    text: str
    rows: int
    fate: str
    keys: tuple[str, ...] = ()
    certain: bool = False

    @property
    def told(self) -> str:
        """The finding in words, without keys."""
        return f"{self.object}: {self.rows:,} rows {self.text}"

    def __str__(self) -> str:
        shown = f"; keys {', '.join(self.keys)}{' ...' if self.rows > len(self.keys) else ''}" if self.keys else ""
        return f"{self.told}{shown}"


@dataclass(frozen=True)
class Seen:
    """One table, by its name in the source, and what its rows were seen to hold.

    Attributes:
        table: the table.
        rows: how many travel.
        refused: how many of these would surely not be loaded, for one value or another.
        findings: what was found.
        unasked: what nobody can tell without loading, by name.
        largest: the most bytes of one value, by column, of columns that hold large ones.
    """

    table: str
    rows: int
    refused: int = 0
    findings: tuple[Finding, ...] = ()
    unasked: tuple[str, ...] = ()
    largest: tuple[tuple[str, int], ...] = ()

    def errors(self, kinds: Iterable[str]) -> int:
        """How many rows would be refused or set aside at the least; a row may be so for several reasons."""
        chosen = set(kinds)
        aside = [f.rows for f in self.findings if f.kind == CONSTRAINT and f.fate == REFUSED and f.certain]
        return max([self.refused if DATA in chosen else 0, *(aside if CONSTRAINT in chosen else [])])


@dataclass(frozen=True)
class Server:
    """One side: what it tells of itself, and what of that a person should know of.

    Attributes:
        described: name and value, in the order in which they are shown.
        warnings: of its settings.
        tight: of what it has too little of for the run.
    """

    described: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    tight: tuple[str, ...] = ()


@dataclass(frozen=True)
class Impact:
    """Whom the run concerns beside the migration itself; each line names what it is about.

    Attributes:
        replaced: tables of the target schema whose place new ones take, with their rows as the server estimates them.
        bound: what is bound to those and would stay with the old ones.
        sessions: who is connected to the target's database, and how many times.
        around: what of the source works there or refers to it from elsewhere.
        unseen: what the accounts may not see of all this.
    """

    replaced: tuple[tuple[str, int], ...] = ()
    bound: tuple[str, ...] = ()
    sessions: tuple[tuple[str, int], ...] = ()
    around: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()


@dataclass(frozen=True)
class Limits:
    """What the spec and the operator allow a run.

    Attributes:
        max_errors: how many rows may be refused in all.
        threshold: which share of a table's rows.
        seconds: how long the run may take, by maxDuration and the window; None where nothing bounds it.
        downtime: seconds that the live tables may be locked.
        backup: whether the live tables are dumped first.
        goes_back: whether a run that fails takes itself back.
        batch_rows: rows that a worker holds at a time.
        workers: workers that hold a batch at once.
        losses: whether objects of the source may stay behind.
    """

    max_errors: int
    threshold: float
    seconds: float | None
    downtime: float
    backup: bool
    goes_back: bool
    batch_rows: int
    workers: int
    losses: bool


@dataclass(frozen=True)
class Room:
    """What the machine that runs the migration has, in bytes."""

    staging: int
    memory: int


@dataclass(frozen=True)
class Facts:
    """All that was looked at; what was not is None.

    Attributes:
        plan: the plan of the run.
        limits: what it may do.
        obstacles: what a run is refused for as things stand.
        source: the source's server.
        target: the target's.
        room: the machine's own.
        impact: whom it concerns.
        looked: the kinds of finding (``data``, ``constraint``) that the tables were asked for.
        seen: what was seen of the tables.
    """

    plan: Plan
    limits: Limits
    obstacles: tuple[str, ...] = ()
    source: Server = Server()
    target: Server = Server()
    room: Room | None = None
    impact: Impact | None = None
    looked: tuple[str, ...] = ()
    seen: tuple[Seen, ...] = ()

    def findings(self, *fates: str, kind: str | None = None) -> Iterator[Finding]:
        """Yield the findings of one kind, or of both, that have one of these fates."""
        for table in self.seen:
            yield from (f for f in table.findings if f.fate in fates and kind in (None, f.kind))

    @property
    def oversized(self) -> Iterator[tuple[Seen, str, int]]:
        """The tables, columns and sizes in bytes of values that PostgreSQL has no room for."""
        for table in self.seen:
            yield from ((table, column, size) for column, size in table.largest if size > FIELD_BYTES)

    @property
    def whole(self) -> set[str]:
        """The tables of which all rows travel that the filter lets through, by their names in the source."""
        routes = (table.route for table in self.plan.tables)
        return {route.source for route in routes if route.limit is None and route.sample is None}

    @property
    def unkeyed(self) -> list[str]:
        """The tables that travel without a primary key, by their names in the source."""
        return [table.route.source for table in self.plan.tables if not table.route.key]
