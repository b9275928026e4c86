"""Arguments and options that several commands take."""

from __future__ import annotations

import os
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cutover.errors import PreflightError

DEFAULT_MIGRATIONS = Path("include/migrations")
FORMS = ("table", "json", "markdown")


def _known(form: str) -> str:
    if form not in FORMS:
        raise PreflightError([f"unknown format {form!r}; known: {', '.join(FORMS)}"])
    return form


def _writable(path: Path | None) -> Path | None:
    """Refuse a file that could not be written, before the work that it is about."""
    if path is not None:
        if path.is_dir():
            raise PreflightError([f"--report {path}: is a folder; name a file in it"])
        if not path.parent.is_dir():
            raise PreflightError([f"--report {path}: there is no folder {path.parent}; make it"])
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise PreflightError([f"--report {path}: may not be written; name another file"])
    return path


Name = Annotated[str, typer.Argument(help="name of a folder under the migrations folder")]
Migrations = Annotated[
    Path, typer.Option(envvar="CUTOVER_MIGRATIONS", help="folder that holds a folder for each migration")
]
RunId = Annotated[str | None, typer.Option("--run", help="id of a run; the latest where it is not given")]
Form = Annotated[str, typer.Option("--format", callback=_known, help="table, json or markdown")]
ReportFile = Annotated[
    Path | None, typer.Option("--report", callback=_writable, help="write what is shown to this file, as JSON")
]


def new_id(kind: str) -> str:
    """Return a name in the ledger for what a command begins."""
    return f"{kind}__{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}__{uuid.uuid4().hex[:6]}"
