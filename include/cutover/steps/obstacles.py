"""What is in the way of a plan, in the target or on the staging disk, as things stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cutover.plan import Plan
from cutover.rollback import swap
from cutover.rollback.bound import bound_objects, taken_names
from cutover.schema.target import Movable
from cutover.steps import carry, history, ways
from cutover.steps.context import Run

# Two copies of the data wait on disk between extract, transform and load, compressed to about half.
STAGING_FACTOR = 1.2


def found(run: Run, made: Plan) -> list[str]:
    """Name what is in the way of a plan as things stand, but for objects that it leaves out."""
    own = [*_target_not_ours(run, made), *_drift(run), *carry.findings(run, made), *_no_room(run, made)]
    return [*own, *ways.findings(run)]


def _target_not_ours(run: Run, made: Plan) -> Iterator[str]:
    ours, leaving = brought_before(run), displaced(run, made)
    staying = {Movable("TABLE", name) for name in carry.carries(run, made)}
    foreign = [] if run.params.replace_target else sorted(map(_words, leaving - ours - staying))
    if foreign:
        yield (
            f"target schema {run.live} of {run.target} is not empty: {_listed(foreign)} were not made by this "
            "migration. Choose another target schema, move them away, or run with replace_target"
        )
    replaced = [] if staying else made.replaced
    if made.limited and replaced and not run.params.replace_target:
        why = "row_limit" if made.cut_short else "sampling"
        yield (
            f"with {why} the run would put a part of the rows in place of {_listed(replaced)} in schema "
            f"{run.live}. Choose another target schema, or run with replace_target"
        )
    for bound in bound_objects(run.target, run.live, leaving):
        yield f"{bound}: it would stay with the old one after the cutover. Drop it, and make it anew afterwards"
    for taken in taken_names(run.target, run.live, made.relation_names, made.movables, leaving):
        yield f"{taken} of {run.live} has the name of one to be made; rename it"


def _drift(run: Run) -> Iterator[str]:
    """Name what another hand changed in the live schema: the new tables would not have it."""
    if run.params.replace_target:
        return
    for difference in history.drifted(run):
        yield (
            f"schema {run.live} is not as the last run left it: {difference}. Keep it as a version (cutover schema "
            f"revision {run.spec.name}), take it back, or run with replace_target"
        )


def displaced(run: Run, made: Plan) -> set[Movable]:
    """What leaves the live schema at the plan's cutover."""
    return swap.displaced(run.target, run.live, made.movables, leaving_with(run, brought_before(run)))


def _words(movable: Movable) -> str:
    return movable.name if movable.kind == "TABLE" else f"{movable.kind.lower()} {movable.name}"


def brought_before(run: Run) -> set[Movable]:
    """What earlier runs put there, by the target itself and by the ledger.

    A later run's way back leaves no other sign of it than the ledger's.
    """
    return swap.made_here(run.target, run.spec.name, run.live) | history.brought(run)


def leaving_with(run: Run, ours: set[Movable]) -> set[Movable]:
    """What of ``ours`` leaves although nothing comes in its place: all of it, unless only some tables travel."""
    return ours if not run.params.tables else set()


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _no_room(run: Run, made: Plan) -> Iterator[str]:
    free, needed = run.staging_room, int(made.bytes * STAGING_FACTOR)
    if free < needed:
        yield (
            f"staging in {run.staging} has {free // 2**20} MB free, the run may need {needed // 2**20} MB; "
            "free some, or set CUTOVER_STAGING to a folder on a larger disk"
        )
