"""The objects to build in the target, and what of the source does not get there."""

from __future__ import annotations

from dataclasses import dataclass, field

from cutover.route import ColumnRoute, TableRoute
from cutover.schema.model import ForeignKey, Index


@dataclass(frozen=True)
class Loss:
    """Something of the source that does not arrive, and why.

    Attributes:
        object: what it is: its kind, and its name in the source.
        reason: why it does not arrive, or not as it was.
        source: its text as SQL comments, or a frame to fill in, where a person may translate it.
        asked: whether the operator asked for it when starting the run.
    """

    object: str
    reason: str
    source: str = ""
    asked: bool = False


def commented(sql: str) -> str:
    """Return SQL as comments, for a person to read and nothing to run."""
    return "\n".join(f"-- {line}".rstrip() for line in sql.splitlines())


@dataclass(frozen=True)
class Note:
    """Something of the source that arrives, but not as it was, or that the spec leaves behind (``behind``)."""

    object: str
    text: str
    behind: bool = False

    def __str__(self) -> str:
        return f"{self.object}: {self.text}"


@dataclass(frozen=True)
class TargetCheck:
    """A CHECK constraint to add after the load.

    ``origin`` is its name in the source; one that has none says what a column may hold: ``labels`` of
    ``column``, where that is a list.
    """

    name: str
    sql: str
    origin: str | None = None
    column: str | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class EnumType:
    """An enumerated type; ``name`` is quoted, as SQL has it."""

    name: str
    labels: tuple[str, ...]

    @property
    def identifier(self) -> str:
        """The name as the catalogue has it."""
        return self.name[1:-1].replace('""', '"')


@dataclass(frozen=True)
class TargetPartition:
    """One partition: a table of its own, and which rows it takes, as SQL."""

    name: str
    bound: str


@dataclass(frozen=True)
class TargetPartitioning:
    """How a table is cut, as SQL after PARTITION BY."""

    by: str
    partitions: tuple[TargetPartition, ...]


@dataclass(frozen=True)
class TargetTable:
    """A table of the target, bare columns first and everything else to be added after the load.

    ``constrained`` says whether keys and constraints are built at all; ``touched`` are the columns
    that take the current time when their row is changed; ``enums`` are the types made for its columns;
    ``key_name`` is what its primary key is called.
    """

    route: TableRoute
    constrained: bool = True
    defaults: tuple[tuple[str, str], ...] = ()
    checks: tuple[TargetCheck, ...] = ()
    comments: tuple[tuple[str, str], ...] = ()
    identity: str | None = None
    next_identity: int | None = None
    indexes: tuple[Index, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    touched: tuple[str, ...] = ()
    comment: str | None = None
    enums: tuple[EnumType, ...] = ()
    partitioning: TargetPartitioning | None = None
    key_name: str = ""

    @property
    def name(self) -> str:
        """The table's name in the target."""
        return self.route.target

    def in_source(self, made: Index | TargetCheck) -> str:
        """Return what one of its indexes or checks is in the source, by kind and name, as losses and notes say it."""
        kind = "index" if isinstance(made, Index) else "check"
        return f"{kind} {self.route.source}.{made.origin or made.name}"

    @property
    def partitions(self) -> tuple[TargetPartition, ...]:
        """Its partitions, where it has any."""
        return self.partitioning.partitions if self.partitioning else ()

    @property
    def computed(self) -> tuple[ColumnRoute, ...]:
        """The columns whose values the target makes itself."""
        return tuple(column for column in self.route.columns if column.computed is not None)


@dataclass(frozen=True)
class Movable:
    """Something that is exchanged by itself; ``kind`` is TABLE, VIEW, SEQUENCE, ROUTINE, TYPE or COLLATION.

    What belongs to a table (indexes, keys, triggers, sequences of its columns) goes with it. ``arguments`` are the
    types of a routine's, as the server writes them; a plan knows only its name.
    """

    kind: str
    name: str
    arguments: str = ""

    @property
    def named(self) -> Movable:
        """The same without arguments."""
        return Movable(self.kind, self.name)


@dataclass(frozen=True)
class TargetSequence:
    """A sequence of the target; ``source`` is its name in the source, ``next`` what it goes on with.

    A ``next`` beyond its bounds says that there is none left, until it begins again where it ``cycles``.
    """

    name: str
    source: str
    start: int
    minimum: int
    maximum: int
    increment: int
    cycles: bool
    next: int

    @property
    def ended(self) -> bool:
        """Whether no value is left before it begins again, if it does."""
        return self.next > self.maximum or self.next < self.minimum


@dataclass(frozen=True)
class TargetView:
    """A view of the target; ``source`` is its name in the source."""

    name: str
    source: str
    columns: tuple[str, ...]
    select: str
    check_option: str | None = None
    invoker: bool = False


@dataclass(frozen=True)
class SummaryColumn:
    """A column of a summary.

    Attributes:
        name: what it is called.
        kind: what it holds, as :data:`cutover.schema.rewrite.value.Kind` says it.
        magnitude: the query's column that says how large the numbers are which were added up; None where the values
            are exact, and may not differ at all.
    """

    name: str
    kind: str
    magnitude: str | None = None


@dataclass(frozen=True)
class Evaluation:
    """One query over one table, in the words of both sides.

    Attributes:
        table: the table's name in the source.
        reads: the columns of it that are read, by their names in the target.
        columns: what the query gives, in order.
        source: the query as the source evaluates it.
        target: the query as the target does.
    """

    table: str
    reads: tuple[str, ...]
    columns: tuple[SummaryColumn, ...]
    source: str
    target: str


@dataclass(frozen=True)
class TargetSummary:
    """A table that holds what queries over other tables give, put together.

    Attributes:
        name: its name in the target.
        columns: its columns.
        key: those that tell its rows apart.
        evaluations: the queries.
        key_name: what the key's index is called; "" where its values may be too long for one.
        primary: whether the key is the primary key: none of its columns may be NULL.
    """

    name: str
    columns: tuple[SummaryColumn, ...]
    key: tuple[str, ...]
    evaluations: tuple[Evaluation, ...]
    key_name: str = ""
    primary: bool = False

    @property
    def relations(self) -> set[str]:
        """What it takes of the names that tables and indexes share."""
        return {self.name, self.key_name} - {""}


@dataclass
class Findings:
    """What a translation finds on its way: what stays behind, and what changes."""

    losses: list[Loss] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def lose(self, what: str, reason: str, source: str = "", asked: bool = False) -> None:
        """Note that an object of the source does not arrive."""
        self.losses.append(Loss(what, reason, source, asked))

    def note(self, what: str, text: str) -> None:
        """Note that an object of the source arrives with another shape or meaning."""
        self.notes.append(Note(what, text))

    def leave(self, what: str, text: str = "stays behind: the spec says so") -> None:
        """Note that an object of the source does not arrive because the spec says so."""
        self.notes.append(Note(what, text, behind=True))
