"""The command line's part about schemas: comparing them, and the versions of the target's."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from alembic.script import Script

from cutover.cli_options import DEFAULT_MIGRATIONS, Migrations, Name, new_id
from cutover.errors import PreflightError
from cutover.ledger import Ledger
from cutover.schema import definitions
from cutover.schema.definitions import Definitions
from cutover.schema.operations import operations
from cutover.schema.versions import apply
from cutover.schema.versions.scripts import MAIN, Scripts, downward
from cutover.spec import MigrationSpec, load_spec
from cutover.steps import branching, check, history, versions
from cutover.steps.context import Params, Run, endpoints, start

app = typer.Typer(help="Compare schemas, and change the target's by versions.", no_args_is_help=True)
DIFFERENT = 1
STATES = "target (as it is), source (translated, without the spec), spec (what a run would make, versions included), "
STATES += "last (as the last run or upgrade left it), schema:NAME (another schema of the target)"

Sql = Annotated[bool, typer.Option("--sql", help="print the SQL and change nothing")]
IgnoreWindow = Annotated[bool, typer.Option(help="change the schema outside the maintenance window too")]
FORMATS = ("text", "json", "operations", "sql")


def _looking(name: str, migrations: Path) -> Run:
    """Return a run that only looks, and leaves no trace in the ledger."""
    home = migrations / name
    spec = load_spec(home / "migration.yaml")
    return Run("schema", spec, *endpoints(spec), Ledger(), Params(mode="dry_run", ignore_window=True), home)


def _state(run: Run, named: str) -> Definitions:
    if named == "target":
        return definitions.of_schema(run.target, run.live)
    if named.startswith("schema:"):
        return definitions.of_schema(run.target, named.removeprefix("schema:"))
    if named == "last":
        known = history.last_state(run)
        if known is None:
            raise PreflightError([f"no run of {run.spec.name} has put its tables in place"])
        return known
    if named == "spec":
        check.preflight_servers(run)
        return versions.foreseen(run, check.worked_out(run))
    if named == "source":
        check.preflight_servers(run)
        bare = {"name": run.spec.name, "source": {"env": "SOURCE_DB"}, "target": {"env": "TARGET_DB"}}
        bare["schema"] = {"settings": {"tables": {"patterns": {"exclude": []}}}}
        plain = replace(run, spec=MigrationSpec.model_validate(bare), home=None)
        return definitions.of_statements(run.target, check.worked_out(plain).up)
    raise PreflightError([f"{named!r} is no state of the schema; known: {STATES}"])


@app.command()
def diff(
    name: Name,
    migrations: Migrations = DEFAULT_MIGRATIONS,
    from_: Annotated[str, typer.Option("--from", help=f"what is changed: {STATES}")] = "target",
    to: Annotated[str, typer.Option("--to", help="what it should become: one of the same")] = "spec",
    form: Annotated[str, typer.Option("--format", help=f"one of {', '.join(FORMATS)}")] = "text",
    sql: Sql = False,
) -> None:
    """Show what would have to change for one state of the schema to become another; changes nothing.

    Exits with 0 where nothing differs and 1 where something does.
    """
    form = "sql" if sql else form
    if form not in FORMATS:
        raise PreflightError([f"unknown format {form!r}; known: {', '.join(FORMATS)}"])
    run = _looking(name, migrations)
    before, after = _state(run, from_), _state(run, to)
    found = definitions.compare(before, after)
    if form == "json":
        sys.stdout.write(json.dumps([asdict(difference) for difference in found], indent=2) + "\n")
    elif form == "text":
        sys.stdout.write("".join(f"{difference}\n" for difference in found) or "no differences\n")
    elif found:
        sys.stdout.write(_drafted(run, before, after, form))
    raise typer.Exit(DIFFERENT if found else 0)


def _drafted(run: Run, before: Definitions, after: Definitions, form: str) -> str:
    """Return the difference as the version that would make it, or as that version's SQL."""
    with tempfile.TemporaryDirectory() as folder:
        script = _draft(Path(folder), "difference", before, after, reversible=True)
        if form == "operations":
            return Path(script.path).read_text()
        return apply.script([script], None, run.live, upward=True)


