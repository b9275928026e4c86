"""What tells a run which rows of its source changed: the feed that its spec chooses."""

from __future__ import annotations

from collections.abc import Iterable

from cutover.data.sync import binlog
from cutover.data.sync.changes import Followed, followed
from cutover.data.sync.feed import Feed
from cutover.data.sync.keyset import Keyset
from cutover.data.sync.snapshot import snapshot
from cutover.data.sync.stream import BinlogFeed
from cutover.data.sync.times import TimeFeed, oldest_transaction
from cutover.dialects import postgresql
from cutover.errors import DataError
from cutover.plan import Plan
from cutover.steps.context import Run


def tables(plan: Plan) -> dict[str, Followed]:
    """Return what is followed, by source table."""
    found = (followed(table.route, plan.source.table(table.route.source)) for table in plan.tables)
    return {table.route.source: table for table in found}


def feed_for(run: Run, plan: Plan, schema: str) -> Feed:
    """Return the feed of a schema of the target, by the plan of the run that made it."""
    feed = run.spec.data.extraction.strategy.feed
    if feed is None:
        return BinlogFeed(run.source, tables(plan))
    keys = Keyset(run.target, schema, run.staging) if feed.compares_keys else None
    name = run.spec.feed_name
    assert name is not None
    return TimeFeed(run.source, tables(plan), name, dict(plan.times), feed.log, feed.looks_back, keys)


def findings(run: Run) -> list[str]:
    """Say what keeps the source from being followed: its settings and rights, the target's rights, or the spec."""
    feed = run.spec.data.extraction.strategy.feed
    if feed is None:
        found = binlog.unfit(run.source)
    else:
        found = list(_hidden_transactions(run)) if feed.overlap is None else []
    with postgresql.session(run.target) as connection:
        try:
            with connection.transaction(force_rollback=True):
                connection.execute("SET LOCAL session_replication_role = replica")
        except Exception:  # whatever the reason, the cure is the same
            found.append(
                f"{run.target.user} may not set session_replication_role on {run.target}, without which foreign keys "
                "and triggers would act on what is applied: GRANT SET ON PARAMETER session_replication_role TO it"
            )
    if run.spec.data.transformation.cleaning.duplicates is not None:
        found.append(
            "duplicateRemoval decides over whole tables, and cannot be followed row by row; remove one of the two"
        )
    return found


def _hidden_transactions(run: Run) -> Iterable[str]:
    with snapshot(run.source) as source:
        if oldest_transaction(source) is None:
            key = f"data.extraction.strategy.{run.spec.feed_name}.overlap"
            yield (
                f"{run.source.user} may not see the open transactions of {run.source}, whose changes a pass would "
                f"miss: GRANT PROCESS ON *.* TO it, or say {key}, longer than any transaction there takes"
            )


def refuse_left_out(run: Run, set_aside: Iterable[str], refused: Iterable[str]) -> None:
    """Refuse a load that left rows out, which following the source would bring back, or stumble over each time.

    Raises:
        DataError: tables in ``set_aside`` had rows taken out after the load; or those of ``refused`` had some that
            were not loaded, and passes compare all keys.
    """
    if named := ", ".join(sorted(set(set_aside))):
        raise DataError(f"rows of {named} were set aside, and a stream would bring them back: mend them in the source")
    feed = run.spec.data.extraction.strategy.feed
    if feed is not None and feed.compares_keys and (named := ", ".join(sorted(set(refused)))):
        raise DataError(
            f"rows of {named} were refused, and each pass that compares keys would miss them again: mend them in the "
            "source, or let a rule leave them out"
        )
