"""PostgreSQL's own programs: pg_dump and pg_restore."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from cutover.dialects import pools, postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.errors import PreflightError, TerminalError


def program(name: str) -> str:
    """Return the path of a PostgreSQL client program.

    Raises:
        PreflightError: it is not installed.
    """
    found = shutil.which(name)
    if found is None:
        raise PreflightError([f"{name} is not installed; install the package postgresql-client"])
    return found


def dump(
    endpoint: Endpoint, into: Path, *, schemas: Sequence[str] = (), jobs: int = 2, snapshot: str | None = None
) -> None:
    """Dump a database, or only some of its schemas, into a directory that pg_restore reads.

    What is in the directory goes, and so do connections that this process keeps: pg_dump takes their place.

    Args:
        endpoint: the database.
        into: the directory; its parent is there.
        schemas: the schemas to dump; the whole database where empty.
        jobs: how many tables at once; fewer where the endpoint's pool has no room.
        snapshot: what ``pg_export_snapshot()`` gave to a transaction that is open: the dump sees what that one sees.

    Raises:
        PreflightError: pg_dump is missing or failed; its own words are in the message.
        TransientError: the server was full for as long as the pool's ``acquire`` allows.
    """
    # pg_dump has a connection of its own, and one for each job; a single job works on its own.
    jobs = max(1, endpoint.at_most(jobs + 1) - 1)
    command = [program("pg_dump"), "--format=directory", f"--jobs={jobs}", "--compress=1", "--encoding=UTF8"]
    command += ["--file", str(into)]
    command += where(endpoint)
    # The pattern is quoted: an unquoted name would be folded, and * would match more.
    command += [f"--schema={postgresql.quoted(schema)}" for schema in schemas]
    command += [f"--snapshot={snapshot}"] if snapshot is not None else []

    def attempt() -> None:
        shutil.rmtree(into, ignore_errors=True)
        _run(endpoint, command)

    pools.close()
    pools.patient(endpoint, attempt, postgresql.full)


def restore(endpoint: Endpoint, archive: Path, *, jobs: int = 2, timeout: float | None = None) -> None:
    """Restore a whole archive into a database that holds nothing; any error of pg_restore's is one.

    Args:
        endpoint: the database.
        archive: the directory that :func:`dump` made.
        jobs: how many tables at once.
        timeout: seconds that it may take.

    Raises:
        PreflightError: pg_restore is missing or failed; its own words are in the message.
        TerminalError: it took longer than ``timeout``; it was ended.
        TransientError: the server was full for as long as the pool's ``acquire`` allows.
    """
    jobs = max(1, endpoint.at_most(jobs + 1) - 1)
    command = [program("pg_restore"), f"--jobs={jobs}", "--exit-on-error", *where(endpoint), str(archive)]
    pools.close()
    ran(endpoint, command, timeout)


def contents(archive: Path) -> list[str]:
    """Return what an archive holds, a line for each object, as ``pg_restore --list`` prints it.

    Raises:
        PreflightError: pg_restore is missing, or cannot read it; its own words are in the message.
    """
    command = [program("pg_restore"), "--list", str(archive)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PreflightError([f"pg_restore cannot read {archive}: {done.stderr.strip()}"])
    return [line for line in done.stdout.splitlines() if line and not line.startswith(";")]


def login(endpoint: Endpoint) -> dict[str, str]:
    """Return the environment in which a program logs in; the password is on no command line."""
    options = {"PGPASSWORD": endpoint.password}
    if endpoint.verify_tls:
        options |= {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": endpoint.tls_ca or "system"}
    return os.environ | options


def where(endpoint: Endpoint) -> list[str]:
    """Return the arguments that say where a program logs in; the password is not among them."""
    at = ["--host", endpoint.host, "--port", str(endpoint.port), "--username", endpoint.user]
    return [*at, "--no-password", "--dbname", endpoint.database]


def ran(endpoint: Endpoint, command: Sequence[str], timeout: float | None = None) -> bytes:
    """Return what a program prints; a server that is full is asked again.

    Args:
        endpoint: the database that it logs in to.
        command: its path and its arguments.
        timeout: seconds that it may take.

    Raises:
        PreflightError: it failed; its own words are in the message.
        TerminalError: it took longer than ``timeout``; it was ended.
        TransientError: the server was full for as long as the pool's ``acquire`` allows.
    """
    return pools.patient(endpoint, lambda: _run(endpoint, command, timeout), postgresql.full)


def _run(endpoint: Endpoint, command: Sequence[str], timeout: float | None = None) -> bytes:
    name = Path(command[0]).name
    try:
        done = subprocess.run(command, env=login(endpoint), capture_output=True, check=False, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise TerminalError(f"{name} of {endpoint} was ended: it took longer than {timeout:.0f} s") from None
    if done.returncode:
        raise PreflightError([f"{name} of {endpoint} failed: {done.stderr.decode(errors='replace').strip()}"])
    return done.stdout
