"""Versions of the target's schema: those a run applies upon its new tables, and those applied to the live ones."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from alembic.script import Script

from cutover.data import finish, shadow
from cutover.dialects import postgresql
from cutover.errors import DriftError, PreflightError, VerificationError
from cutover.plan import Plan, PlannedVersions
from cutover.rollback import swap
from cutover.schema import definitions, inspect_postgresql
from cutover.schema.definitions import Definitions
from cutover.schema.operations import operations
from cutover.schema.target import Movable
from cutover.schema.versions import apply
from cutover.schema.versions.apply import Bookkeeping
from cutover.schema.versions.scripts import Scripts
from cutover.steps import history
from cutover.steps.context import Run

FOLDER = "versions"


def scripts_of(run: Run) -> Scripts:
    """Return the migration's versions; one that was given as two URLs has none."""
    return Scripts(run.home / FOLDER if run.home is not None else None)


def bookkeeping(run: Run) -> Bookkeeping:
    """Return what the spec calls the tables of versions and branches."""
    kind = run.spec.strategy.types.schema_
    branches = kind.branching.branch_table if kind.strategy == "branching" else None
    versioned = kind.versioned
    return Bookkeeping(versioned.version_table, versioned.version_column, versioned.applied_column, branches)


def applied_at(run: Run) -> dict[str, datetime]:
    """Return the versions that the live schema has, and when each was applied."""
    with postgresql.session(run.target) as connection:
        return apply.applied(connection, run.live, bookkeeping(run))


def applied_live(run: Run) -> set[str]:
    """Return the versions that the live schema has."""
    return set(applied_at(run))


def planned(run: Run, made: Plan) -> PlannedVersions | None:
    """Choose the versions that a run applies and rehearse them on empty tables; None where there are none.

    Raises:
        PreflightError: a version fails, has no way back where it must, or is applied and not in the folder.
    """
    scripts = scripts_of(run)
    if not scripts.all:
        return None
    if run.params.tables:
        raise PreflightError(
            [f"the versions in {scripts.folder} are of the whole schema; run without choosing tables, or move them"]
        )
    books, kind = bookkeeping(run), run.spec.strategy.types.schema_
    taken = sorted({*books.names} & made.relation_names)
    if taken:
        raise PreflightError([f"{taken[0]} would be the table of versions, and comes from the source; name another"])
    there = known(scripts, applied_live(run))
    line = scripts.line(scripts.head(), *there)
    chosen = [script for script in line if kind.auto_apply or script.revision in there]
    with definitions.scratch(run.target) as (connection, schema):
        definitions.run(connection, made.up)
        _upgrade(connection, scripts, chosen, books)
        if kind.rehearsed and kind.reversible:
            there_and_back(connection, schema, chosen, books)
        driver = postgresql.driver(connection)
        shadow.refuse_immovable(driver, schema)
        movables = tuple(movable.named for movable in shadow.contents(driver, schema))
        names = "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(quote_ident(%s)) ORDER BY 1"
        relations = tuple(name for (name,) in driver.execute(names, (schema,)))
    return PlannedVersions(
        tuple((script.revision, scripts.digest(script.revision)) for script in chosen),
        tuple(script.revision for script in line if script not in chosen),
        movables,
        relations,
    )


def foreseen(run: Run, made: Plan) -> Definitions:
    """Return what a plan's run would make of the schema, versions included."""
    with rehearsed(run, made) as (connection, schema):
        return definitions.read(connection, schema)


@contextmanager
def rehearsed(run: Run, made: Plan) -> Iterator[tuple[sa.Connection, str]]:
    """Open a transaction in a schema of its own that holds what a plan's run would make; it is rolled back."""
    scripts = scripts_of(run)
    with definitions.scratch(run.target) as (connection, schema):
        definitions.run(connection, made.up)
        if made.versions is not None:
            _upgrade(connection, scripts, [scripts.all[v] for v, _ in made.versions.applied], bookkeeping(run))
        yield connection, schema


