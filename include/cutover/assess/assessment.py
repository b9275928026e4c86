"""The whole assessment of a migration, as a person decides by it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass

from cutover.assess.facts import ALTERED, FAILS, REFUSED, STAYS, Facts
from cutover.assess.outcomes import memory, outcomes
from cutover.assess.risks import Risk, risks
from cutover.inventory import AS_IS, LEFT_OUT, TRANSLATED, counts, inventory
from cutover.plan import BYTES_PER_SECOND, ROWS_PER_SECOND
from cutover.verify.outcome import CONSTRAINT, DATA, PERFORMANCE, SCHEMA, Outcome

IMPACT = "impact"
PARTS = (SCHEMA, DATA, IMPACT, PERFORMANCE)


@dataclass(frozen=True)
class Analysis:
    """One part of the assessment: what there is, by name and value, and what a person should know of."""

    facts: tuple[tuple[str, str], ...] = ()
    findings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Effort:
    """What there is to do.

    Attributes:
        seconds: about how long the run takes.
        basis: what that is reckoned from.
        by_hand: objects that a person has to translate, and why.
        to_clean: rows that do not arrive as they are.
    """

    seconds: float
    basis: str
    by_hand: tuple[str, ...] = ()
    to_clean: int = 0


@dataclass(frozen=True)
class Assessment:
    """What is known of a migration before it begins; a part that the spec switches off is None.

    Attributes:
        migration: its name.
        source: the source database, without its password.
        target: the target database and schema.
        schema: what becomes of the objects, and the servers' settings.
        data: what becomes of the rows.
        impact: whom it concerns.
        performance: how long it takes, and of what there is too little.
        risks: of data loss, downtime, performance and rollback.
        effort: what there is to do.
        outcomes: of the validation of schema, data, constraints and performance.
    """

    migration: str
    source: str
    target: str
    schema: Analysis | None
    data: Analysis | None
    impact: Analysis | None
    performance: Analysis | None
    risks: tuple[Risk, ...]
    effort: Effort
    outcomes: tuple[Outcome, ...]

    @property
    def errors(self) -> tuple[str, ...]:
        """What a run would be refused for, or would surely fail of."""
        return tuple(error for outcome in self.outcomes for error in outcome.errors)

    def to_json(self) -> str:
        """Write the assessment as JSON; each outcome has its status."""
        shown = [{"status": outcome.status} | asdict(outcome) for outcome in self.outcomes]
        return json.dumps(asdict(self) | {"outcomes": shown}, indent=2, ensure_ascii=False)


def assessment(facts: Facts, source: str, target: str, parts: Collection[str]) -> Assessment:
    """Fold what was seen into an assessment that holds these of :data:`PARTS`."""
    kinds = [kind for kind in (SCHEMA, DATA, PERFORMANCE) if kind in parts] + ([CONSTRAINT] if DATA in parts else [])
    return Assessment(
        facts.plan.migration,
        source,
        target,
        _schema(facts) if SCHEMA in parts else None,
        _data(facts) if DATA in parts else None,
        _impact(facts) if IMPACT in parts and facts.impact is not None else None,
        _performance(facts) if PERFORMANCE in parts else None,
        risks(facts),
        _effort(facts),
        outcomes(facts, kinds),
    )


def _schema(facts: Facts) -> Analysis:
    objects = counts(inventory(facts.plan, {}, {}))
    told = [(f"source: {name}", value) for name, value in facts.source.described]
    told += [(f"target: {name}", value) for name, value in facts.target.described]
    for kind, found in objects.items():
        told.append((kind, ", ".join(f"{found[o]:,} {o}" for o in (AS_IS, TRANSLATED, LEFT_OUT) if found[o])))
    findings = [f"{loss.object}: {loss.reason}" for loss in facts.plan.losses]
    findings += [*facts.source.warnings, *facts.target.warnings]
    return Analysis(tuple(told), (*findings, *map(str, facts.plan.notes)))


def _data(facts: Facts) -> Analysis:
    told = [("rows looked at", f"{sum(seen.rows for seen in facts.seen):,} of {len(facts.seen)} tables")]
    named = [
        ("rows that are refused or set aside, by reason", (FAILS, REFUSED)),
        ("rows with a value that changes, by column", (ALTERED,)),
        ("rows that break what holds for rows to come alone", (STAYS,)),
    ]
    told += [(name, f"{sum(f.rows for f in facts.findings(*fates)):,}") for name, fates in named]
    large = [(f"{seen.table}.{column}", size) for seen in facts.seen for column, size in seen.largest if size]
    if large:
        column, size = max(large, key=lambda entry: entry[1])
        told.append(("largest value", f"{size:,} bytes, in {column}"))
    findings = [str(finding) for seen in facts.seen for finding in seen.findings]
    return Analysis(tuple(told), (*findings, *(line for seen in facts.seen for line in seen.unasked)))


def _impact(facts: Facts) -> Analysis:
    impact = facts.impact
    assert impact is not None
    rows = sum(n for _, n in impact.replaced)
    told = [
        ("live tables that are replaced", f"{len(impact.replaced)}, about {rows:,} rows"),
        ("sessions of the target now", f"{sum(n for _, n in impact.sessions)}"),
    ]
    findings = [f"table {name} is replaced, about {n:,} rows" for name, n in impact.replaced]
    findings += [f"{bound}: it would stay with the old one" for bound in impact.bound]
    findings += [f"{n} sessions of {who} are connected to the target" for who, n in impact.sessions]
    return Analysis(tuple(told), (*findings, *impact.around, *impact.unseen))


def _performance(facts: Facts) -> Analysis:
    plan = facts.plan
    told = [
        ("estimated duration", f"{max(plan.seconds, 1):,.0f} s"),
        ("rows", f"about {plan.rows:,} in {len(plan.chunks)} chunks"),
        ("bytes", f"about {plan.bytes / 2**20:,.0f} MB"),
        ("memory of the workers", f"up to {memory(facts) >> 20:,} MB by {facts.limits.workers} workers"),
    ]
    if facts.room is not None:
        told.append(("memory of this machine", f"{facts.room.memory >> 20:,} MB"))
        told.append(("free staging space", f"{facts.room.staging >> 20:,} MB"))
    return Analysis(tuple(told), outcomes(facts, (PERFORMANCE,))[-1].warnings)


def _effort(facts: Facts) -> Effort:
    plan = facts.plan
    basis = (
        f"about {plan.rows:,} rows at {ROWS_PER_SECOND:,} in a second, or {plan.bytes / 2**20:,.0f} MB at "
        f"{BYTES_PER_SECOND / 2**20:,.0f} MB, whichever is longer; measured on two cores"
    )
    by_hand = tuple(f"{loss.object}: {loss.reason}" for loss in plan.losses)
    return Effort(round(max(plan.seconds, 1.0), 1), basis, by_hand, sum(_to_clean(facts)))


def _to_clean(facts: Facts) -> Iterator[int]:
    for finding in facts.findings(FAILS, REFUSED, ALTERED, STAYS):
        yield finding.rows
