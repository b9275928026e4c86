"""The steps that try on the new tables what the application asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from cutover.errors import PreflightError
from cutover.spec.application import HttpCheck
from cutover.steps import switches, trial
from cutover.steps.context import Run, substituted
from cutover.verify import preparing
from cutover.verify.application import endpoints
from cutover.verify.application.finding import Finding, merged, sorted_out
from cutover.verify.application.functions import check_functions
from cutover.verify.application.queries import check_queries, working
from cutover.verify.application.types import check_tables, check_types
from cutover.verify.outcome import APPLICATION, Outcome
from cutover.verify.performance import asking


def validate_application(run: Run, schema: str | None = None) -> Outcome:
    """Try the application's queries, the functions in them and the types of their results on the target.

    Args:
        run: the run; its plan says what the source's names mean.
        schema: the schema to try them on, outside the run's own flow; its shadow schema where it is not given.

    Raises:
        VerificationError: within the run, with every query that the application cannot go on with.
        TransientError: a server was lost.
    """
    if not run.spec.schema_.validation.tries:
        return Outcome(APPLICATION)
    if schema is not None:
        return _validated(run, schema)
    if not switches.wanted(run):
        return Outcome(APPLICATION)
    run = run.beside_others()
    with run.step("validate_application"):
        outcome = _validated(run, run.shadow)
        trial.refuse(outcome, "the application cannot go on with these")
    return outcome


def _validated(run: Run, schema: str) -> Outcome:
    validation = run.spec.schema_.validation
    rules = validation.rules.application_compatibility
    asked = trial.asked(run, validation.queries)
    found: list[Finding] = []
    code: list[Finding] = []
    told: list[str] = []
    # The source runs the inner parts of a query also where no row is asked of it.
    reading = asking.reading(run.source, validation.rules.performance.timeout)
    with preparing.looking(run.target, schema) as connection, reading as source:
        known = {query.name: working(connection, query) for query in asked}
        if rules.query_compatibility:
            code += check_queries(connection, asked, known, trial.never_null(run))
        else:
            code += [Finding(q.name, f"was not looked at: {q.construct}") for q in asked if q.tree is None]
        if rules.function_compatibility:
            own = [routine.name for routine in run.plan.source.routines if routine.returns is not None]
            code += check_functions(connection, asked, known, trial.scope(run), own)
        found += merged(code)
        if rules.data_type_compatibility and asked:
            found += check_types(source, connection, asked, known)
        elif rules.data_type_compatibility:
            told += check_tables(source, connection, run.plan.tables)
    errors, warnings = sorted_out(found)
    outcome = Outcome(APPLICATION, errors, (*warnings, *told))
    return trial.told(run, outcome, "queries", schema, {"findings": [asdict(finding) for finding in found]})


def validate_endpoints(run: Run) -> Outcome:
    """Ask the application's own endpoints.

    Raises:
        VerificationError: with every one that does not answer as it must.
        PreflightError: a variable of the environment that one names is not set.
    """
    if not (run.spec.schema_.validation.calls and switches.wanted(run)):
        return Outcome(APPLICATION)
    with run.step("validate_endpoints", guarded=False):
        outcome = ask_endpoints(run)
        trial.refuse(outcome, "the application does not answer as it must")
    return outcome


def ask_endpoints(run: Run) -> Outcome:
    """Ask the application's own endpoints, if the spec says so, and record what they answered."""
    if not run.spec.schema_.validation.calls:
        return Outcome(APPLICATION)
    asked = list(_requests(run))
    answers = [endpoints.ask(request) for request in asked]
    outcome = Outcome(APPLICATION, tuple(answer.problem for answer in answers if answer.problem is not None))
    return trial.told(run, outcome, "endpoints", run.live, {"endpoints": [asdict(answer) for answer in answers]})


def refuse_unset(run: Run) -> None:
    """Refuse endpoints that name a variable of the environment which is not set.

    Raises:
        PreflightError: with every such endpoint.
    """
    if run.spec.schema_.validation.calls and switches.wanted(run):
        list(_requests(run))


def _requests(run: Run) -> Iterator[endpoints.Request]:
    for name, check in run.spec.schema_.validation.endpoints.items():
        try:
            yield _request(name, check)
        except PreflightError as error:
            raise PreflightError([f"endpoint {name}: {error}"]) from None


def _request(name: str, check: HttpCheck) -> endpoints.Request:
    return endpoints.Request(
        name,
        check.url,
        substituted(check.url),
        check.method,
        check.status,
        check.contains,
        check.timeout / 1000,
        check.attempts,
        {key: substituted(value) for key, value in check.headers.items()},
    )
