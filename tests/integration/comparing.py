"""A source with a column of every type, a target that another tool could have made of it, and comparing the two."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from helpers import endpoint, mysql, postgres

from cutover.cli_ends import spec_for
from cutover.ledger import Ledger
from cutover.local.servers import Server
from cutover.steps.compare import Options
from cutover.steps.context import Params, Run, start
from cutover.verdict import Verdict
from cutover.verifying import verify

# Column: its type in the source, a type another tool chose in the target, a value, and what damage makes of it there.
CELLS = {
    "tiny": ("TINYINT", "smallint", "7", "tiny + 1"),
    "flag": ("TINYINT(1)", "boolean", "1", "NOT flag"),
    "whole": ("INT", "bigint", "-2147483648", "whole + 1"),
    "big": ("BIGINT", "bigint", "9223372036854775806", "big + 1"),
    "huge": ("BIGINT UNSIGNED", "numeric", "18446744073709551614", "huge + 1"),
    "price": ("DECIMAL(12,4)", "numeric(12,4)", "1.0001", "price + 0.0001"),
    "loose": ("DECIMAL(30,10)", "numeric", "1.5", "loose + 0.0000000001"),
    "ratio": ("DOUBLE", "double precision", "0.1", "0.10000000000000002"),
    "small": ("FLOAT", "real", "0.1", "0.10000001::real"),
    "widened": ("FLOAT", "double precision", "0.3", "0.30000000000000004"),
    "bits": ("BIT(1)", "boolean", "b'1'", "NOT bits"),
    "letter": ("CHAR(5)", "character(5)", "'ab'", "'aB'"),
    "word": ("VARCHAR(30)", "text", "'Word'", "'word'"),
    "spaced": ("VARCHAR(30)", "character varying(30)", "'x'", "'x '"),
    "empty": ("VARCHAR(30)", "text", "NULL", "''"),
    "accent": ("TEXT", "text", "'é'", "'e'"),
    "composed": ("TEXT", "text", "'é'", "U&'e\\0301'"),
    "raw": ("BLOB", "bytea", "0x00FF00", "'\\x00ff'"),
    "day": ("DATE", "date", "'2024-02-29'", "day + 1"),
    "moment": ("DATETIME(6)", "timestamp with time zone", "'2024-01-01 10:00:00.000001'", "moment + interval '1 us'"),
    "zoned": ("TIMESTAMP(3) NULL", "timestamp with time zone", "'2024-07-01 12:00:00.5'", "zoned + interval '2 hours'"),
    "naive": ("DATETIME", "timestamp", "'2024-07-01 12:00:00'", "naive - interval '1 hour'"),
    "clock": ("TIME(6)", "time", "'23:59:59.999999'", "clock - interval '1 us'"),
    "span": ("TIME", "interval", "'-838:59:59'", "span + interval '1 s'"),
    "since": ("YEAR", "integer", "1999", "since + 1"),
    "size": ("ENUM('s','m','L')", "sizes", "'L'", "'s'"),
    "tags": ("SET('a','b','c')", "text[]", "'a,c'", "ARRAY['a', 'b']"),
    "document": ("JSON", "jsonb", '\'{"b": 1.50, "a": [1, 2]}\'', "jsonb_set(document, '{b}', '1.51')"),
    "text_document": ("JSON", "json", "'{\"a\": 1}'", "'{\"a\":1}'"),
    "same_as": ("UUID", "uuid", "'123e4567-e89b-12d3-a456-426614174000'", "'123e4567-e89b-12d3-a456-426614174001'"),
}

# A small source, what another tool could have made of it, and the rows of both.
SOURCE = (
    "CREATE TABLE parents (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20) NOT NULL, UNIQUE KEY by_name (name))",
    "CREATE TABLE children (id INT PRIMARY KEY, parent INT, note VARCHAR(20), spare VARCHAR(20), "
    "CONSTRAINT of_parent FOREIGN KEY (parent) REFERENCES parents (id))",
    "CREATE TABLE words (code VARCHAR(20) PRIMARY KEY, word TEXT)",
    "CREATE TABLE heap (a INT, b VARCHAR(9))",
    "CREATE TABLE gone (id INT PRIMARY KEY)",
)
TARGET = (
    "CREATE TABLE parents (id bigserial PRIMARY KEY, name text NOT NULL UNIQUE)",
    "CREATE TABLE children (id integer PRIMARY KEY, parent bigint REFERENCES parents, note text, spare text)",
    "CREATE TABLE words (code varchar(20) PRIMARY KEY, word text)",
    "CREATE TABLE heap (a integer, b varchar(9))",
    "CREATE TABLE gone (id smallint PRIMARY KEY)",
)
ROWS = (
    "INSERT INTO parents VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd'), (5, 'e'), (6, 'f')",
    "INSERT INTO children VALUES (1, 1, 'x', 'y'), (2, 2, NULL, ''), (3, NULL, 'z', 'z'), (4, 4, 'w', 'w'), "
    "(5, 5, '', '')",
    "INSERT INTO words VALUES ('ö', 'x'), ('_', NULL), ('A', 'y'), ('B', 'z')",
    "INSERT INTO heap VALUES (1, 'x'), (1, 'x'), (1, 'x'), (NULL, NULL), (12, '3'), (4, 'd')",
    "INSERT INTO gone VALUES (1), (2), (3)",
)


def cells(source: Server, target: Server) -> None:
    """Make a table of every type on both sides: row by row the same, row 0 and one for each column."""
    mysql(source, f"CREATE TABLE cells (id INT PRIMARY KEY, {', '.join(f'{n} {c[0]}' for n, c in CELLS.items())})")
    values = ", ".join(c[2] for c in CELLS.values())
    mysql(source, *(f"INSERT INTO cells VALUES ({number}, {values})" for number in range(len(CELLS) + 1)))
    columns = ", ".join(f"{name} {cell[1]}" for name, cell in CELLS.items())
    special = {"bits": "true", "flag": "true", "raw": "'\\x00ff00'", "tags": "ARRAY['a', 'c']", "widened": "0.3"}
    theirs = ", ".join(special.get(name, cell[2]) for name, cell in CELLS.items())
    postgres(
        target,
        "SET timezone = 'UTC'",
        "CREATE TYPE sizes AS ENUM ('s', 'm', 'L')",
        f"CREATE TABLE cells (id bigint PRIMARY KEY, {columns})",
        *(f"SET timezone = 'UTC'; INSERT INTO cells VALUES ({number}, {theirs})" for number in range(len(CELLS) + 1)),
    )


def comparison(source: Server, target: Server, into: str = "public", **params: Any) -> Run:
    """Begin a comparison of two databases, as two URLs would."""
    ends = endpoint(source), endpoint(target)
    given = Params.from_mapping({"workers": 2, "ignore_window": True} | params)
    return start(f"verify__{uuid4().hex[:8]}", spec_for(ends[0], into, True, True, [], True), given, Ledger(), *ends)


def compared(source: Server, target: Server, into: str = "public", **options: Any) -> Verdict:
    """Compare two databases."""
    return verify(comparison(source, target, into), Options(**options))
