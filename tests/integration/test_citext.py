"""Keys that ignore case by the type citext."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from helpers import begin, mysql, postgres, rows, spec
from test_golden import address

from checker import check
from cutover import report
from cutover.local.servers import Server
from cutover.run import NotStartedError, run_migration
from cutover.spec import MigrationSpec
from cutover.steps import back

SOURCE = (
    "CREATE TABLE parent (code CHAR(9) PRIMARY KEY, mail VARCHAR(20) DEFAULT 'None', note VARCHAR(20), body TEXT, "
    "exact VARCHAR(9) COLLATE utf8mb4_bin, host VARCHAR(20) AS (UPPER(mail)) STORED, UNIQUE KEY mails (mail), "
    "UNIQUE KEY begins (body(3)), UNIQUE KEY exactly (exact), FULLTEXT KEY words (note, mail), "
    "KEY by_mail (mail(2)), CHECK (mail <> 'x'))",
    "CREATE TABLE child (id INT PRIMARY KEY, code CHAR(9), CONSTRAINT kin FOREIGN KEY (code) REFERENCES parent (code))",
    "INSERT INTO parent (code, mail, body, exact) VALUES ('Abc', 'a@x.y', 'one', 'q'), ('dÉ', NULL, 'Two', 'Q'), "
    "('f', NULL, NULL, NULL)",
    "INSERT INTO child VALUES (1, 'ABC'), (2, 'Dé'), (3, NULL)",
    "CREATE VIEW joined AS SELECT c.id, p.code FROM child c JOIN parent p ON p.code = c.code WHERE p.mail LIKE 'A%'",
)
TYPES = (
    "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
    "WHERE attrelid = 'parent'::regclass AND attnum > 0"
)
ALONE = "ignores case alone, where the source may ignore accents and spaces at the end"


def wanted(**parts: Any) -> MigrationSpec:
    return spec(schema={"settings": {"tables": {"columns": {"ignoreCase": "citext"}}}}, **parts)


@pytest.fixture(params=["public", pytest.param("ext", marks=pytest.mark.slow)])
def within(request: pytest.FixtureRequest, target_db: Server) -> str:
    """The schema that holds citext."""
    where = str(request.param)
    postgres(target_db, f"CREATE SCHEMA IF NOT EXISTS {where}", f"CREATE EXTENSION citext SCHEMA {where}")
    return where


def test_keys_keep_their_meaning(source_db: Server, target_db: Server, within: str) -> None:
    mysql(source_db, *SOURCE)
    told = run_migration(begin(source_db, target_db, wanted()))
    assert told.status == report.COMPLETED, (told.cause, told.losses)
    citext = "citext" if within == "public" else f"{within}.citext"
    assert dict(rows(target_db, TYPES)) == {
        "code": citext,
        "mail": citext,
        "note": "character varying(20)",
        "body": citext,
        "exact": "character varying(9)",
        "host": "character varying(20)",
    }
    # Letter by letter what it was, and found without regard to case.
    assert rows(target_db, "SELECT id, code::text FROM child ORDER BY id") == [(1, "ABC"), (2, "Dé"), (3, None)]
    assert (
        "primary key of parent: ignores case alone, where the source may ignore accents and spaces at the end"
        in told.notes
    )
    for twice in (
        "INSERT INTO parent (code) VALUES ('aBC')",
        "INSERT INTO parent (code, mail) VALUES ('x', 'A@X.Y')",
        "INSERT INTO parent (code, body) VALUES ('x', 'ONES')",
    ):
        with pytest.raises(psycopg.errors.UniqueViolation):
            postgres(target_db, twice)
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        postgres(target_db, "INSERT INTO child VALUES (4, 'nobody')")
    with pytest.raises(psycopg.errors.CheckViolation):
        postgres(target_db, "INSERT INTO parent (code) VALUES ('0123456789')")
    postgres(
        target_db,
        "INSERT INTO child VALUES (4, 'aBc')",
        "INSERT INTO parent (code, exact, mail) VALUES ('z', 'qQ', 'b')",
    )


def test_an_independent_checker_agrees(source_db: Server, target_db: Server) -> None:
    postgres(target_db, "CREATE EXTENSION citext")
    mysql(source_db, *SOURCE)
    assert run_migration(begin(source_db, target_db, wanted())).cause is None
    findings = [str(finding) for finding in check(address(source_db), target_db.url(), "public")]
    assert findings == []


@pytest.mark.slow
def test_they_come_and_go_and_the_extension_stays(source_db: Server, target_db: Server, within: str) -> None:
    mysql(source_db, *SOURCE)
    assert run_migration(begin(source_db, target_db, wanted())).cause is None
    mysql(source_db, "INSERT INTO parent (code) VALUES ('new')")
    second = begin(source_db, target_db, wanted())
    assert run_migration(second).cause is None
    assert rows(target_db, "SELECT count(*) FROM parent") == [(4,)]
    back.rollback(second)
    back.validate_rollback(second)
    assert rows(target_db, "SELECT count(*) FROM parent") == [(3,)]


def test_it_takes_the_extension(source_db: Server, target_db: Server) -> None:
    mysql(source_db, *SOURCE)
    with pytest.raises(NotStartedError, match=r"no extension citext; CREATE EXTENSION citext there, or say icu"):
        run_migration(begin(source_db, target_db, wanted()))


def test_what_it_takes_for_alike_and_the_source_does_not(source_db: Server, target_db: Server) -> None:
    """A row that a key of the target would refuse is set aside and named; the orphan it makes is not lost."""
    postgres(target_db, "CREATE EXTENSION citext")
    mysql(
        source_db,
        "CREATE TABLE t (id INT PRIMARY KEY, word VARCHAR(9) COLLATE utf8mb4_general_ci, UNIQUE KEY words (word))",
        "CREATE TABLE orphans (id INT PRIMARY KEY, word VARCHAR(9) COLLATE utf8mb4_general_ci, "
        "CONSTRAINT known FOREIGN KEY (word) REFERENCES t (word))",
        "INSERT INTO t VALUES (1, 'k'), (2, '\u212a')",
        "INSERT INTO orphans VALUES (1, 'K'), (2, 'nobody')",
    )
    lenient = {"loading": {"options": {"errorHandling": {"maxErrors": 9, "errorThreshold": 1.0}}}}
    told = run_migration(begin(source_db, target_db, wanted(data=lenient)))
    assert told.cause is None
    assert any(loss.startswith("t: 1 rows set aside") for loss in told.losses), told.losses
    assert any(note.startswith("foreign key orphans.known: holds for rows to come alone") for note in told.notes)
    assert rows(target_db, "SELECT count(*) FROM orphans") == [(2,)]
