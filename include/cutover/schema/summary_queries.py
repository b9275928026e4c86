"""One query over one table in the words of both sides, made of parsed expressions.

It reads each text letter by letter, on either side: PostgreSQL groups and compares so, and what the source's
collation takes for alike has no one text that could stand for all. The source is told by a collation of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from cutover.dialects import mysql, mysql_types
from cutover.dialects.postgresql import quoted
from cutover.errors import SpecError
from cutover.route import ColumnRoute
from cutover.schema.model import Schema
from cutover.schema.names import OWN_PREFIX
from cutover.schema.rewrite import Query, rewrite_query
from cutover.schema.rewrite.aggregates import AGGREGATES
from cutover.schema.rewrite.scope import Attribute, Relation, Scope, UntranslatableError
from cutover.schema.rewrite.source import parse_expression
from cutover.schema.scopes import family
from cutover.schema.target import Evaluation, SummaryColumn, TargetTable

_TEXTS = frozenset(["char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"])
_VOLATILE = re.compile(
    r"CONNECTION_ID|CUR(DATE|TIME)|CURRENT_\w+|LAST_?(INSERT_ID|VAL)|LOCALTIME(STAMP)?|NEXTVAL|NOW|RAND|SLEEP"
    r"|(SESSION_|SYSTEM_)?USER|SYSDATE|UNIX_TIMESTAMP|UTC_\w+|UUID(_SHORT)?"
)
_MAGNITUDE = f"{OWN_PREFIX}magnitude_"


@dataclass(frozen=True)
class Subject:
    """The table that an expression is of: what its columns are called, and what stands for them in both queries."""

    where: str
    table: TargetTable
    source: Schema

    def refused(self, what: str) -> SpecError:
        """Return the error that names the key of the spec, and what is wrong there."""
        return SpecError([f"{self.where}: {what}"])

    def route(self, name: str) -> ColumnRoute:
        """Return the column that is called so in the source or the target."""
        columns = self.table.route.columns
        for called in ("source", "target"):
            for route in columns:
                if getattr(route, called).lower() == name.lower():
                    if route.added:
                        raise self.refused(f"{name} is no column of the source; write what makes it in its place")
                    return route
        raise self.refused(
            f"{self.table.route.source} has no column {name!r} that travels; it has "
            f"{', '.join(sorted(route.source for route in columns))}"
        )

    def parsed(self, written: str) -> exp.Expr:
        """Parse an expression; its columns get their names in the source.

        Raises:
            SpecError: it is none, or has what a summary cannot have.
        """
        try:
            tree = parse_expression(written)
        except UntranslatableError as error:
            raise self.refused(f"{written!r}: {error.construct}") from None
        if tree.find(exp.Query, exp.Window, exp.Alias) or isinstance(tree, exp.Star):
            raise self.refused(f"{written!r}: must be one expression of columns, without subqueries and windows")
        for call in tree.find_all(exp.Func):
            called = call.name if isinstance(call, exp.Anonymous) else call.sql_name()
            if _VOLATILE.fullmatch(called.upper()):
                raise self.refused(f"{written!r}: {called.upper()} gives another value each time it is asked")
        names = list(tree.find_all(exp.Column))
        if not names and not tree.find(exp.Star):
            raise self.refused(f"{written!r} names no column of {self.table.route.source}")
        for name in names:
            if name.text("db") or name.text("table").lower() not in ("", self.table.route.source.lower()):
                raise self.refused(f"{written!r}: {name.sql(dialect='mysql')} is not of {self.table.route.source}")
            made = exp.column(self.route(name.name).source, quoted=True)
            if name is tree:
                return made
            name.replace(made)
        return tree


def is_aggregate(tree: exp.Expr) -> bool:
    """Whether an expression is the call of an aggregate."""
    return isinstance(tree, exp.GroupConcat) or (isinstance(tree, exp.Anonymous) and tree.name.upper() in AGGREGATES)


def aggregates_around(column: exp.Column) -> int:
    """Return how many aggregates a column stands within."""
    return sum(is_aggregate(node) for node in _above(column))


def _above(tree: exp.Expr) -> Iterator[exp.Expr]:
    while tree.parent is not None:
        tree = tree.parent
        yield tree


def evaluate(items: Mapping[str, exp.Expr], groups: int, magnitudes: Mapping[str, exp.Expr], of: Subject) -> Evaluation:
    """Return one query; where a measure is a float, it gives the magnitude of what is added up beside it.

    Raises:
        SpecError: an expression has no sure translation.
    """
    made = _translated(items, groups, of)
    kinds = {called: value.kind for called, value in made.columns if called is not None}
    beside = {called: f"{_MAGNITUDE}{n}" for n, called in enumerate(magnitudes) if kinds[called] == "float"}
    items = dict(items) | {alias: magnitudes[called] for called, alias in beside.items()}
    made = _translated(items, groups, of)
    reads = tuple(dict.fromkeys(c.name for tree in items.values() for c in tree.find_all(exp.Column)))
    used = [of.route(name) for name in reads]
    columns = tuple(SummaryColumn(called, kind, beside.get(called)) for called, kind in kinds.items())
    return Evaluation(
        of.table.route.source,
        tuple(route.target for route in used),
        columns,
        _select(items, groups, _by_letter(used, of)),
        _with_letters(made.sql, used, of),
    )


def _translated(items: Mapping[str, exp.Expr], groups: int, of: Subject) -> Query:
    route = of.table.route
    attributes = {
        column.source.lower(): Attribute(column.target, _type(column), family(column.arrow)) for column in route.columns
    }
    relation = Relation(of.table.name, attributes)
    scope = Scope(of.source.name, {route.source: relation}, rounds_quotients=of.source.rounds_quotients)
    for called, tree in items.items():  # one after the other, to name the one that has no translation
        try:
            _, notes = rewrite_query(_select({called: tree}, 0, mysql.quoted(route.source)), scope)
        except UntranslatableError as error:
            notes = (error.construct,)
        if notes:
            raise of.refused(f"{called}: {tree.sql(dialect='mysql')} does not mean the same for sure: {notes[0]}")
    return rewrite_query(_select(items, groups, mysql.quoted(route.source)), scope)[0]


def _select(items: Mapping[str, exp.Expr], groups: int, from_: str) -> str:
    columns = (
        f"{tree.sql(dialect='mysql', identify=True, comments=False)} AS {mysql.quoted(called)}"
        for called, tree in items.items()
    )
    grouped = f" GROUP BY {', '.join(str(place + 1) for place in range(groups))}" if groups else ""
    # Of parsed expressions, printed again.
    return f"SELECT {', '.join(columns)} FROM {from_}{grouped}"  # noqa: S608


def _by_letter(used: Sequence[ColumnRoute], of: Subject) -> str:
    """Return the source's table with the columns that are used, text in a collation that tells any two apart.

    With one that pads, texts that differ by spaces at their end were alike.
    """
    letters = "utf8mb4_nopad_bin" if "mariadb" in of.source.server.lower() else "utf8mb4_0900_bin"
    columns = []
    for route in used:
        name, base = mysql.quoted(route.source), mysql_types.parse(route.source_type).base
        read = name
        if base in _TEXTS:
            read = f"CONVERT({name} USING utf8mb4) COLLATE {letters}"
        elif base in ("bit", "float"):
            read = route.read
        columns.append(f"{read} AS {name}")
    name = mysql.quoted(of.table.route.source)
    return f"(SELECT {', '.join(columns) or '1'} FROM {name}) AS {name}"  # noqa: S608


def _with_letters(sql: str, used: Sequence[ColumnRoute], of: Subject) -> str:
    """Let the query read text letter by letter where the target's column has a collation or type of its own."""
    texts = [route for route in used if route.arrow in ("string", "citext")]
    if not texts:
        return sql
    columns = ", ".join(
        f'{_letters(route)} COLLATE "C" AS {quoted(route.target)}' if route in texts else quoted(route.target)
        for route in used
    )
    name = quoted(of.table.name)
    return f"WITH {name} AS (SELECT {columns} FROM {name}) {sql}"  # noqa: S608


def _letters(route: ColumnRoute) -> str:
    return f"{quoted(route.target)}::text" if route.arrow == "citext" else quoted(route.target)


def _type(route: ColumnRoute) -> str:
    return "text" if route.arrow == "citext" else route.target_type


def never_null(tree: exp.Expr, of: Subject) -> bool:
    """Whether an expression has a value in every row for sure."""
    if not isinstance(tree, exp.Column):
        return False
    route = of.route(tree.name)
    return not route.nullable or route.target in of.table.route.key
