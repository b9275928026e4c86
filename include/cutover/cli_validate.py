"""The command line's part that validates a migration by itself."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cutover import render
from cutover.cli_options import DEFAULT_MIGRATIONS, Form, Migrations, Name, ReportFile, new_id
from cutover.ledger import Ledger
from cutover.spec import load_spec
from cutover.steps.context import Params, endpoints, start
from cutover.validating import POST_MIGRATION, TYPES, Validation, validate
from cutover.verify.outcome import KINDS
from cutover.verifying import EXIT_DIFFERENT, EXIT_SAME, verify

app = typer.Typer()
_COLUMNS = ("kind", "status", "errors", "warnings")
_SHOWN = 40


@app.command("validate")
def validation(
    name: Name,
    migrations: Migrations = DEFAULT_MIGRATIONS,
    type_: Annotated[str, typer.Option("--type", help=", ".join(TYPES))] = POST_MIGRATION,
    kinds: Annotated[
        list[str] | None, typer.Option("--kind", help=f"only this of {', '.join(KINDS)}; may be repeated")
    ] = None,
    form: Form = "table",
    report_file: ReportFile = None,
) -> None:
    """Validate a migration before it, after it, or after it was taken back; changes nothing.

    Exits with 0 when nothing is an error, 1 when something is, 2 when that could not be found out.
    """
    home = migrations / name
    spec = load_spec(home / "migration.yaml")
    run = start(new_id("validate"), spec, Params(ignore_window=True), Ledger(), *endpoints(spec), home)
    found = validate(run, type_, kinds or (), verify)
    if report_file is not None:
        report_file.write_text(found.to_json())
    _show(found, form)
    raise typer.Exit(EXIT_DIFFERENT if found.failed else EXIT_SAME)


def _show(found: Validation, form: str) -> None:
    if form == "json":
        sys.stdout.write(found.to_json() + "\n")
        return
    rows = [(o.kind, o.status, f"{len(o.errors):,}", f"{len(o.warnings):,}") for o in found.outcomes]
    told = [(o.kind, "error", line) for o in found.outcomes for line in o.errors]
    told += [(o.kind, "warning", line) for o in found.outcomes for line in o.warnings]
    of = f" of {found.of}" if found.of else ""
    title = f"{found.type}{of}: {'failed' if found.failed else 'passed'}"
    if form == "markdown":
        lines = [f"# {title}", "", render.line(_COLUMNS), render.line(["---"] * len(_COLUMNS)), *map(render.line, rows)]
        lines += ["", *(f"* {kind}, {weight}: {line}" for kind, weight, line in told)]
        sys.stdout.write("\n".join(lines) + "\n")
        return
    screen = render.console()
    screen.print(title, style="bold red" if found.failed else "bold green", markup=False, highlight=False)
    render.print_table(_COLUMNS, rows, screen)
    for kind, weight, line in told[:_SHOWN]:
        screen.print(f"  {kind}, {weight}: {line}", markup=False, highlight=False, soft_wrap=True)
    if len(told) > _SHOWN:
        screen.print(f"  and {len(told) - _SHOWN} more; --format json has them all", markup=False, highlight=False)
