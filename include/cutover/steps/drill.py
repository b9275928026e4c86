"""The step that rehearses the ways back of the run in place, beside the live database."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace

from cutover.errors import CutoverError, PreflightError, TransientError
from cutover.rollback.registry import STRATEGIES
from cutover.spec.rollback import Way
from cutover.steps import history, ways
from cutover.steps.context import Run, resume


@dataclass(frozen=True)
class Rehearsed:
    """What became of one way back: how long it took, how much it may take, and what is wrong with it if anything."""

    way: Way
    seconds: float
    allowed: float
    problem: str | None = None

    def __str__(self) -> str:
        """Say it in a line."""
        if self.problem is not None:
            return f"{self.way}: {self.problem}"
        late = f"; more than the {self.allowed:.0f} s that the spec allows" if self.late else ""
        return f"{self.way}: rehearsed in {self.seconds:.1f} s, and would take about as long{late}"

    @property
    def late(self) -> bool:
        """Whether it took longer than the spec allows."""
        return self.seconds > self.allowed

    @property
    def failed(self) -> bool:
        """Whether the run could not go back by it in time."""
        return self.problem is not None or self.late


def drill(run: Run) -> tuple[Rehearsed, ...]:
    """Rehearse every way back that the run in place has prepared; nothing that is live is touched.

    Args:
        run: what the drill is noted under; it has begun.

    Raises:
        PreflightError: no run is in place.
        TransientError: the target was lost.
    """
    standing = history.standing(run)
    if standing is None:
        raise PreflightError([f"no run of {run.spec.name} is in place: there is nothing to take back"])
    of = resume(standing, run.ledger, ends=(run.source, run.target))
    with run.step("drill", guarded=False) as detail:
        detail["of"] = standing
        found = tuple(_rehearsed(of, way) for way in ways.strategies(of))
        detail["ways"] = [asdict(each) for each in found]
    run.record("completed")
    return found


def _rehearsed(run: Run, way: Way) -> Rehearsed:
    here = ways.site(run, way)
    if STRATEGIES[way].needs_backup or way == "point_in_time":
        # A database of its own: what a rollback makes meanwhile is not the drill's.
        here = replace(here, token=ways.drill_token(run.spec.name, run.id))
    started = time.monotonic()
    problem = None
    try:
        unusable = STRATEGIES[way].unusable(here, ways.taken(run))
        if not unusable:
            STRATEGIES[way].rehearse(here, ways.taken(run))
        problem = "; ".join(unusable) or None
    except TransientError:
        raise
    except CutoverError as error:
        problem = str(error)
    return Rehearsed(way, round(time.monotonic() - started, 2), here.timeout_ms / 1000, problem)
