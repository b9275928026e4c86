"""The command line's part about runs: how they go, and what happened in them."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from cutover import render, render_verdict, report, verdict
from cutover.cli_options import Form, Name, RunId
from cutover.errors import PreflightError
from cutover.ledger import Ledger
from cutover.progress import Progress
from cutover.verdict import Verdict

app = typer.Typer()

# Steps of what is no migration: it follows a source, compares it with the target, or validates.
FOLLOWING = ("stream", "sync", "compare", "validate")


@app.command()
def status(
    name: Annotated[str | None, typer.Argument(help="a migration; all where it is not given")] = None,
    limit: Annotated[int, typer.Option(help="how many runs")] = 20,
    following: Annotated[bool, typer.Option(help="streams and passes, too")] = False,
) -> None:
    """List runs, newest first."""
    ledger, console = Ledger(), render.console()
    listed = 0
    for run_id, _, _ in ledger.runs(name):
        if not following and _follows(ledger, run_id):
            continue
        if listed == limit:
            return
        listed += 1
        folded = report.build(ledger, run_id)
        console.print(
            f"{folded.started}  {folded.migration}  {run_id}  {folded.status}  {folded.rows:,} rows",
            soft_wrap=True,
        )


@app.command()
def watch(
    name: Name,
    run_id: RunId = None,
    once: Annotated[bool, typer.Option(help="show how it is now, and end")] = False,
) -> None:
    """Show a run as it goes, whoever started it: rows, bytes, rows in a second and time left, table by table."""
    ledger = Ledger()
    chosen = latest(ledger, name, run_id)
    state, console = Progress(ledger, chosen), render.console()
    state.update()
    if not once:
        with Live(console=console, refresh_per_second=4, transient=True, redirect_stdout=False) as live:
            while state.ended is None:
                live.update(render.progress_table(state))
                time.sleep(0.5)
                state.update()
    console.print(render.progress_table(state))


@app.command("report")
def show_report(
    name: Name,
    run_id: RunId = None,
    form: Form = "table",
) -> None:
    """Show what happened in a run, or what a comparison came to."""
    ledger = Ledger()
    chosen = latest(ledger, name, run_id)
    if ledger.last(chosen, "matched") is not None:
        show_verdict(verdict.build(ledger, chosen), form)
        return
    folded = report.build(ledger, chosen)
    if form == "json":
        sys.stdout.write(folded.to_json() + "\n")
    elif form == "markdown":
        sys.stdout.write(render.markdown(folded))
    else:
        render.show_report(folded, render.console())


def show_verdict(found: Verdict, form: str) -> None:
    """Print what a comparison came to, in one of FORMS."""
    if form == "json":
        sys.stdout.write(found.to_json() + "\n")
    elif form == "markdown":
        sys.stdout.write(render_verdict.markdown(found))
    else:
        render_verdict.show(found, render.console())


@contextmanager
def shown(ledger: Ledger, run_id: str, console: Console) -> Iterator[None]:
    """Show live progress while the block runs."""
    state, done = Progress(ledger, run_id), threading.Event()
    with Live(console=console, refresh_per_second=4, transient=True, redirect_stdout=False) as live:

        def follow() -> None:
            while not done.wait(0.5):
                state.update()
                live.update(render.progress_table(state))

        watcher = threading.Thread(target=follow, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()


def latest(ledger: Ledger, name: str, run_id: str | None) -> str:
    """Return the run that is asked for, or the latest that is no stream and no pass.

    Raises:
        PreflightError: there is none.
    """
    runs = [found for found, _, _ in ledger.runs(name)]
    if run_id is not None and run_id not in runs:
        raise PreflightError([f"{name} has no run {run_id!r}"])
    found = run_id or next((run for run in runs if not _follows(ledger, run)), None)
    if found is None:
        raise PreflightError([f"{name} has no run in the ledger"])
    return found


def _follows(ledger: Ledger, run_id: str) -> bool:
    return any(event.detail["step"] in FOLLOWING for event in ledger.events(run_id, "step_started"))
