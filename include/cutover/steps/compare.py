"""Compare a source with a target that anybody may have loaded, piece by piece, and mend the target."""

from __future__ import annotations

import math
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from cutover.data import shadow
from cutover.data.sync import binlog
from cutover.data.transform import Reject, Tally
from cutover.dialects import postgresql
from cutover.errors import PreflightError
from cutover.plan import Plan
from cutover.route import Chunk, TableRoute
from cutover.schema.matched import match
from cutover.schema.target import TargetTable
from cutover.steps import check, history
from cutover.steps.context import Run
from cutover.verdict import BY_CELL, BY_DIGEST
from cutover.verify import digests, refused, repair, rows
from cutover.verify.comparison import Comparison
from cutover.verify.differing import Differing

# How many rows that the spec's rules refuse are named for each chunk.
_NAMED = 20


@dataclass(frozen=True)
class Options:
    """How to compare.

    Attributes:
        fast: let both servers make one number of each range of keys first, and read the rows where it differs alone.
        repair: make the target's rows those of the source, and compare again.
        sample: the share of each table's ranges that is compared, at least one; all where None.
    """

    fast: bool = False
    repair: bool = False
    sample: float | None = None


def prepare(run: Run, options: Options) -> None:
    """Find out what there is to compare, and note it; changes nothing.

    Raises:
        PreflightError: a server or schema is not there, cannot be repaired, or the spec lets rows of the target stay.
        SpecError: the spec does not fit the source.
        UnsupportedTypeError: a column's type has no translation.
        TransientError: a server could not be reached.
    """
    refuse_other_options(run, options)
    if run.ledger.last(run.id, "matched") is None:
        with run.step("compare", guarded=False):
            _prepare(run, options)


def refuse_other_options(run: Run, options: Options) -> None:
    """Make sure that a comparison goes on as it began.

    Raises:
        PreflightError: it had other options.
    """
    before = run.ledger.last(run.id, "matched")
    if before is not None and before.detail["options"] != asdict(options):
        raise PreflightError([f"{run.id} was begun with other options: {before.detail['options']}; give the same"])


def _prepare(run: Run, options: Options) -> None:
    if run.spec.data.loading.strategy.upsert.enabled:
        raise PreflightError(
            [
                f"{run.spec.name}: data.loading.strategy.upsert lets rows of the target stay that the source does not "
                "have, and nothing tells them from rows that should not be there; its own runs compare what they bring"
            ]
        )
    if options.sample is not None and options.repair:
        raise PreflightError(["sample and repair: what is not compared cannot be repaired; leave one out"])
    if options.repair:
        repair.refuse_unable(run.target)
    _refuse_no_schema(run)
    # Before any row is read: what is written from here on may be seen, or not.
    position = binlog.position(run.source)
    made = check.unrehearsed(run)
    found = match(made.tables, made.target)
    plan = replace(
        made,
        tables=found.tables,
        batches=_batches(made, found.tables, options),
        views=(),
        programs=(),
        sequences=(),
        summaries=(),
        losses=(),
        notes=(),
    )
    run.record("planned", digest=plan.digest, plan=plan.to_json())
    run.record(
        "matched",
        unlike=list(found.unlike),
        notes=list(found.notes),
        aside=_aside(run),
        binlog=position,
        options=asdict(options),
        pieces={table.route.source: len(_pieces_of(made, table)) for table in found.tables},
    )


def _refuse_no_schema(run: Run) -> None:
    with postgresql.session(run.target) as connection:
        if not shadow.exists(connection, run.live):
            raise PreflightError([f"target {run.target} has no schema {run.live}; name another with --schema"])


def _aside(run: Run) -> str | None:
    """Return the schema in which the run that made the tables keeps what it set aside; None where there is none."""
    made_by = history.standing(run)
    if made_by is None:
        return None
    schema = replace(run, id=made_by).shadow
    with postgresql.session(run.target) as connection:
        return schema if shadow.exists(connection, schema) else None


def _pieces_of(plan: Plan, table: TargetTable) -> list[Chunk]:
    """Return the chunks of a table that are compared when it is their turn: one, where it is compared whole."""
    chunks = [chunk for chunk in plan.chunks if chunk.table == table.route.source]
    return [chunk for chunk in chunks if rows.compared_with(table.route, chunk) is not None]


def _batches(plan: Plan, tables: Sequence[TargetTable], options: Options) -> tuple[tuple[Chunk, ...], ...]:
    """Leave out of the plan's batches what is not compared; a sample is the same whenever it is drawn of a plan."""
    kept: set[str] = set()
    draw = random.Random(plan.migration)
    for table in tables:
        chunks = _pieces_of(plan, table)
        count = len(chunks) if options.sample is None else max(1, math.ceil(options.sample * len(chunks)))
        kept |= {chunk.name for chunk in draw.sample(chunks, count)}
    batches = (tuple(chunk for chunk in batch if chunk.name in kept) for batch in plan.batches)
    return tuple(batch for batch in batches if batch)


