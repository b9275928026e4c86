"""What a role, a database or a server lacks for databases beside the target is told before anything is done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from helpers import SECRET, endpoint, one, postgres, role
from neighbours import LIMIT, WORD, beside, exchange, mark, owner

from cutover.errors import PreflightError
from cutover.local import servers
from cutover.local.servers import Server
from cutover.rollback import databases


@pytest.fixture(scope="module")
def own_server(server_folder: Path) -> Iterator[Server]:
    """A server that no other test uses, with prepared transactions."""
    with servers.postgresql(
        server_folder / "databases", settings={"max_prepared_transactions": "2", "fsync": "off"}
    ) as server:
        yield server


def test_a_role_that_may_nothing_is_told_what_to_ask_for(live: Server) -> None:
    with role(live) as name:
        told = databases.lacking(endpoint(live, user=name, password=SECRET), clones=True)
    assert told == [
        f'role "{name}" may neither make nor rename databases: ALTER ROLE "{name}" CREATEDB',
        f'role "{name}" is not the owner of database {live.name}, which only its owner renames: '
        f'GRANT "{live.user}" TO "{name}"',
    ]


def test_a_tablespace_takes_a_right_unless_it_comes_with_a_clone(live: Server) -> None:
    postgres(
        replace(live, name="postgres"),
        "SET allow_in_place_tablespaces = on",
        "CREATE TABLESPACE closed LOCATION ''",
        f"ALTER DATABASE {live.name} SET TABLESPACE closed",
    )
    try:
        with owner(live) as target:
            assert databases.lacking(target, clones=True) == []
            (told,) = databases.lacking(target, clones=False)
            assert told.endswith(f'GRANT CREATE ON TABLESPACE "closed" TO "{target.user}"')
            postgres(live, f"GRANT CREATE ON TABLESPACE closed TO {target.user}")
            assert databases.lacking(target, clones=False) == []
            databases.make_like(target, beside(live, "new").name)
            databases.drop(target, beside(live, "new").name)
            postgres(live, f"REVOKE CREATE ON TABLESPACE closed FROM {target.user}")
    finally:
        postgres(replace(live, name="postgres"), f"ALTER DATABASE {live.name} SET TABLESPACE pg_default")
        postgres(live, "DROP TABLESPACE closed")


def test_what_is_bound_to_the_database_is_named(own_server: Server) -> None:
    target = replace(own_server, name=f"t_{uuid4().hex[:12]}")
    postgres(replace(own_server, name="postgres"), f"CREATE DATABASE {target.name}")
    assert databases.lacking(endpoint(target), clones=True) == []
    postgres(
        target,
        "SELECT pg_create_logical_replication_slot('feed', 'pgoutput')",
        "CREATE SUBSCRIPTION orders CONNECTION 'dbname=nowhere' PUBLICATION orders WITH (connect = false)",
    )
    postgres(target, "BEGIN", "CREATE TABLE later (id int)", "PREPARE TRANSACTION 'pending'")
    prepared, slots, subscriptions = databases.lacking(endpoint(target), clones=True)
    assert prepared.startswith(f"database {target.name} has prepared transactions (pending); end each with COMMIT")
    assert slots.startswith(f"database {target.name} has logical replication slots (feed), ")
    assert subscriptions.startswith(f"database {target.name} has subscriptions (orders), ")
    # No exchange ends a session in vain.
    databases.make_like(endpoint(target), beside(target, "new").name)
    with psycopg.connect(target.url()) as connection:
        with pytest.raises(PreflightError, match=r"prepared transactions \(pending\)"):
            exchange(target)
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_role_that_reaches_no_other_database_is_told_so(own_server: Server) -> None:
    target = replace(own_server, name=f"t_{uuid4().hex[:12]}")
    server = replace(own_server, name="postgres")
    postgres(server, f"CREATE DATABASE {target.name}")
    postgres(server, *(f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC" for name in ("postgres", "template1")))
    with owner(target) as found:
        (told,) = databases.lacking(found, clones=True)
        assert told.startswith(f"role {found.user} may reach neither database postgres nor template1")
        postgres(server, "GRANT CONNECT ON DATABASE template1 TO PUBLIC")
        assert databases.lacking(found, clones=True) == []


def test_a_target_named_postgres_is_renamed_from_template1(own_server: Server) -> None:
    target = replace(own_server, name="postgres")
    databases.make_like(endpoint(target), "postgres_new")
    mark(replace(target, name="postgres_new"), "new")
    databases.exchange(endpoint(target), "postgres_new", "postgres_old", LIMIT)
    assert one(target, WORD) == "new"
    databases.exchange(endpoint(target), "postgres_old", "postgres_new", LIMIT)
    databases.drop(endpoint(target), "postgres_new")
    assert not databases.exists(endpoint(target), "postgres_new")
