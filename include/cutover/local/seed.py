"""The sample source: a camera counting database as years of use leave one, the same at every run.

Every value is derived from its row's number, and every kind of dirt sits in rows of its own, so the
constants below are exact.
"""

from __future__ import annotations

from contextlib import closing

import MySQLdb

from cutover.local.servers import Server

USERS = 20_000
DUPLICATE_EMAILS = 150  # users whose address an earlier user has too
BAD_EMAILS = 40
NULL_STATUSES = 60
ZERO_LOGINS = 100  # last_login 0000-00-00 00:00:00
PARTIAL_LOGINS = 20  # last_login with day or month 0
ZERO_CREATED = 5  # users.created_at 0000-00-00 00:00:00

CAMERAS = 2_000
NULL_ACTIVE = 20
ZERO_INSTALLED = 10  # installed_on 0000-00-00
NON_ASCII_NAMES = 400
EMOJI_NAMES = 100  # of these

TEMP_IMPORT = 10

_NUMBERS = 100_000  # rows of the number table, and of each INSERT into analytics
_DIGITS = "(" + " UNION ALL ".join(f"SELECT {digit} AS d" for digit in range(10)) + ")"

_SESSION = (
    "SET sql_mode = 'NO_ENGINE_SUBSTITUTION'",  # lets zero dates in
    "SET time_zone = '+00:00'",
    "SET foreign_key_checks = 0",
    "SET unique_checks = 0",
)

_TABLES = (
    "DROP TABLE IF EXISTS analytics, cameras, users, temp_import",
    """
    CREATE TABLE users (
      user_id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
      user_name VARCHAR(80) NOT NULL,
      email_address VARCHAR(255),
      account_status CHAR(1) NULL,
      last_login DATETIME NULL,
      created_at DATETIME NOT NULL,
      KEY users_email (email_address)
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
    """,
    """
    CREATE TABLE cameras (
      camera_id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
      camera_name VARCHAR(120) NOT NULL,
      camera_location VARCHAR(255),
      is_active CHAR(1),
      latitude DECIMAL(9,6),
      longitude DECIMAL(9,6),
      installed_on DATE,
      UNIQUE KEY cameras_name (camera_name)
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
    """,
    """
    CREATE TABLE analytics (
      id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
      camera_id INT NOT NULL,
      `count` INT NOT NULL,
      confidence FLOAT,
      direction ENUM('in','out'),
      `timestamp` DATETIME NOT NULL,
      created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
    """,
    """
    CREATE TABLE temp_import (id INT NOT NULL PRIMARY KEY, payload TEXT)
    ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
    """,
    "DROP TEMPORARY TABLE IF EXISTS cutover_numbers",
    "CREATE TEMPORARY TABLE cutover_numbers (n INT NOT NULL PRIMARY KEY) ENGINE=InnoDB",
    f"""
    INSERT INTO cutover_numbers
    SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d AS n
    FROM {_DIGITS} a, {_DIGITS} b, {_DIGITS} c, {_DIGITS} e, {_DIGITS} f
    ORDER BY n
    """,  # noqa: S608
)

_USERS = """
    INSERT INTO users
    SELECT
      n,
      CONCAT(ELT(1 + n % 8, 'Ana', 'Björn', 'Chloé', 'Dmitri', 'Élodie', 'Farid', '桜', 'Zoë'), ' ', n),
      CASE
        WHEN n BETWEEN 501 AND 540 THEN ELT(1 + n % 4,
          CONCAT('user', n), CONCAT('user', n, '@'), CONCAT('user', n, '@@example.com'),
          CONCAT('user ', n, ' at example.com'))
        WHEN n BETWEEN 10001 AND 10150
          THEN CONCAT('user', IF(n % 2 = 0, n - 200, n - 10000), '@example.com')
        ELSE CONCAT('user', n, '@example.com')
      END,
      IF(n BETWEEN 1001 AND 1060, NULL, SUBSTRING('AAAAAAIIIS', 1 + CRC32(n) % 10, 1)),
      CASE
        WHEN n BETWEEN 2001 AND 2100 THEN '0000-00-00 00:00:00'
        WHEN n BETWEEN 2101 AND 2120 THEN IF(n % 2 = 0, '2021-06-00 00:00:00', '2021-00-00 00:00:00')
        WHEN CRC32(CONCAT('login', n)) % 10 = 0 THEN NULL
        ELSE TIMESTAMPADD(SECOND, CRC32(CONCAT('login', n)) % 31536000, '2024-01-01 00:00:00')
      END,
      IF(n BETWEEN 3001 AND 3005, '0000-00-00 00:00:00', TIMESTAMPADD(MINUTE, n * 97, '2020-01-01 00:00:00'))
    FROM cutover_numbers WHERE n BETWEEN 1 AND %s ORDER BY n
"""

