"""The sample source holds exactly what its constants say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import MySQLdb
import pytest
from email_validator import EmailNotValidError, validate_email

from cutover.local import seed
from cutover.local.servers import Server

ROWS = 120_001  # more than one batch


@pytest.fixture(scope="module")
def seeded(mysql_server: Server) -> Iterator[Any]:
    server = replace(mysql_server, name="seed_test")
    seed.seed_camera_counting(server, ROWS)
    login = {"host": server.host, "port": server.port, "user": server.user, "password": server.password}
    with closing(MySQLdb.connect(**login, database=server.name, charset="utf8mb4", autocommit=True)) as connection:
        cursor = connection.cursor()
        yield cursor
        cursor.execute("DROP DATABASE seed_test")


def one(cursor: Any, query: str) -> int:
    cursor.execute(query)
    return int(cursor.fetchone()[0])


COUNTS = {
    "users": seed.USERS,
    "cameras": seed.CAMERAS,
    "analytics": ROWS,
    "temp_import": seed.TEMP_IMPORT,
    "users WHERE account_status IS NULL": seed.NULL_STATUSES,
    "users WHERE account_status NOT IN ('A', 'I', 'S')": 0,
    "users WHERE CAST(last_login AS CHAR) = '0000-00-00 00:00:00'": seed.ZERO_LOGINS,
    "users WHERE CAST(last_login AS CHAR) REGEXP '^2021-(00|06)-00'": seed.PARTIAL_LOGINS,
    "users WHERE CAST(created_at AS CHAR) = '0000-00-00 00:00:00'": seed.ZERO_CREATED,
    "users u WHERE EXISTS (SELECT 1 FROM users e WHERE e.email_address = u.email_address"
    " AND e.user_id < u.user_id)": seed.DUPLICATE_EMAILS,
    "cameras WHERE is_active IS NULL": seed.NULL_ACTIVE,
    "cameras WHERE is_active NOT IN ('Y', 'N')": 0,
    "cameras WHERE CAST(installed_on AS CHAR) = '0000-00-00'": seed.ZERO_INSTALLED,
    "cameras WHERE LENGTH(camera_name) > CHAR_LENGTH(camera_name)": seed.NON_ASCII_NAMES,
    "cameras WHERE camera_name LIKE '📷%'": seed.EMOJI_NAMES,
    "analytics a LEFT JOIN cameras c USING (camera_id) WHERE c.camera_id IS NULL": 0,
}


@pytest.mark.parametrize("rows", COUNTS)
def test_the_counts_are_those_of_the_constants(seeded: Any, rows: str) -> None:
    assert one(seeded, f"SELECT COUNT(*) FROM {rows}") == COUNTS[rows]


def test_exactly_the_bad_emails_are_bad(seeded: Any) -> None:
    seeded.execute("SELECT email_address FROM users")

    bad = [address for (address,) in seeded.fetchall() if not _valid(address)]

    assert len(bad) == seed.BAD_EMAILS


def test_analytics_has_seven_columns_and_two_indexes(seeded: Any) -> None:
    assert (
        one(
            seeded,
            "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = 'seed_test'"
            " AND table_name = 'analytics'",
        )
        == 7
    )
    seeded.execute("SHOW INDEX FROM analytics")
    assert {row[2] for row in seeded.fetchall()} == {"PRIMARY", "analytics_camera_time", "analytics_created"}


def test_the_same_rows_come_every_time(source_db: Server, seeded: Any) -> None:
    tables = "seed_test.users, seed_test.cameras, seed_test.analytics"
    seeded.execute(f"CHECKSUM TABLE {tables}")
    first = [row[1] for row in seeded.fetchall()]

    seed.seed_camera_counting(source_db, ROWS)
    seed.seed_camera_counting(source_db, ROWS)  # replaces its own tables

    seeded.execute(f"CHECKSUM TABLE {tables.replace('seed_test', source_db.name)}")
    assert [row[1] for row in seeded.fetchall()] == first


def _valid(address: str) -> bool:
    try:
        validate_email(address, check_deliverability=False)
    except EmailNotValidError:
        return False
    return True
