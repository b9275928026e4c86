"""A migration whose target has versions of its own, and the command line on it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from helpers import begin, migrations, rows, spec
from typer.testing import CliRunner

from cutover import cli, report
from cutover.dialects import postgresql_programs
from cutover.errors import CutoverError
from cutover.local.servers import Server
from cutover.run import run_migration

VERSIONED = {"types": {"schema": {"strategy": "versioned"}}}
BRANCHING = {"types": {"schema": {"strategy": "branching"}}}
ADD_ZONE = 'op.add_column("orders", sa.Column("zone", sa.Text(), server_default="north"))'
APPLIED = "SELECT version FROM schema_migrations ORDER BY version"


class Migration:
    """A migration's folder, and the command line on it."""

    def __init__(self, folder: Path, source: Server, target: Server, strategy: dict[str, Any]) -> None:
        self.source, self.target = source, target
        self.spec = spec(strategy=strategy)
        self.home = migrations(folder, self.spec) / self.spec.name

    def __call__(self, *words: str) -> str:
        """Run a command of ``cutover schema`` and return what it says; raise what it raises."""
        arguments = ["schema", words[0], "shop", *words[1:], "--migrations", str(self.home.parent)]
        done = CliRunner().invoke(cli.app, arguments)
        if isinstance(done.exception, CutoverError):
            raise done.exception
        assert done.exit_code in (0, 1), done.output
        return done.stdout

    def write(self, message: str, up: str, down: str = "pass", *options: str) -> str:
        """Write a version by hand and return its identifier."""
        path = Path(self("revision", "-m", message, "--empty", *options).removeprefix("wrote ").strip())
        head, _, _ = path.read_text().partition("def upgrade")
        path.write_text(f"{head}def upgrade():\n    {up}\n\n\ndef downgrade():\n    {down}\n")
        return path.name.split("_")[0]

    def run(self, **params: Any) -> report.Report:
        told = run_migration(begin(self.source, self.target, self.spec, self.home, **params))
        assert told.cause is None
        return told


Make = Callable[..., Migration]


def live(target: Server) -> str:
    """The live schema, structure and rows, as pg_dump writes it."""
    command = [postgresql_programs.program("pg_dump"), "--schema=public", "--dbname", target.url()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = (line for line in done.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))
    return "\n".join(lines)


def columns(target: Server, table: str = "orders") -> list[str]:
    query = "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = %s"
    return [name for (name,) in rows(target, query + " ORDER BY ordinal_position", table)]
