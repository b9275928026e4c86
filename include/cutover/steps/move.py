"""The steps that move data: backup, shadow schema, chunks, keys and indexes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from cutover.data import finish, keys, merge, shadow, stage
from cutover.data.extract import extract
from cutover.data.load import ERROR, RULE, load
from cutover.data.transform import Reject, Tally, target_schema, transform
from cutover.dialects import postgresql
from cutover.errors import DataError, DriftError, RefusedRowsError, TerminalError, TransientError
from cutover.route import Chunk
from cutover.schema import ddl, inspect_mysql_sequences, sequences
from cutover.steps import carry, feeds, follow, stillness
from cutover.steps.check import inspect_both
from cutover.steps.context import Run

INDEX_BUILDERS = 3
# Rows of a table after which the share that is refused is judged while others are still loaded.
ENOUGH = 10_000


def create_schema(run: Run) -> None:
    """Create the shadow schema with bare tables, unless either side has changed since the plan.

    Raises:
        DriftError: a schema is not what the plan was made from.
    """
    with run.step("create_schema") as detail:
        source, target = inspect_both(run)
        for side, now, planned in (("source", source, run.plan.source), ("target", target, run.plan.target)):
            changes = now.changes_since(planned)
            if changes:
                raise DriftError(side, changes)
        shadow.create(run.target, run.shadow, run.plan.first, ddl.create_tables(run.plan.tables))
        if run.plan.follows:
            follow.begin(run)
        detail["schema"] = run.shadow
        before = run.finished("create_schema")
        detail["checksums"] = before["checksums"] if before is not None else stillness.remember(run)


def extract_batch(run: Run, number: int) -> None:
    """Read the chunks of a batch from the source into staging.

    Raises:
        WindowClosedError: the window closed, or the run takes too long.
        TransientError: the source was lost.
        PreflightError: the staging disk is full.
    """
    run = run.beside_others()
    for chunk in run.plan.batches[number]:
        with run.noting_failure("extract"):
            run.check_time()
            path = _staged(run, chunk, "extracted")
            if path.exists() or _staged(run, chunk, "transformed").exists() or _loaded_before(run, chunk):
                continue
            started = time.monotonic()
            rows = stage.write(path, _read(run, chunk))
            run.record("extracted", chunk=chunk.name, table=chunk.table, rows=rows, seconds=_since(started))


def transform_batch(run: Run, number: int) -> None:
    """Transform the staged chunks of a batch; each extracted file goes when its successor is whole.

    Raises:
        WindowClosedError: the window closed, or the run takes too long.
        PreflightError: the staging disk is full.
    """
    for chunk in run.plan.batches[number]:
        with run.noting_failure("transform"):
            run.check_time()
            origin, path = _staged(run, chunk, "extracted"), _staged(run, chunk, "transformed")
            if path.exists() or _loaded_before(run, chunk):
                continue
            started = time.monotonic()
            tally, route = Tally(), run.plan.loading(chunk)
            # The tally first: the rows' file, once it is there, says that the chunk is transformed.
            batches = transform(route, stage.read(origin), tally)
            rows = stage.write(path, batches, target_schema(route), before=partial(_keep, tally, path))
            origin.unlink()
            run.record("transformed", chunk=chunk.name, table=chunk.table, rows=rows, seconds=_since(started))


def load_batch(run: Run, number: int) -> None:
    """Load the transformed chunks of a batch.

    Raises:
        WindowClosedError: the window closed, or the run takes too long.
        TransientError: the target was lost.
        DataError: the target refused rows, or too many were refused before.
    """
    run = run.beside_others()
    for chunk in run.plan.batches[number]:
        with run.noting_failure("load"):
            path = _staged(run, chunk, "transformed")
            if not path.exists() and _loaded_before(run, chunk):
                continue
            _load(run, chunk, partial(_kept, path))
            path.unlink()
            _tally_path(path).unlink()


def stream_chunk(run: Run, chunk: Chunk) -> None:
    """Extract, transform and load one chunk in one go, without staging.

    Raises:
        As the three steps do.
    """
    run = run.beside_others()

    def transformed() -> tuple[Iterator[pa.RecordBatch], Tally]:
        tally = Tally()
        return transform(run.plan.loading(chunk), _read(run, chunk), tally), tally

    with run.noting_failure("load"):
        _load(run, chunk, transformed)


def _read(run: Run, chunk: Chunk) -> Iterator[pa.RecordBatch]:
    """Read a chunk from the source, for no longer than the spec lets a chunk take.

    Raises:
        TerminalError: it takes longer.
    """
    limit = run.spec.data.extraction.strategy.full.timeout / 1000
    started = time.monotonic()
    for batch in extract(run.source, run.plan.loading(chunk), chunk, run.batch_rows):
        if time.monotonic() - started > limit:
            raise TerminalError(f"chunk {chunk.name} is not read within extraction's timeout of {limit:.0f} s")
        yield batch


def _load(run: Run, chunk: Chunk, transformed: Callable[[], tuple[Iterator[pa.RecordBatch], Tally]]) -> None:
    """Load a chunk; ``transformed`` begins it anew each time, for rows that are refused are looked for only then."""
    run.check_time()
    started = time.monotonic()
    to = run.target, run.shadow, run.plan.loading(chunk), chunk
    try:
        marker = load(*to, *transformed())
    except RefusedRowsError as error:
        if not run.spec.data.loading.options.error_handling.error_recovery:
            raise
        run.record("recovering", chunk=chunk.name, cause=str(error))
        marker = load(*to, *transformed(), recover=run.max_errors)
    # The marker is the truth: a crash between the commit and this event is mended by the next attempt.
    if not _loaded_before(run, chunk):
        run.record(
            "loaded",
            chunk=chunk.name,
            table=chunk.table,
            rows_read=marker.rows_read,
            rows=marker.rows,
            rejected=marker.rejected,
            bytes=marker.bytes,
            seconds=_since(started),
            altered=[{"column": c, "what": what, "rule": rule, "values": n} for c, what, rule, n in marker.altered],
        )
    if marker.rejected:
        so_far = finish.counts(run.target, run.shadow)
        finish.enforce_limits(so_far, run.max_errors, 1.0)
        if run.spec.rollback.triggers.automatic.wants_errors:
            # A share of few rows says little of the others.
            many = [table for table in so_far if table.rows_read >= ENOUGH]
            finish.enforce_limits(many, run.max_errors, run.error_threshold)


def _loaded_before(run: Run, chunk: Chunk) -> bool:
    return bool(run.ledger.events(run.id, "loaded", naming=chunk.name))


def _since(started: float) -> float:
    return round(time.monotonic() - started, 3)


def _staged(run: Run, chunk: Chunk, state: str) -> Path:
    position = run.plan.tables.index(run.plan.table(chunk.table))
    return run.staging / f"{position:04d}-{chunk.number:05d}.{state}"


def _tally_path(path: Path) -> Path:
    return path.with_suffix(".tally")


def _keep(tally: Tally, path: Path) -> None:
    _tally_path(path).write_text(json.dumps(_tally_out(tally)))


def _kept(path: Path) -> tuple[Iterator[pa.RecordBatch], Tally]:
    return stage.read(path), _tally_in(json.loads(_tally_path(path).read_text()))


def _tally_out(tally: Tally) -> dict[str, Any]:
    return asdict(tally) | {"altered": [[*what, count] for what, count in tally.altered.items()]}


def _tally_in(given: dict[str, Any]) -> Tally:
    tally = Tally(given["rows_read"], given["bytes_read"], [Reject(**reject) for reject in given["rejects"]])
    tally.altered.update({(column, what, rule): count for column, what, rule, count in given["altered"]})
    return tally


def finish_schema(run: Run) -> None:
    """Take out duplicates, build keys and indexes, set NOT NULL, add foreign keys, gather statistics.

    Raises:
        DataError: more rows were refused than the spec allows, or a constraint does not hold.
        TerminalError: an index or constraint took longer than the spec allows.
        TransientError: a chunk is missing, or the target was lost.
    """
    with run.step("finish_schema") as detail:
        carry.take_back(run)
        plan, target, schema = run.plan, run.target, run.shadow
        missing = _missing_chunks(run)
        if missing:
            raise TransientError(f"{len(missing)} chunks are not loaded: {', '.join(missing[:5])}")
        limits = (run.max_errors, run.error_threshold)
        loaded = finish.counts(target, schema)
        finish.enforce_limits(loaded, *limits)
        settings = run.spec.schema_.settings
        removed = [r for table in plan.tables for r in finish.remove_duplicates(target, schema, table)]
        builders = target.at_most(INDEX_BUILDERS if settings.indexes.parallel_index_creation else 1)
        built = keys.build_indexes(target, schema, plan.tables, builders, settings.indexes.index_creation_timeout)
        removed += built.removed
        _refuse_lost_uniqueness(run, built)
        timeout = settings.constraints.constraint_timeout
        relaxed = []
        became_null = keys.became_null(target, schema)
        for table in plan.tables:
            late = plan.late_not_null(table)
            emptied = [column for column in late if (table.name, column) in became_null]
            relaxed += [f"{table.name}.{column}" for column in emptied]
            kept = [column for column in late if column not in emptied]
            keys.add_constraints(target, schema, table, kept, plan.unasked(table), timeout)
        for table in plan.tables:
            for key in table.foreign_keys:
                # The parents of the first rows may be among those that stay behind: no error of the data.
                kind = RULE if plan.cut_short else ERROR
                orphans = keys.add_foreign_key(
                    target, schema, table, key, plan.deferrable, plan.validated, timeout, kind
                )
                removed += [orphans] if orphans else []
        record_rejects(run)
        if plan.follows:
            feeds.refuse_left_out(run, (r.table for r in removed), (count.table for count in loaded if count.errors))
        finish.enforce_limits(finish.counts(target, schema), *limits)
        # Anew: the rows may have been read long after the plan was made.
        counting = sequences.going_on(plan.sequences, inspect_mysql_sequences.read(run.source))
        keys.apply(target, schema, [*sequences.restart(counting), *plan.last], timeout)
        keys.apply(target, schema, plan.code, timeout, extensions=True)
        with postgresql.session(target) as connection:
            shadow.bind_routines(connection, schema, schema)
        # However long it takes: they read every row, as the load does.
        keys.apply(target, schema, plan.summing, timeout=0, extensions=True)
        finish.analyze(target, schema, [*(table.name for table in plan.tables), *(s.name for s in plan.summaries)])
        detail["removed"] = [asdict(r) for r in removed]
        merging = (table.route for table in plan.tables if table.route.merge)
        detail["merged"] = [(r.source, *filled) for r in merging for filled in merge.filled(target, schema, r)]
        detail["not_null_relaxed"] = relaxed
        detail["not_validated"] = list(_not_validated(run))
        detail["left_out"] = [
            (table.in_source(index), f"the target cannot build it: {reason}") for table, index, reason in built.refused
        ]
        detail["tables"] = [asdict(count) for count in finish.counts(target, schema)]


def _refuse_lost_uniqueness(run: Run, built: keys.Built) -> None:
    """An index that cannot be built is a loss, and what rows must not be twice in needs the operator's word."""
    unique = [f"{table.name}.{index.name}: {reason}" for table, index, reason in built.refused if index.unique]
    if unique and not run.losses_allowed:
        raise DataError(f"unique indexes cannot be built, and losses are not allowed: {'; '.join(unique)}")


