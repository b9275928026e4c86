"""Which rows of the source break a constraint that the target will have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import sqlalchemy as sa

from cutover.assess import becoming
from cutover.assess.facts import REFUSED, STAYS, Finding
from cutover.assess.questions import KEYS, Question
from cutover.assess.values import keeps_rows
from cutover.data.transform import key_text
from cutover.dialects import mysql
from cutover.dialects.endpoint import Endpoint
from cutover.errors import PreflightError
from cutover.plan import Plan
from cutover.route import ColumnRoute, TableRoute
from cutover.schema.model import ForeignKey, Index, Table
from cutover.schema.target import TargetTable
from cutover.verify.outcome import CONSTRAINT

_LATER = "the key holds for rows to come alone"


def questions(target: TargetTable, table: Table) -> Iterator[Question]:
    """Yield what is asked of each row by itself: NULL where the target forbids it, and the checks."""
    route = target.route
    for column in route.columns:
        if column.nullable or column.added is not None or column.default is not None:
            continue
        nulls = [f"{mysql.quoted(column.source)} IS NULL"] if column.source_nullable else []
        emptied = ", ".join(becoming.code(value) for value, meaning in column.values if meaning is None)
        looked_up = becoming.coded(column)
        nulls += [f"{looked_up} IN ({emptied})"] if emptied and looked_up else []
        if nulls:
            what = f"column {route.source}.{column.source}"
            text = "are NULL, which the target forbids: they are refused"
            yield Question(CONSTRAINT, what, text, REFUSED, " OR ".join(nulls), keeps_rows(route))
    conditions = {check.name: check.expression for check in table.checks}
    for check in target.checks:
        if check.origin in conditions:
            text = "break it; it holds for rows to come alone"
            what = target.in_source(check)
            yield Question(CONSTRAINT, what, text, STAYS, f"NOT ({conditions[check.origin]})", keeps_rows(route))


def broken(source: Endpoint, plan: Plan, target: TargetTable) -> tuple[list[Finding], list[str]]:
    """Find a table's orphans and the rows that a unique key cannot tell apart, by one query for each constraint.

    Returns the findings, and what cannot be told without loading.

    Raises:
        TransientError: the server could not be reached, or was lost.
    """
    found: list[Finding] = []
    untold: list[str] = []
    parents = {table.name: table for table in plan.tables}
    with mysql.session(source) as connection:
        for key in target.foreign_keys:
            pairs = _pairs(target.route, parents[key.referred_table].route, key)
            if pairs is None:
                untold.append(f"foreign key {target.route.source}.{key.name}: orphans are seen while it is built")
                continue
            found += _orphans(connection, plan, target, parents[key.referred_table], key, pairs)
        for what, names, vouched in _unique(target, plan.source.table(target.route.source)):
            routes = [target.route.column(name) for name in names]
            expressions = [becoming.compared(column) for column in routes]
            if any(expression is None for expression in expressions):
                untold.append(f"{what}: which rows become alike in {', '.join(names)} is seen while they are loaded")
                continue
            # To look for rows that change is a fraction of sorting them all.
            if vouched and not _any_row(connection, target.route, [becoming.changed(column) for column in routes]):
                continue
            found += _alike(connection, target.route, what, names, [str(e) for e in expressions])
    return found, untold


def _rows(route: TableRoute, columns: Sequence[tuple[str, str]], name: str, distinct: bool = False) -> sa.Subquery:
    """The rows that travel, by (expression, alias); of those that are alike one, where they are distinct."""
    named: list[sa.Label[Any]] = [sa.literal_column(expression).label(alias) for expression, alias in columns]
    chosen: sa.Select[*tuple[Any, ...]] = sa.select(*named).distinct() if distinct else sa.select(*named)
    chosen = chosen.select_from(sa.table(route.source))
    return (chosen if route.where is None else chosen.where(sa.literal_column(f"({route.where})"))).subquery(name)


def _named(columns: Sequence[ColumnRoute], prefix: str) -> list[tuple[str, str]]:
    return [(mysql.quoted(column.source), f"{prefix}{n}") for n, column in enumerate(columns)]


@dataclass(frozen=True)
class _Pair:
    """A column of a foreign key and the one that it refers to, each with the expression that they are joined by.

    ``present`` is true where the key refers to anything, and ``replaced`` where either side arrives with other values.
    """

    mine: ColumnRoute
    theirs: ColumnRoute
    expressions: tuple[str, str]
    present: str
    replaced: bool


def _pairs(route: TableRoute, parent: TableRoute, key: ForeignKey) -> list[_Pair] | None:
    """Return a key's pairs of columns; None where only the load knows what one of them becomes."""
    made = []
    for one, other in zip(map(route.column, key.columns), map(parent.column, key.referred_columns), strict=True):
        if one.added is not None or other.added is not None:
            return None
        if not becoming.replaced(one) and not becoming.replaced(other):
            # As the columns are, an index of the source finds the parents. A date that is none becomes NULL, and is
            # no orphan.
            names = mysql.quoted(one.source), mysql.quoted(other.source)
            made.append(_Pair(one, other, names, f"({one.read}) IS NOT NULL", False))
            continue
        mine, theirs = becoming.referring(one), becoming.referring(other)
        if mine is None or theirs is None:
            return None
        made.append(_Pair(one, other, (mine, theirs), f"({mine}) IS NOT NULL", True))
    return made


