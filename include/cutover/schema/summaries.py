"""Summary tables and metrics: what the spec asks for, as tables of the target."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from sqlglot import exp

from cutover.errors import SpecError
from cutover.schema.model import Schema
from cutover.schema.names import MAX_IDENTIFIER_BYTES, OWN_PREFIX, fits, fitting, marked
from cutover.schema.rewrite.value import NUMBERS
from cutover.schema.summary_queries import Subject, aggregates_around, evaluate, is_aggregate, never_null
from cutover.schema.target import Evaluation, Findings, SummaryColumn, TargetSummary, TargetTable
from cutover.spec import MigrationSpec
from cutover.spec.aggregation import Summary, Term

METRICS = "calculated_metrics"
_PATH = "data.transformation.enrichment"
_SUMMARIES, _METRICS = f"{_PATH}.dataAggregation.summaries", f"{_PATH}.dataCalculation.calculatedMetrics"
_LETTERS = "groups and compares text letter by letter, where the source ignores case"
# Kinds of value that are equal on both sides exactly where they are on one, and have one text each.
_GROUPED = frozenset(["integer", "decimal", "boolean", "text", "enum", "date", "timestamp", "timestamptz", "uuid"])
# A row of a B-tree takes a third of a page (PostgreSQL manual, B-Tree Indexes), less its own header.
_WIDEST_KEY = 2600
_ANY_WIDTH = 200
_SIZE = re.compile(r"\((\d+)\)")


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
            of = Subject(f"{_SUMMARIES}.{name}", made[names[0]], source)
            found.append(_summary(name, enrichment.summaries[name], of, taken, findings))
        else:
            evaluations = []
            for metric, given in enrichment.metrics.items():
                of = Subject(f"{_METRICS}.{metric}", made[given.table], source)
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


def _summary(name: str, asked: Summary, of: Subject, taken: Collection[str], findings: Findings) -> TargetSummary:
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
    evaluation = evaluate(items, len(groups), {called: m for called, _, m in measures if m is not None}, of)
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
    primary = wide <= _WIDEST_KEY and all(never_null(tree, of) for _, tree in groups)
    key_name = _key_name(name, primary, taken) if wide <= _WIDEST_KEY else ""
    return TargetSummary(name, columns, tuple(called for called, _ in groups), (evaluation,), key_name, primary)


def _key_name(summary: str, primary: bool, taken: Collection[str]) -> str:
    name = fitting(f"{summary}_pkey" if primary else f"{summary}_key")
    return name if name not in taken else marked(name, f"key of {summary}")


def _term(term: Term, of: Subject) -> tuple[str, exp.Expr]:
    """Return what a term is called in the summary, and its expression."""
    if isinstance(term, str):
        route = of.route(term)
        return route.target, exp.column(route.source, quoted=True)
    ((called, written),) = term.items()
    tree = of.parsed(written)
    if any(is_aggregate(node) for node in tree.walk()):
        raise of.refused(f"{written!r}: an aggregate within a group or an aggregate")
    return called, tree


def _metric(name: str, written: str, of: Subject, findings: Findings) -> Evaluation:
    tree = of.parsed(written)
    for column in tree.find_all(exp.Column):
        around = aggregates_around(column)
        if not around:
            raise of.refused(f"{written!r}: {column.name} stands outside of an aggregate, such as SUM({column.name})")
        if around > 1:
            raise of.refused(f"{written!r}: an aggregate within a group or an aggregate")
    items = {"name": exp.Literal.string(name), "value": tree}
    evaluation = evaluate(items, 0, {}, of)
    value = evaluation.columns[1]
    if value.kind not in NUMBERS:
        raise of.refused(f"{written!r}: is {value.kind}, where a number is meant")
    _note_letters(f"metric {name}", evaluation, of, findings)
    if value.kind == "float":
        value = replace(value, magnitude=value.name)
    return replace(evaluation, columns=(evaluation.columns[0], value))


def _call(name: str, tree: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=[tree])


def _note_letters(what: str, evaluation: Evaluation, of: Subject, findings: Findings) -> None:
    source = of.source.table(of.table.route.source)
    routes = (of.table.route.column(name) for name in evaluation.reads)
    if any(source.column(route.source).ignores_case for route in routes):
        findings.note(what, _LETTERS)


def _width(tree: exp.Expr, kind: str, of: Subject) -> float:
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
