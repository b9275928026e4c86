"""What a person asks of a migration before it begins: is it fit, and how risky is it."""

from __future__ import annotations

from collections.abc import Collection

from cutover.assess import outcomes
from cutover.assess.assessment import Assessment, assessment
from cutover.errors import PreflightError
from cutover.steps import check, examine, obstacles
from cutover.steps.context import Run
from cutover.verify.outcome import APPLICATION, KINDS, Outcome


def pre_migration(run: Run, wanted: Collection[str]) -> tuple[Outcome, ...]:
    """Validate a migration before it begins; changes and records nothing.

    Returns an outcome for each kind that is wanted, but for the application, which has nothing to try yet. What a run
    would be refused for is an error of the first.

    Raises:
        PreflightError: a server is not fit for any run.
        SpecError: the spec does not fit the source.
        TransientError: a server could not be reached, or was lost.
    """
    kinds = tuple(kind for kind in KINDS if kind in wanted and kind != APPLICATION)
    check.preflight_servers(run)
    made = check.worked_out(run)
    looked = examine.facts(run, made, kinds, obstacles.displaced(run, made), obstacles.found(run, made))
    return outcomes.outcomes(looked, kinds)


def assess(run: Run) -> Assessment:
    """Assess a migration, in the parts that ``strategy.planning.analysis`` of its spec names; changes nothing.

    Raises:
        PreflightError: a server is not fit for any run, or the spec switches the analysis off.
        SpecError: the spec does not fit the source.
        UnsupportedTypeError: a column's type has no translation.
        TransientError: a server could not be reached, or was lost.
    """
    if not run.spec.strategy.planning.analysis.enabled:
        raise PreflightError(["strategy.planning.analysis.enabled is false: there is nothing to assess; say true"])
    check.preflight_servers(run)
    made, parts = check.worked_out(run), examine.analysed(run)
    looked = examine.facts(run, made, parts, obstacles.displaced(run, made), obstacles.found(run, made))
    return assessment(looked, str(run.source), f"{run.target}, schema {run.live}", parts)
