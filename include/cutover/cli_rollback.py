"""The command line's part that takes a run back."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from cutover import render, taking_back
from cutover.cli_ends import endpoint
from cutover.cli_options import Name, RunId, new_id
from cutover.dialects.endpoint import from_url
from cutover.errors import CutoverError, PreflightError
from cutover.ledger import Ledger
from cutover.run import EXIT_ROLLED_BACK
from cutover.steps import drill as rehearsing
from cutover.steps import history
from cutover.steps.context import Run, resume, start

app = typer.Typer()


@app.command()
def rollback(
    name: Name,
    run_id: RunId = None,
    target: Annotated[str | None, typer.Option(help="postgresql:// URL, for a run that was started with URLs")] = None,
    way: Annotated[
        str | None, typer.Option("--strategy", help="one that the run has prepared; the spec's own if not given")
    ] = None,
    reason: Annotated[str, typer.Option(help="why; the report has it")] = "asked for by hand",
    moment: Annotated[
        str | None, typer.Option("--to", help="with point_in_time: 2026-11-22T02:00:00+00:00; else the cutover")
    ] = None,
    look: Annotated[bool, typer.Option("--dry-run", help="say what would be lost, and change nothing")] = False,
    drill: Annotated[
        bool, typer.Option("--drill", help="rehearse the ways back of the run in place, beside the live database")
    ] = False,
    undo: Annotated[bool, typer.Option("--undo", help="put in place again what was taken back")] = False,
    hooked: Annotated[
        bool,
        typer.Option("--hooks/--without-hooks", help="whether rollback.applications is done, or has been by hand"),
    ] = True,
) -> None:
    """Put the target back as it was before a run, also after its cutover.

    Exits with 0 when it is back, 1 when the way back failed, 2 when it could not begin: nothing was changed then.
    """
    ledger = Ledger()
    if drill:
        _rehearse(_run(ledger, name, run_id, target, undo))
        return
    this = _run(ledger, name, run_id, target, undo)
    request = None
    if not undo:
        # Airflow's DAG for it knows who has approved.
        if this.spec.rollback.triggers.manual.approval_required and not look:
            raise PreflightError(
                [f"rollback.triggers.manual.approvalRequired of {name} is true: trigger the DAG {name}__rollback"]
            )
        request = taking_back.ask(this, way, reason, getpass.getuser(), moment, hooked)
        for line in request.told():
            render.complain(line)
        if look:
            return
    try:
        if request is None:
            taking_back.put_in_place(this, hooked)
        else:
            taking_back.take_back(this)
            for line in taking_back.recounted(this):
                render.complain(line)
    except PreflightError:
        raise  # Nothing was changed.
    except CutoverError as error:
        render.complain(str(error))
        raise typer.Exit(EXIT_ROLLED_BACK) from None
    render.tell(f"{name}: run {this.id} is in place again" if request is None else _ended(this, request))


def _ended(run: Run, request: taking_back.Request) -> str:
    if request.done:
        return f"{run.spec.name}: run {run.id} was taken back before"
    seconds = taking_back.report(run)["seconds"]
    written = run.spec.rollback.execution.post_rollback.documentation
    where = f"; {run.folder / 'rollback.md'} says all of it" if written else ""
    return f"{run.spec.name}: run {run.id} is taken back by {request.way}, {seconds} s after it was asked for{where}"


def _rehearse(of: Run) -> None:
    this = start(new_id("drill"), of.spec, of.params, of.ledger, of.source, of.target, of.home)
    found = rehearsing.drill(this)
    for each in found:
        render.complain(str(each))
    if any(each.failed for each in found):
        raise typer.Exit(EXIT_ROLLED_BACK)


def _run(ledger: Ledger, name: str, run_id: str | None, target: str | None, undo: bool) -> Run:
    chosen = run_id or history.latest_change(ledger, name, undo)
    ends = None
    if target is not None:
        # The way back reads nothing of the source: where it is, is known, and its password is not needed.
        source = from_url(ledger.events(chosen, "run_started")[0].detail["source"])
        ends = source, endpoint("--target", target, "postgresql")
    return resume(chosen, ledger, ends=ends)
