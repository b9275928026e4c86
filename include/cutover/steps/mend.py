"""Make the rows of a target that differ those of the source, table by table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from cutover.data.extract import extract
from cutover.data.transform import Tally, transform
from cutover.errors import PreflightError
from cutover.route import Chunk
from cutover.steps.compare import differing, sides_of
from cutover.steps.context import Run
from cutover.verify import refused, repair
from cutover.verify.differing import Differing


def is_written(run: Run, piece: Chunk) -> bool:
    """Whether it is known of a piece that differs which rows do, where a repair needs to know."""
    return not run.plan.route(piece).ordered or Differing(differing(run), piece.name).seen.exists()


def repair_table(run: Run, table: str, unlike: Sequence[Chunk]) -> bool:
    """Mend one table, of which some pieces differ; return whether anything was changed.

    Raises:
        TransientError: a server was lost; nothing was changed.
        RefusedRowsError: a constraint of the target does not take the source's rows; nothing was changed.
    """
    route, sides = run.plan.table(table).route, sides_of(run)
    _refuse_refused(run, table, unlike)
    if run.plan.source.table(table).primary_key and not route.key:
        raise PreflightError([f"table {table}: the columns of its key are not all there, or not to be compared"])
    if route.ordered:
        written = [Differing(differing(run), piece.name) for piece in unlike]
        done = repair.repair_by_key(run.target, run.live, route, written)
    elif sides.aside is not None and refused.any_aside(run.target, sides.aside, route):
        raise PreflightError(
            [
                f"table {table}: no key that both servers sort alike tells its rows, and some were set aside; "
                "run the migration again"
            ]
        )
    else:
        batches = extract(run.source, route, unlike[0], run.batch_rows)
        done = repair.repair_whole(run.target, run.live, route, transform(route, batches, Tally()))
    if done.put or done.taken or done.left:
        run.record("repaired", **(asdict(done) | {"table": table}))
    return bool(done.put or done.taken)


def _refuse_refused(run: Run, table: str, unlike: Sequence[Chunk]) -> None:
    """Leave a table alone of which some rows could not be read as they should be: they are not gone from the source."""
    names = {piece.name for piece in unlike}
    last = {e.detail["chunk"]: e.detail for e in run.ledger.events(run.id, "verified") if e.detail["chunk"] in names}
    unfit = sum(found["refused"] for found in last.values())
    if unfit:
        raise PreflightError([f"{unfit} rows of the source do not fit table {table} of the target, or break a rule"])
