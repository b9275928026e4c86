"""Golden cases: what becomes of a source that holds one trouble, word by word.

``GOLDEN=update`` in the environment writes what is expected anew: read the difference before it is kept.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from helpers import begin, postgres, source_database, spec

from checker import Address, check
from checker.feed import feed
from checker.losses import unexplained, untrue
from cutover import report
from cutover.dialects import postgresql_programs
from cutover.local.servers import Server
from cutover.report import Report
from cutover.run import run_migration

CASES = sorted(path.parent for path in (Path(__file__).parents[1] / "golden").glob("*/source.sql"))
# Another server that the cases run against too, such as a MySQL.
FURTHER = os.environ.get("MYSQL_URL")
# So begins a case that would leave nothing, or nothing of its trouble, on the other servers.
MARIADB_ALONE, MYSQL_ALONE = "-- MariaDB alone ", "-- MySQL alone "
# In a table of three rows one orphan is a third.
LENIENT = {"loading": {"options": {"errorHandling": {"maxErrors": 100, "errorThreshold": 1.0}}}}
UPDATE = os.environ.get("GOLDEN") == "update"
# What a note must say to tell of something that the checker cannot see in its place, or not as it was.
_EXPLAINING = (": is called ", "holds for rows to come alone", "as the counter that it is linked with")
# Of a dump, what says nothing of the schema, or is another each time.
_IDLE = ("--", "SET ", "SELECT pg_catalog.set_config", "\\")


# Each case with the servers that have its trouble.
PAIRS = [
    (kind, case)
    for kind, others in (("mariadb", MYSQL_ALONE), *((("further", MARIADB_ALONE),) if FURTHER else ()))
    for case in CASES
    if not (case / "source.sql").read_text().startswith(others)
]


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, mysql_server: Server) -> Server:
    return mysql_server if request.param == "mariadb" else at(FURTHER or "")


def at(url: str) -> Server:
    parts = urlsplit(url)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Server("mysql", parts.hostname or "", parts.port or 3306, user, password, "")


@pytest.fixture
def source(server: Server) -> Iterator[Server]:
    with source_database(server) as made:
        yield made


@pytest.mark.parametrize(
    ("server", "case"),
    [
        # Every third one in the default suite.
        pytest.param(kind, case, id=f"{kind}-{case.name}", marks=[pytest.mark.slow] if number % 3 else [])
        for number, (kind, case) in enumerate(PAIRS)
    ],
    indirect=["server"],
)
def test_it_becomes_what_is_expected(
    case: Path, server: Server, mysql_server: Server, source: Server, target_db: Server
) -> None:
    login = address(source)
    further = server is not mysql_server
    # Another server may not know every statement; what it refuses is not there to be moved.
    feed(login, [case / "source.sql"], force=further)
    if (case / "target.sql").exists():
        postgres(target_db, (case / "target.sql").read_text())
    told = run_migration(begin(source, target_db, spec(data=LENIENT), workers=1))
    assert told.status in (report.COMPLETED, report.WITH_LOSSES), told.cause
    suffix = ".further" if further else ""
    agree(case, f"expected{suffix}.sql", "expected.sql", schema_of(target_db))
    agree(case, f"losses{suffix}.txt", "losses.txt", losses_of(told, source))
    findings = check(login, target_db.url(), "public")
    told_of = [*told.losses, *(note for note in told.notes if any(words in note for words in _EXPLAINING))]
    renamed = {note.split(": is called ")[0].rpartition(".")[2] for note in told.notes if ": is called " in note}
    strange = [str(finding) for finding in unexplained(findings, told_of)]
    # The checker looks for a renamed column under its old name, in keys and indexes as well.
    assert [line for line in strange if not any(name in line for name in renamed)] == []
    assert untrue(told.losses, findings) == []


def address(server: Server) -> Address:
    return Address(host=server.host, port=server.port, user=server.user, password=server.password, database=server.name)


def agree(case: Path, own: str, common: str, found: Sequence[str]) -> None:
    """Compare with what is expected: of this server where it has its own, otherwise of all."""
    text = "".join(line + "\n" for line in found)
    if UPDATE and (own == common or not (case / common).exists() or (case / common).read_text() != text):
        (case / own).write_text(text)
    expected = case / own if (case / own).exists() else case / common
    assert text == expected.read_text()


def schema_of(target: Server) -> list[str]:
    command = [
        postgresql_programs.program("pg_dump"),
        "--schema-only",
        "--no-owner",
        "--schema=public",
        "--dbname",
        target.url(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if line.strip() and not line.startswith(_IDLE)]


def losses_of(told: Report, source: Server) -> list[str]:
    """The report's losses, one a line, without the name that the database bears this time."""
    return [" ".join(loss.replace(source.name, "SOURCE").splitlines()) for loss in told.losses]
