"""Servers as only some tests need them: with an archive of their log, or with a session that does not end."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from cutover.local import servers
from cutover.local.servers import Server


def owned(folder: Path) -> Path:
    """Make a folder into which the server's OS user writes."""
    folder.mkdir()
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    return folder


@contextmanager
def archiving(archive: Path, name: str = servers.NAME, **settings: str) -> Iterator[Server]:
    """Run a PostgreSQL that archives its log into a folder, beside which its own is."""
    into = shlex.quote(str(archive)).replace("%", "%%")
    settings |= {
        "archive_mode": "on",
        "archive_command": f"test ! -f {into}/%f && cp %p {into}/.part && mv {into}/.part {into}/%f",
        "fsync": "off",
    }
    with servers.postgresql(archive.with_name("archiving"), name=name, settings=settings) as server:
        yield server


@contextmanager
def stopped(server: Server) -> Iterator[None]:
    """A session of the database whose server process stands still, so that it does not end when it is told to."""
    with psycopg.connect(server.url(), application_name="stuck") as connection:
        process = connection.info.backend_pid
        os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(process, signal.SIGCONT)
