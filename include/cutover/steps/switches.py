"""What of the proof the spec's switches ask for."""

from __future__ import annotations

from cutover.spec.checks import PostMigration
from cutover.steps.context import Run

# What the application changes as soon as it writes: not asked of a schema that it has.
OF_THE_LOAD = frozenset({"rows", "ranges"})


def wanted(run: Run) -> bool:
    """Whether the spec asks for validation after the load."""
    return run.spec.strategy.execution.modes.safe.validate_after_migration and of(run).enabled


def of(run: Run) -> PostMigration:
    """Return the switches."""
    return run.spec.schema_.validation.post_migration


def expected(run: Run) -> frozenset[str]:
    """Name the kinds of expectation that are asked, of those that can be generated."""
    if not wanted(run):
        return frozenset()
    switches, rules = of(run), run.spec.schema_.validation.rules.data_integrity
    kinds = {
        "types": switches.schema_validation,
        "rows": switches.data_validation,
        "values": switches.data_validation,
        "ranges": rules.enabled and rules.check_ranges,
    }
    if switches.constraint_validation and rules.enabled:
        kinds |= {
            "foreign_keys": rules.check_foreign_keys and run.plan.validated,
            "unique": rules.check_unique_constraints,
            "not_null": rules.check_not_null_constraints,
            "checks": rules.check_check_constraints and run.plan.validated,
        }
    return frozenset(kind for kind, on in kinds.items() if on)
