"""How risky a run is held to be: four levels, each with its reasons, by the rules of docs/assess.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cutover.assess.facts import ALTERED, FAILS, REFUSED, Facts
from cutover.assess.outcomes import memory
from cutover.verify.outcome import DATA

LOW, MEDIUM, HIGH = LEVELS = ("low", "medium", "high")
# What a table or a key has of its own may stay behind; what is slow without it is named here.
_CODE = ("view", "function", "procedure", "trigger", "event")
_LARGE_BACKUP = 10 * 2**30
_Reason = tuple[str, str]


@dataclass(frozen=True)
class Risk:
    """One risk: ``level`` is low, medium or high, ``reasons`` say why, those of that level first."""

    name: str
    level: str
    reasons: tuple[str, ...]


def risks(facts: Facts) -> tuple[Risk, ...]:
    """Return the four risks: of data loss, downtime, performance and rollback."""
    rules: dict[str, Callable[[Facts], Iterator[_Reason]]] = {
        "data loss": _data_loss,
        "downtime": _downtime,
        "performance": _performance,
        "rollback": _rollback,
    }
    return tuple(_folded(name, list(rule(facts))) for name, rule in rules.items())


def _folded(name: str, reasons: list[_Reason]) -> Risk:
    level = max((level for level, _ in reasons), key=LEVELS.index)
    ordered = sorted(reasons, key=lambda reason: -LEVELS.index(reason[0]))
    return Risk(name, level, tuple(text for _, text in ordered))


def _named(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _data_loss(facts: Facts) -> Iterator[_Reason]:
    losses = [loss.object for loss in facts.plan.losses]
    if losses:
        yield HIGH, f"{len(losses)} objects do not arrive as they are: {_named(losses)}"
    for finding in facts.findings(FAILS, REFUSED):
        yield HIGH, finding.told
    for seen, column, size in facts.oversized:
        yield HIGH, f"column {seen.table}.{column}: a value of {size:,} bytes is more than PostgreSQL holds"
    for finding in facts.findings(ALTERED):
        yield MEDIUM, finding.told
    ruled = [table.route.source for table in facts.plan.tables if table.route.changes_rows]
    if ruled:
        yield MEDIUM, f"the spec leaves out or changes rows of {len(ruled)} tables: {_named(ruled)}"
    if facts.unkeyed:
        yield MEDIUM, f"{len(facts.unkeyed)} tables have no primary key to tell their rows by: {_named(facts.unkeyed)}"
    if DATA not in facts.looked:
        yield MEDIUM, f"the values of about {facts.plan.rows:,} rows were not looked at: dataAnalysis is off"
    else:
        rows = sum(seen.rows for seen in facts.seen)
        yield LOW, f"{rows:,} rows of {len(facts.seen)} tables were looked at"


def _downtime(facts: Facts) -> Iterator[_Reason]:
    seconds, limits = max(facts.plan.seconds, 1.0), facts.limits
    about = f"about {seconds:,.0f} s for {facts.plan.rows:,} rows"
    if limits.seconds is not None and seconds > limits.seconds:
        yield HIGH, f"the run takes {about}, more than the {limits.seconds:,.0f} s that window and maxDuration leave"
    if facts.plan.follows:
        yield LOW, f"the target follows the source, which may be written to all along; the run takes {about}"
    elif limits.seconds is not None and limits.seconds / 2 < seconds <= limits.seconds:
        yield (
            MEDIUM,
            f"nobody may write to the source for {about}, over half of the {limits.seconds:,.0f} s there are",
        )
    elif seconds > limits.downtime:
        yield MEDIUM, f"nobody may write to the source for {about}, more than maxDowntime {limits.downtime:,.0f} s"
    else:
        yield LOW, f"nobody may write to the source for {about}"
    yield LOW, f"the live tables are locked for the exchange alone, {limits.downtime:,.0f} s at the most (maxDowntime)"
    if facts.impact is not None and facts.impact.sessions:
        total = sum(n for _, n in facts.impact.sessions)
        yield LOW, f"{total} sessions are connected to the target, and wait for that long"


def _performance(facts: Facts) -> Iterator[_Reason]:
    lost = [loss.object for loss in facts.plan.losses]
    # An index that another one serves for is none that is missed.
    notes = [note.object for note in facts.plan.notes if note.behind and note.text.startswith("stays behind")]
    indexes = [name for name in (*lost, *notes) if name.startswith("index ")]
    code = [name for name in (*lost, *notes) if name.startswith(_CODE)]
    if indexes:
        yield HIGH, f"{len(indexes)} indexes do not arrive: {_named(indexes)}"
    unkeyed = [table.route.source for table in facts.plan.tables if not table.constrained]
    if unkeyed:
        yield HIGH, f"{len(unkeyed)} tables arrive without keys, because the spec says so: {_named(unkeyed)}"
    needed = memory(facts)
    if facts.room is not None and needed > facts.room.memory:
        yield HIGH, f"the workers may take {needed >> 20:,} MB of the machine's {facts.room.memory >> 20:,} MB"
    if code:
        yield MEDIUM, f"{len(code)} views or programs are left out: {_named(code)}"
    for line in (*facts.source.tight, *facts.target.tight):
        yield MEDIUM, line
    count = sum(len(table.indexes) for table in facts.plan.tables)
    keyed = sum(bool(table.route.key) for table in facts.plan.tables)
    yield LOW, f"{count} indexes and {keyed} primary keys are built before the cutover, and statistics are gathered"


def _rollback(facts: Facts) -> Iterator[_Reason]:
    replaced = facts.plan.replaced
    sizes = {table.name: table.statistics for table in facts.plan.target.tables}
    rows, size = (sum(getattr(sizes[name], part) for name in replaced) for part in ("rows", "bytes"))
    held = f"{len(replaced)} live tables of about {rows:,} rows"
    if replaced and not facts.limits.backup:
        yield (
            HIGH,
            f"{held} are replaced, and backupBeforeMigration is off: the exchange alone leads back",
        )
    elif not facts.limits.backup:
        yield MEDIUM, "backupBeforeMigration is off; 0 live tables are replaced"
    if not facts.limits.goes_back:
        yield MEDIUM, "a run that fails does not take itself back: cutover rollback does, by hand"
    if size > _LARGE_BACKUP:
        yield MEDIUM, f"the backup is of {size >> 30:,} GB"
    if facts.plan.follows:
        yield MEDIUM, "what the application writes to the target after the cutover does not go back with the tables"
    what = f"{held} are kept" if replaced else "0 live tables are replaced"
    yield LOW, f"{what}; the way back is one exchange, without data being copied"