def _upgrade(connection: sa.Connection, scripts: Scripts, chosen: Sequence[Script], books: Bookkeeping) -> None:
    """Apply versions, and write down which branches the schema has by them."""
    apply.upgrade(connection, chosen, books)
    apply.note_branches(connection, books, scripts.branches([script.revision for script in chosen]))


def known(scripts: Scripts, applied: set[str]) -> set[str]:
    """Return the applied versions; raise PreflightError where the folder has not all of them."""
    lost = sorted(applied - scripts.all.keys())
    if lost:
        raise PreflightError(
            [
                f"version {version} is applied in the target, and not in {scripts.folder}; put it back"
                for version in lost
            ]
        )
    return applied


def there_and_back(connection: sa.Connection, schema: str, chosen: Sequence[Script], books: Bookkeeping | None) -> None:
    """Take versions back and apply them again, one by one: what the schema is must be the same each time.

    Raises:
        PreflightError: it is not, or a version has no way back.
    """
    for script in reversed(chosen):
        up = definitions.read(connection, schema)
        apply.downgrade(connection, [script], books)
        down = definitions.read(connection, schema)
        apply.upgrade(connection, [script], books)
        again = definitions.compare(up, definitions.read(connection, schema))
        apply.downgrade(connection, [script], books)
        back = definitions.compare(down, definitions.read(connection, schema))
        if again or back:
            name = f"version {script.revision} ({script.doc})"
            raise PreflightError([f"{name}: up, down and up again is not what it was: {d}" for d in again or back])
    apply.upgrade(connection, chosen, books)


def try_out(run: Run, version: Script, before: Definitions, after: Definitions) -> None:
    """Apply a version to empty tables that are as ``before``, take it back and apply it again where it may go back.

    Raises:
        PreflightError: it fails, or does not lead to ``after`` and back.
    """
    reversible = run.spec.strategy.types.schema_.reversible
    with tempfile.TemporaryDirectory() as folder, definitions.scratch(run.target) as (connection, schema):
        empty = Scripts(Path(folder)).write("as it is", (), operations({}, before))
        apply.upgrade(connection, [empty], None)
        for upward, wanted in ((True, after), *(((False, before), (True, after)) if reversible else ())):
            (apply.upgrade if upward else apply.downgrade)(connection, [version], None)
            if wrong := definitions.compare(definitions.read(connection, schema), wanted):
                way = "up" if upward else "down"
                raise PreflightError([f"the version would not lead {way} to what is wanted: {d}" for d in wrong])


def upgrade_schema(run: Run) -> None:
    """Make sure that the new tables are as planned, apply versions upon them, and note what the schema then is.

    Raises:
        VerificationError: something of the plan is not there.
        DriftError: a version's file is not what it was when the plan was made.
        PreflightError: a version failed; none is applied.
    """
    with run.step("upgrade_schema") as detail:
        wanted = run.plan.versions
        # A second attempt may find the versions applied, and the tables changed by them.
        if wanted is None or not _applied_before(run):
            detail["rows"] = _as_planned(run)
        if wanted is not None:
            detail["versions"] = _apply_planned(run, wanted)
            detail["waiting"] = list(wanted.waiting)
            tables = [movable.name for movable in run.plan.movables if movable.kind == "TABLE"]
            detail["rows"] = finish.count_rows(run.target, run.shadow, tables)
        whole = definitions.of_schema(run.target, run.shadow)
        named = {movable.name for movable in run.plan.movables if movable.kind in ("TABLE", "VIEW")}
        detail["schema"] = definitions.to_rows(d for d in whole.values() if not d.table or d.table in named)


def _applied_before(run: Run) -> bool:
    with postgresql.session(run.target) as connection:
        return bool(apply.applied(connection, run.shadow, bookkeeping(run)))


