"""Bringing two lines of versions together: by a version that merges them, or by putting one behind the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from alembic.script import Script

from cutover.errors import PreflightError
from cutover.plan import Plan
from cutover.schema import definitions
from cutover.schema.definitions import Definitions
from cutover.schema.versions import apply
from cutover.schema.versions.scripts import MAIN, move
from cutover.steps.context import Run
from cutover.steps.versions import applied_live, scripts_of, there_and_back


@dataclass(frozen=True)
class Joined:
    """How a branch was joined to the main line: by the version that merges it, or the one that was moved."""

    how: str
    version: str
    conflicts: tuple[str, ...]


def join(run: Run, made: Plan, branch: str) -> Joined:
    """Join a branch to the main line as the spec says.

    Two lines are in conflict where it matters which of them comes first, or one of them cannot come second. That is
    tried on empty tables of the plan ``made``.

    Raises:
        PreflightError: they are in conflict and the spec says manual, or the branch cannot come last; or the target
            has versions of the branch already, and they would have to move. Nothing was written.
    """
    kind = run.spec.strategy.types.schema_
    if kind.strategy != "branching":
        raise PreflightError([f"versions branch with strategy branching; the spec says {kind.strategy}"])
    scripts = scripts_of(run)
    if branch == MAIN:
        raise PreflightError(["give the branch that is to be joined to the main line"])
    theirs, ours = scripts.head(branch), scripts.head()
    assert theirs is not None
    if scripts.merged(branch):
        raise PreflightError([f"branch {branch} is merged already"])
    if ours is None:
        raise PreflightError([f"the main line in {scripts.folder} has no version to join branch {branch} to"])
    main, other = scripts.line(ours), scripts.line(theirs)
    common = [script for script in main if script in other]
    added = [script for script in other if script not in main]
    found = _conflicts(run, made, common, [script for script in main if script not in other], added)
    applied = sorted({script.revision for script in added} & applied_live(run))
    auto = kind.branching.conflict_resolution == "auto"
    if found and not auto:
        raise PreflightError([f"branch {branch} and the main line are in conflict: {line}" for line in found])
    if applied and (found or kind.branching.merge_strategy == "rebase"):
        raise PreflightError(
            [
                f"version {v} of branch {branch} is applied in the target, and would have to move: downgrade"
                for v in applied
            ]
        )
    if kind.branching.merge_strategy == "rebase":
        move(added[0], ours)
        return Joined("rebase", added[0].revision, tuple(found))
    merging = scripts.write(f"merge {branch}", (ours, theirs), down=() if kind.reversible else None)
    return Joined("merge", merging.revision, tuple(found))


def _conflicts(
    run: Run, made: Plan, common: Sequence[Script], main: Sequence[Script], branch: Sequence[Script]
) -> list[str]:
    """Say what hangs on the order of two lines.

    Raises:
        PreflightError: the branch cannot follow the main line at all.
    """
    try:
        after_main = _made_by(run, made, [*common, *main, *branch], back=branch)
    except PreflightError as error:
        raise PreflightError([f"the branch cannot follow the main line: {line}" for line in error.findings]) from None
    try:
        before_main = _made_by(run, made, [*common, *branch, *main])
    except PreflightError as error:
        return [f"the main line cannot follow the branch: {line}" for line in error.findings]
    return [f"their order matters for {difference}" for difference in definitions.compare(before_main, after_main)]


def _made_by(run: Run, made: Plan, scripts: Sequence[Script], back: Sequence[Script] = ()) -> Definitions:
    """Return what versions make of a plan's schema; those of ``back``, which are the last, are tried back too."""
    with definitions.scratch(run.target) as (connection, schema):
        definitions.run(connection, made.up)
        apply.upgrade(connection, scripts, None)
        if run.spec.strategy.types.schema_.reversible:
            there_and_back(connection, schema, back, None)
        return definitions.read(connection, schema)
