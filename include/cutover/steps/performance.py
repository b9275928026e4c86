"""The step that compares the target's speed with the source's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace

import psycopg

from cutover.spec.application import PerformanceRules
from cutover.steps import switches, trial
from cutover.steps.context import Run
from cutover.verify import preparing
from cutover.verify.application.queries import working
from cutover.verify.outcome import PERFORMANCE, Outcome
from cutover.verify.performance import asking, indexes, storage
from cutover.verify.performance.connecting import connecting
from cutover.verify.performance.indexes import Indexes
from cutover.verify.performance.limits import CONNECT_NOISE_MS, Limits
from cutover.verify.performance.queries import Timed, measure
from cutover.verify.performance.slowest import slowest
from cutover.verify.queries import Query


@dataclass
class _Found:
    """What is found on the way; degradation fails or warns, as the spec says."""

    rules: PerformanceRules
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    details: dict[str, object] = field(default_factory=dict)

    def degraded(self, lines: Iterable[str]) -> None:
        (self.errors if self.rules.on_degradation == "fail" else self.warnings).extend(lines)


def validate_performance(run: Run, schema: str | None = None) -> Outcome:
    """Compare queries, indexes, storage and connections of the target with the source's.

    Args:
        run: the run; its plan says what the source's names mean.
        schema: the schema to measure, outside the run's own flow; its shadow schema where it is not given.

    Raises:
        VerificationError: within the run, where the spec says that degradation fails.
        TransientError: a server was lost.
    """
    if not run.spec.schema_.validation.measures:
        return Outcome(PERFORMANCE)
    if schema is not None:
        return _validated(run, schema)
    if not switches.wanted(run):
        return Outcome(PERFORMANCE)
    run = run.beside_others()
    with run.step("validate_performance"):
        outcome = _validated(run, run.shadow)
        trial.refuse(outcome, "the target is slower than the source")
    return outcome


def _validated(run: Run, schema: str) -> Outcome:
    rules = run.spec.schema_.validation.rules.performance
    # Where only plans are compared, once is enough.
    limits = Limits(rules.threshold, rules.runs if rules.query_performance else 1, rules.timeout)
    found = _Found(rules)
    if run.plan.limited:
        found.warnings.append("the times are of fewer rows than the source has: only a part of them travels")
    if rules.connection_performance:
        _connections(run, limits, found)
    asked = _asked(run, found) if rules.query_performance or rules.index_performance else ()
    with preparing.looking(run.target, schema, limits.timeout) as target:
        if rules.storage_performance:
            sizes = storage.sizes(run.source, target, schema, run.plan.tables)
            found.warnings += storage.grown(sizes, limits)
            found.details["storage"] = [asdict(size) for size in sizes]
        built, rows = indexes.built(target, schema), indexes.sizes(target, schema)
        known = Indexes(run.plan.source, run.plan.tables, tuple(built), rows)
        timed = _measured(run, schema, target, asked, limits, known, found)
    _unknown(timed, found)
    if rules.query_performance:
        _times(timed, limits, run.spec.rollback.triggers.automatic.performance_threshold, found)
    if rules.index_performance:
        _indexes(run, known, timed, found)
    outcome = Outcome(PERFORMANCE, tuple(found.errors), tuple(found.warnings))
    return trial.told(run, outcome, "", schema, found.details)


def _connections(run: Run, limits: Limits, found: _Found) -> None:
    times = connecting(run.source, run.target, limits.runs)
    found.details["connection"] = asdict(times)
    if times.degraded(limits, CONNECT_NOISE_MS):
        found.degraded([f"connecting takes {times}"])


def _asked(run: Run, found: _Found) -> tuple[Query, ...]:
    given = dict(run.spec.schema_.validation.queries)
    wanted = found.rules.slowest
    if wanted:
        begun = run.ledger.events(run.id, "run_started")[0].at
        digests = slowest(run.source, [table.route.source for table in run.plan.tables], wanted, begun)
        found.warnings += digests.warnings
        given |= digests.queries
    return trial.asked(run, given)


def _measured(
    run: Run,
    schema: str,
    target: psycopg.Connection,
    asked: Sequence[Query],
    limits: Limits,
    known: Indexes,
    found: _Found,
) -> list[Timed]:
    if not asked:
        return []
    timed = []
    with asking.reading(run.source, limits.timeout) as source:
        if not asking.limits_time(source):
            text = "the source's server ends no query by time: rules.performance.timeout is not kept there"
            found.warnings.append(text)
        for query in asked:
            if schema == run.shadow:
                run.check_time()
            made = working(target, query)
            statement = made[0] if made is not None else None
            timed.append(measure(source, target, query, statement, limits, known.parents()))
            if timed[-1].times is not None and made is not None and not made[1]:
                text = f"query {query.name}: timed as sqlglot translates it, which need not be the same"
                found.warnings.append(f"{text} ({query.construct})")
    return timed


def _unknown(timed: Sequence[Timed], found: _Found) -> None:
    for query in timed:
        if query.unknown:
            found.warnings.append(f"query {query.query}: was not compared: {query.unknown}")
        found.warnings += [f"query {query.query}: {note}" for note in query.notes]


def _times(timed: Sequence[Timed], limits: Limits, worst: float | None, found: _Found) -> None:
    """Say which queries became slower, or give another number of rows; by more than ``worst`` is an error."""
    found.details["queries"] = [asdict(query) for query in timed]
    for query in timed:
        what = f"query {query.query}"
        if query.slower:
            found.degraded([f"{what}: {query.slower}"])
        told = f"{what}: takes {query.times}; its plan: {query.plan}"
        if query.times is not None and worst is not None and query.times.degraded(replace(limits, threshold=worst)):
            found.errors.append(f"{told}; more than performanceThreshold {worst:.0%} slower")
        elif query.times is not None and query.times.degraded(limits):
            found.degraded([told])
        if query.target_rows is not None and query.target_rows != query.source_rows:
            found.warnings.append(f"{what}: gives {query.target_rows:,} rows, in the source {query.source_rows:,}")


def _indexes(run: Run, known: Indexes, timed: Sequence[Timed], found: _Found) -> None:
    for query in timed:
        found.degraded(known.scanned(query.query, query.finds, query.scans))
    reasons = {loss.object: loss.reason for loss in run.plan.losses}
    reasons |= {note.object: note.text for note in run.plan.notes}
    found.warnings += known.arrived(reasons)
    planned = [query for query in timed if query.plan]
    if planned:
        used = {name for query in planned for name in query.used}
        found.warnings += known.unused(used, len(planned))