def _not_validated(run: Run) -> Iterator[tuple[str, str]]:
    """Say which constraints hold for rows to come alone, by kind and name, and why."""
    tables = {table.name: table for table in run.plan.tables}
    for name, constraint, is_foreign in keys.not_validated(run.target, run.shadow):
        if name not in tables:
            continue
        source = tables[name].route.source
        checks = {check.name: check.origin or check.name for check in tables[name].checks}
        what = f"foreign key {source}.{constraint}" if is_foreign else f"check {source}.{checks[constraint]}"
        if not run.plan.validated:
            why = "the spec says so"
        elif is_foreign:
            why = "rows have no parent letter by letter, where the source may ignore case and trailing spaces"
        else:
            why = "rows of the source break it"
        yield what, f"holds for rows to come alone: {why}"


def record_rejects(run: Run) -> None:
    """Copy the summary of rejected rows into the ledger: the table of them goes with a rollback."""
    found = finish.reject_summary(run.target, run.shadow)
    if found:
        run.record("rejects", summary=found)


def _missing_chunks(run: Run) -> list[str]:
    loaded = {count.table: count.chunks for count in finish.counts(run.target, run.shadow)}
    wanted: dict[str, int] = {}
    for chunk in run.plan.chunks:
        name = run.plan.route(chunk).target
        wanted[name] = wanted.get(name, 0) + 1
    return [f"{name}: {n - loaded.get(name, 0)}" for name, n in sorted(wanted.items()) if loaded.get(name, 0) != n]
