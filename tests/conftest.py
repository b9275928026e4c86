"""Real servers for the tests: one private MariaDB and one private PostgreSQL for a whole session."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import MySQLdb
import psutil
import psycopg
import pytest

import clusters
from cutover.local.servers import Server, mariadb, postgresql

# What a server has told the kernel survives the server's death; only the machine's would lose it.
HASTY_MARIADB = ("--innodb-flush-log-at-trx-commit=2", "--innodb-doublewrite=0", "--sync-binlog=0")
HASTY_POSTGRESQL = {"fsync": "off", "full_page_writes": "off"}
# What tests leave on disk is in memory where there is enough: a fifth of their time is waiting for the disk.
MEMORY, ENOUGH = Path("/dev/shm"), 8 << 30
if MEMORY.is_dir() and min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available) > ENOUGH:
    tempfile.tempdir = os.environ["PYTEST_DEBUG_TEMPROOT"] = str(MEMORY)


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    # tmp_path_factory's folders are closed to all but their owner; as root, the servers run as other users.
    with tempfile.TemporaryDirectory(prefix="cutover-tests-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture(scope="session")
def mysql_server(server_folder: Path) -> Iterator[Server]:
    with mariadb(server_folder, options=HASTY_MARIADB) as server:
        yield server


@pytest.fixture(scope="session")
def pg_server(server_folder: Path) -> Iterator[Server]:
    with postgresql(server_folder, settings=HASTY_POSTGRESQL) as server:
        yield server


@pytest.fixture(scope="module")
def stage(server_folder: Path, request: pytest.FixtureRequest) -> Path:
    """A folder of a test module's own that the servers' OS users can reach."""
    folder = server_folder / request.module.__name__
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def archive(stage: Path) -> Path:
    """The folder that ``archiving`` archives into."""
    return clusters.owned(stage / "archive")


@pytest.fixture(scope="module")
def archiving(archive: Path) -> Iterator[Server]:
    """A PostgreSQL of a test module's own that archives its log."""
    with clusters.archiving(archive) as server:
        yield server


@pytest.fixture
def source_db(mysql_server: Server) -> Iterator[Server]:
    """A fresh, empty MariaDB database."""
    server = replace(mysql_server, name=f"t_{uuid4().hex[:12]}")
    _mysql(server, f"CREATE DATABASE {server.name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
    yield server
    _mysql(server, f"DROP DATABASE IF EXISTS {server.name}")


@pytest.fixture
def target_db(pg_server: Server) -> Iterator[Server]:
    """A fresh, empty PostgreSQL database."""
    server = replace(pg_server, name=f"t_{uuid4().hex[:12]}")
    _postgres(server, f"CREATE DATABASE {server.name}")
    yield server
    _postgres(server, f"DROP DATABASE IF EXISTS {server.name} WITH (FORCE)")


def _mysql(server: Server, statement: str) -> None:
    login = {"host": server.host, "port": server.port, "user": server.user, "password": server.password}
    with closing(MySQLdb.connect(**login, autocommit=True)) as connection:
        connection.cursor().execute(statement)


def _postgres(server: Server, statement: str) -> None:
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(statement)