_CAMERAS = """
    INSERT INTO cameras
    SELECT
      n,
      CASE
        WHEN n % 20 = 0 THEN CONCAT('📷 Gate ', LPAD(n, 4, '0'))
        WHEN n % 20 = 1 THEN CONCAT('Eingang Süd ', LPAD(n, 4, '0'))
        WHEN n % 20 = 2 THEN CONCAT('入口 ', LPAD(n, 4, '0'))
        WHEN n % 20 = 3 THEN CONCAT('Вход ', LPAD(n, 4, '0'))
        ELSE CONCAT('Camera ', LPAD(n, 4, '0'))
      END,
      IF(n % 50 = 0, NULL, CONCAT('Hall ', 1 + n % 12, ', floor ', n % 5)),
      IF(n BETWEEN 101 AND 120, NULL, IF(CRC32(n) % 10 < 8, 'Y', 'N')),
      IF(n % 40 = 0, NULL, CAST(CRC32(CONCAT('lat', n)) % 180000001 AS DECIMAL(16,6)) / 1000000 - 90),
      IF(n % 40 = 0, NULL, CAST(CRC32(CONCAT('lon', n)) % 360000001 AS DECIMAL(16,6)) / 1000000 - 180),
      IF(n BETWEEN 201 AND 210, '0000-00-00', TIMESTAMPADD(DAY, CRC32(n) % 2000, '2018-01-01'))
    FROM cutover_numbers WHERE n BETWEEN 1 AND %s ORDER BY n
"""

_ANALYTICS = """
    INSERT INTO analytics
    SELECT
      n, 1 + h % %s, h DIV 7 % 40, IF(h % 50 = 0, NULL, h DIV 11 % 10001 / 10000),
      ELT(1 + h DIV 13 % 25 % 3, 'in', 'out', NULL), seen, TIMESTAMPADD(SECOND, h % 5, seen)
    FROM (
      SELECT n + %s AS n, CRC32(n + %s) AS h,
        TIMESTAMPADD(SECOND, (n + %s) * 13 % 126144000, '2023-01-01 00:00:00') AS seen
      FROM cutover_numbers WHERE n < %s
    ) AS numbered ORDER BY n
"""

_TEMP_IMPORT = """
    INSERT INTO temp_import SELECT n, CONCAT('left over ', n) FROM cutover_numbers WHERE n BETWEEN 1 AND %s
"""

# Built after the load: one sort instead of a random insert for each row.
_KEYS = """
    ALTER TABLE analytics
      ADD KEY analytics_camera_time (camera_id, `timestamp`),
      ADD KEY analytics_created (created_at),
      ADD CONSTRAINT analytics_camera FOREIGN KEY (camera_id) REFERENCES cameras (camera_id)
"""


def seed_camera_counting(server: Server, rows: int = 1_000_000) -> None:
    """Fill the database ``server.name``, made if missing, with `rows` analytics rows; replaces its tables.

    It holds users, cameras, analytics and temp_import, which a migration leaves out by default.
    Raises MySQLdb.Error when the server refuses.
    """
    login = {"host": server.host, "port": server.port, "user": server.user, "password": server.password}
    with closing(MySQLdb.connect(**login, charset="utf8mb4", autocommit=True)) as connection:
        cursor = connection.cursor()
        name = server.name.replace("`", "``")
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4")
        cursor.execute(f"USE `{name}`")
        for statement in (*_SESSION, *_TABLES):
            cursor.execute(statement)
        cursor.execute(_percent(_USERS), (USERS,))
        cursor.execute(_percent(_CAMERAS), (CAMERAS,))
        cursor.execute(_percent(_TEMP_IMPORT), (TEMP_IMPORT,))
        for start in range(1, rows + 1, _NUMBERS):
            count = min(_NUMBERS, rows + 1 - start)
            cursor.execute(_percent(_ANALYTICS), (CAMERAS, start, start, start, count))
        cursor.execute(_KEYS)
        cursor.execute("ANALYZE TABLE users, cameras, analytics, temp_import")


def _percent(statement: str) -> str:
    """The statement with ``%`` as MySQL's modulus escaped, ``%s`` kept as the place of a value."""
    return statement.replace("%", "%%").replace("%%s", "%s")
