"""Summary tables and metrics: what the spec asks for, as one query in the words of both sides.

A query reads each text letter by letter, on either side: PostgreSQL groups and compares so, and what the source's
collation takes for alike has no one text that could stand for all. The source is told by a collation of its own.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from cutover.dialects import mysql, mysql_types
from cutover.dialects.postgresql import quoted
from cutover.errors import SpecError
from cutover.route import ColumnRoute
from cutover.schema.model import Schema
from cutover.schema.names import MAX_IDENTIFIER_BYTES, OWN_PREFIX, fits, fitting, marked
from cutover.schema.rewrite import Query, rewrite_query
from cutover.schema.rewrite.aggregates import AGGREGATES
from cutover.schema.rewrite.scope import Attribute, Relation, Scope, UntranslatableError
from cutover.schema.rewrite.source import parse_expression
from cutover.schema.rewrite.value import NUMBERS
from cutover.schema.scopes import family
from cutover.schema.target import Evaluation, Findings, SummaryColumn, TargetSummary, TargetTable
from cutover.spec import MigrationSpec
from cutover.spec.aggregation import Summary, Term

METRICS = "calculated_metrics"
_PATH = "data.transformation.enrichment"
_SUMMARIES, _METRICS = f"{_PATH}.dataAggregation.summaries", f"{_PATH}.dataCalculation.calculatedMetrics"
_LETTERS = "groups and compares text letter by letter, where the source ignores case"
# Kinds of value that are equal on both sides exactly where they are on one, and have one text each.
_GROUPED = frozenset(["integer", "decimal", "boolean", "text", "enum", "date", "timestamp", "timestamptz", "uuid"])
_TEXTS = frozenset(["char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"])
_VOLATILE = re.compile(
    r"CONNECTION_ID|CUR(DATE|TIME)|CURRENT_\w+|LAST_?(INSERT_ID|VAL)|LOCALTIME(STAMP)?|NEXTVAL|NOW|RAND|SLEEP"
    r"|(SESSION_|SYSTEM_)?USER|SYSDATE|UNIX_TIMESTAMP|UTC_\w+|UUID(_SHORT)?"
)
_MAGNITUDE = f"{OWN_PREFIX}magnitude_"
# A row of a B-tree takes a third of a page (PostgreSQL manual, B-Tree Indexes), less its own header.
_WIDEST_KEY = 2600
_ANY_WIDTH = 200
_SIZE = re.compile(r"\((\d+)\)")


@dataclass(frozen=True)
class _Of:
    """The table that an expression is of: what its columns are called, and what stands for them in both queries."""

    where: str
    table: TargetTable
    source: Schema

    def refused(self, what: str) -> SpecError:
        return SpecError([f"{self.where}: {what}"])

    def route(self, name: str) -> ColumnRoute:
        """Return the column that is called so in the source or the target."""
        columns = self.table.route.columns
        for called in ("source", "target"):
            for route in columns:
                if getattr(route, called).lower() == name.lower():
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


def _is_aggregate(tree: exp.Expr) -> bool:
    return isinstance(tree, exp.GroupConcat) or (isinstance(tree, exp.Anonymous) and tree.name.upper() in AGGREGATES)


def summarize(
    source: Schema,
    tables: Sequence[TargetTable],
    spec: MigrationSpec,
    only: Collection[str],
    taken: Collection[str],
    findings: Findings,
) -> tuple[TargetSummary, ...]:
    """Return the tables that hold the spec's summaries and metrics.

    Args:
        source: the source database.
        tables: the tables that travel.
        spec: what is asked for.
        only: the tables that the run is restricted to, if it is; a summary of others stays as it is.
        taken: the names of tables, views and sequences.
        findings: what is grouped in another way than in the source is added here.

    Raises:
        SpecError: a summary names a table or column that does not travel, or has an expression that does not mean
            the same in PostgreSQL for sure.
    """
    enrichment = spec.data.transformation.enrichment
    asked: dict[str, tuple[str, ...]] = {name: (summary.table,) for name, summary in enrichment.summaries.items()}
    if enrichment.metrics:
        asked[METRICS] = tuple(metric.table for metric in enrichment.metrics.values())
    made = {table.route.source: table for table in tables}
    problems = [*_unknown(asked, source, made, only, spec), *_taken(asked, source, tables, spec)]
    if problems:
        raise SpecError(problems)
    found = []
    for name, names in asked.items():
        apart = sorted(set(names) - made.keys())
        if apart:
            findings.leave(f"summary {name}", f"is not made anew: the run is without {', '.join(apart)}")
        elif name in enrichment.summaries:
            of = _Of(f"{_SUMMARIES}.{name}", made[names[0]], source)
            found.append(_summary(name, enrichment.summaries[name], of, taken, findings))
        else:
            evaluations = []
            for metric, given in enrichment.metrics.items():
                of = _Of(f"{_METRICS}.{metric}", made[given.table], source)
                evaluations.append(_metric(metric, given.expression, of, findings))
            columns = (SummaryColumn("name", "text"), SummaryColumn("value", "decimal"))
            found.append(
                TargetSummary(METRICS, columns, ("name",), tuple(evaluations), _key_name(METRICS, True, taken), True)
            )
    return tuple(found)


def _where(name: str, spec: MigrationSpec) -> str:
    return f"{_SUMMARIES}.{name}" if name in spec.data.transformation.enrichment.summaries else _METRICS


def _unknown(
    asked: Mapping[str, Sequence[str]],
    source: Schema,
    made: Collection[str],
    only: Collection[str],
    spec: MigrationSpec,
) -> Iterator[str]:
    known = {table.name for table in source.tables}
    for name, tables in asked.items():
        for table in dict.fromkeys(tables):
            if table not in known:
                yield f"{_where(name, spec)}: {source.name} has no table {table!r}"
            elif table not in made and not only:
                yield f"{_where(name, spec)}: {table} does not travel; let schema.settings.tables.patterns choose it"


def _taken(
    asked: Mapping[str, object], source: Schema, tables: Sequence[TargetTable], spec: MigrationSpec
) -> Iterator[str]:
    taken = {table.name: "table" for table in tables} | {table.name: "table" for table in source.tables}
    taken |= {view.name: "view" for view in source.views}
    taken |= {sequence.name: "sequence" for sequence in source.sequences}
    if METRICS in spec.data.transformation.enrichment.summaries and spec.data.transformation.enrichment.metrics:
        yield f"{_SUMMARIES}.{METRICS}: calculatedMetrics makes a table of that name; call the summary another"
    for name in asked:
        if name in taken:
            yield f"{_where(name, spec)}: a {taken[name]} is called {name}, too; one of them needs another name"
        if not fits(name):
            yield f"{_where(name, spec)}: the name has more than {MAX_IDENTIFIER_BYTES} bytes"
        if name.startswith((OWN_PREFIX, "pg_")):
            yield f"{_where(name, spec)}: names that begin with {OWN_PREFIX} or pg_ are kept for others"


def _summary(name: str, asked: Summary, of: _Of, taken: Collection[str], findings: Findings) -> TargetSummary:
    groups = [_term(term, of) for term in asked.group_by]
    measures: list[tuple[str, exp.Expr, exp.Expr | None]] = []
    if asked.count:
        measures.append(("count", _call("COUNT", exp.Star()), None))
    for prefix, function, terms in (("sum", "SUM", asked.sum), ("average", "AVG", asked.average)):
        for called, tree in (_term(term, of) for term in terms):
            magnitude = _call(function, _call("ABS", tree.copy()))
            measures.append((f"{prefix}_{called}", _call(function, tree), magnitude))
    names = [called for called, _ in groups] + [called for called, _, _ in measures]
    for called in names:
        if names.count(called) > 1:
            raise of.refused(f"two columns would be called {called}; give one another name: {{NAME: EXPRESSION}}")
        if not fits(called):
            raise of.refused(f"column {called} has more than {MAX_IDENTIFIER_BYTES} bytes; give it another name")
    items = dict(groups) | {called: tree for called, tree, _ in measures}
    evaluation = _evaluation(items, len(groups), {called: m for called, _, m in measures if m is not None}, of)
    for column in evaluation.columns[: len(groups)]:
        if column.kind not in _GROUPED:
            raise of.refused(f"groupBy {column.name}: values of kind {column.kind} are no groups; write an expression")
    for column in evaluation.columns[len(groups) :]:
        if column.kind not in NUMBERS:
            raise of.refused(f"{column.name}: is {column.kind}, where a number is meant")
    _note_letters(f"summary {name}", evaluation, of, findings)
    columns = tuple(replace(column, magnitude=None) for column in evaluation.columns)
    wide = sum(_width(tree, kind.kind, of) for (_, tree), kind in zip(groups, evaluation.columns, strict=False))
    if wide > _WIDEST_KEY:
        findings.note(f"summary {name}", "has no key: its groups may be longer than an index takes")
    primary = wide <= _WIDEST_KEY and all(_never_null(tree, of) for _, tree in groups)
    key_name = _key_name(name, primary, taken) if wide <= _WIDEST_KEY else ""
    return TargetSummary(name, columns, tuple(called for called, _ in groups), (evaluation,), key_name, primary)


def _key_name(summary: str, primary: bool, taken: Collection[str]) -> str:
    name = fitting(f"{summary}_pkey" if primary else f"{summary}_key")
    return name if name not in taken else marked(name, f"key of {summary}")


def _term(term: Term, of: _Of) -> tuple[str, exp.Expr]:
    """Return what a term is called in the summary, and its expression."""
    if isinstance(term, str):
        route = of.route(term)
        return route.target, exp.column(route.source, quoted=True)
    ((called, written),) = term.items()
    tree = of.parsed(written)
    if any(_is_aggregate(node) for node in tree.walk()):
        raise of.refused(f"{written!r}: an aggregate within a group or an aggregate")
    return called, tree


def _metric(name: str, written: str, of: _Of, findings: Findings) -> Evaluation:
    tree = of.parsed(written)
    for column in tree.find_all(exp.Column):
        around = sum(_is_aggregate(node) for node in _above(column))
        if not around:
            raise of.refused(f"{written!r}: {column.name} stands outside of an aggregate, such as SUM({column.name})")
        if around > 1:
            raise of.refused(f"{written!r}: an aggregate within a group or an aggregate")
    items = {"name": exp.Literal.string(name), "value": tree}
    evaluation = _evaluation(items, 0, {}, of)
    value = evaluation.columns[1]
    if value.kind not in NUMBERS:
        raise of.refused(f"{written!r}: is {value.kind}, where a number is meant")
    _note_letters(f"metric {name}", evaluation, of, findings)
    if value.kind == "float":
        value = replace(value, magnitude=value.name)
    return replace(evaluation, columns=(evaluation.columns[0], value))


def _above(tree: exp.Expr) -> Iterator[exp.Expr]:
    while tree.parent is not None:
        tree = tree.parent
        yield tree


def _call(name: str, tree: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=[tree])


def _evaluation(items: Mapping[str, exp.Expr], groups: int, magnitudes: Mapping[str, exp.Expr], of: _Of) -> Evaluation:
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


def _translated(items: Mapping[str, exp.Expr], groups: int, of: _Of) -> Query:
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


def _by_letter(used: Sequence[ColumnRoute], of: _Of) -> str:
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


def _with_letters(sql: str, used: Sequence[ColumnRoute], of: _Of) -> str:
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


def _note_letters(what: str, evaluation: Evaluation, of: _Of, findings: Findings) -> None:
    source = of.source.table(of.table.route.source)
    routes = (of.table.route.column(name) for name in evaluation.reads)
    if any(source.column(route.source).ignores_case for route in routes):
        findings.note(what, _LETTERS)


def _never_null(tree: exp.Expr, of: _Of) -> bool:
    if not isinstance(tree, exp.Column):
        return False
    route = of.route(tree.name)
    return not route.nullable or route.target in of.table.route.key


def _width(tree: exp.Expr, kind: str, of: _Of) -> float:
    """Return about how many bytes a group's value may take in an index."""
    if kind != "text":
        return _ANY_WIDTH / 4
    width: float = 0 if isinstance(tree, exp.Column) else _ANY_WIDTH
    for column in tree.find_all(exp.Column):
        route = of.route(column.name)
        size = _SIZE.search(route.target_type)
        if route.arrow in ("string", "citext"):
            width += int(size[1]) * 4 if size else route.length * 4 if route.length else float("inf")
    return width
