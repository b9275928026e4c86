"""Run a comparison of source and target, and the repair that may follow it, in this process and its workers."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from functools import partial

from cutover import verdict
from cutover.errors import PreflightError, RefusedRowsError
from cutover.route import Chunk
from cutover.run import side_by_side
from cutover.steps import compare, mend
from cutover.steps.compare import Options
from cutover.steps.context import Run
from cutover.verdict import Verdict
from cutover.workers import warm_up

# How often what differs is looked at again where the source moves, and how often a repair is.
LOOKS, REPAIRS = 4, 3
EXIT_SAME, EXIT_DIFFERENT, EXIT_COULD_NOT = 0, 1, 2
# Compares pieces, however that is done, in a look of a number.
Look = Callable[[int, Sequence[Chunk]], None]


def verify(run: Run, options: Options) -> Verdict:
    """Compare everything, look again at what differs on a source that moves, and repair where that is asked for.

    A comparison that was interrupted goes on: pieces that were compared are not compared again.

    Raises:
        CutoverError: it could not be done; what was compared is noted.
    """
    compare.refuse_other_options(run, options)
    if run.ledger.last(run.id, "completed") is not None:
        return verdict.build(run.ledger, run.id)
    warm_up()

    def look(number: int, pieces: Sequence[Chunk]) -> None:
        side_by_side(run, partial(compare.compare_piece, run, options, number, compare.differing(run)), pieces)

    try:
        compare.prepare(run, options)
        seen = {event.detail["chunk"] for event in run.ledger.events(run.id, "verified")}
        look(0, [piece for piece in compare.pieces(run) if piece.name not in seen])
        return conclude(run, options, look)
    except Exception:
        run.record("failed", changed_nothing=run.ledger.last(run.id, "repaired") is None)
        raise


def one_by_one(run: Run, options: Options) -> Look:
    """Return what compares pieces in this process, one after the other."""

    def look(number: int, pieces: Sequence[Chunk]) -> None:
        for piece in pieces:
            compare.compare_piece(run, options, number, compare.differing(run), piece)

    return look


def verify_here(run: Run, options: Options) -> Verdict:
    """Do what :func:`verify` does piece by piece in this process.

    Raises:
        As :func:`verify` does.
    """
    look = one_by_one(run, options)
    compare.prepare(run, options)
    look(0, compare.pieces(run))
    return conclude(run, options, look)


def conclude(run: Run, options: Options, look: Look) -> Verdict:
    """Do what comes after the first look at every piece, and return the verdict.

    Raises:
        CutoverError: as ``look`` raises, or a server was lost.
    """
    with run.step("conclude", guarded=False):
        _look_again(run, look)
        if options.repair:
            _repair(run, look)
    run.record("completed")
    shutil.rmtree(run.staging, ignore_errors=True)
    return verdict.build(run.ledger, run.id)


def unlike(run: Run) -> list[Chunk]:
    """Return the pieces that differed when they were last looked at."""
    last = {event.detail["chunk"]: event.detail for event in run.ledger.events(run.id, "verified")}
    differing = {
        name for name, found in last.items() if found["lost"] + found["extra"] + found["changed"] + found["refused"]
    }
    return [piece for piece in compare.pieces(run) if piece.name in differing]


def _look_again(run: Run, look: Look) -> None:
    """Look again at what differs: on a source that moves it may be on its way."""
    for number in range(1, LOOKS + 1):
        rest, moved = unlike(run), compare.has_moved(run)
        # Where the source does not tell whether it has moved, once more has to do.
        if not rest or moved is False or (moved is None and number > 1):
            return
        if number == 1:
            run.record(
                "moved",
                text="the source was written to meanwhile, or its binary log does not tell: what differed was looked "
                f"at again, up to {LOOKS} times",
            )
        time.sleep(2 ** (number - 1))
        look(number, rest)


def _repair(run: Run, look: Look) -> None:
    """Mend the tables that differ, parents before children, and compare them again; as long as that helps."""
    for attempt in range(1, REPAIRS + 1):
        rest = unlike(run)
        # A resumed comparison may have lost what it had written down, with the machine it ran on.
        look(LOOKS + attempt, [piece for piece in rest if not mend.is_written(run, piece)])
        rest = unlike(run)
        tables = [table.route.source for table in run.plan.tables]
        changed = [table for table in tables if _repaired(run, table, [p for p in rest if p.table == table])]
        # One that was not changed may be mended already: by an attempt that was interrupted, or by another hand.
        again = {piece.name for piece in compare.pieces(run) if piece.table in changed} | {piece.name for piece in rest}
        look(LOOKS + REPAIRS + attempt, [piece for piece in compare.pieces(run) if piece.name in again])
        if not changed:
            return


def _repaired(run: Run, table: str, pieces: Sequence[Chunk]) -> bool:
    if not pieces:
        return False
    try:
        return mend.repair_table(run, table, pieces)
    except (RefusedRowsError, PreflightError) as error:
        run.record("left", table=table, why=str(error))
        return False


def exit_code(found: Verdict) -> int:
    """Return what the command line exits with for a verdict."""
    return {verdict.SAME: EXIT_SAME, verdict.DIFFERENT: EXIT_DIFFERENT}.get(found.status, EXIT_COULD_NOT)
