"""Look at the rows of every table that travels."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from cutover.assess import constraints, values
from cutover.assess.facts import Seen
from cutover.assess.questions import Question, asked
from cutover.dialects.endpoint import Endpoint
from cutover.errors import PreflightError
from cutover.plan import Plan
from cutover.schema.target import TargetTable
from cutover.verify.outcome import CONSTRAINT, DATA


def at_rows(source: Endpoint, plan: Plan, kinds: Collection[str], go_on: Callable[[], None]) -> tuple[Seen, ...]:
    """Ask each table of the plan for what is asked of its values and constraints; in one pass, where a row tells.

    What is found costs a query more for each finding, which looks for the first keys.

    Args:
        source: the source database.
        plan: whose tables are asked.
        kinds: of finding: ``data``, ``constraint``, or both.
        go_on: is called before each table; what it raises ends the look.

    Raises:
        TransientError: the server could not be reached, or was lost.
        PreflightError: it refused to count a table's rows.
    """
    seen = []
    for target in plan.tables:
        go_on()
        seen.append(_at(source, plan, target, kinds))
    return tuple(seen)


def _at(source: Endpoint, plan: Plan, target: TargetTable, kinds: Collection[str]) -> Seen:
    route, table = target.route, plan.source.table(target.route.source)
    wanted: list[Question] = []
    untold: list[str] = []
    if DATA in kinds:
        wanted += values.questions(route, table, "mariadb" in plan.source.server.lower())
        untold += values.unasked(route)
    if CONSTRAINT in kinds:
        wanted += constraints.questions(target, table)
    seen = asked(source, route, wanted, values.measures(route) if DATA in kinds else ())
    found = list(seen.findings)
    if CONSTRAINT in kinds:
        try:
            broken, unclear = constraints.broken(source, plan, target)
        except PreflightError as error:
            untold.append(constraints.refused(error, target))
        else:
            found += broken
            untold += unclear
    return replace(seen, findings=tuple(found), unasked=(*seen.unasked, *untold))
