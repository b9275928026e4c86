"""The command line: the same steps as the DAG, without Airflow."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cutover import (
    cli_assess,
    cli_follow,
    cli_rollback,
    cli_schema,
    cli_status,
    cli_validate,
    cli_verify,
    render,
    report,
)
from cutover.cli_ends import endpoint, spec_for
from cutover.cli_options import DEFAULT_MIGRATIONS, Migrations, Name, ReportFile, new_id
from cutover.cli_status import shown
from cutover.errors import CutoverError, PreflightError
from cutover.ledger import Ledger
from cutover.run import EXIT_NOT_STARTED, EXIT_ROLLED_BACK, NotStartedError, exit_code, run_migration
from cutover.spec import json_schema, load_spec
from cutover.steps import check, publish
from cutover.steps.context import Params, endpoints, start

app = typer.Typer(
    help="Move a MySQL or MariaDB database to PostgreSQL, prove that it arrived, and go back if it did not.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(cli_schema.app, name="schema")
app.add_typer(cli_follow.app)
app.add_typer(cli_status.app)
app.add_typer(cli_assess.app)
app.add_typer(cli_rollback.app)
app.add_typer(cli_validate.app)
app.add_typer(cli_verify.app)


def main() -> None:
    """Run the command that was given; an error that is ours is said in its own words."""
    console = render.console(stderr=True)
    try:
        app()
    except CutoverError as error:
        console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(EXIT_NOT_STARTED)


@app.command()
def plan(
    name: Name,
    migrations: Migrations = DEFAULT_MIGRATIONS,
    scripts: Annotated[bool, typer.Option(help="write the SQL scripts too")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the plan as JSON")] = False,
) -> None:
    """Show what a run would do; changes nothing."""
    home = migrations / name
    spec = load_spec(home / "migration.yaml")
    run = start(new_id("plan"), spec, Params(mode="dry_run", ignore_window=True), Ledger(), *endpoints(spec), home)
    check.preflight(run)
    made = check.make_plan(run)
    paths = check.write_scripts(run) if scripts else []
    run.record("completed")
    if as_json:
        sys.stdout.write(made.to_json() + "\n")
        return
    console = render.console()
    render.show_plan(made, console)
    for path in paths:
        console.print(f"wrote {path}", soft_wrap=True)


@app.command()
def run(
    name: Annotated[str | None, typer.Argument(help="name of a migration; leave it out to give URLs")] = None,
    source: Annotated[str | None, typer.Option(help="mysql://user@host:port/database")] = None,
    target: Annotated[str | None, typer.Option(help="postgresql://user@host:port/database")] = None,
    schema: Annotated[
        str | None, typer.Option(help="target schema; named like the source database if not given")
    ] = None,
    migrations: Migrations = DEFAULT_MIGRATIONS,
    mode: Annotated[str, typer.Option(help="safe or dry_run")] = "safe",
    tables: Annotated[list[str] | None, typer.Option("--table", help="only this table; may be repeated")] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="not the tables of this pattern; may be repeated (URLs only)")
    ] = None,
    ignore_window: Annotated[bool, typer.Option(help="run outside the maintenance window")] = False,
    replace_target: Annotated[bool, typer.Option(help="replace live tables that another hand made")] = False,
    allow_losses: Annotated[
        bool, typer.Option(help="go on when objects of the source cannot be carried; the report names them")
    ] = False,
    allow_source_changes: Annotated[
        bool, typer.Option(help="cut over though the source was written to during the run; the report names where")
    ] = False,
    workers: Annotated[int | None, typer.Option(help="parallel workers")] = None,
    max_errors: Annotated[int | None, typer.Option(help="how many refused rows are too many")] = None,
    row_limit: Annotated[
        int | None, typer.Option(help="a trial: only so many rows of each table, the first in key order")
    ] = None,
    verify: Annotated[bool, typer.Option(help="compare every cell and run the expectations (URLs only)")] = True,
    indexes: Annotated[bool, typer.Option(help="build keys, indexes and constraints (URLs only)")] = True,
    report_file: ReportFile = None,
    resume_id: Annotated[str | None, typer.Option("--run", help="go on with a run that was interrupted")] = None,
) -> None:
    """Run a migration: by NAME, or from --source to --target.

    Exits with 0 when complete, 1 when failed (and rolled back), 2 when it could not start,
    3 when complete with losses.
    """
    params = Params.from_mapping(
        {
            "mode": mode,
            "ignore_window": ignore_window,
            "tables": tuple(tables or ()),
            "max_errors": max_errors,
            "workers": workers,
            "replace_target": replace_target,
            "allow_losses": allow_losses,
            "allow_source_changes": allow_source_changes,
            "row_limit": row_limit,
        }
    )
    ledger = Ledger()
    home = None
    if name is not None:
        if source or target or schema or exclude or not verify or not indexes:
            raise PreflightError(
                ["give a migration's NAME or --source and --target, not both; NAME's spec says the rest"]
            )
        home = migrations / name
        spec = load_spec(home / "migration.yaml")
        where = endpoints(spec)
    else:
        if not source or not target:
            raise PreflightError(["give a migration's NAME, or both --source and --target"])
        where = endpoint("--source", source, "mysql"), endpoint("--target", target, "postgresql")
        spec = spec_for(where[0], schema or where[0].database, verify, indexes, exclude or [], allow_losses)
    this = start(resume_id or new_id("cli"), spec, params, ledger, *where, home)
    console = render.console()
    try:
        with shown(this.ledger, this.id, console):
            outcome = run_migration(this)
        code = exit_code(outcome)
    except NotStartedError as error:
        code = EXIT_NOT_STARTED
        render.complain(str(error))
        outcome = report.build(ledger, this.id)
    except KeyboardInterrupt:
        code = EXIT_ROLLED_BACK
        render.complain("interrupted")
        outcome = report.build(ledger, this.id)
    except CutoverError as error:
        code = EXIT_ROLLED_BACK
        render.complain(str(error))
        outcome = report.build(ledger, this.id)
    publish.publish(this)
    if report_file is not None:
        report_file.write_text(outcome.to_json())
    if code != EXIT_NOT_STARTED:
        render.show_report(outcome, console)
    raise typer.Exit(code)


@app.command("json-schema")
def schema_of_spec() -> None:
    """Print the JSON Schema of migration.yaml, for editors."""
    import json

    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
