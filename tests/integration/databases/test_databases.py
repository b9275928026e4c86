"""Whole databases beside the target: made like it, cloned, given what is said of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import psycopg
import pytest
from helpers import SECRET, dump, endpoint, one, postgres, role, rows
from neighbours import LIMIT, SAYS, WORD, beside, databases_of, mark, owner

from cutover.dialects import postgresql
from cutover.dialects.endpoint import Pool
from cutover.errors import PreflightError
from cutover.local.servers import Server
from cutover.rollback import databases, properties

SETTINGS = (
    "SELECT setrole, setconfig FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase "
    "WHERE datname = %s ORDER BY 1"
)


# Made like the target.


@pytest.mark.parametrize(
    "options",
    [
        "ENCODING LATIN1 LOCALE 'C'",
        "LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'",
        "LOCALE_PROVIDER icu ICU_LOCALE 'de-AT' LOCALE 'C.UTF-8'",
        "TABLESPACE elsewhere",
    ],
)
def test_one_is_made_empty_in_the_targets_encoding_locale_and_tablespace(pg_server: Server, options: str) -> None:
    target = replace(pg_server, name=f"t_{uuid4().hex[:12]}")
    server = replace(pg_server, name="postgres")
    postgres(server, "SET allow_in_place_tablespaces = on", "CREATE TABLESPACE elsewhere LOCATION ''")
    try:
        postgres(server, f"CREATE DATABASE {target.name} TEMPLATE template0 {options}")
        mark(target, "old")
        databases.make_like(endpoint(target), beside(target, "new").name)
        assert rows(target, SAYS, beside(target, "new").name) == rows(target, SAYS, target.name)
        assert one(beside(target, "new"), "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    finally:
        for name in databases_of(target):
            postgres(server, f"DROP DATABASE {name}")
        postgres(server, "DROP TABLESPACE elsewhere")


def test_what_an_interrupted_attempt_left_is_made_anew(both: Server) -> None:
    with psycopg.connect(beside(both, "new").url()):
        databases.make_like(endpoint(both), beside(both, "new").name)
    assert one(beside(both, "new"), "SELECT to_regclass('marker') IS NULL")
    assert one(both, WORD) == "old"


def test_the_live_database_is_not_dropped(live: Server) -> None:
    for attempt in (databases.make_like, databases.drop):
        with pytest.raises(PreflightError, match=f"database {live.name} is the live one"):
            attempt(endpoint(live), live.name)
    assert one(live, WORD) == "old"


def test_a_database_is_there_until_it_is_dropped_and_has_a_size(both: Server) -> None:
    name = beside(both, "new").name
    assert databases.exists(endpoint(both), name)
    assert databases.size(endpoint(both), name) == one(both, "SELECT pg_database_size(%s)", name)
    with psycopg.connect(beside(both, "new").url()):
        databases.drop(endpoint(both), name)
    assert not databases.exists(endpoint(both), name)
    databases.drop(endpoint(both), name)
    with pytest.raises(PreflightError, match=f'database "{name}" does not exist'):
        databases.size(endpoint(both), name)


# Clones.


def test_a_clone_holds_what_its_origin_holds(live: Server) -> None:
    pooled = endpoint(live, pool=Pool(min=1, max=2))
    # A connection that this process keeps is in nobody's way.
    with postgresql.session(pooled) as connection:
        connection.execute("CREATE TABLE numbers AS SELECT generate_series(1, 1000) AS n")
    databases.clone(pooled, live.name, beside(live, "clone").name)
    assert dump(beside(live, "clone")) == dump(live)


def test_a_clone_that_is_there_stays_and_an_invalid_one_is_made_anew(live: Server) -> None:
    copy = beside(live, "clone")
    databases.clone(endpoint(live), live.name, copy.name)
    postgres(live, "UPDATE marker SET word = 'later'")
    databases.clone(endpoint(live), live.name, copy.name)
    assert one(copy, WORD) == "old"
    # As a server leaves it that dies while it drops a database.
    postgres(live, f"UPDATE pg_database SET datconnlimit = -2 WHERE datname = '{copy.name}'")
    databases.clone(endpoint(live), live.name, copy.name)
    assert one(copy, WORD) == "later"


def test_a_clone_goes_where_it_is_told_to(live: Server) -> None:
    postgres(live, "SET allow_in_place_tablespaces = on", "CREATE TABLESPACE roomy LOCATION ''")
    try:
        databases.clone(endpoint(live), live.name, beside(live, "clone").name, "roomy")
        query = "SELECT spcname FROM pg_database d JOIN pg_tablespace s ON s.oid = dattablespace WHERE datname = %s"
        assert one(live, query, beside(live, "clone").name) == "roomy"
        assert one(beside(live, "clone"), WORD) == "old"
    finally:
        databases.drop(endpoint(live), beside(live, "clone").name)
        postgres(live, "DROP TABLESPACE roomy")


def test_a_clone_says_who_uses_its_origin_and_sends_nobody_away(live: Server) -> None:
    with role(live) as name:
        connected = [psycopg.connect(live.url(), application_name="web") for _ in range(2)]
        connected.append(psycopg.connect(replace(live, user=name, password=SECRET).url(), application_name=""))
        told = (
            f"database {live.name} cannot be cloned while it is in use: There are 3 other sessions using the database. "
            f"Connected: 2 of role {live.user} (web), 1 of role {name} (unnamed)."
        )
        with pytest.raises(PreflightError) as caught:
            databases.clone(endpoint(live), live.name, beside(live, "clone").name)
        assert str(caught.value).startswith(told)
        assert [session.execute("SELECT 1").fetchone() for session in connected] == [(1,)] * 3
        assert databases_of(live).keys() == {live.name}
        for session in connected:
            session.close()


# Properties.


@pytest.fixture
def described(both: Server) -> Iterator[tuple[Server, str, str]]:
    """A database that says much of itself, its owner, and a role that has grants and settings in it."""
    server = replace(both, name="postgres")
    name = both.name
    with role(server) as reader, owner(both) as owning:
        postgres(
            server,
            f"REVOKE ALL ON DATABASE {name} FROM PUBLIC",
            f"REVOKE CREATE ON DATABASE {name} FROM {owning.user}",
            f"GRANT CONNECT ON DATABASE {name} TO {reader} WITH GRANT OPTION",
            f"ALTER DATABASE {name} CONNECTION LIMIT 17",
            f'ALTER DATABASE {name} SET search_path TO "$user", app, "odd, ""name"""',
            f"ALTER DATABASE {name} SET temp_tablespaces TO ''",
            f"ALTER DATABASE {name} SET work_mem TO '65536kB'",
            f"ALTER DATABASE {name} SET \"DateStyle\" TO 'SQL, DMY'",
            f"ALTER DATABASE {name} SET app.tenant TO E'it''s a \\\\ backslash=, and more'",
            f"ALTER ROLE {reader} IN DATABASE {name} SET search_path TO app, public",
            f"ALTER ROLE {reader} IN DATABASE {name} SET statement_timeout TO '5s'",
            f"COMMENT ON DATABASE {name} IS 'the shop''s own'",
        )
        try:
            yield both, owning.user, reader
        finally:
            postgres(both, f"DROP OWNED BY {reader}, {owning.user}")
            for each in databases_of(both):
                postgres(server, *(f"ALTER ROLE {who} IN DATABASE {each} RESET ALL" for who in (reader, owning.user)))
                postgres(server, f"ALTER DATABASE {each} OWNER TO CURRENT_USER")