def _orphans(
    connection: sa.Connection,
    plan: Plan,
    target: TargetTable,
    parent: TargetTable,
    key: ForeignKey,
    columns: Sequence[_Pair],
) -> Iterator[Finding]:
    replaced = any(column.replaced for column in columns)
    own = target.route.identifying if target.route.key else ()
    present = [(column.present, f"w{n}") for n, column in enumerate(columns)]
    mine, theirs = ([(column.expressions[side], f"k{n}") for n, column in enumerate(columns)] for side in (0, 1))
    child = _rows(target.route, [*mine, *_named(own, "i"), *present], "c")
    # Of parents that become alike there is one. What is told apart is a table of its own to MariaDB, with an index.
    above = _rows(parent.route, theirs, "p", distinct=replaced)
    pairs = [(child.c[f"k{n}"], above.c[f"k{n}"]) for n in range(len(columns))]
    joined = child.outerjoin(above, _all([one == other for one, other in pairs]))
    whole = [child.c[f"w{n}"] for n in range(len(columns))]
    alone = pairs[0][1].is_(None)
    loose = [pair for pair, c in zip(pairs, columns, strict=True) if c.mine.ignores_case and not c.replaced]
    letters = [sa.func.hex(one) != sa.func.hex(other) for one, other in loose]
    unlike = [sa.and_(~alone, _any(letters))] if letters else []
    counts = sa.select(*(sa.func.sum(condition, type_=sa.Integer) for condition in (alone, *unlike))).select_from(
        joined
    )
    orphans, *others = (int(str(n or 0)) for n in connection.execute(counts.where(*whole)).one())
    what = f"foreign key {target.route.source}.{key.name}"
    held = f"{parent.route.source}({', '.join(column.theirs.source for column in columns)})"
    if orphans:
        ids = [child.c[f"i{n}"] for n in range(len(own))]
        first = sa.select(*ids).select_from(joined).where(*whole, alone).order_by(*ids).limit(KEYS) if ids else None
        names = [column.source for column in own]
        keys = [key_text(names, row) for row in connection.execute(first)] if first is not None else []
        fate, text = _fate(plan, target, key)
        # A function of the spec's may change what is referred to, but for the primary key.
        stands = parent.route.function is None or set(key.referred_columns) <= set(parent.route.key)
        certain = stands and not replaced and keeps_rows(target.route) and not target.route.duplicates
        text = f"have no parent in {held}: {text}"
        yield Finding(CONSTRAINT, target.route.source, what, text, orphans, fate, tuple(keys), certain)
    if others and others[0]:
        text = f"have a parent in {held} by the source's collation, and none letter by letter: {_LATER}"
        yield Finding(CONSTRAINT, target.route.source, what, text, others[0], STAYS, (), False)


