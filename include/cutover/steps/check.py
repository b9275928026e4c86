"""Before anything changes: is the window open, are the servers fit, what is the plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from cutover.data import edges, functions, places
from cutover.data.sync import binlog
from cutover.dialects import mysql, postgresql, postgresql_programs
from cutover.errors import CutoverError, PreflightError, SpecError, TransientError
from cutover.plan import Plan, build_plan
from cutover.schema import inspect_mysql, inspect_postgresql
from cutover.schema.added import questions
from cutover.schema.choose import choose
from cutover.schema.model import Schema
from cutover.schema.profile import profile
from cutover.schema.rehearse import rehearse
from cutover.steps import application, examine, feeds, hooks, obstacles, trial, versions
from cutover.steps.context import Run
from cutover.verify import suites, summaries

MIN_POSTGRESQL = 13


def check_window(run: Run) -> None:
    """Refuse to start outside the maintenance window.

    Raises:
        WindowClosedError: it is closed, and the operator did not ask to ignore it.
    """
    with run.step("check_window"):
        pass


def preflight(run: Run) -> None:
    """Find out whether both servers can be reached and allow what the run needs; changes nothing.

    Raises:
        PreflightError: with everything that is missing, each with its cure.
        TransientError: a server could not be reached.
    """
    with run.step("preflight") as detail:
        _refuse_disabled_mode(run)
        application.refuse_unset(run)
        if run.rolls_back:
            hooks.refuse(run)
        preflight_servers(run)
        # What was read before an interruption must still be what is there: its mark stays.
        before = run.finished("preflight") if run.finished("create_schema") is not None else None
        detail["binlog"] = before["binlog"] if before is not None else binlog.position(run.source)


def preflight_servers(run: Run) -> None:
    """Find out whether both servers can be reached and allow what the run needs, and note nothing.

    Raises:
        As :func:`preflight` does.
    """
    findings = list(_tls_findings(run))
    if findings:
        raise PreflightError(findings)
    problem: CutoverError | None = None
    for look in (_source_findings, _target_findings):
        try:
            findings += look(run)
        except TransientError as error:
            problem = error
        except PreflightError as error:
            findings += error.findings
    if not findings and problem is None and run.spec.strategy.types.data.follows:
        findings += feeds.findings(run)
    if findings:
        raise PreflightError([*findings, *([str(problem)] if problem else [])])
    if problem:
        raise problem


def _refuse_disabled_mode(run: Run) -> None:
    modes = run.spec.strategy.execution.modes
    enabled = {"safe": modes.safe.enabled, "dry_run": modes.dry_run.enabled}
    if not enabled[run.params.mode]:
        raise PreflightError([f"mode {run.params.mode} is switched off under strategy.execution.modes"])


def _tls_findings(run: Run) -> Iterator[str]:
    for end in (run.source, run.target):
        if end.tls_ca is not None and not Path(end.tls_ca).is_file():
            yield f"{end}: there is no file {end.tls_ca}, which tlsCa names; put the authority's certificate there"


def _source_findings(run: Run) -> Iterator[str]:
    source = run.source
    with mysql.session(source) as connection:
        if "SELECT" not in mysql.rights(connection):
            yield (
                f"{source.user} may not SELECT from all of {source.database}; tables it cannot see would stay "
                f"behind unnoticed. GRANT SELECT ON {mysql.quoted(source.database)}.* TO it"
            )


def _target_findings(run: Run) -> Iterator[str]:
    target = run.target
    with postgresql.session(target) as connection:
        rows = connection.execute(
            "SELECT current_setting('server_version_num')::int / 10000, current_setting('server_encoding'), "
            "has_database_privilege(current_database(), 'CREATE'), to_regnamespace(quote_ident(%s)) IS NULL "
            "OR has_schema_privilege(quote_ident(%s), 'CREATE')",
            (run.live, run.live),
        ).fetchone()
    assert rows is not None
    version, encoding, may_create_schema, may_create_table = rows
    if version < MIN_POSTGRESQL:
        yield f"target {target} is PostgreSQL {version}; {MIN_POSTGRESQL} or later is needed"
    if encoding != "UTF8":
        yield f"target {target} has encoding {encoding}; CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0"
    if not may_create_schema:
        database = postgresql.quoted(target.database)
        yield f"{target.user} may not create schemas; GRANT CREATE ON DATABASE {database} TO it"
    if not may_create_table:
        yield f"{target.user} may not create tables; GRANT CREATE ON SCHEMA {postgresql.quoted(run.live)} TO it"
    if run.spec.strategy.execution.modes.safe.backup_before_migration and run.params.mode != "dry_run":
        postgresql_programs.program("pg_dump")


def inspect_both(run: Run) -> tuple[Schema, Schema]:
    """Read both schemas as they are now.

    Raises:
        TransientError: a server could not be reached, or was lost.
        PreflightError: it refused.
    """
    return inspect_mysql.inspect(run.source), inspect_postgresql.inspect(run.target, run.live)


def make_plan(run: Run) -> Plan:
    """Inspect both sides, build the plan, check what only the plan shows, and store it; changes nothing.

    Raises:
        PreflightError: the target holds tables that are not this migration's, something is bound to
            them, the staging disk is too small, the rows would surely fail the run, or its risk is not allowed.
        SpecError: the spec does not fit the source, or holds queries that are none.
        UnsupportedTypeError: a column's type has no translation.
    """
    with run.step("plan") as detail:
        stored = run.ledger.last(run.id, "planned")
        if stored is None:
            trial.refuse_unreadable(run)
            made = worked_out(run)
            if run.suites is not None:
                # A wrong suite is found here, not after hours of loading.
                suites.read(run.suites, made.tables, [table.name for table in made.source.tables])
            if run.params.mode != "dry_run" and not run.losses_allowed:
                _refuse_losses(made)
            findings = obstacles.found(run, made)
            if findings:
                raise PreflightError(findings)
            examine.hold(run, made, obstacles.displaced(run, made))
            run.record("planned", digest=made.digest, plan=made.to_json())
        detail["digest"] = run.plan.digest
        detail["tables"] = len(run.plan.tables)
        detail["rows"] = run.plan.rows
    if run.params.mode == "dry_run" and run.spec.strategy.execution.modes.dry_run.generate_scripts:
        write_scripts(run)
    return run.plan


def _refuse_losses(made: Plan) -> None:
    left_out = [f"{loss.object}: {loss.reason}" for loss in made.losses if not loss.asked]
    if left_out:
        raise PreflightError(
            [
                f"{len(left_out)} objects of the source would not arrive as they are. Say allow_losses "
                "(--allow-losses, or schema.settings.allowLosses: true) to leave them behind, or exclude them:",
                *left_out,
            ]
        )


def worked_out(run: Run) -> Plan:
    """Inspect both sides and return the plan; what the target refuses of it becomes losses.

    Raises:
        As :func:`make_plan` does, but for what is in the target's way.
    """
    made = unversioned(run)
    return replace(made, versions=versions.planned(run, made))


def unversioned(run: Run) -> Plan:
    """Return the plan of :func:`worked_out` for what comes from the source alone."""
    made = unrehearsed(run)
    accepted = rehearse(run.target, made.first, made.tables, made.views, made.programs, made.summing)
    return replace(
        made,
        tables=accepted.tables,
        views=accepted.views,
        programs=accepted.programs,
        losses=(*made.losses, *accepted.losses),
    )


def unrehearsed(run: Run) -> Plan:
    """Return the plan as both sides and the spec make it; what the target may refuse of it is not known yet."""
    source, target = inspect_both(run)
    chosen = {table.name for table in choose(source, run.spec, run.params.tables)}
    source = profile(run.source, source, run.spec, chosen)
    whole = {name for name in chosen if not source.table(name).primary_key or not _is_part(run, name)}
    source = edges.measured(run.source, source, whole)
    params, own = run.params, functions.found(run.spec, run.home)
    made = build_plan(run.spec, source, target, params.tables, params.workers, params.row_limit, own)
    places.refuse_unknown([table.route for table in made.tables])
    _refuse_unanswered(run, made)
    summaries.refuse_unreadable(run.source, made.summaries)
    return made


def _is_part(run: Run, table: str) -> bool:
    """Whether the first rows of a table, or a sample of them, travel for a trial: those are one chunk."""
    sample = run.spec.data.extraction.sample
    return run.params.row_limit is not None or (sample is not None and table in (sample.tables or (table,)))


def _refuse_unanswered(run: Run, made: Plan) -> None:
    """Ask the source for no row of each expression of the spec's: what it does not know is found here."""
    problems = []
    for key, table, expression in questions(made.tables, run.spec):
        try:
            for _ in mysql.read(run.source, mysql.select(table, [(expression, "made")], limit=0), 1):
                pass
        except PreflightError as error:
            problems.append(f"{key}: the source refuses it: {'; '.join(error.findings)}")
    if problems:
        raise SpecError(problems)


def write_scripts(run: Run) -> list[str]:
    """Write the plan's SQL as scripts into the run's folder and return their paths."""
    folder = run.folder / "scripts"
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, statements in (("up.sql", run.plan.up), ("down.sql", run.plan.down)):
        path = folder / name
        path.write_text("".join(f"-- {s.what}\n{s.sql};\n\n" for s in statements))
        paths.append(str(path))
    run.record("scripts_written", paths=paths)
    return paths
