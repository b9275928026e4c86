"""A target that holds what is expected of it."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from expecting import PASSWORD, SCHEMA, run

from cutover.dialects.endpoint import Endpoint
from cutover.local.servers import Server

GOOD = """
    CREATE TABLE cameras (id int PRIMARY KEY, site int NOT NULL, name varchar(20),
        installed timestamp(0) NOT NULL,
        CONSTRAINT cameras_site CHECK (site > 0 OR name LIKE '%:x{}'));
    CREATE UNIQUE INDEX cameras_place ON cameras (site, name);
    INSERT INTO cameras VALUES (1, 1, 'a', now()), (2, 1, 'b', now()), (3, 2, NULL, now());
    CREATE TYPE mood AS ENUM ('good', 'b''ad');
    CREATE TABLE "Order: {x}" (id bigint PRIMARY KEY, camera int REFERENCES cameras, "di%rection" text,
        kind text, mood mood, flag boolean);
    INSERT INTO "Order: {x}" VALUES (1, 1, 'in', 'a', 'good', true), (2, 1, 'o:ut''{}\\', 'b', 'b''ad', false),
        (3, NULL, 'none', 'c', NULL, NULL), (4, 3, NULL, NULL, NULL, NULL);
"""


@pytest.fixture(autouse=True)
def _without_pages() -> None:
    """Here they are looked at."""


@pytest.fixture
def target(target_db: Server) -> Iterator[Endpoint]:
    """A target with a user whose password has every character that could come out on the way."""
    quoted = PASSWORD.replace("'", "''")
    with psycopg.connect(target_db.url(), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE gx_{target_db.name} LOGIN SUPERUSER PASSWORD '{quoted}'")
        connection.execute(f'CREATE SCHEMA "{SCHEMA}"')
    here = (target_db.host, target_db.port, target_db.name)
    endpoint = Endpoint("postgresql", *here, f"gx_{target_db.name}", PASSWORD)
    run(endpoint, GOOD)
    yield endpoint
    with psycopg.connect(target_db.url("postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {target_db.name} WITH (FORCE)")
        connection.execute(f"DROP ROLE gx_{target_db.name}")
