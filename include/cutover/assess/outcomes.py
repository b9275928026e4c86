"""What a validation before the run comes to, folded from what was seen."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from cutover.assess.facts import ALTERED, FAILS, FATES, FIELD_BYTES, REFUSED, STAYS, Facts
from cutover.verify.outcome import CONSTRAINT, DATA, PERFORMANCE, SCHEMA, Outcome

# The longest field that pg_dump writes as text (PostgreSQL manual, bytea Hex Format).
DUMPED_BYTES = FIELD_BYTES // 2
# The README's memory formula: what a worker takes for itself, and how many copies of a batch it holds.
WORKER_BYTES, COPIES = 300 * 2**20, 2


def outcomes(facts: Facts, kinds: Collection[str]) -> tuple[Outcome, ...]:
    """Return an outcome for each of the kinds, in the order of the requirement.

    There is one of the schema, too, where a run would be refused for it.
    """
    folds = {SCHEMA: _schema, DATA: _data, CONSTRAINT: _constraint, PERFORMANCE: _performance}
    made = {kind: fold(facts) for kind, fold in folds.items() if kind in kinds or kind == SCHEMA}
    return tuple(outcome for kind, outcome in made.items() if kind in kinds or outcome.errors)


def _schema(facts: Facts) -> Outcome:
    left = [f"{loss.object}: {loss.reason}" for loss in facts.plan.losses if not loss.asked]
    say = "say allow_losses (--allow-losses, or schema.settings.allowLosses: true), or exclude it"
    errors = [] if facts.limits.losses else [f"{line}; {say}" for line in left]
    warnings = left if facts.limits.losses else []
    servers = [*facts.source.warnings, *facts.target.warnings]
    return Outcome(SCHEMA, (*errors, *facts.obstacles), (*warnings, *servers))


def _data(facts: Facts) -> Outcome:
    errors = failing(facts, (DATA,))
    warnings: list[str] = []
    for finding in facts.findings(*FATES, kind=DATA):
        (errors if finding.fate == FAILS and finding.certain else warnings).append(str(finding))
    for seen, column, size in facts.oversized:
        text = f"a value has {size:,} bytes, and a field of PostgreSQL holds {FIELD_BYTES:,}"
        line = f"column {seen.table}.{column}: {text}; divide it, or leave its row out"
        (errors if seen.table in facts.whole else warnings).append(line)
    warnings += [line for seen in facts.seen for line in seen.unasked]
    return Outcome(DATA, tuple(errors), tuple(warnings))


def _constraint(facts: Facts) -> Outcome:
    found = facts.findings(REFUSED, ALTERED, STAYS, kind=CONSTRAINT)
    known = failing(facts, (DATA,))
    errors = [line for line in failing(facts, (DATA, CONSTRAINT)) if line not in known]
    return Outcome(CONSTRAINT, tuple(errors), tuple(map(str, found)))


def failing(facts: Facts, kinds: Collection[str]) -> list[str]:
    """Say of which rows a run would surely fail: more are refused, or set aside, than the spec allows."""
    counts = {seen.table: seen.errors(kinds) for seen in facts.seen}
    limits, errors = facts.limits, sum(counts.values())
    cure = "mend them in the source, or raise data.loading.options.errorHandling"
    found = []
    if errors > limits.max_errors:
        named = ", ".join(f"{table} {n:,}" for table, n in counts.items() if n)
        found.append(
            f"at least {errors:,} rows would be refused or set aside ({named}), more than maxErrors "
            f"{limits.max_errors:,}: {cure}.maxErrors"
        )
    for seen in facts.seen:
        if seen.rows and counts[seen.table] / seen.rows > limits.threshold:
            found.append(
                f"table {seen.table}: at least {counts[seen.table]:,} of {seen.rows:,} rows would be refused or set "
                f"aside, more than errorThreshold {limits.threshold:.2%}: {cure}.errorThreshold"
            )
    return found


def _performance(facts: Facts) -> Outcome:
    return Outcome(PERFORMANCE, (), tuple(_slow(facts)))


def _slow(facts: Facts) -> Iterator[str]:
    yield from (*facts.source.tight, *facts.target.tight)
    if facts.unkeyed:
        yield (
            f"{len(facts.unkeyed)} tables have no primary key: {', '.join(facts.unkeyed)}; each is loaded by one "
            "worker, and compared as a whole"
        )
    needed = memory(facts)
    if facts.room is not None and needed > facts.room.memory:
        yield (
            f"{facts.limits.workers} workers may take {needed >> 20:,} MB, and the machine has "
            f"{facts.room.memory >> 20:,} MB; set a smaller batchSize, or fewer workers"
        )
    for seen in facts.seen:
        for column, size in seen.largest:
            if DUMPED_BYTES < size <= FIELD_BYTES:
                yield (
                    f"column {seen.table}.{column}: a value has {size:,} bytes; it fits, and pg_dump cannot write it "
                    f"where it has more than {DUMPED_BYTES:,}"
                )


def memory(facts: Facts) -> int:
    """Return about how many bytes the workers take: batch rows times the bytes of a row, or the largest value."""
    tables = [facts.plan.source.table(table.route.source).statistics for table in facts.plan.tables]
    batches = [min(s.rows, facts.limits.batch_rows) * s.bytes // max(s.rows, 1) for s in tables]
    largest = [size for seen in facts.seen for _, size in seen.largest]
    return facts.limits.workers * (WORKER_BYTES + COPIES * max([*batches, *largest], default=0))
