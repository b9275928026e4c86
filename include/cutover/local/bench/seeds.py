"""The tables of the cases beside the sample source, the same at every run."""

from __future__ import annotations

from collections.abc import Iterator

from cutover.local.bench.place import execute
from cutover.local.servers import Server

TABLE_ROWS = 100
# A row of the wide table: letters in no order that a page's or a wire's compression could use.
_PIECES = 80
WIDE_BYTES = _PIECES * 128
# Rows that one INSERT makes: its undo log and the binary log's cache stay small.
_AT_ONCE = 10_000


def wide(source: Server, rows: int) -> None:
    """One table with 10 KB of text in each row."""
    text = "CONCAT(" + ", ".join(f"SHA2(CONCAT(seq, ':{n}'), 512)" for n in range(_PIECES)) + ")"
    _fill(
        source,
        "CREATE TABLE documents (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, title VARCHAR(80) NOT NULL, "
        "body MEDIUMTEXT NOT NULL, KEY documents_title (title)) ENGINE=InnoDB",
        f"INSERT INTO documents SELECT seq, CONCAT('Título ', seq), {text}",
        rows,
    )


def many(source: Server, rows: int) -> None:
    """Tables of a hundred rows, with a key and an index each."""
    execute(source, *_small_tables(rows // TABLE_ROWS))


def _small_tables(count: int) -> Iterator[str]:
    for number in range(count):
        name = f"small_{number:05d}"
        yield (
            f"CREATE TABLE {name} (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, label VARCHAR(60) NOT NULL, "
            f"amount INT NOT NULL, seen DATETIME NOT NULL, KEY {name}_amount (amount)) ENGINE=InnoDB"
        )
        yield (
            f"INSERT INTO {name} SELECT seq, CONCAT('label ', seq * 7919), seq MOD 17, "  # noqa: S608
            f"TIMESTAMPADD(MINUTE, seq, '2024-01-01') FROM seq_1_to_{TABLE_ROWS}"
        )


def composite(source: Server, rows: int) -> None:
    """One table whose key is two numbers."""
    _fill(
        source,
        "CREATE TABLE readings (station INT NOT NULL, moment INT NOT NULL, value DOUBLE, note VARCHAR(40), "
        "PRIMARY KEY (station, moment)) ENGINE=InnoDB",
        "INSERT INTO readings SELECT seq DIV 1000, seq MOD 1000, CRC32(seq) / 7, CONCAT('reading ', seq)",
        rows,
    )


def text(source: Server, rows: int) -> None:
    """One table whose key is text, which MySQL and PostgreSQL sort unlike."""
    _fill(
        source,
        "CREATE TABLE articles (code VARCHAR(32) NOT NULL PRIMARY KEY, price DECIMAL(10,2) NOT NULL, "
        "name VARCHAR(60)) ENGINE=InnoDB",
        "INSERT INTO articles SELECT CONCAT(LPAD(seq, 9, '0'), '-', LEFT(MD5(seq), 12)), seq / 100, "
        "CONCAT('article ', seq)",
        rows,
    )


def counters(source: Server, rows: int) -> None:
    """One table of rows to be changed, and one row whose changes tell how far behind a follower is."""
    _fill(
        source,
        "CREATE TABLE counters (id INT NOT NULL PRIMARY KEY, amount INT NOT NULL, label VARCHAR(60) NOT NULL) "
        "ENGINE=InnoDB",
        "INSERT INTO counters SELECT seq, 0, CONCAT('counter ', seq)",
        rows,
    )
    execute(
        source,
        "CREATE TABLE beats (id INT NOT NULL PRIMARY KEY, number INT NOT NULL) ENGINE=InnoDB",
        "INSERT INTO beats VALUES (1, 0)",
    )


def _fill(source: Server, table: str, insert: str, rows: int) -> None:
    starts = range(1, rows + 1, _AT_ONCE)
    execute(
        source,
        table,
        *(f"{insert} FROM seq_{start}_to_{min(start + _AT_ONCE - 1, rows)}" for start in starts),
        f"ANALYZE TABLE {table.split()[2]}",
    )
