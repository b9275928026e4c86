"""Following the source: a run catches up with what changed while it loaded, and the live tables go on from there."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from cutover.data.sync import checkpoint
from cutover.data.sync.apply import Applied, Place, apply
from cutover.data.sync.changes import Changes, Followed
from cutover.data.sync.checkpoint import Mark
from cutover.data.sync.feed import Feed
from cutover.dialects import postgresql
from cutover.errors import PreflightError, TransientError
from cutover.plan import Plan
from cutover.steps import feeds, history
from cutover.steps.context import Run

# A run has caught up when a round brings no more than this; the comparison afterwards asks again.
FEW = 100
ROUNDS = 50


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
        return feeds.tables(self.plan)

    @cached_property
    def feed(self) -> Feed:
        """What tells the changes."""
        return feeds.feed_for(self.run, self.plan, self.schema)

    @property
    def mark(self) -> Mark:
        """Where it is told how far the schema follows."""
        assert self.plan.checkpoint is not None
        return Mark(self.schema, self.plan.checkpoint, self.feed.name)

    def begin(self) -> None:
        """Note where the source stands, before any row is read."""
        with postgresql.session(self.run.target) as connection:
            checkpoint.create(connection, self.mark, self.feed.position())

    def since(self) -> str:
        """Return up to where the schema follows the source.

        Raises:
            PreflightError: it does not follow it.
        """
        known = None
        if self.plan.follows:
            with postgresql.session(self.run.target) as connection:
                known = checkpoint.read(connection, self.mark)
        if known is None:
            raise PreflightError(
                [
                    f"schema {self.schema} of {self.run.target} does not follow {self.feed.name}: no run with that "
                    "strategy made it"
                ]
            )
        return known.position

    def flush(self, limit: int) -> Flushed:
        """Apply one batch: up to ``limit`` changes, and those that belong to them, or all there are.

        Raises:
            DataError: a rule refuses rows, and errorHandling does not say skip; nothing was changed.
            TransientError: a connection was lost; nothing was changed.
            DriftError: the schema of a followed table changed.
        """
        run, since = self.run, self.since()
        with self.feed.tell(since, limit) as (source, changes):
            if changes.empty and changes.position == since:
                return Flushed(0, 0, since, 0, complete=True)
            types = run.spec.strategy.types.data
            skips = types.streams and types.streaming.error_handling == "skip"
            place = Place(run.target, self.mark, self.plan.tables)
            done = apply(source, place, self.followed, changes, run.follow_rows, refuse=not skips)
        refused = self._note(changes, done)
        return Flushed(changes.events, done.rows, changes.position, refused, changes.complete)

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


def begin(run: Run) -> None:
    """Let the run's shadow schema follow the source from here on, before any row is read.

    Raises:
        PreflightError: the source does not tell where it stands.
    """
    Follower(run, run.plan, run.shadow, run.id).begin()


def catch_up(run: Run) -> None:
    """Apply what changed in the source since the run began to read it.

    It comes before keys are built: rows that were read at different times need not fit together until then.

    Raises:
        DataError: a rule refuses a changed row.
        TransientError: the source changes faster than it can be followed.
    """
    with run.step("catch_up") as detail:
        detail |= _until_few(run, Follower(run.beside_others(), run.plan, run.shadow, run.id))


def _until_few(run: Run, follower: Follower) -> dict[str, object]:
    changes = rows = 0
    before = math.inf
    limit = run.spec.stream_buffer_size
    for _ in range(ROUNDS):
        run.check_time()
        done = follower.flush(max(limit, 100_000))
        changes, rows = changes + done.changes, rows + done.rows
        # A pass is all there was; what came after the last change of a log is told by a new look alone. It comes no
        # nearer where as much has come meanwhile as in the look before.
        nearest = done.changes <= FEW or done.changes >= before
        if done.complete and (nearest or not run.spec.strategy.types.data.streams):
            return {"changes": changes, "rows": rows, "position": done.position}
        before = done.changes
    raise TransientError(f"after {ROUNDS} rounds and {changes} changes the source is still ahead")


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


def _refuse_other_strategy(run: Run, wanted: str) -> None:
    chosen = run.spec.strategy.types.data.strategy
    if chosen != wanted:
        known = {"streaming": "cutover stream follows it", "incremental": "cutover sync brings what changed"}
        cure = known.get(chosen, "nothing follows its source")
        raise PreflightError([f"{run.spec.name}: strategy.types.data.strategy is {chosen}, not {wanted}: {cure}"])


def sync(run: Run) -> Flushed:
    """Bring the live tables up to date once; return what that took.

    Raises:
        PreflightError: the spec's strategy is another.
        DataError: a rule refuses a changed row.
        TransientError: a server could not be reached. In each case nothing was changed.
    """
    _refuse_other_strategy(run, "incremental")
    with run.step("sync", guarded=False) as detail:
        done = live(run).flush(0)
        detail |= {"changes": done.changes, "rows": done.rows, "position": done.position}
    return done


def stream(run: Run, goes_on: Callable[[Flushed], bool]) -> None:
    """Let the live tables follow the source, batch by batch, as long as ``goes_on`` says so.

    Raises:
        PreflightError: the spec's strategy is another.
        DataError: a rule refuses a changed row, and errorHandling does not say skip.
        DriftError: the schema of a followed table changed.
        TransientError: a server could not be reached, too often in a row.
    """
    _refuse_other_strategy(run, "streaming")
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
