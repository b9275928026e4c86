"""What a run will do, worked out from three values before anything is touched."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial

from pydantic import TypeAdapter, ValidationError

from cutover.data.chunks import cut, deal, undivided
from cutover.errors import PreflightError, SpecError
from cutover.route import Chunk, Function, TableRoute
from cutover.schema import ddl, sequences, summary_tables
from cutover.schema.ddl import Statement
from cutover.schema.model import Schema
from cutover.schema.programs import Program
from cutover.schema.target import Loss, Movable, Note, TargetSequence, TargetSummary, TargetTable, TargetView
from cutover.schema.translate import translate
from cutover.spec import MigrationSpec

# Measured on two cores with seven narrow columns: loading, indexing and verifying together.
ROWS_PER_SECOND = 250_000
BYTES_PER_SECOND = 25 * 1024 * 1024
_DEFAULTS = "data.transformation.cleaning.nullHandling.defaultValues"
_FILTERS = "data.extraction.filtering.dataFilters"


@dataclass(frozen=True)
class PlannedVersions:
    """The versions that a run applies upon the new tables, and what the schema holds then.

    Attributes:
        applied: each version and the SHA-256 of its file, in order.
        waiting: versions that are left for ``cutover schema upgrade``.
        movables: what is exchanged with the live schema.
        relations: the names of tables, views, sequences and indexes.
    """

    applied: tuple[tuple[str, str], ...]
    waiting: tuple[str, ...]
    movables: tuple[Movable, ...]
    relations: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """Everything a run does, in order; :attr:`digest` names it.

    Attributes:
        migration: name of the migration.
        source: structure and statistics of the source, as planned from.
        target: structure of the target schema, as planned from.
        tables: the tables to create, parents before children.
        views: the views to create, each after those it reads.
        programs: routines and triggers to create.
        sequences: the sequences to create, before the tables that count with them.
        batches: chunks, dealt out to workers.
        losses: what does not arrive, and why.
        notes: what arrives, but not as it was.
        versions: what is changed beyond what comes from the source, where anything is.
        checkpoint: the table that says how far the target follows the source, where it goes on following it.
        times: what tells when rows changed, with the column that does, where passes go by that.
        summaries: the tables that are made of the others' rows.
    """

    migration: str
    source: Schema
    target: Schema
    tables: tuple[TargetTable, ...]
    views: tuple[TargetView, ...]
    programs: tuple[Program, ...]
    batches: tuple[tuple[Chunk, ...], ...]
    losses: tuple[Loss, ...]
    notes: tuple[Note, ...]
    deferrable: bool
    validated: bool = True
    versions: PlannedVersions | None = None
    checkpoint: str | None = None
    sequences: tuple[TargetSequence, ...] = ()
    times: tuple[tuple[str, str], ...] = ()
    summaries: tuple[TargetSummary, ...] = ()

    @property
    def chunks(self) -> list[Chunk]:
        """Every chunk, batch by batch."""
        return [chunk for batch in self.batches for chunk in batch]

    @property
    def rows(self) -> int:
        """Estimated rows of the source tables that travel."""
        return sum(chunk.rows for chunk in self.chunks)

    @property
    def bytes(self) -> int:
        """Estimated bytes of the source tables that travel."""
        return sum(chunk.bytes for chunk in self.chunks)

    @property
    def seconds(self) -> float:
        """Estimated duration of the run, by rows and by bytes, whichever is longer."""
        return max(self.rows / ROWS_PER_SECOND, self.bytes / BYTES_PER_SECOND)

    @property
    def limited(self) -> bool:
        """Whether only a part of some table's rows travels, for a trial."""
        return self.cut_short or any(table.route.sample is not None for table in self.tables)

    @property
    def cut_short(self) -> bool:
        """Whether only the first rows of some table travel, whichever rows refer to the others."""
        return any(table.route.limit is not None for table in self.tables)

    @property
    def follows(self) -> bool:
        """Whether the target goes on following the source's changes."""
        return self.checkpoint is not None

    @property
    def replaced(self) -> tuple[str, ...]:
        """Tables of the target schema whose place the new ones take."""
        new = {table.name for table in self.tables}
        return tuple(table.name for table in self.target.tables if table.name in new)

    def table(self, source: str) -> TargetTable:
        """Return the table that comes from ``source``; raise KeyError where there is none."""
        for table in self.tables:
            if table.route.source == source:
                return table
        raise KeyError(source)

    def route(self, chunk: Chunk) -> TableRoute:
        """Return the route of a chunk's table."""
        return self.table(chunk.table).route

    def loading(self, chunk: Chunk) -> TableRoute:
        """Return the route of a chunk's table for the columns that are loaded."""
        return self.route(chunk).loaded

    @property
    def movables(self) -> tuple[Movable, ...]:
        """What is exchanged with the live schema, by itself."""
        checkpoints = [Movable("TABLE", self.checkpoint)] if self.checkpoint is not None else []
        if self.versions is not None:
            return (*self.versions.movables, *checkpoints)
        found = checkpoints + [Movable("TABLE", table.name) for table in self.tables]
        found += [Movable("TABLE", part.name) for table in self.tables for part in table.partitions]
        found += [Movable("TABLE", summary.name) for summary in self.summaries]
        found += [Movable("ROUTINE", ddl.touch_name(table)) for table in self.tables if table.touched]
        found += [Movable("TYPE", enum.identifier) for table in self.tables for enum in table.enums]
        found += [Movable("COLLATION", name) for name in ddl.collations_of(self.tables)]
        found += [Movable("VIEW", view.name) for view in self.views]
        found += [Movable("SEQUENCE", sequence.name) for sequence in self.sequences]
        return (*found, *(Movable("ROUTINE", ddl.routine_name(program)) for program in self.programs))

    @property
    def relation_names(self) -> set[str]:
        """What the tables, views, sequences, indexes and keys are called, which share one space of names."""
        if self.versions is not None:
            return set(self.versions.relations)
        names = {movable.name for movable in self.movables if movable.kind in ("TABLE", "VIEW", "SEQUENCE")}
        for table in self.tables:
            names |= {index.name for index in table.indexes} | ({table.key_name} if table.route.key else set())
        return names.union(*(summary.relations for summary in self.summaries))

    @property
    def first(self) -> list[Statement]:
        """The statements that make what the tables' columns need: collations, types and sequences."""
        return [*ddl.create_types(self.tables), *sequences.create(self.sequences)]

    @property
    def code(self) -> list[Statement]:
        """The statements that make what runs on the tables: routines, views that may call them, and triggers."""
        routines = [s for program in self.programs if program.table is None for s in ddl.program(program)]
        triggers = [s for program in self.programs if program.table is not None for s in ddl.program(program)]
        touching = [s for table in self.tables for s in ddl.touch(table)]
        return [*routines, *map(ddl.view, self.views), *touching, *triggers]

    @property
    def last(self) -> list[Statement]:
        """What is done once every row and constraint is there, before :attr:`code`: comments and identities."""
        comments = [statement for table in self.tables for statement in ddl.comments(table)]
        restarts = [restart for table in self.tables if (restart := ddl.restart_identity(table))]
        return [*comments, *restarts]

    @property
    def summing(self) -> list[Statement]:
        """The statements that make tables of the others' rows, once these are all there."""
        return list(summary_tables.create(self.summaries))

    @property
    def up(self) -> list[Statement]:
        """The statements that build the target, in order; the load comes after the tables."""
        statements = [*self.first, *ddl.create_tables(self.tables)]
        for table in self.tables:
            statements += ddl.indexes(table)
        for table in self.tables:
            added = ddl.constraints(table, self.late_not_null(table), self.unasked(table))
            statements += [added] if added else []
        for table in self.tables:
            statements += [ddl.foreign_key(table, key, self.deferrable, self.validated) for key in table.foreign_keys]
        return [*statements, *sequences.restart(self.sequences), *self.last, *self.code, *self.summing]

    @property
    def down(self) -> list[Statement]:
        """The statements that take the target away again."""
        views = map(ddl.drop_view, reversed(self.views))
        tables, counting = ddl.drop_tables(self.tables), sequences.drop(self.sequences)
        return [*summary_tables.drop(self.summaries), *views, *tables, *counting, *map(ddl.drop_program, self.programs)]

    def unasked(self, table: TargetTable) -> set[str]:
        """Return the names of the checks that are not asked of the rows that are there."""
        return set() if self.validated else {check.name for check in table.checks}

    def late_not_null(self, table: TargetTable) -> list[str]:
        """Columns that the source forbids NULL in, but the load may leave NULL: by zero dates, or computing them."""
        return [
            column.target
            for column in table.route.columns
            if column.nullable and not column.source_nullable and column.target not in table.route.key
        ]

    def to_json(self) -> str:
        """Write the plan down."""
        return _ADAPTER.dump_json(self).decode()

    @staticmethod
    def from_json(text: str) -> Plan:
        """Read a plan that :meth:`to_json` wrote.

        Raises:
            PreflightError: another version of Cutover wrote it.
        """
        try:
            return _ADAPTER.validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise PreflightError(
                [f"the run's plan was written by another version of Cutover ({where}: {first['msg']}); start a new run"]
            ) from None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the plan, as hex."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


