"""Which rows of each table travel where only a sample does: those that are drawn, and whatever they refer to.

The sample of a table is a condition in the source's WHERE, so that the load and its proof read the same rows. It is
worked out from every table that refers to it, itself or by way of others, in one recursive query whose rows are keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import sqlglot
from sqlglot import exp

from cutover.errors import SpecError
from cutover.route import Sample
from cutover.schema.choose import target_name
from cutover.schema.drawing import ROW, column, draw, method_of, named
from cutover.schema.model import ForeignKey, Schema, Table
from cutover.schema.target import Findings, TargetTable
from cutover.spec import MigrationSpec
from cutover.spec.sampling import Sampling

_WHERE = "data.extraction.sampling"
_SAMPLE, _DRAWN, _WAY, _CHILD, _PARENT = "cutover sample", "drawn", "way", "child", "parent"
_OF, _NUMBER = "of", "number"
# References that are followed by one SELECT, with a parent and a child for each: a join has 61 tables at the most.
# With few SELECTs, as MariaDB (10.11) takes twice as long to prepare a recursive query for each more that reads itself.
_AT_ONCE = 25


def sampled(
    tables: Sequence[TargetTable], source: Schema, spec: MigrationSpec, findings: Findings
) -> list[TargetTable]:
    """Give each table that is drawn from its sample, where the spec asks for one.

    Raises:
        SpecError: it names a table or column that is not there, or draws from a table that has no primary key; or
            the server is too old.
    """
    sampling = spec.data.extraction.sample
    if sampling is None:
        return list(tables)
    problems = list(_problems(sampling, source, spec))
    if problems:
        raise SpecError(problems)
    graph = _Graph(tables, source, sampling, spec)
    made = []
    for table in tables:
        name = table.route.source
        if name in graph.drawn:
            sample = Sample(graph.condition(name), graph.rows(name))
            table = replace(table, route=replace(table.route, sample=sample))
            findings.lose(f"rows of {name}", _told(sampling, graph.strata.get(name)), asked=True)
        elif sampling.tables is None:
            what = "sampling does not hold here, for the table has no primary key to tell rows apart by; all travel"
            findings.note(f"rows of {name}", what)
        made.append(table)
    return made


def _told(sampling: Sampling, stratum: str | None) -> str:
    size = f"{sampling.sample_size:,} rows" if sampling.sample_size else f"{sampling.sample_percentage}% of the rows"
    ways = {"random": "at random", "systematic": "at equal distances", "stratified": f"by the shares of {stratum}"}
    way = ways[method_of(sampling, stratum)]
    return f"sampling draws {size} {way} (seed {sampling.seed}), and those that rows which travel refer to come along"


def _problems(sampling: Sampling, source: Schema, spec: MigrationSpec) -> Iterator[str]:
    major = source.server.split(".")[0]
    if major.isdecimal() and int(major) < 8:
        yield f"{_WHERE}: needs MySQL 8 or MariaDB, the source is {source.server}; remove it, or say row_limit"
    known = {table.name: table for table in source.tables}
    for key, names in (("tables", sampling.tables or ()), ("stratifyBy", tuple(sampling.stratify_by))):
        for name in names:
            if name not in known:
                yield f"{_WHERE}.{key}: {source.name} has no table {name!r}"
            elif not known[name].primary_key:
                yield f"{_WHERE}.{key}: {name} has no primary key to tell rows apart by; leave it out"
    for name, stratum in sampling.stratify_by.items():
        if name in known and _source_column(known[name], stratum, spec) is None:
            yield f"{_WHERE}.stratifyBy.{name}: no column {stratum!r}"


def _source_column(table: Table, name: str, spec: MigrationSpec) -> str | None:
    names = {target_name(table.name, each.name, spec): each.name for each in table.columns}
    names |= {each.name: each.name for each in table.columns}
    return names.get(name)


@dataclass(frozen=True)
class _Reference:
    child: str
    key: ForeignKey

    @property
    def parent(self) -> str:
        return self.key.referred_table


class _Graph:
    """The tables that travel and how they refer to each other; :attr:`drawn` are those that are drawn from."""

    def __init__(self, tables: Sequence[TargetTable], source: Schema, sampling: Sampling, spec: MigrationSpec) -> None:
        self._sampling = sampling
        self._tables = {table.route.source: source.table(table.route.source) for table in tables}
        self._filters = {table.route.source: table.route.where for table in tables}
        wanted = self._tables.keys() if sampling.tables is None else set(sampling.tables)
        self.drawn = {name for name, table in self._tables.items() if table.primary_key and name in wanted}
        found = {
            name: _source_column(self._tables[name], by, spec)
            for name, by in sampling.stratify_by.items()
            if name in self.drawn
        }
        self.strata: Mapping[str, str] = {name: by for name, by in found.items() if by is not None}
        self._references = [
            _Reference(name, key)
            for name, table in sorted(self._tables.items())
            for key in table.foreign_keys
            if key.referred_table in self.drawn
        ]
        self._children: dict[str, set[str]] = {}
        for reference in self._references:
            if reference.child in self.drawn:
                self._children.setdefault(reference.parent, set()).add(reference.child)
        self._referring = {name: self._all_referring(name) for name in self.drawn}

    def _all_referring(self, name: str) -> frozenset[str]:
        """Return the tables that are drawn from and lead to one by foreign keys, and itself."""
        found, waiting = {name}, [name]
        while waiting:
            new = self._children.get(waiting.pop(), set()) - found
            found |= new
            waiting += new
        return frozenset(found)

    def rows(self, name: str) -> int:
        """Return about how many rows of a table travel: those drawn, and no more than one for each that may refer."""
        size, part = self._sampling.sample_size, self._sampling.sample_percentage
        expected: dict[str, int] = {}
        # Children before their parents; within a circle none is counted on.
        for each in sorted(self._referring[name], key=lambda each: (len(self._referring[each]), each)):
            there = self._tables[each].statistics.rows
            drawn = size if size is not None else int(-(-there * (part or 0) // 100))
            into = [r.child for r in self._references if r.parent == each]
            children = [child for child in into if self._referring.get(child) != self._referring[each]]
            referring = (expected.get(child, self._tables[child].statistics.rows) for child in children)
            expected[each] = min(there, drawn + sum(referring))
        return expected[name]

    def condition(self, name: str) -> str:
        """Return the condition that is true of a table's rows that travel."""
        places = _Places([self._tables[each] for each in sorted(self._referring[name])])
        into = [reference for reference in self._references if reference.parent in places.tables]
        members = [self._drawn(each, places) for each in places.tables]
        members += [self._of_whole(each, places) for each in into if each.child not in places.tables]
        within = [reference for reference in into if reference.child in places.tables]
        # What is not recursive comes first (MySQL manual, Recursive Common Table Expressions).
        again = [self._of_sample(within[at : at + _AT_ONCE], places) for at in range(0, len(within), _AT_ONCE)]
        chosen = exp.select(*(exp.column(each, quoted=True) for each in places.of_key(name)))
        chosen = chosen.from_(named(_SAMPLE)).where(exp.column(_OF, quoted=True).eq(places.number(name)))
        union = exp.union(*members, *again, copy=False) if len(members) + len(again) > 1 else members[0]
        chosen = chosen.with_(exp.to_identifier(_SAMPLE, quoted=True), as_=union, recursive=bool(again), copy=False)
        key = [exp.column(each, quoted=True) for each in self._tables[name].primary_key]
        this = key[0] if len(key) == 1 else exp.Tuple(expressions=key)
        return str(exp.In(this=this, query=chosen.subquery(copy=False)).sql(dialect="mysql", identify=True))

    def _drawn(self, name: str, places: _Places) -> exp.Select:
        """Return the SELECT of the keys that are drawn from a table."""
        key, names = self._tables[name].primary_key, places.of_key(name)
        own = draw(name, key, names, self._filter(name, ROW), self._sampling, self.strata.get(name))
        drawn = own.subquery(exp.to_identifier(_DRAWN, quoted=True), copy=False)
        return exp.select(*places.row(name, [column(_DRAWN, each) for each in names])).from_(drawn, copy=False)

    def _of_whole(self, reference: _Reference, places: _Places) -> exp.Select:
        """Return the SELECT of a parent's keys that any row of a child refers to."""
        child, parent = reference.child, self._tables[reference.parent]
        found = exp.select(*places.row(parent.name, [column(_PARENT, each) for each in parent.primary_key]))
        found = found.from_(named(child, _CHILD)).where(self._filter(child, _CHILD))
        return found.join(named(parent.name, _PARENT), on=self._meeting(reference, _CHILD, _PARENT))

    def _of_sample(self, references: Sequence[_Reference], places: _Places) -> exp.Select:
        """Return the SELECT of the keys that rows of the sample refer to, by any of the references.

        Each row is joined with the references of its table, and each of these with its own parent.
        """
        numbers = [
            exp.select(
                exp.alias_(exp.Literal.number(number), _NUMBER, quoted=True),
                exp.alias_(exp.Literal.number(places.number(reference.child)), _OF, quoted=True),
            )
            for number, reference in enumerate(references)
        ]
        ways = numbers[0] if len(numbers) == 1 else exp.union(*numbers, distinct=False, copy=False)
        found = exp.select().from_(named(_SAMPLE, _DRAWN))
        of_row = column(_WAY, _OF).eq(column(_DRAWN, _OF))
        found = found.join(ways.subquery(exp.to_identifier(_WAY, quoted=True)), on=of_row, copy=False)
        for child in sorted({reference.child for reference in references}):
            names = zip(places.of_key(child), self._tables[child].primary_key, strict=True)
            alias = f"{_CHILD} {places.number(child)}"
            same = [column(_DRAWN, name).eq(column(alias, key)) for name, key in names]
            same = [column(_DRAWN, _OF).eq(places.number(child)), *same]
            found = found.join(named(child, alias), on=exp.and_(*same), join_type="left", copy=False)
        keys = []
        for number, reference in enumerate(references):
            child, parent = f"{_CHILD} {places.number(reference.child)}", f"{_PARENT} {number}"
            meeting = exp.and_(column(_WAY, _NUMBER).eq(number), self._meeting(reference, child, parent))
            found = found.join(named(reference.parent, parent), on=meeting, join_type="left", copy=False)
            key = [column(parent, each) for each in self._tables[reference.parent].primary_key]
            keys.append(dict(zip((_OF, *places.columns), _bare(places.row(reference.parent, key)), strict=True)))
        there = [
            exp.not_(column(f"{_PARENT} {n}", self._tables[r.parent].primary_key[0]).is_(exp.null()))
            for n, r in enumerate(references)
        ]
        return found.select(
            *(exp.alias_(_by_way([key[name] for key in keys]), name, quoted=True) for name in (_OF, *places.columns))
        ).where(_by_way(there))

    def _meeting(self, reference: _Reference, child: str, parent: str) -> exp.Expr:
        """Return the condition that a row of a child refers to one of a parent, which its filter lets through."""
        pairs = zip(reference.key.referred_columns, reference.key.columns, strict=True)
        same = [column(parent, theirs).eq(column(child, mine)) for theirs, mine in pairs]
        condition = self._filter(reference.parent, parent)
        return exp.and_(*same, *([] if condition is None else [condition]))

    def _filter(self, name: str, alias: str) -> exp.Expr | None:
        """Return the table's row filter in terms of a table that is called ``alias``."""
        written = self._filters[name]
        if written is None:
            return None
        condition = sqlglot.condition(written, dialect="mysql")
        for each in condition.find_all(exp.Column):
            each.set("table", exp.to_identifier(alias, quoted=True))
        return exp.paren(condition)