def _as_planned(run: Run) -> dict[str, int]:
    """Look at the shadow schema: every table with its columns, keys, indexes and rows; return how many these are."""
    found = inspect_postgresql.inspect(run.target, run.shadow)
    counts = {c.table: c.rows_loaded - c.set_aside for c in finish.counts(run.target, run.shadow)}
    left_out = {what for what, _ in (run.finished("finish_schema") or {}).get("left_out", ())}
    made_of_rows = [summary.name for summary in run.plan.summaries]
    there = finish.count_rows(run.target, run.shadow, [*(table.name for table in run.plan.tables), *made_of_rows])
    missing = [f"summary {name} is not there" for name in made_of_rows if name not in there]
    for table in run.plan.tables:
        try:
            made = found.table(table.name)
        except KeyError:
            missing.append(f"table {table.name} is not there")
            continue
        key = list(table.route.key) if table.constrained else []
        for what, is_there, wanted in (
            ("columns", [c.name for c in made.columns], [c.target for c in table.route.columns]),
            ("primary key", list(made.primary_key), key),
            ("rows", there[table.name], counts.get(table.name, 0)),
        ):
            if is_there != wanted:
                missing.append(f"{table.name}: {what} {is_there}, not {wanted}")
        indexes = {index.name for index in made.indexes}
        missing += [
            f"{table.name}: index {index.name} is not there"
            for index in table.indexes
            if index.name not in indexes and table.in_source(index) not in left_out
        ]
        keys = {key.name for key in made.foreign_keys}
        missing += [
            f"{table.name}: foreign key {k.name} is not there" for k in table.foreign_keys if k.name not in keys
        ]
    if missing:
        raise VerificationError("the new schema is not as planned:", missing)
    return there


def _apply_planned(run: Run, wanted: PlannedVersions) -> list[str]:
    scripts, books = scripts_of(run), bookkeeping(run)
    changed = [v for v, digest in wanted.applied if v not in scripts.all or scripts.digest(v) != digest]
    if changed:
        raise DriftError("target", [f"the file of version {version} is another" for version in changed])
    timeout = run.spec.schema_.settings.constraints.constraint_timeout
    with postgresql.transaction(run.target, run.shadow, statement_timeout=timeout) as connection:
        if not apply.applied(postgresql.driver(connection), run.shadow, books):
            _upgrade(connection, scripts, [scripts.all[version] for version, _ in wanted.applied], books)
            shadow.bind_routines(postgresql.driver(connection), run.shadow, run.shadow)
    return [version for version, _ in wanted.applied]


def change_live(run: Run, chosen: Sequence[Script], *, upward: bool) -> None:
    """Apply versions to the live schema, or take them back, in one transaction.

    What they make belongs to the migration from then on: it is exchanged, and taken back, with the tables.

    Raises:
        PreflightError: a version failed; nothing was changed.
        TransientError: a lock was not to be had; nothing was changed.
    """
    scripts, books = scripts_of(run), bookkeeping(run)
    limit = run.spec.strategy.execution.modes.safe.max_downtime
    with run.step("upgrade_live" if upward else "downgrade_live"):
        with postgresql.transaction(run.target, run.live, limit, min(limit, 5000)) as connection:
            driver = postgresql.driver(connection)
            before = shadow.contents(driver, run.live).keys()
            (apply.upgrade if upward else apply.downgrade)(connection, chosen, books)
            apply.note_branches(connection, books, scripts.branches(apply.applied(driver, run.live, books)))
            after = shadow.contents(driver, run.live).keys()
            made, gone = after - before, before - after
            shadow.bind_routines(driver, run.live, run.live, made)
            swap.adopt(driver, run.spec.name, run.live, made, gone)
            schema = definitions.read(connection, run.live)
        known = history.last_state(run)
        run.record(
            "schema_changed",
            where=history.where(run),
            upon=history.standing(run),
            versions=[script.revision for script in chosen],
            upward=upward,
            brought=[[m.kind, m.name, m.arguments] for m in made],
            schema=definitions.to_rows(_ours(schema, known, made).values()),
        )


def _ours(schema: Definitions, known: Definitions | None, made: Collection[Movable]) -> Definitions:
    """Return what of the live schema is the migration's: what was before, and what versions have made."""
    names = {m.name for m in made}
    before = {key[1] for key in known or ()}
    alone = {key for key in known or () if not key[1]}
    return {
        key: d
        for key, d in schema.items()
        if d.table in names | before - {""} or key in alone or (not d.table and d.name.split("(")[0] in names)
    }
