"""Following the source: a run catches up with what changed while it loaded, and the live tables go on from there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from cutover.data.sync import binlog, checkpoint
from cutover.data.sync.apply import Applied, Place, apply
from cutover.data.sync.changes import Changes, Followed, followed
from cutover.data.sync.snapshot import snapshot
from cutover.dialects import postgresql
from cutover.errors import DataError, PreflightError, TransientError, VerificationError
from cutover.plan import Plan
from cutover.steps import history
from cutover.steps.context import Run

FEED = "binlog"
# A run has caught up when a round brings no more than this; the comparison afterwards asks again.
FEW = 100
ROUNDS = 50
# Changes after which it is plain which tables are written to.
ENOUGH = 10_000


@dataclass(frozen=True)
class Flushed:
    """What one batch did; ``complete`` says that the source had no more to tell when it was read."""

    changes: int
    rows: int
    position: str
    refused: int
    complete: bool


@dataclass(frozen=True)
class Follower:
    """A schema of the target that follows the source, by the plan of the run that made it."""

    run: Run
    plan: Plan
    schema: str
    made_by: str

    @cached_property
    def followed(self) -> dict[str, Followed]:
        """What is followed, by source table."""
        return {
            table.route.source: followed(table.route, self.plan.source.table(table.route.source))
            for table in self.plan.tables
        }

    @property
    def place(self) -> Place:
        """Where changes go."""
        return Place(self.run.target, self.schema, self.plan.tables, FEED)

    def since(self) -> str:
        """Return up to where the schema follows the source.

        Raises:
            PreflightError: it does not follow it.
        """
        with postgresql.session(self.run.target) as connection:
            known = checkpoint.read(connection, self.schema, FEED)
        if known is None:
            raise PreflightError(
                [f"schema {self.schema} of {self.run.target} follows nothing: no run with strategy streaming made it"]
            )
        return known.position

    def flush(self, limit: int) -> Flushed:
        """Apply one batch: up to ``limit`` changes and the end of their transaction, or all there are.

        Raises:
            DataError: a rule refuses rows, and errorHandling does not say skip; nothing was changed.
            TransientError: a connection was lost; nothing was changed.
            DriftError: the schema of a followed table changed.
        """
        run = self.run
        since, before = self.since(), self._now()
        with snapshot(run.source) as source:
            # The snapshot was taken between the two: what changed up to the second is read in it, and told of again.
            after = self._now()
            changes = binlog.changes(run.source, self.followed, since, after, limit)
            if changes.statement is not None:
                raise PreflightError(
                    [f"the binary log has a statement in place of rows: {changes.statement}. Set binlog_format to ROW"]
                )
            if changes.complete:
                changes.position = max(since, before, key=binlog.order)
            if changes.empty and changes.position == since:
                return Flushed(0, 0, since, 0, complete=True)
            skips = run.spec.strategy.types.data.streaming.error_handling == "skip"
            done = apply(source, self.place, self.followed, changes, run.batch_rows, refuse=not skips)
        refused = self._note(changes, done)
        return Flushed(changes.events, done.rows, changes.position, refused, changes.complete)

    def _now(self) -> str:
        found = binlog.position(self.run.source)
        if found is None:
            raise PreflightError([f"{self.run.source} does not tell where its binary log stands"])
        return found

    def _note(self, changes: Changes, done: Applied) -> int:
        refused = [(table, reject) for table, rejects in done.rejects.items() for reject in rejects]
        if changes.events or refused:
            self.run.record(
                "followed",
                position=changes.position,
                changes=changes.events,
                rows=done.rows,
                refused=[[table, r.key, r.column, r.reason] for table, r in refused[:100]],
            )
        return len(refused)


def begin(run: Run, position: str) -> None:
    """Let the run's shadow schema follow the source from a position on, before any row is read."""
    with postgresql.session(run.target) as connection:
        checkpoint.create(connection, run.shadow, FEED, position)


def findings(run: Run) -> list[str]:
    """Say what keeps the source from being followed: its settings and rights, the target's rights, or the spec."""
    found = binlog.unfit(run.source)
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