def _bare(named_values: Iterator[exp.Expr]) -> Iterator[exp.Expr]:
    return (each.this for each in named_values)


def _by_way(values: Sequence[exp.Expr]) -> exp.Expr:
    """Return the value that belongs to a row's reference."""
    if all(isinstance(each, exp.Null) for each in values):
        return exp.null()
    made = exp.Case(this=column(_WAY, _NUMBER))
    for number, value in enumerate(values):
        if not isinstance(value, exp.Null):
            made = made.when(exp.Literal.number(number), value, copy=False)
    return made


class _Places:
    """Where the keys of several tables stand in the rows of one query.

    A row says whose key it is, by the table's number, and holds it in the columns of the key's types; columns of one
    type serve every table.
    """

    def __init__(self, tables: Sequence[Table]) -> None:
        self.tables = [table.name for table in tables]
        columns: dict[tuple[str, str | None, int], str] = {}
        self._of_key: dict[str, list[str]] = {}
        for table in tables:
            kinds: list[tuple[str, str | None, int]] = []
            for key in map(table.column, table.primary_key):
                earlier = sum(kind[:2] == (key.type, key.collation) for kind in kinds)
                kinds.append((key.type, key.collation, earlier))
            self._of_key[table.name] = [columns.setdefault(kind, f"k{len(columns)}") for kind in kinds]
        self.columns = tuple(columns.values())

    def number(self, table: str) -> int:
        """Return by which number rows are a table's."""
        return self.tables.index(table)

    def of_key(self, table: str) -> list[str]:
        """Return the columns that hold a table's key."""
        return self._of_key[table]

    def row(self, table: str, key: Sequence[exp.Expr]) -> Iterator[exp.Expr]:
        """Yield the columns of a row that holds a table's key; those of other types are NULL."""
        yield exp.alias_(exp.Literal.number(self.number(table)), _OF, quoted=True)
        values = dict(zip(self.of_key(table), key, strict=True))
        for name in self.columns:
            yield exp.alias_(values.get(name, exp.null()), name, quoted=True)
