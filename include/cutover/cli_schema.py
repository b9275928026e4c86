"""The command line's part about schemas."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cutover.errors import PreflightError
from cutover.ledger import Ledger
from cutover.plan import Plan
from cutover.schema.definitions import compare, of_schema, of_statements
from cutover.spec import load_spec
from cutover.steps import check
from cutover.steps.context import Params, Run, endpoints

app = typer.Typer(help="Compare the source's schema, the target's and the last migrated one.", no_args_is_help=True)
DIFFERENT = 1


@app.callback()
def schema() -> None:
    """Compare the source's schema, the target's and the last migrated one."""


@app.command()
def diff(
    name: Annotated[str, typer.Argument(help="name of a folder under the migrations folder")],
    migrations: Annotated[
        Path, typer.Option(envvar="CUTOVER_MIGRATIONS", help="folder that holds a folder for each migration")
    ] = Path("include/migrations"),
    against: Annotated[
        str, typer.Option(help="what the target should be: source, as it is now, or last, as the last run left it")
    ] = "source",
    as_json: Annotated[bool, typer.Option("--json", help="print the differences as JSON")] = False,
) -> None:
    """Show what would have to change in the target; changes nothing.

    Exits with 0 where nothing differs and 1 where something does.
    """
    home = migrations / name
    spec = load_spec(home / "migration.yaml")
    run = Run("schema-diff", spec, *endpoints(spec), Ledger(), Params(mode="dry_run", ignore_window=True), home)
    if against == "source":
        check.preflight_servers(run)
        wanted = check.worked_out(run)
    elif against == "last":
        wanted = _last(run)
    else:
        raise PreflightError([f"--against must be source or last, not {against!r}"])
    found = compare(of_schema(run.target, run.live), of_statements(run.target, wanted.up))
    if as_json:
        sys.stdout.write(json.dumps([asdict(difference) for difference in found], indent=2) + "\n")
    else:
        sys.stdout.write("".join(f"{difference}\n" for difference in found) or "no differences\n")
    raise typer.Exit(DIFFERENT if found else 0)


def _last(run: Run) -> Plan:
    """Return the plan of the last run whose tables are in place.

    Raises:
        PreflightError: there is none.
    """
    for run_id, _, _ in run.ledger.runs(run.spec.name):
        if run.ledger.last(run_id, "cut_over") is not None and run.ledger.last(run_id, "went_back") is None:
            planned = run.ledger.last(run_id, "planned")
            assert planned is not None
            return Plan.from_json(planned.detail["plan"])
    raise PreflightError([f"no run of {run.spec.name} has put its tables in place"])
