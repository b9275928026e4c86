"""The command line's part about what is known of a migration before it begins."""

from __future__ import annotations

import sys
import uuid
from pathlib import Path
from typing import Annotated

import typer

from cutover import render
from cutover.assess import shown
from cutover.cli_ends import endpoint, spec_for
from cutover.cli_options import DEFAULT_MIGRATIONS, Form, Migrations, ReportFile
from cutover.errors import CutoverError, PreflightError
from cutover.ledger import Ledger
from cutover.run import EXIT_NOT_STARTED
from cutover.spec import load_spec
from cutover.steps import assess
from cutover.steps.context import Params, Run, endpoints

app = typer.Typer()

EXIT_ERRORS = 1


@app.command("assess")
def show_assessment(
    name: Annotated[str | None, typer.Argument(help="name of a migration; leave it out to give URLs")] = None,
    source: Annotated[str | None, typer.Option(help="mysql://user@host:port/database")] = None,
    target: Annotated[str | None, typer.Option(help="postgresql://user@host:port/database")] = None,
    schema: Annotated[
        str | None, typer.Option(help="target schema; named like the source database if not given")
    ] = None,
    migrations: Migrations = DEFAULT_MIGRATIONS,
    exclude: Annotated[
        list[str] | None, typer.Option(help="not the tables of this pattern; may be repeated (URLs only)")
    ] = None,
    allow_losses: Annotated[bool, typer.Option(help="objects of the source may stay behind: no errors")] = False,
    form: Form = "table",
    report_file: ReportFile = None,
) -> None:
    """Assess a migration before it begins: what fits, what it risks, what there is to do; changes nothing.

    Reads every table once, unless the spec switches dataAnalysis off. Exits with 0 when a run could begin, 1 when it
    would be refused or surely fail, 2 when nothing could be assessed.
    """
    params = Params(allow_losses=allow_losses)
    if name is not None:
        if source or target or schema or exclude:
            raise PreflightError(
                ["give a migration's NAME or --source and --target, not both; NAME's spec says the rest"]
            )
        home: Path | None = migrations / name
        spec = load_spec(migrations / name / "migration.yaml")
        ends = endpoints(spec)
    else:
        if not source or not target:
            raise PreflightError(["give a migration's NAME, or both --source and --target"])
        home, ends = None, (endpoint("--source", source, "mysql"), endpoint("--target", target, "postgresql"))
        spec = spec_for(ends[0], schema or ends[0].database, True, True, exclude or [], allow_losses)
    # Not begun: an assessment leaves nothing in the ledger.
    run = Run(f"assess__{uuid.uuid4().hex[:12]}", spec, *ends, Ledger(), params, home)
    try:
        made = assess.assess(run)
    except CutoverError as error:
        render.complain(str(error))
        raise typer.Exit(EXIT_NOT_STARTED) from None
    if report_file is not None:
        report_file.write_text(made.to_json())
    if form == "json":
        sys.stdout.write(made.to_json() + "\n")
    elif form == "markdown":
        sys.stdout.write(shown.markdown(made))
    else:
        shown.show(made, render.console())
    raise typer.Exit(EXIT_ERRORS if made.errors else 0)