def test_properties_are_carried_and_those_of_before_go(described: tuple[Server, str, str]) -> None:
    live, owning, reader = described
    new = beside(live, "new").name
    postgres(
        live,
        f"GRANT TEMPORARY ON DATABASE {new} TO {reader} WITH GRANT OPTION",
        f"ALTER DATABASE {new} SET enable_seqscan TO off",
        f"ALTER ROLE {owning} IN DATABASE {new} SET work_mem TO '1MB'",
        f"COMMENT ON DATABASE {new} IS 'another'",
    )
    for _ in range(2):
        properties.carry(endpoint(live), live.name, new)
        assert rows(live, SAYS, new) == rows(live, SAYS, live.name)
        assert rows(live, SETTINGS, new) == rows(live, SETTINGS, live.name)
    assert len(rows(live, SETTINGS, new)) == 2
    with psycopg.connect(beside(live, "new").url()) as connection:
        found = connection.execute("SELECT current_schemas(false), current_setting('search_path')").fetchone()
    assert found == ([], '"$user", app, "odd, ""name"""')


def test_properties_of_a_plain_database_take_all_away(described: tuple[Server, str, str]) -> None:
    live, _, _ = described
    postgres(live, f"CREATE DATABASE {live.name}_plain")
    plain = f"{live.name}_plain"
    properties.carry(endpoint(live), plain, live.name)
    ((described_so, grants, comment),) = rows(live, SAYS, live.name)
    ((expected, _, _),) = rows(live, SAYS, plain)
    assert (described_so, comment) == (expected, None)
    # What is said by nothing where nobody has changed it.
    default = (
        "SELECT ARRAY(SELECT unnest(acldefault('d', datdba))::text ORDER BY 1) FROM pg_database WHERE datname = %s"
    )
    assert grants == one(live, default, live.name)
    assert rows(live, SETTINGS, live.name) == []