def _draft(folder: Path, message: str, before: Definitions, after: Definitions, *, reversible: bool) -> Script:
    down = operations(after, before) if reversible else None
    return Scripts(folder).write(message, (), operations(before, after), down)


@app.command()
def revision(
    name: Name,
    message: Annotated[str, typer.Option("--message", "-m", help="what the version changes")],
    migrations: Migrations = DEFAULT_MIGRATIONS,
    empty: Annotated[bool, typer.Option("--empty", help="write a version to fill in")] = False,
    from_: Annotated[str, typer.Option("--from", help=f"what is changed: {STATES}")] = "last",
    to: Annotated[str, typer.Option("--to", help="what it becomes: one of the same")] = "target",
    branch: Annotated[str | None, typer.Option(help="write it upon this branch, which may be new")] = None,
    sql: Sql = False,
) -> None:
    """Write a new version: the difference of two states of the schema, or one to fill in.

    Without --from and --to it is what another hand has changed in the target since the last run, so that the next
    run does not take it away. The version is tried before it is kept: up, down and up again.
    """
    run = _looking(name, migrations)
    kind, scripts = run.spec.strategy.types.schema_, versions.scripts_of(run)
    if branch is not None and kind.strategy != "branching":
        raise PreflightError([f"versions branch with strategy branching; the spec says {kind.strategy}"])
    line = branch if branch in scripts.heads else MAIN
    after = [head for head in (scripts.head(line),) if head is not None]
    label = branch if branch not in scripts.heads else None
    if empty:
        made = scripts.write(message, after, down=() if kind.reversible else None, label=label)
        sys.stdout.write(f"wrote {made.path}\n")
        return
    before, wanted = _state(run, from_), _state(run, to)
    if from_ == "last":
        wanted = definitions.within(wanted, before)
    books = set(versions.bookkeeping(run).names)
    before, wanted = ({k: d for k, d in side.items() if d.table not in books} for side in (before, wanted))
    if not definitions.compare(before, wanted):
        raise PreflightError([f"{from_} and {to} do not differ: nothing to write down; --empty writes one to fill in"])
    with tempfile.TemporaryDirectory() as folder:
        draft = _draft(Path(folder), message, before, wanted, reversible=kind.reversible)
        versions.try_out(run, draft, before, wanted)
        if sql:
            sys.stdout.write(apply.script([draft], None, run.live, upward=True))
            return
    down = operations(wanted, before) if kind.reversible else None
    made = scripts.write(message, after, operations(before, wanted), down, label)
    sys.stdout.write(f"wrote {made.path}\n")


@app.command()
def upgrade(
    name: Name,
    to: Annotated[
        str | None, typer.Argument(help="the last version to apply; the main line's last if not given")
    ] = None,
    migrations: Migrations = DEFAULT_MIGRATIONS,
    branch: Annotated[str | None, typer.Option(help="apply this branch's versions")] = None,
    sql: Sql = False,
    ignore_window: IgnoreWindow = False,
) -> None:
    """Apply versions to the live schema, in one transaction. A run applies them by itself, upon its new tables."""
    run = _looking(name, migrations)
    scripts = versions.scripts_of(run)
    there = versions.known(scripts, versions.applied_live(run))
    wanted = scripts.found(to).revision if to is not None else scripts.head(branch or MAIN)
    chosen = [script for script in scripts.line(wanted) if script.revision not in there]
    _change(run, chosen, sql=sql, upward=True, ignore_window=ignore_window)


