"""Hold a plan against the source's rows, the servers, the risk that is allowed: before anything changes."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import asdict, replace

from cutover import window
from cutover.assess import concerned, look, outcomes, source_server, target_server
from cutover.assess.assessment import IMPACT
from cutover.assess.facts import Facts, Limits, Room
from cutover.assess.risks import LEVELS, risks
from cutover.errors import PreflightError
from cutover.plan import Plan
from cutover.schema.target import Movable
from cutover.steps.context import Run
from cutover.verify.outcome import CONSTRAINT, DATA, PERFORMANCE, SCHEMA, Outcome


def hold(run: Run, made: Plan, displaced: Collection[Movable]) -> None:
    """Validate a plan as the spec asks for, and refuse it where it would surely fail, or is riskier than allowed.

    Args:
        run: the run.
        made: its plan, which nothing is in the way of.
        displaced: what leaves the live schema at its cutover.

    Raises:
        PreflightError: with every reason. A dry run is not refused: its report has them.
        TransientError: a server could not be reached, or was lost.
        WindowClosedError: the time of the run is over before all tables are looked at.
    """
    before = run.ledger.last(run.id, "examined")
    if before is not None and before.detail["digest"] == made.digest:
        return
    validation, bounded = run.spec.schema_.validation.pre_migration.kinds, run.spec.strategy.planning.risk_assessment
    looked = facts(run, made, {*validation, *(analysed(run) if bounded.enabled else ())}, displaced)
    found = outcomes.outcomes(looked, validation)
    refused = [error for outcome in found for error in outcome.errors]
    judged = risks(looked) if bounded.enabled else ()
    for risk in judged:
        if LEVELS.index(risk.level) > LEVELS.index(bounded.allowed[risk.name]):
            allowed = f"riskAssessment allows {bounded.allowed[risk.name]}"
            refused.append(f"the {risk.name} risk is {risk.level}, and {allowed}: {'; '.join(risk.reasons)}")
    dry = run.params.mode == "dry_run"
    if found or judged:
        run.record(
            "examined",
            # What is refused is looked at anew when it is tried again.
            digest=None if refused and not dry else made.digest,
            outcomes=[asdict(outcome) for outcome in found],
            risks=[asdict(risk) for risk in judged],
            notes=[*_notes(made, found), *(f"before the run, {r.name} risk {r.level}: {r.reasons[0]}" for r in judged)],
        )
    if refused and not dry:
        raise PreflightError(refused)


def _notes(made: Plan, found: Collection[Outcome]) -> Iterator[str]:
    """Yield what the report has to say; objects that stay behind are among its losses."""
    losses = tuple(f"{loss.object}: {loss.reason}" for loss in made.losses)
    for outcome in found:
        told = [(line, line) for line in outcome.warnings]
        told += [(error, f"a run would be refused: {error}") for error in outcome.errors]
        yield from (f"before the run, {outcome.kind}: {text}" for line, text in told if not line.startswith(losses))


def analysed(run: Run) -> tuple[str, ...]:
    """The parts of the assessment that the spec asks for."""
    analysis = run.spec.strategy.planning.analysis
    asked = {
        SCHEMA: analysis.schema_analysis,
        DATA: analysis.data_analysis,
        IMPACT: analysis.impact_analysis,
        PERFORMANCE: analysis.performance_analysis,
    }
    # Who wants to know of the rows wants to know which constraints they break.
    found = tuple(part for part, on in asked.items() if on)
    return (*found, CONSTRAINT) if DATA in found else found


def facts(
    run: Run, made: Plan, parts: Collection[str], displaced: Collection[Movable], obstacles: Collection[str] = ()
) -> Facts:
    """Look at what the parts ask for, and at nothing else; changes nothing.

    Raises:
        TransientError: a server could not be reached, or was lost.
        PreflightError: one refused.
        WindowClosedError: the time of a run that has begun is over.
    """
    found = Facts(made, _limits(run), tuple(obstacles))
    if SCHEMA in parts or PERFORMANCE in parts:
        needed = _connections(run)
        by_log = run.spec.strategy.types.data.streams
        found = replace(
            found,
            source=source_server.describe(run.source, made, run.source.at_most(needed), by_log),
            target=target_server.describe(run.target, made, run.target.at_most(needed)),
        )
    if PERFORMANCE in parts:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        found = replace(found, room=Room(run.staging_room, memory))
    if IMPACT in parts:
        found = replace(found, impact=concerned.concerned(run.source, run.target, run.live, made, displaced))
    kinds = tuple(kind for kind in (DATA, CONSTRAINT) if kind in parts)
    if kinds:
        found = replace(found, looked=kinds, seen=look.at_rows(run.source, made, kinds, run.check_time))
    return found


def _connections(run: Run) -> int:
    """Connections to one server at once: a worker holds one, and so does what goes on beside them."""
    return (run.params.workers or max(run.spec.extract_workers, run.spec.load_workers)) + 1


def _limits(run: Run) -> Limits:
    spec = run.spec
    errors, safe = spec.data.loading.options.error_handling, spec.strategy.execution.modes.safe
    automated = spec.strategy.planning.scheduling.automated
    return Limits(
        run.max_errors,
        errors.error_threshold,
        _time(run),
        safe.max_downtime / 1000,
        safe.backup_before_migration,
        safe.auto_rollback_on_error and automated.auto_rollback and spec.rollback.triggers.automatic.enabled,
        run.batch_rows,
        run.params.workers or min(spec.extract_workers, spec.load_workers),
        run.losses_allowed,
    )


def _time(run: Run) -> float | None:
    """Seconds that the run has: the maintenance window's length, and the longest duration, whichever is less."""
    scheduling = run.spec.strategy.planning.scheduling
    if not scheduling.enabled:
        return None
    found = [scheduling.automated.max_duration / 1000] if scheduling.automated.enabled else []
    if scheduling.maintenance_window.enabled and not run.params.ignore_window:
        found.append(window.length(run.spec).total_seconds())
    return min(found, default=None)