def test_properties_are_carried_whole_or_not_at_all(both: Server) -> None:
    new = beside(both, "new").name
    with owner(both, new) as target:
        # A parameter that only a superuser sets.
        postgres(
            both, f"ALTER DATABASE {both.name} SET log_statement TO 'all'", f"COMMENT ON DATABASE {both.name} IS 'x'"
        )
        before = rows(both, SAYS, new)
        with pytest.raises(PreflightError, match="permission denied to set parameter"):
            properties.carry(target, both.name, new)
        assert rows(both, SAYS, new) == before
        with pytest.raises(PreflightError, match="database nowhere is not there"):
            properties.carry(target, "nowhere", new)


def test_an_owner_who_is_no_superuser_can_do_it_all(live: Server) -> None:
    new = beside(live, "new")
    with owner(live) as target:
        postgres(live, f"REVOKE CONNECT ON DATABASE {live.name} FROM PUBLIC")
        assert databases.lacking(target, clones=False) == []
        databases.make_like(target, new.name)
        mark(new, "new")
        properties.carry(target, live.name, new.name)
        assert rows(live, SAYS, new.name) == rows(live, SAYS, live.name)
        with psycopg.connect(replace(live, user=target.user, password=SECRET).url()):
            databases.exchange(target, new.name, beside(live, "old").name, LIMIT)
        assert one(live, WORD) == "new"
        databases.clone(target, live.name, beside(live, "clone").name)
        databases.drop(target, beside(live, "old").name)
        for name in databases_of(live):
            postgres(replace(live, name="postgres"), f"ALTER DATABASE {name} OWNER TO CURRENT_USER")


def test_a_member_of_the_owning_role_can_do_it_all(live: Server) -> None:
    new = beside(live, "new").name
    with role(live) as member, owner(live, options="NOLOGIN") as group:
        target = replace(group, user=member)
        postgres(live, f"ALTER ROLE {member} CREATEDB", f"GRANT {group.user} TO {member}")
        assert databases.lacking(target, clones=False) == []
        databases.make_like(target, new)
        properties.carry(target, live.name, new)
        assert rows(live, SAYS, new) == rows(live, SAYS, live.name)
        databases.exchange(target, new, beside(live, "old").name, LIMIT)
        databases.drop(endpoint(live), beside(live, "old").name)
