"""The step that lets the rows of the live tables stay: they are carried over into the new ones, before the cutover."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict

import psycopg

from cutover.data import finish
from cutover.data.upsert import carry as carrying
from cutover.data.upsert import seen
from cutover.data.upsert.ways import Way, ways
from cutover.dialects import postgresql
from cutover.errors import PreflightError
from cutover.plan import Plan
from cutover.rollback import swap
from cutover.steps import versions
from cutover.steps.context import Run

_WHERE = "data.loading.strategy.upsert.conflictColumns"


def carries(run: Run, made: Plan) -> list[str]:
    """Return the live tables whose rows stay, although new ones take their place: none, unless the spec says so."""
    if not run.spec.data.loading.strategy.upsert.enabled:
        return []
    live = {table.name for table in made.target.tables}
    return [name for name in _coming(run, made) if name in live]


def _coming(run: Run, made: Plan) -> list[str]:
    """Return the new tables, without those that tell which versions are applied."""
    books = versions.bookkeeping(run).names
    return [m.name for m in made.movables if m.kind == "TABLE" and m.name not in books]


def findings(run: Run, made: Plan) -> Iterator[str]:
    """Say what keeps the live tables' rows from being carried, by the tables that a plan's run would make."""
    if not run.spec.data.loading.strategy.upsert.enabled:
        return
    keys = _keys(run, made)
    used = {field for chosen in keys.values() for field in chosen}
    for fields in run.spec.data.loading.strategy.upsert.keys:
        if fields not in used and not _stays_behind(run, made, fields):
            yield f"{_WHERE}: no table has {' and '.join(fields)}"
    with versions.rehearsed(run, made) as (connection, schema):
        driver = postgresql.driver(connection)
        postgresql.find_extensions(driver, schema)
        yield from ways(driver, run.live, schema, _coming(run, made), _columns(keys))[1]


def carry_over(run: Run) -> None:
    """Carry the live tables' rows over into the new ones; a second call carries what has changed since the first.

    Raises:
        DataError: a row is alike to one of the source's and must not be, or does not fit into its new table.
        PreflightError: the live tables are not what they were when the plan was made.
        VerificationError: a new table does not hold what was loaded and carried.
    """
    with run.step("carry_over") as detail:
        if swap.swapped(run.target, run.shadow):
            detail["skipped"] = "the new tables are in place"
            return
        with postgresql.session(run.target) as connection:
            # A row and what it refers to are seen together, whatever the application does meanwhile.
            connection.commit()
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            bring(connection, run)
        finish.analyze(run.target, run.shadow, carries(run, run.plan))


def bring(connection: psycopg.Connection, run: Run) -> None:
    """Bring the new tables to what the live ones hold, which the connection's transaction sees in one state.

    Raises:
        As :func:`carry_over` does.
    """
    settings = "SELECT set_config('search_path', %s, false), set_config('enable_nestloop', %s, false)"
    before = connection.execute("SELECT current_setting('search_path'), current_setting('enable_nestloop')").fetchone()
    # Nobody knows in advance how many rows are new; a loop over a table is the one plan that must not be taken then.
    connection.execute("SELECT set_config('enable_nestloop', 'off', false)")
    found = _ways(connection, run)
    loaded: Mapping[str, int] = (run.finished("upgrade_schema") or {})["rows"]
    resolution = run.spec.data.loading.strategy.upsert.conflict_resolution
    if carrying.carry(connection, run.shadow, found, resolution, loaded):
        # Before the commit: where that fails, so does what is called again, and it tells anew.
        run.record("carried", tables=[asdict(one) for one in carrying.carried(connection, found)])
    connection.execute(settings, before)


def take_back(run: Run) -> None:
    """Leave in the new tables what was loaded alone: a run that goes on from an earlier step proves that again."""
    tables = carries(run, run.plan)
    if not tables or swap.swapped(run.target, run.shadow):
        return
    with postgresql.session(run.target) as connection:
        if seen.begun(connection, run.shadow, tables):
            carrying.take_back(connection, _ways(connection, run))


def _ways(connection: psycopg.Connection, run: Run) -> list[Way]:
    postgresql.find_extensions(connection, run.shadow)
    keys = _columns(_keys(run, run.plan))
    found, problems = ways(connection, run.live, run.shadow, carries(run, run.plan), keys)
    if problems:
        raise PreflightError(problems)
    return found


_Fields = tuple[str, ...]


def _keys(run: Run, made: Plan) -> dict[str, dict[_Fields, _Fields]]:
    """Return, for each new table, the keys that the spec names for it, as it writes them, and their columns.

    A column may have its name in the source or in the target, as a table may; one without a table is of every
    table that has it.
    """
    found: dict[str, dict[_Fields, _Fields]] = {}
    routes = {table.name: table.route for table in made.tables}
    for name in _coming(run, made):
        route = routes.get(name)
        renamed = {column.source: column.target for column in route.columns} if route else {}
        there = {column.target for column in route.columns} if route else set()
        owners = {name, route.source} if route else {name}
        for fields in run.spec.data.loading.strategy.upsert.keys:
            parts = [field.rpartition(".") for field in fields]
            columns = tuple(renamed.get(column, column) for _, _, column in parts)
            if all(
                owner in owners if dot else column in there
                for (owner, dot, _), column in zip(parts, columns, strict=True)
            ):
                found.setdefault(name, {})[fields] = columns
    return found


def _columns(keys: Mapping[str, Mapping[_Fields, _Fields]]) -> dict[str, list[_Fields]]:
    return {table: list(chosen.values()) for table, chosen in keys.items()}


def _stays_behind(run: Run, made: Plan, fields: _Fields) -> bool:
    """Whether fields are of a table of the source that this run leaves out."""
    owners = {field.rpartition(".")[0] for field in fields}
    left = {table.name for table in made.source.tables} - {table.route.source for table in made.tables}
    return bool(run.params.tables) and owners <= left
