"""How one table travels: what is read, what each value becomes, where it lands."""

from __future__ import annotations

from dataclasses import dataclass, replace

Scalar = str | bool | int | float | None


@dataclass(frozen=True)
class ColumnRoute:
    """The way of one column.

    Attributes:
        source: column name in the source.
        source_type: type in the source, as the server spells it.
        read: SQL expression that the source evaluates to read it, in the source's dialect.
        wire: Arrow type of the value as read (a key of :data:`cutover.data.types.ARROW`).
        target: column name in the target.
        target_type: PostgreSQL type.
        arrow: Arrow type that COPY writes for ``target_type``.
        source_nullable: whether the source column may hold NULL.
        nullable: whether the target column accepts NULL from the beginning of the load.
        may_lose: whether ``read`` turns values PostgreSQL cannot hold (zero dates) into NULL.
        no_date: what becomes of such a date: "fail", a date that takes its place, or None for NULL.
        values: source value to target value, in order; empty where values pass unchanged.
        unmapped: what becomes of a value that ``values`` does not name: refuse, nullify, keep or default.
        unmapped_default: what takes its place where that is default.
        default: what NULL becomes, or None where NULL stays.
        normal: what is done to text before all else: nfc, trim, squeeze.
        standard: the rule that text is written by after that: e164, email, upper, lower or title.
        email: whether the value must be a valid e-mail address.
        phone: whether it must be a valid phone number.
        region: the country (ISO 3166-1 alpha-2) whose phone numbers may be written as within it; ZZ for none.
        dates: the first and the last day that it may be, as YYYY-MM-DD; None where any will do.
        numbers: the least and the greatest number that it may be, as text, None for no bound; None where it
            need not be a number.
        required: whether a row that has NULL here is left out by rule.
        among: the values that may arrive, None for NULL, as the spec writes them; rows with another are left out
            by rule. None where any may.
        labels: the values of an enum or set, in the order of their declaration.
        collation: what compares it in the target, where that is not the database's own.
        ignores_case: whether the source compares it without regard to case or trailing spaces.
        length: how many characters it may hold, where its type does not say so.
        computed: SQL expression by which the target makes the value itself; it is not loaded then.
        added: what gives the value where no column of the source does, in words; ``source`` is its name in the
            target then.
    """

    source: str
    source_type: str
    read: str
    wire: str
    target: str
    target_type: str
    arrow: str
    source_nullable: bool = True
    nullable: bool = True
    may_lose: bool = False
    no_date: str | None = None
    values: tuple[tuple[str, Scalar], ...] = ()
    unmapped: str = "refuse"
    unmapped_default: Scalar = None
    default: Scalar = None
    normal: tuple[str, ...] = ()
    standard: str | None = None
    email: bool = False
    phone: bool = False
    region: str = "ZZ"
    dates: tuple[str, str] | None = None
    numbers: tuple[str | None, str | None] | None = None
    required: bool = False
    among: tuple[Scalar, ...] | None = None
    labels: tuple[str, ...] = ()
    collation: str | None = None
    ignores_case: bool = False
    length: int | None = None
    computed: str | None = None
    added: str | None = None

    @property
    def rewritten(self) -> bool:
        """Whether text is brought to one form, so that two values of the source may become one."""
        return bool(self.normal) or self.standard is not None

    @property
    def changes_rows(self) -> bool:
        """Whether rows are kept back for its values or get others, because the spec says so."""
        checked = self.email or self.phone or self.dates is not None or self.numbers is not None or self.required
        left_out = checked or self.among is not None
        return left_out or self.rewritten or bool(self.values) or self.default is not None


@dataclass(frozen=True)
class Sample:
    """Which rows of a table travel where not all do.

    Attributes:
        condition: SQL in the source's dialect that is true of them; the row filter is part of it.
        rows: about how many they are.
    """

    condition: str
    rows: int


@dataclass(frozen=True)
class Function:
    """A user's own function: module.function, the module's file, and the SHA-256 of that as hex."""

    call: str
    path: str
    digest: str