@app.command()
def downgrade(
    name: Name,
    to: Annotated[str, typer.Argument(help="the version to go back to; previous: one less; base: none")],
    migrations: Migrations = DEFAULT_MIGRATIONS,
    sql: Sql = False,
    ignore_window: IgnoreWindow = False,
) -> None:
    """Take versions of the live schema back, in one transaction."""
    run = _looking(name, migrations)
    kind, scripts = run.spec.strategy.types.schema_, versions.scripts_of(run)
    if not kind.reversible:
        reason = "strategy is forward_only" if kind.strategy == "forward_only" else "versioned.rollback is false"
        raise PreflightError([f"versions of {name} have no way back: {reason}"])
    there = versions.known(scripts, versions.applied_live(run))
    line = [script for script in scripts.all.values() if script.revision in there]
    if to == "previous":
        chosen = line[-1:]
    else:
        keep = [] if to == "base" else scripts.line(scripts.found(to).revision)
        if keep and keep[-1].revision not in there:
            raise PreflightError([f"version {keep[-1].revision} is not applied: there is nothing to go back to"])
        chosen = downward(line, there, {script.revision for script in keep})
    _change(run, chosen, sql=sql, upward=False, ignore_window=ignore_window)


def _change(run: Run, chosen: Sequence[Script], *, sql: bool, upward: bool, ignore_window: bool) -> None:
    if not chosen:
        if not sql:
            sys.stdout.write(f"nothing to do: schema {run.live} is there\n")
        return
    if sql:
        sys.stdout.write(apply.script(chosen, versions.bookkeeping(run), run.live, upward=upward))
        return
    run_id = new_id("schema")
    params = Params(ignore_window=ignore_window)
    recorded = start(run_id, run.spec, params, run.ledger, run.source, run.target, run.home)
    versions.change_live(recorded, chosen, upward=upward)
    recorded.record("completed")
    for script in chosen:
        sys.stdout.write(f"{'applied' if upward else 'took back'} {script.revision} {script.doc}\n")


@app.command("history")
def show_history(name: Name, migrations: Migrations = DEFAULT_MIGRATIONS) -> None:
    """List the versions in order: identifier, when it was applied to the live schema, branch, and what it changes."""
    run = _looking(name, migrations)
    scripts, there = versions.scripts_of(run), versions.applied_at(run)
    versions.known(scripts, set(there))
    for version, script in scripts.all.items():
        when = f"{there[version]:%Y-%m-%d %H:%M:%S}" if version in there else "not applied"
        sys.stdout.write(f"{version}  {when:19}  {scripts.branch(version):12}  {script.doc}\n")
    if not scripts.all:
        sys.stdout.write(f"no versions in {scripts.folder}\n")


@app.command()
def branches(name: Name, migrations: Migrations = DEFAULT_MIGRATIONS) -> None:
    """List the branches: name, last version, whether the target has it, and whether the main line does."""
    run = _looking(name, migrations)
    scripts, there = versions.scripts_of(run), versions.applied_live(run)
    for branch, heads in scripts.heads.items():
        for head in heads:
            merged = "" if branch == MAIN else "  merged" if scripts.merged(branch) else "  not merged"
            sys.stdout.write(f"{branch:12}  {head}  {'applied' if head in there else 'not applied'}{merged}\n")


@app.command()
def merge(
    name: Name,
    branch: Annotated[str, typer.Argument(help="the branch that the main line takes in")],
    migrations: Migrations = DEFAULT_MIGRATIONS,
) -> None:
    """Join a branch to the main line, by a merging version or by putting it behind: the spec's mergeStrategy says."""
    run = _looking(name, migrations)
    check.preflight_servers(run)
    joined = branching.join(run, check.unversioned(run), branch)
    for conflict in joined.conflicts:
        sys.stdout.write(f"the branch comes last: {conflict}\n")
    what = "merged by" if joined.how == "merge" else "put behind the main line from"
    sys.stdout.write(f"branch {branch} is {what} version {joined.version}\n")