_ADAPTER = TypeAdapter(Plan)


def build_plan(
    spec: MigrationSpec,
    source: Schema,
    target: Schema,
    only: tuple[str, ...] = (),
    workers: int | None = None,
    row_limit: int | None = None,
    functions: Mapping[str, Function] | None = None,
) -> Plan:
    """Work out the plan; touches nothing.

    Args:
        spec: what the user wrote.
        source: the source database as inspected.
        target: the target schema as inspected.
        only: source tables to restrict the run to; all where empty.
        workers: parallel workers, in place of the spec's.
        row_limit: how many rows of each table that has a key travel; all where None.
        functions: the user's own functions that the spec names, by source table.

    Raises:
        SpecError: the spec does not fit the source.
        UnsupportedTypeError: a column's type has no translation.
    """
    translation = translate(source, spec, only, row_limit, target.extensions, functions or {})
    _refuse_bad_values(translation.tables)
    taken = {table.name for table in translation.tables} | {view.name for view in translation.views}
    taken |= {summary.name for summary in translation.summaries}
    if spec.checkpoint_table in taken:
        raise SpecError(
            [
                f"the source has a table {spec.checkpoint_table}, in which the target's checkpoint would be; exclude "
                "it, or give another strategy.types.data.incremental.checkpointTable"
            ]
        )
    sizes = [(table.route, source.table(table.route.source).statistics) for table in translation.tables]
    chunks = [chunk for route, statistics in sizes for chunk in cut(route, statistics)]
    whole = [note for route, statistics in sizes if (note := undivided(route, statistics))]
    batches = deal(chunks, workers or spec.extract_workers)
    return Plan(
        spec.name,
        source,
        target,
        translation.tables,
        translation.views,
        translation.programs,
        tuple(tuple(batch) for batch in batches),
        translation.losses,
        (*translation.notes, *whole),
        spec.schema_.settings.constraints.deferrable_constraints,
        spec.schema_.settings.constraints.validate_constraints,
        checkpoint=spec.checkpoint_table,
        sequences=translation.sequences,
        times=translation.times,
        summaries=translation.summaries,
    )


def _refuse_bad_values(tables: tuple[TargetTable, ...]) -> None:
    """Refuse values of the spec that are none of their column's type, which is known in the end only."""
    import pyarrow as pa

    from cutover.data.transforms import among, defaults

    problems = []
    for table in tables:
        for column in table.route.columns:
            given = [(_FILTERS, each, partial(among.value, column, each)) for each in column.among or ()]
            if column.default is not None:
                given.append((_DEFAULTS, column.default, partial(defaults.value, column)))
            for where, written, brought in given:
                try:
                    brought()
                except (pa.ArrowException, TypeError, ValueError):
                    held = f", which holds {', '.join(column.labels)}" if column.labels else ""
                    what = f"{written!r} is no value of {column.target_type}{held}"
                    problems.append(f"{where}.{table.name}.{column.target}: {what}")
    if problems:
        raise SpecError(problems)
