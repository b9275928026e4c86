"""What a dump holds, as pg_restore tells it."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cutover.dialects import pools, postgresql
from cutover.dialects import postgresql_programs as programs
from cutover.dialects.endpoint import Endpoint
from cutover.errors import PreflightError
from cutover.rollback.measured import Position

_CHUNK = 1 << 20
_SETVAL = re.compile(r"^SELECT pg_catalog\.setval\('((?:[^']|'')+)', (-?\d+), (true|false)\);$", re.MULTILINE)
_NAME = re.compile(r'"((?:[^"]|"")+)"|([^".]+)')


def positions(archive: Path) -> dict[tuple[str, str], Position]:
    """Return where each sequence stood when pg_dump saw it, by schema and name."""
    entries = [line for line in programs.contents(archive) if holds(line, "SEQUENCE SET")]
    with printed(archive, entries) as told:
        text = b"".join(told.lines).decode()
    positions = {}
    for name, last_value, is_called in _SETVAL.findall(text):
        # A literal within which are identifiers.
        parts = [quoted.replace('""', '"') or bare for quoted, bare in _NAME.findall(name.replace("''", "'"))]
        positions[parts[0], parts[1]] = Position(parts[0], parts[1], int(last_value), is_called == "true")
    return positions


def restore_schemas(archive: Path, into: Endpoint, schemas: Sequence[str], jobs: int, timeout: float) -> None:
    """Restore a dump of some schemas, which makes each of them, where ``public`` is there from the beginning."""
    query = "SELECT nspname FROM pg_namespace WHERE nspname = ANY (%s)"
    with postgresql.session(into) as connection:
        there = [name for (name,) in connection.execute(query, (list(schemas),)).fetchall()]
        making = re.compile(rf"\d+; 2615 \d+ SCHEMA - (?:{'|'.join(map(re.escape, there))}) ") if there else None
        entries = programs.contents(archive)
        made = [line for line in entries if making is not None and making.match(line)]
        with printed(archive, made) as told:
            for line in told.lines:
                if line.startswith(b"ALTER SCHEMA "):
                    connection.execute(line)
    jobs = max(1, into.at_most(jobs + 1) - 1)
    command = [programs.program("pg_restore"), f"--jobs={jobs}", "--exit-on-error", *programs.where(into)]
    pools.close()
    with _listed([line for line in entries if line not in made]) as listing:
        programs.ran(into, [*command, f"--use-list={listing}", str(archive)], timeout)


@dataclass(frozen=True)
class Printed:
    """What pg_restore prints of an archive, while it does."""

    archive: Path
    process: subprocess.Popen[bytes]
    complaints: IO[bytes]
    lines: IO[bytes]

    def rows(self) -> Iterator[bytes]:
        """Yield the rows that follow a COPY statement, many at a time."""
        chunk = bytearray()
        for line in self.lines:
            if line == b"\\.\n":
                if chunk:
                    yield bytes(chunk)
                return
            chunk += line
            if len(chunk) >= _CHUNK:
                yield bytes(chunk)
                chunk.clear()
        raise self.failure()

    def failure(self) -> PreflightError:
        """Return the error that tells in pg_restore's own words why it ended."""
        self.process.wait()
        self.complaints.seek(0)
        words = self.complaints.read().decode(errors="replace").strip()
        return PreflightError([f"pg_restore cannot read {self.archive}: {words or 'it ended within a table'}"])


@contextmanager
def printed(archive: Path, entries: Sequence[str], *options: str) -> Iterator[Printed]:
    """Have pg_restore print some of an archive's entries as SQL; how it ended is looked at when the block ends well."""
    command = [programs.program("pg_restore"), "--file=-", *options]
    with _listed(entries) as listing, tempfile.TemporaryFile() as complaints:
        command += [f"--use-list={listing}", str(archive)]
        # It ends by itself when nobody reads any longer.
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints) as process:
            assert process.stdout is not None
            printed = Printed(archive, process, complaints, process.stdout)
            yield printed
            if process.wait():
                raise printed.failure()


@contextmanager
def _listed(entries: Sequence[str]) -> Iterator[str]:
    """Write entries where pg_restore reads which of an archive are wanted."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as listing:
        listing.writelines(f"{line}\n" for line in entries)
        listing.flush()
        yield listing.name


def holds(entry: str, kind: str) -> bool:
    """Whether a line of ``pg_restore --list`` is of a kind, such as TABLE DATA."""
    return re.match(rf"\d+; \d+ \d+ {kind} ", entry) is not None


def oid(entry: str) -> int:
    """Return an entry's number in the catalogue, as in ``3350; 0 16396 TABLE DATA public customers owner``."""
    return int(entry.split(" ", 3)[2])
