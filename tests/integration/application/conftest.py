"""A run on which queries are tried."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers import SHOP, begin, finished, mysql, source_database, target_database

from cutover.local.servers import Server
from cutover.steps.context import Run

KINDS = (
    "CREATE TABLE kinds (id INT PRIMARY KEY, active TINYINT(1), tags SET('a','b'), big BIGINT UNSIGNED, doc JSON, "
    "seen TIMESTAMP NULL, made DATETIME, label ENUM('x','y'), bits BIT(3), flag BIT(1), raw VARBINARY(5), year YEAR, "
    "price DECIMAL(10,2), ratio DOUBLE, slight FLOAT, spent TIME, born DATE, word VARCHAR(5) COLLATE utf8mb4_bin, "
    "note TEXT, who UUID, small SMALLINT UNSIGNED, plain INT UNSIGNED)",
    "INSERT INTO kinds VALUES (1, 1, 'a', 5, '{}', '2024-01-01', '2024-01-01', 'x', b'101', b'1', 'ab', 2024, 1.5, "
    "2.5, 0.5, '10:00:00', '2024-01-01', 'w', 'n', '123e4567-e89b-12d3-a456-426614174000', 3, 4)",
)
CODE = (
    "CREATE VIEW named AS SELECT id, name FROM customers",
    "CREATE FUNCTION shout(word VARCHAR(20)) RETURNS VARCHAR(20) DETERMINISTIC RETURN UPPER(word)",
    "CREATE FUNCTION lost() RETURNS INT DETERMINISTIC RETURN UUID_SHORT()",
)


@pytest.fixture(scope="module")
def ready(
    mysql_server: Server, pg_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Run, Server, Server]]:
    """A run whose shadow schema is whole, and its databases."""
    with (
        pytest.MonkeyPatch.context() as patch,
        source_database(mysql_server) as source,
        target_database(pg_server) as target,
    ):
        patch.setenv("CUTOVER_HOME", str(tmp_path_factory.mktemp("home")))
        mysql(source, *SHOP, *KINDS, *CODE)
        yield finished(begin(source, target)), source, target
