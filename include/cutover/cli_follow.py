"""The command line's part about targets that follow their source."""

from __future__ import annotations

import sys
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cutover import render
from cutover.cli_options import DEFAULT_MIGRATIONS, Migrations, Name
from cutover.errors import CutoverError, PreflightError
from cutover.ledger import Ledger
from cutover.run import EXIT_ROLLED_BACK
from cutover.schema import inspect_mysql, tracking
from cutover.schema.choose import choose
from cutover.spec import load_spec
from cutover.steps import follow
from cutover.steps.context import Params, Run, endpoints, start

app = typer.Typer()


@app.command()
def stream(
    name: Name,
    migrations: Migrations = DEFAULT_MIGRATIONS,
    until_caught_up: Annotated[bool, typer.Option(help="end when the source has no more to tell")] = False,
    seconds: Annotated[int | None, typer.Option("--for", help="end after so many seconds")] = None,
) -> None:
    """Let the live tables follow the source's changes, from where the last run or stream left off; Ctrl-C ends it."""
    this = _started("stream", name, migrations)
    end = None if seconds is None else time.monotonic() + seconds

    def goes_on(done: follow.Flushed) -> bool:
        if done.changes:
            _say(done)
        caught_up = until_caught_up and done.complete and not done.changes
        return not caught_up and (end is None or time.monotonic() < end)

    try:
        follow.stream(this, goes_on)
    except KeyboardInterrupt:
        render.complain("interrupted; what was applied stays, and the next stream goes on from there")
    except CutoverError as error:
        render.complain(str(error))
        raise typer.Exit(EXIT_ROLLED_BACK) from None
    this.record("completed")


@app.command()
def sync(name: Name, migrations: Migrations = DEFAULT_MIGRATIONS) -> None:
    """Bring the live tables up to date with the source once, where the strategy is incremental."""
    this = _started("sync", name, migrations)
    try:
        done = follow.sync(this)
    except CutoverError as error:
        render.complain(str(error))
        raise typer.Exit(EXIT_ROLLED_BACK) from None
    this.record("completed")
    _say(done)


@app.command("tracking")
def print_tracking(name: Name, migrations: Migrations = DEFAULT_MIGRATIONS) -> None:
    """Print the SQL by which the source keeps the log of changes that strategy incremental reads; nothing is run."""
    spec = load_spec(migrations / name / "migration.yaml")
    feed = spec.data.extraction.strategy.feed
    if feed is None or feed.log is None:
        raise PreflightError(
            [f"{name} reads no log of changes: say changeTracking: true, or data.extraction.strategy.delta"]
        )
    source = inspect_mysql.inspect(endpoints(spec)[0])
    for statement in tracking.statements(choose(source, spec), feed.log, feed.time):
        sys.stdout.write(f"{statement};\n")


def _started(kind: str, name: str, migrations: Path) -> Run:
    home = migrations / name
    spec = load_spec(home / "migration.yaml")
    run_id = f"{kind}__{datetime.now(UTC):%Y-%m-%dT%H-%M-%S}__{uuid.uuid4().hex[:6]}"
    return start(run_id, spec, Params(ignore_window=True), Ledger(), *endpoints(spec), home)


def _say(done: follow.Flushed) -> None:
    text = f"{done.changes:,} changes, {done.rows:,} rows, up to {done.position}"
    render.console().print(text, highlight=False, markup=False, soft_wrap=True)
