"""A source whose rows change in every way there is, and the question whether a target has become equal to it."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import MySQLdb
from helpers import mysql

from checker import Address
from checker import check as checked
from cutover.local.servers import Server

FOREIGN_DUPLICATE_KEY = 1761
TABLES = (
    "CREATE TABLE people (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50), mail VARCHAR(50), UNIQUE KEY (mail))",
    "CREATE TABLE pets (owner INT, no BIGINT UNSIGNED, name VARCHAR(20), born DATE, PRIMARY KEY (owner, no), "
    "CONSTRAINT pets_owner FOREIGN KEY (owner) REFERENCES people (id) ON DELETE CASCADE ON UPDATE CASCADE)",
    "CREATE TABLE toys (id INT PRIMARY KEY, owner INT, no BIGINT UNSIGNED, UNIQUE KEY (owner, no), "
    "CONSTRAINT toys_pet FOREIGN KEY (owner, no) REFERENCES pets (owner, no) ON DELETE SET NULL ON UPDATE CASCADE)",
    "CREATE TABLE words (word VARCHAR(20) COLLATE utf8mb4_unicode_ci PRIMARY KEY, n INT)",
    "CREATE TABLE olden (word VARCHAR(20) CHARACTER SET latin1 PRIMARY KEY, v INT GENERATED ALWAYS AS (n + 1) VIRTUAL, "
    "n INT)",
    "CREATE TABLE hashes (v INT GENERATED ALWAYS AS (1) VIRTUAL, hash BINARY(4) PRIMARY KEY, size FLOAT)",
    "CREATE TABLE prices (price DECIMAL(20,10), at DATETIME(6), n INT, PRIMARY KEY (price, at))",
    "CREATE TABLE instants (at TIMESTAMP(3) PRIMARY KEY, word ENUM('a', 'b'), tags SET('x', 'y'), doc JSON)",
    "CREATE TABLE logs (line TEXT, n INT)",
    "CREATE TABLE sizes (size ENUM('s', 'm') PRIMARY KEY, n INT)",
    "INSERT INTO people (name, mail) VALUES ('Ana', 'a@x'), ('Ben', 'b@x'), ('Cleo', NULL), ('Dan', 'd@x')",
    "INSERT INTO pets VALUES (1, 1, 'Rex', '2020-01-02'), (2, 1, 'Kit', NULL)",
    "INSERT INTO pets VALUES (1, 18446744073709551615, 'Tom', '0000-00-00')",
    "INSERT INTO toys VALUES (1, 1, 1), (2, 2, 1), (3, NULL, NULL)",
    "INSERT INTO words VALUES ('one', 1), ('Zwei', 2), ('日本', 3)",
    "INSERT INTO olden (word, n) VALUES ('é', 1), ('€', 2), ('plain', 3)",
    "INSERT INTO hashes (hash, size) VALUES (0x00FF27E9, 1.1), (0x01020304, 123456.7)",
    "INSERT INTO prices VALUES (1.1234567891, '2024-01-01 00:00:00.000001', 1)",
    "INSERT INTO instants VALUES ('2024-01-01 00:00:00.001', 'a', 'x,y', '{\"k\": [1, 2.50]}')",
    "INSERT INTO logs VALUES ('one', 1), ('one', 1), (NULL, NULL)",
    "INSERT INTO sizes VALUES ('s', 1)",
)
CHANGES = {
    "inserts": (
        "INSERT INTO people (name, mail) VALUES ('Eve', 'e@x'), ('Zoë', 'z@x')",
        "INSERT INTO olden (word, n) VALUES ('ñandú', 4)",
        "INSERT INTO hashes (hash, size) VALUES (0xDEADBEEF, 0.1)",
    ),
    "updates": (
        "UPDATE people SET name = UPPER(name)",
        "UPDATE hashes SET size = size * 3",
        "UPDATE instants SET doc = '[null, 1e3]', tags = '', word = NULL",
        "UPDATE olden SET n = 10 WHERE word = '€'",
    ),
    "deletes": ("DELETE FROM words WHERE word = 'zwei'", "DELETE FROM prices", "DELETE FROM olden WHERE word = 'é'"),
    "keys change": (
        "UPDATE words SET word = 'ONE' WHERE word = 'one'",
        "UPDATE hashes SET hash = 0x00000000 WHERE hash = 0x01020304",
        "UPDATE prices SET price = price + 0.0000000001, at = at + INTERVAL 1 MICROSECOND",
        "UPDATE instants SET at = at + INTERVAL 1 DAY",
    ),
    "keys of parents change": ("UPDATE people SET id = 100 WHERE id = 1",),
    "parents go": ("DELETE FROM people WHERE id = 2", "DELETE FROM pets WHERE owner = 1 AND no = 1"),
    "values change places": (
        "UPDATE people SET mail = CASE id WHEN 1 THEN NULL ELSE mail END",
        "UPDATE people SET mail = 'a@x' WHERE id = 2",
        "UPDATE people SET mail = 'b@x' WHERE id = 1",
    ),
    "keys change places": (
        "UPDATE people SET id = 1000 WHERE id = 3",
        "UPDATE people SET id = 3 WHERE id = 4",
        "UPDATE people SET id = 4 WHERE id = 1000",
    ),
    "a row goes and comes back": ("DELETE FROM words WHERE word = 'one'", "INSERT INTO words VALUES ('One', 7)"),
    "a table without a key": ("INSERT INTO logs VALUES ('two', 2)", "DELETE FROM logs WHERE n = 1 LIMIT 1"),
    "a key that a feed cannot tell": ("INSERT INTO sizes VALUES ('m', 2)", "UPDATE sizes SET n = 5 WHERE size = 's'"),
    "a table is emptied": ("TRUNCATE TABLE words", "INSERT INTO words VALUES ('new', 1)"),
    "a transaction is taken back": ("BEGIN", "DELETE FROM people", "ROLLBACK"),
    "a statement of many rows": (
        "INSERT INTO prices SELECT seq / 7, '2024-01-01', seq FROM seq_1_to_2500",
        "DELETE FROM prices WHERE n % 2",
    ),
}


def equal(source: Server, target: Server) -> None:
    """Both sides are the same, as a checker sees it that shares no code with the product."""
    login = Address(
        host=source.host, port=source.port, user=source.user, password=source.password, database=source.name
    )
    found = [f for f in checked(login, target.url(), "public") if f.kind in ("rows", "cell", "cells", "row")]
    assert found == []


class Writer:
    """Changes the source at random: inserts, updates, deletes, key changes and values that change places."""

    def __init__(self, source: Server, seed: int) -> None:
        self.source, self.random, self.done, self.stopped = source, random.Random(seed), 0, threading.Event()
        self.problem: MySQLdb.Error | None = None

    def write(self) -> None:
        try:
            while not self.stopped.is_set():
                self.some()
                self.done += 20
        except MySQLdb.Error as error:
            self.problem = error

    def some(self) -> None:
        try:
            mysql(self.source, "SET foreign_key_checks = 1", *(self.statement() for _ in range(20)))
        except MySQLdb.OperationalError as error:
            # IGNORE does not ignore that a parent's new key would give its children one that is there.
            if error.args[0] != FOREIGN_DUPLICATE_KEY:
                raise

    def statement(self) -> str:
        one_, other = self.random.randint(1, 40), self.random.randint(1, 40)
        return self.random.choice(
            (
                f"INSERT IGNORE INTO people (id, name, mail) VALUES ({one_}, 'p{other}', 'm{other}@x')",
                f"INSERT IGNORE INTO pets VALUES ({one_}, {other}, 'pet', '2020-01-01')",
                f"INSERT IGNORE INTO toys VALUES ({one_}, {other}, {one_})",
                f"UPDATE IGNORE people SET name = 'n{other}', mail = 'm{other}@x' WHERE id = {one_}",
                f"UPDATE IGNORE people SET id = {other} WHERE id = {one_}",
                f"DELETE FROM people WHERE id = {one_}",
                f"DELETE FROM pets WHERE owner = {one_}",
                f"INSERT INTO words VALUES ('w{one_}', {other}) ON DUPLICATE KEY UPDATE n = n + 1, word = UPPER(word)",
                f"REPLACE INTO hashes (hash, size) VALUES (0x{one_:08x}, {other} / 7)",
                f"UPDATE IGNORE hashes SET hash = 0x{other:08x} WHERE hash = 0x{one_:08x}",
                f"INSERT INTO logs VALUES ('l{one_}', {other})",
                f"DELETE FROM logs WHERE n = {one_}",
            )
        )


@contextmanager
def writing(source: Server, seed: int) -> Iterator[Writer]:
    """Write to the source until the block ends."""
    writer = Writer(source, seed)
    thread = threading.Thread(target=writer.write)
    thread.start()
    try:
        yield writer
    finally:
        writer.stopped.set()
        thread.join()
    assert writer.problem is None