def catch_up(run: Run) -> None:
    """Apply what changed in the source since the run began to read it.

    It comes before keys are built: rows that were read at different times need not fit together until then.

    Raises:
        DataError: a rule refuses a changed row.
        TransientError: the source changes faster than it can be followed.
    """
    with run.step("catch_up") as detail:
        detail |= _until_few(run, Follower(run.beside_others(), run.plan, run.shadow, run.id))


def refuse_set_aside(tables: Iterable[str]) -> None:
    """Refuse rows that were set aside after the load: their later changes would bring them back.

    Raises:
        DataError: there are some.
    """
    if named := ", ".join(sorted(set(tables))):
        raise DataError(f"rows of {named} were set aside, and a stream would bring them back: mend them in the source")


def _until_few(run: Run, follower: Follower) -> dict[str, object]:
    changes = rows = 0
    limit = run.spec.stream_buffer_size
    for _ in range(ROUNDS):
        run.check_time()
        done = follower.flush(max(limit, 100_000))
        changes, rows = changes + done.changes, rows + done.rows
        if done.complete and done.changes <= FEW:
            return {"changes": changes, "rows": rows, "position": done.position}
    raise TransientError(f"after {ROUNDS} rounds and {changes} changes the source is still ahead")


def refuse_moved_source(run: Run) -> str | None:
    """Make sure that nothing changed in the source since a bulk run began; return why that is not known, if so.

    Raises:
        VerificationError: with the tables that changed.
        DriftError: the schema of one changed.
        TransientError: the source was lost.
    """
    before = (run.finished("preflight") or {}).get("binlog")
    if run.plan.follows:
        return None
    if before is None:
        return "it has no binary log, or does not tell where that stands"
    now = binlog.position(run.source)
    if now is None or now == before:
        return None
    if unfit := binlog.unfit(run.source):
        return unfit[0]
    tables = Follower(run, run.plan, run.shadow, run.id).followed
    try:
        changes = binlog.changes(run.source, tables, before, now, ENOUGH)
    except PreflightError as error:
        return str(error)
    if changes.empty:
        return None
    raise VerificationError(
        f"the source was written to during the run ({before} to {now}), in {', '.join(changes.tables)}: what arrived "
        "is not what is there. Stop its writes and run again, or follow them with strategy streaming"
    )


def live(run: Run) -> Follower:
    """Return what follows the source among the live tables: those of the last run that was cut over.

    Raises:
        PreflightError: there is none.
    """
    run_id = history.standing(run)
    if run_id is None:
        raise PreflightError([f"no run of {run.spec.name} has put its tables in place"])
    planned = run.ledger.last(run_id, "planned")
    assert planned is not None
    return Follower(run.beside_others(), Plan.from_json(planned.detail["plan"]), run.live, run_id)


def stream(run: Run, goes_on: Callable[[Flushed], bool]) -> None:
    """Let the live tables follow the source, batch by batch, as long as ``goes_on`` says so.

    Raises:
        DataError: a rule refuses a changed row, and errorHandling does not say skip.
        DriftError: the schema of a followed table changed.
        TransientError: a server could not be reached, too often in a row.
    """
    settings = run.spec.strategy.types.data.streaming
    bulk = run.spec.strategy.types.data.bulk
    attempts = 1 if settings.error_handling == "fail" else 1 + bulk.max_retries
    with run.step("stream", guarded=False) as detail:
        failures = total = 0
        follower = live(run)
        while True:
            # A run may put other tables in place meanwhile, with a checkpoint of their own.
            if follower.made_by != history.standing(run):
                follower = live(run)
            try:
                done = follower.flush(run.spec.stream_buffer_size)
            except TransientError as error:
                failures += 1
                if failures >= attempts:
                    raise
                run.record("retrying", attempt=failures, pieces=1, cause=str(error))
                time.sleep(min(2**failures, 30))
                continue
            failures, total = 0, total + done.changes
            detail |= {"changes": total, "position": done.position}
            if not goes_on(done):
                return
            if done.complete and done.changes < run.spec.stream_buffer_size:
                time.sleep(run.spec.stream_flush_interval / 1000)