@dataclass(frozen=True)
class Service:
    """A geocoding service of geopy: its name, what it takes (with ``${NAME}`` for an environment variable), and how
    many milliseconds are between two requests."""

    name: str
    options: tuple[tuple[str, Scalar], ...]
    delay: int


@dataclass(frozen=True)
class Places:
    """Target columns that name a place and its country, and those that get its coordinates.

    ``service`` is asked for those; the offline gazetteer where it is None.
    """

    place: str
    country: str | None
    latitude: str
    longitude: str
    service: Service | None = None


@dataclass(frozen=True)
class CutColumn:
    """A column of the source by whose order a table is cut into chunks.

    Attributes:
        name: its name in the source.
        kind: how a value of it is written down, as text: ``number``, ``day``, ``moment`` and ``time`` as the server
            prints them, ``text`` and ``bytes`` as the stored bytes in hex, ``uuid``, ``inet4`` and ``inet6`` as
            printed.
        collation: what compares it, where it is text.
    """

    name: str
    kind: str
    collation: str | None = None


@dataclass(frozen=True)
class TableRoute:
    """The way of one table.

    Attributes:
        source: table name in the source.
        target: table name in the target.
        columns: the columns that travel, in the order of the source, and those that are added after them.
        key: target names of the primary key's columns; empty where the table has none.
        cut_by: the columns whose order cuts the table into chunks; empty where none can.
        ordered: whether both servers sort the rows alike by ``key``, and its values stay what they are.
        where: row filter in the source's dialect, already parsed and printed again.
        duplicates: keys, each some target columns that may hold a set of values only once.
        keep_last: whether the last of a set of duplicates is kept, in key order, not the first.
        merge: whether the one that is kept takes the others' values where it has none.
        limit: only this many rows travel, the first in key order; every row where None.
        function: the user's own, through which the rows pass.
        places: which columns get coordinates, where any do.
        sample: which rows travel, where only a sample of them does.
    """

    source: str
    target: str
    columns: tuple[ColumnRoute, ...]
    key: tuple[str, ...] = ()
    cut_by: tuple[CutColumn, ...] = ()
    ordered: bool = False
    where: str | None = None
    duplicates: tuple[tuple[str, ...], ...] = ()
    keep_last: bool = False
    merge: bool = False
    limit: int | None = None
    function: Function | None = None
    places: Places | None = None
    sample: Sample | None = None

    @property
    def condition(self) -> str | None:
        """What is true of the rows that travel, as SQL in the source's dialect; None where all do."""
        return self.where if self.sample is None else self.sample.condition

    @property
    def changes_rows(self) -> bool:
        """Whether rows are kept back or get other values, because the spec says so."""
        return (
            self.condition is not None
            or self.limit is not None
            or self.function is not None
            or bool(self.duplicates)
            or any(column.changes_rows for column in self.columns)
        )

    @property
    def identifying(self) -> tuple[ColumnRoute, ...]:
        """The columns that tell a row of the source: its key's; without one, all that the source has."""
        if self.key:
            return tuple(column for column in self.columns if column.target in self.key)
        return tuple(column for column in self.columns if column.added is None)

    @property
    def loaded(self) -> TableRoute:
        """The same way for the columns that are loaded, without those that the target computes."""
        return replace(self, columns=tuple(column for column in self.columns if column.computed is None))

    def column(self, target: str) -> ColumnRoute:
        """Return the route of the target column ``target``; raise KeyError where there is none."""
        for column in self.columns:
            if column.target == target:
                return column
        raise KeyError(target)


@dataclass(frozen=True)
class Chunk:
    """A piece of a table that is loaded and marked as one.

    Holds the rows ``lower <= row < upper`` in the order of the route's ``cut_by``, each edge a value for every one of
    these columns, written as :class:`CutColumn` says. None is open.
    """

    table: str
    number: int
    lower: tuple[str, ...] | None = None
    upper: tuple[str, ...] | None = None
    rows: int = 0
    bytes: int = 0

    @property
    def name(self) -> str:
        """A name that is unique in the plan and safe in a file name."""
        return f"{self.table}-{self.number:05d}"
