"""Validate a migration by itself: before it, after it, or after it was taken back."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, replace

from cutover.errors import PreflightError
from cutover.steps import application, assess, back, history, performance, prove
from cutover.steps.compare import Options
from cutover.steps.context import Run, resume
from cutover.verdict import Verdict
from cutover.verify.outcome import APPLICATION, CONSTRAINT, DATA, KINDS, PERFORMANCE, SCHEMA, Outcome, together

PRE_MIGRATION, POST_MIGRATION, ROLLBACK = TYPES = ("pre_migration", "post_migration", "rollback")
_POST = "schema.validation.postMigration"
# Compares every row of a run's source and target.
Compare = Callable[[Run, Options], Verdict]


@dataclass(frozen=True)
class Validation:
    """What a validation came to, in the requirement's shape.

    Attributes:
        validation_id: its name in the ledger.
        type: one of :data:`TYPES`.
        of: the run that was validated; "" before there is one.
        outcomes: one for each kind that was asked for.
    """

    validation_id: str
    type: str
    of: str
    outcomes: tuple[Outcome, ...]

    @property
    def failed(self) -> bool:
        """Whether any kind did."""
        return any(outcome.errors for outcome in self.outcomes)

    @property
    def results(self) -> dict[str, dict[str, object]]:
        """Status, errors and warnings by kind: ``schemaValidation`` and so on."""
        return {
            f"{outcome.kind}Validation": {
                "status": outcome.status,
                "errors": list(outcome.errors),
                "warnings": list(outcome.warnings),
            }
            for outcome in self.outcomes
        }

    def to_json(self) -> str:
        """Write it as the requirement's response: validationId, status and results."""
        status = "failed" if self.failed else "completed"
        made = {"validationId": self.validation_id, "validationType": self.type, "migrationId": self.of}
        return json.dumps(made | {"status": status, "results": self.results}, indent=2)


def validate(run: Run, type_: str, kinds: Collection[str], compare: Compare) -> Validation:
    """Validate in the kinds that are named; changes nothing.

    Args:
        run: what the validation is noted under; it has begun.
        type_: one of :data:`TYPES`.
        kinds: of :data:`cutover.verify.outcome.KINDS`; all where empty.
        compare: how rows are compared.

    Raises:
        PreflightError: there is no such type or kind, or no run that it could be about.
        TransientError: a server was lost.
    """
    wanted = _kinds(kinds)
    with run.step("validate", guarded=False):
        of, found = _WAYS[_known(type_)](run, wanted, compare)
        outcomes = _by_kind(wanted, found)
        for outcome in outcomes:
            run.record("outcome", type=type_, of=of, **asdict(outcome), status=outcome.status)
    run.record("completed")
    return Validation(run.id, type_, of, outcomes)


def _known(type_: str) -> str:
    if type_ not in TYPES:
        raise PreflightError([f"unknown type of validation {type_!r}; known: {', '.join(TYPES)}"])
    return type_


def _kinds(kinds: Collection[str]) -> tuple[str, ...]:
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown:
        raise PreflightError([f"unknown kind of validation {unknown[0]!r}; known: {', '.join(KINDS)}"])
    return tuple(kind for kind in KINDS if not kinds or kind in kinds)


def _by_kind(wanted: Collection[str], found: Collection[Outcome]) -> tuple[Outcome, ...]:
    """Put the outcomes of each kind together."""
    folded = together({**asdict(each), "part": str(number)} for number, each in enumerate(found))
    return tuple(
        Outcome(kind, tuple(folded[kind]["errors"]), tuple(folded[kind]["warnings"]))
        for kind in wanted
        if kind in folded
    )


def _before(run: Run, wanted: Collection[str], compare: Compare) -> tuple[str, list[Outcome]]:
    found = [outcome for outcome in assess.pre_migration(run, wanted) if outcome.kind in wanted]
    if APPLICATION in wanted:
        why = "not validated before a migration: its queries are tried on the new tables, by post_migration"
        found.append(Outcome(APPLICATION, (), (why,)))
    return "", found


def _after(run: Run, wanted: Collection[str], compare: Compare) -> tuple[str, list[Outcome]]:
    standing = history.standing(run)
    if standing is None:
        raise PreflightError([f"no run of {run.spec.name} has put its tables in place: there is nothing to validate"])
    # By the plan of the run that made the tables, and by what the spec asks now.
    made = replace(resume(standing, run.ledger, ends=(run.source, run.target)), spec=run.spec)
    found: list[Outcome] = []
    if {SCHEMA, CONSTRAINT, DATA} & {*wanted}:
        found += [each for each in prove.validate_expectations(made, run.live) if each.kind in wanted]
    if DATA in wanted:
        found.append(_rows(run, compare))
    asks = run.spec.schema_.validation
    if PERFORMANCE in wanted:
        found.append(performance.validate_performance(made, run.live))
        found += [] if asks.measures else [_unasked(PERFORMANCE, f"{_POST}.performanceValidation")]
    if APPLICATION in wanted:
        found += [application.validate_application(made, run.live), application.ask_endpoints(made)]
        found += [] if asks.tries or asks.calls else [_unasked(APPLICATION, f"{_POST}.applicationValidation")]
    return standing, found


def _rows(run: Run, compare: Compare) -> Outcome:
    """Compare every row; what is explained by a rule, or is the target's alone, is a warning."""
    if run.spec.data.loading.strategy.upsert.enabled:
        why = "rows are not compared: data.loading.strategy.upsert lets rows stay that the source does not have"
        return Outcome(DATA, (), (why,))
    found = compare(run, Options())
    errors = [*found.unlike, *found.differences]
    if found.count:
        errors.insert(0, f"{found.count} rows of source and target differ")
    return Outcome(DATA, tuple(errors), (*found.explained, *found.notes))


def _unasked(kind: str, key: str) -> Outcome:
    return Outcome(kind, (), (f"not asked: {key} of the spec is not true",))


def _taken_back(run: Run, wanted: Collection[str], compare: Compare) -> tuple[str, list[Outcome]]:
    undone = run.ledger.latest(run.spec.name, "rolled_back")
    if undone is None or not history.taken_back(run.ledger, undone.run_id):
        raise PreflightError([f"no run of {run.spec.name} was taken back"])
    if any(event.at > undone.at for event in history.in_place(run)):
        raise PreflightError(
            [f"a later run than {undone.run_id}, which was taken back, has put its tables in place: say post_migration"]
        )
    of = replace(resume(undone.run_id, run.ledger, ends=(run.source, run.target)), spec=run.spec)
    left = tuple(back.left_over(of)) if run.ledger.last(of.id, "planned") is not None else ()
    found = [Outcome(kind, left if kind == SCHEMA else ()) for kind in wanted if kind in (SCHEMA, CONSTRAINT)]
    if CONSTRAINT in wanted or PERFORMANCE in wanted:
        unfit = back.unfit(of)
        found += [Outcome(kind, unfit[kind]) for kind in (CONSTRAINT, PERFORMANCE) if kind in wanted]
    if DATA in wanted:
        why = "the tables that were live before are live again themselves: what they hold is what they held, and what "
        found.append(Outcome(DATA, (), (f"{why}the application has written since",)))
    if APPLICATION in wanted:
        found.append(application.ask_endpoints(of))
    return of.id, found


_WAYS = {PRE_MIGRATION: _before, POST_MIGRATION: _after, ROLLBACK: _taken_back}
