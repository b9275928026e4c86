"""The command line's part that compares a source with a target that anybody may have loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cutover import render, verdict
from cutover.cli_ends import endpoint, spec_for
from cutover.cli_options import DEFAULT_MIGRATIONS, Form, Migrations, ReportFile, new_id
from cutover.cli_status import show_verdict, shown
from cutover.errors import CutoverError, PreflightError
from cutover.ledger import Ledger
from cutover.spec import load_spec
from cutover.steps.compare import Options
from cutover.steps.context import Params, Run, endpoints, start
from cutover.verifying import EXIT_COULD_NOT, exit_code, verify

app = typer.Typer()


@app.command("verify")
def compare(
    source: Annotated[str, typer.Argument(help="mysql:// URL; or the NAME of a migration, whose spec says both")],
    target: Annotated[str | None, typer.Argument(help="postgresql:// URL")] = None,
    schema: Annotated[
        str | None, typer.Option(help="target schema; named like the source database if not given")
    ] = None,
    migrations: Migrations = DEFAULT_MIGRATIONS,
    tables: Annotated[list[str] | None, typer.Option("--table", help="only this table; may be repeated")] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="not the tables of this pattern; may be repeated (URLs only)")
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="let both servers make one number of each range of keys; read what differs")
    ] = False,
    sample: Annotated[
        float | None, typer.Option(help="compare this share of each table's ranges of keys only, such as 0.1")
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="make the target's rows those of the source, and compare again")
    ] = False,
    workers: Annotated[int | None, typer.Option(help="parallel workers")] = None,
    form: Form = "table",
    report_file: ReportFile = None,
    resume_id: Annotated[str | None, typer.Option("--run", help="go on with one that was interrupted")] = None,
) -> None:
    """Compare every cell of every row of SOURCE and TARGET, whoever loaded it; changes nothing without --repair.

    Exits with 0 when both hold the same, 1 when they differ, 2 when that could not be found out.
    """
    if sample is not None and not 0 < sample <= 1:
        raise PreflightError([f"--sample must be above 0 and at most 1, not {sample}"])
    params = Params.from_mapping({"tables": tuple(tables or ()), "workers": workers, "ignore_window": True})
    run = _started(source, target, schema, migrations, exclude or [], params, resume_id)
    screen = render.console()
    try:
        with shown(run.ledger, run.id, screen):
            found = verify(run, Options(fast, repair, sample))
        code = exit_code(found)
    except (Exception, KeyboardInterrupt) as error:
        # Whatever it was: a traceback would end with the code that says that the two differ.
        code, found = EXIT_COULD_NOT, verdict.build(run.ledger, run.id)
        found.status = verdict.FAILED
        told = str(error) if isinstance(error, CutoverError) else f"{type(error).__name__}: {error}"
        render.complain(told if isinstance(error, Exception) else "interrupted")
    if report_file is not None:
        report_file.write_text(found.to_json())
    if found.tables or form == "json":
        show_verdict(found, form)
    raise typer.Exit(code)


def _started(
    source: str,
    target: str | None,
    schema: str | None,
    migrations: Path,
    exclude: list[str],
    params: Params,
    resume_id: str | None,
) -> Run:
    ledger, home = Ledger(), None
    run_id = resume_id or new_id("verify")
    if resume_id is not None and ledger.last(resume_id, "run_started") is None:
        raise PreflightError([f"no run {resume_id!r} in the ledger"])
    if target is None:
        if "://" in source or schema or exclude:
            raise PreflightError(["give two URLs, or a migration's NAME alone, whose spec says the rest"])
        home = migrations / source
        spec = load_spec(home / "migration.yaml")
        ends = endpoints(spec)
    else:
        ends = endpoint("--source", source, "mysql"), endpoint("--target", target, "postgresql")
        spec = spec_for(ends[0], schema or ends[0].database, True, True, exclude, True)
    return start(run_id, spec, params, ledger, *ends, home)