def _fate(plan: Plan, target: TargetTable, key: ForeignKey) -> tuple[str, str]:
    if not plan.validated or any(target.route.column(name).ignores_case for name in key.columns):
        return STAYS, _LATER
    return REFUSED, "they are set aside"


def _any(conditions: Sequence[sa.ColumnElement[bool]]) -> sa.ColumnElement[bool]:
    return reduce(lambda one, other: sa.or_(one, other), conditions)


def _all(conditions: Sequence[sa.ColumnElement[bool]]) -> sa.ColumnElement[bool]:
    return reduce(lambda one, other: sa.and_(one, other), conditions)


def _any_row(connection: sa.Connection, route: TableRoute, conditions: Sequence[str]) -> bool:
    """Whether a row that travels meets one of the conditions."""
    rows = _rows(route, [(f"({condition})", f"x{n}") for n, condition in enumerate(conditions)], "r")
    found = sa.select(sa.literal(1)).select_from(rows).where(_any([rows.c[f"x{n}"] for n in range(len(conditions))]))
    return connection.execute(found.limit(1)).first() is not None


def _unique(target: TargetTable, table: Table) -> Iterator[tuple[str, tuple[str, ...], bool]]:
    """Yield the unique keys in which rows may become alike: what each is, its columns, whether the source has one."""
    route = target.route
    keys = [Index.over("", route.key, unique=True)] if target.constrained and route.key else []
    for index in (*keys, *target.indexes):
        whole = index.unique and index.whole and not index.period
        if not whole or index.columns in route.duplicates:
            continue
        columns = [route.column(name) for name in index.columns]
        vouched = _vouched(table, columns)
        if not vouched or any(becoming.merges(column) for column in columns):
            what = target.in_source(index) if index.name else f"primary key of {route.source}"
            yield what, index.columns, vouched


def _vouched(table: Table, columns: Sequence[ColumnRoute]) -> bool:
    names = {column.source for column in columns}
    own = (table.primary_key, *(i.columns for i in table.indexes if i.unique and i.whole and not i.period))
    return any(held and set(held) <= names for held in own)


def _alike(
    connection: sa.Connection, route: TableRoute, what: str, columns: Sequence[str], expressions: Sequence[str]
) -> Iterator[Finding]:
    own = route.identifying if route.key else ()
    named = [(expression, f"e{n}") for n, expression in enumerate(expressions)]
    rows = _rows(route, [*named, *_named(own, "i")], "r")
    values = [rows.c[alias] for _, alias in named]
    known = [value.is_not(None) for value in values]
    sets = sa.select(*values, sa.func.count().label("n")).where(*known).group_by(*values).having(sa.func.count() > 1)
    groups = sets.subquery("g")
    extra = connection.execute(sa.select(sa.func.sum(groups.c.n - 1))).scalar_one()
    if not extra:
        return
    keys: list[str] = []
    if own:
        ids = [rows.c[f"i{n}"] for n in range(len(own))]
        same = _all([value == groups.c[alias] for value, (_, alias) in zip(values, named, strict=True)])
        query = sa.select(*ids).select_from(rows.join(groups, same)).order_by(*values, *ids).limit(KEYS)
        keys = [key_text([column.source for column in own], row) for row in connection.execute(query)]
    exact = not any(column.collation or column.rewritten for column in map(route.column, columns))
    text = f"are alike to another in {', '.join(columns)} as the target compares: they are set aside"
    certain = exact and keeps_rows(route) and not route.duplicates
    yield Finding(CONSTRAINT, route.source, what, text, int(str(extra)), REFUSED, tuple(keys), certain)


def refused(found: PreflightError, target: TargetTable) -> str:
    """Say that the source would not answer for a table's constraints."""
    return f"constraints of {target.route.source}: the source cannot tell: {'; '.join(found.findings)}"