def pieces(run: Run) -> list[Chunk]:
    """Return what is compared, each piece by itself; a table that is sorted unlike on both sides is one."""
    found = (rows.compared_with(run.plan.route(chunk), chunk) for chunk in run.plan.chunks)
    return [piece for piece in found if piece is not None]


def compare_batch(run: Run, options: Options, number: int) -> None:
    """Compare the pieces of a batch that were not compared yet.

    Raises:
        As :func:`compare_piece` does.
    """
    seen = {event.detail["chunk"] for event in run.ledger.events(run.id, "verified")}
    for chunk in run.plan.batches[number]:
        piece = rows.compared_with(run.plan.route(chunk), chunk)
        if piece is not None and piece.name not in seen:
            compare_piece(run, options, 0, differing(run), piece)


def compare_piece(run: Run, options: Options, look: int, differing: Path, piece: Chunk) -> None:
    """Compare one piece, and note what was found.

    Args:
        run: the comparison.
        options: how to compare.
        look: how often it was compared before.
        differing: the folder where it is written down which rows differ, for a repair.
        piece: the piece.

    Raises:
        TransientError: a server was lost.
        PreflightError: one refused a statement.
    """
    run = run.beside_others()
    with run.noting_failure("compare"):
        route, sides = run.plan.route(piece), sides_of(run)
        started = time.monotonic()
        tally = Tally()
        written = Differing(differing, piece.name) if options.repair and route.ordered else None
        alike = digests.alike(sides, route, piece) if options.fast and _may_digest(sides, route) else None
        result = rows.compare(sides, route, piece, tally, written) if alike is None else Comparison(rows=alike)
        told, unfit = _refused(sides, route, tally)
        run.record(
            "verified",
            chunk=piece.name,
            table=piece.table,
            rows=result.rows,
            lost=result.lost,
            extra=result.extra,
            changed=result.changed,
            refused=len(unfit),
            seconds=round(time.monotonic() - started, 3),
            differences=[str(difference) for difference in result.shown]
            + [f"{route.source} {r.key}: {r.reason}" for r in unfit[:_NAMED]],
            explained=[[column, what, count] for (column, what), count in sorted(told.items())],
            how=BY_CELL if alike is None else BY_DIGEST,
            look=look,
        )


def _refused(sides: rows.Sides, route: TableRoute, tally: Tally) -> tuple[Counter[tuple[str, str]], list[Reject]]:
    """Count what rules explain, by column; and return the rows that nothing explains why they are not as they should.

    What a check refuses is explained where it refused it when the table was loaded: the run has told of it.
    """
    told: Counter[tuple[str, str]] = Counter()
    for (column, what, _), count in tally.altered.items():
        told[column, what] += count
    refused_by_rule = [reject for reject in tally.rejects if reject.by_rule]
    unfit = [reject for reject in tally.rejects if not reject.by_rule]
    if unfit and sides.aside is not None:
        known = refused.when_loaded(sides.target, sides.aside, route)
        refused_by_rule += [reject for reject in unfit if (reject.key, reject.column) in known]
        unfit = [reject for reject in unfit if (reject.key, reject.column) not in known]
    for reject in refused_by_rule:
        told[reject.column or "", f"rows were refused: {reject.reason}"] += 1
    return told, unfit


def _may_digest(sides: rows.Sides, route: TableRoute) -> bool:
    """Whether all of the source's rows have to be in the table itself."""
    return digests.can(route) and (sides.aside is None or not refused.any_aside(sides.target, sides.aside, route))


def _noted(run: Run) -> dict[str, object]:
    event = run.ledger.last(run.id, "matched")
    if event is None:
        raise PreflightError([f"run {run.id} does not say what is compared; start a new one"])
    return dict(event.detail)


def sides_of(run: Run) -> rows.Sides:
    """Return where a comparison's rows are."""
    aside = _noted(run)["aside"]
    return rows.Sides(
        run.source, run.target, run.live, None if aside is None else str(aside), run.batch_rows, run.staging
    )


def differing(run: Run) -> Path:
    """Return the folder where it is written down which rows differ."""
    return run.staging / "differing"


def has_moved(run: Run) -> bool | None:
    """Whether the source was written to since the comparison began; None where it has no binary log that tells."""
    before = _noted(run)["binlog"]
    return None if before is None else before != binlog.position(run.source)
