"""Whole databases beside the target: made like it, cloned, exchanged with it by rename."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from helpers import SECRET, dump, endpoint, one, postgres, quoted, role, rows, wait_for

from clusters import stopped
from cutover.dialects import postgresql
from cutover.dialects.endpoint import Endpoint, Pool
from cutover.errors import PreflightError, TransientError
from cutover.local import servers
from cutover.local.servers import Server
from cutover.rollback import databases, properties

LIMIT = 20_000
WORD = "SELECT word FROM marker"
# All that the catalogue says of a database, but for what is its own: number, name, age.
SAYS = (
    "SELECT to_jsonb(d) - '{oid,datname,datfrozenxid,datminmxid,datacl}'::text[], "
    "ARRAY(SELECT unnest(datacl)::text ORDER BY 1), shobj_description(oid, 'pg_database') "
    "FROM pg_database d WHERE datname = %s"
)
SETTINGS = (
    "SELECT setrole, setconfig FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase "
    "WHERE datname = %s ORDER BY 1"
)
# Exchanges two databases to and fro until it is killed; the server is in the environment.
TO_AND_FRO = """
import os
from cutover.dialects.endpoint import Endpoint
from cutover.rollback import databases
live, new, old = (os.environ["DATABASE"] + end for end in ("", "_new", "_old"))
target = Endpoint("postgresql", os.environ["PGHOST"], int(os.environ["PGPORT"]), live, os.environ["PGUSER"],
                  os.environ["PGPASSWORD"])
if databases.exists(target, old):
    databases.exchange(target, old, new, 20_000)
while True:
    print("exchanging", flush=True)
    databases.exchange(target, new, old, 20_000)
    databases.exchange(target, old, new, 20_000)
"""


def beside(server: Server, end: str) -> Server:
    return replace(server, name=f"{server.name}_{end}")


def databases_of(server: Server) -> dict[str, int]:
    """The target database and those beside it: the numbers that stay theirs, by name."""
    query = "SELECT datname, oid FROM pg_database WHERE starts_with(datname, %s)"
    return dict(rows(replace(server, name="postgres"), query, server.name))


def mark(server: Server, word: str) -> None:
    postgres(server, "CREATE TABLE marker (word text)", f"INSERT INTO marker VALUES ('{word}')")


@pytest.fixture
def live(target_db: Server) -> Iterator[Server]:
    """A target database whose marker says ``old``; what is made beside it goes."""
    mark(target_db, "old")
    yield target_db
    for name in databases_of(target_db).keys() - {target_db.name}:
        postgres(replace(target_db, name="postgres"), f"DROP DATABASE {quoted(name)} WITH (FORCE)")


@pytest.fixture
def both(live: Server) -> Server:
    """The target database, and one beside it, ``_new``, whose marker says ``new``."""
    new = beside(live, "new")
    databases.make_like(endpoint(live), new.name)
    mark(new, "new")
    return live


@pytest.fixture(scope="module")
def own_server(server_folder: Path) -> Iterator[Server]:
    """A server that no other test uses, with prepared transactions."""
    with servers.postgresql(
        server_folder / "databases", settings={"max_prepared_transactions": "2", "fsync": "off"}
    ) as server:
        yield server


@contextmanager
def owner(live: Server, *owned: str, options: str = "LOGIN CREATEDB") -> Iterator[Endpoint]:
    """The live database as a role sees it that is no superuser, but owns it and those in ``owned``."""
    grants = [f"ALTER DATABASE {name} OWNER TO {{role}}" for name in (live.name, *owned)]
    with role(replace(live, name="postgres"), *grants, options=options) as name:
        try:
            yield endpoint(live, user=name, password=SECRET)
        finally:
            postgres(replace(live, name="postgres"), f"REASSIGN OWNED BY {name} TO CURRENT_USER")


def exchange(live: Server, coming: str = "new", going: str = "old", limit_ms: int = LIMIT) -> float:
    return databases.exchange(endpoint(live), beside(live, coming).name, beside(live, going).name, limit_ms)


def unchanged(live: Server) -> bool:
    """Whether both databases have the names that they were made with."""
    return one(live, WORD) == "old" and one(beside(live, "new"), WORD) == "new" and len(databases_of(live)) == 2


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


# The exchange.


def test_exchanging_and_exchanging_back_is_the_identity(both: Server) -> None:
    before, dumped = databases_of(both), dump(both)
    said = {name: rows(both, SAYS, name) for name in before}
    assert exchange(both) > 0
    assert databases_of(both) == {
        both.name: before[f"{both.name}_new"],
        f"{both.name}_old": before[both.name],
    }
    assert (one(both, WORD), one(beside(both, "old"), WORD)) == ("new", "old")
    exchange(both, "old", "new")
    assert databases_of(both) == before
    assert {name: rows(both, SAYS, name) for name in before} == said
    assert dump(both) == dumped


def test_clients_that_come_again_and_again_see_one_database_or_the_other(both: Server) -> None:
    over, done = threading.Event(), threading.Event()
    # Whether the exchange was over before the connection was asked for, and what it read.
    seen: list[tuple[bool, set[str]]] = []

    def hammer() -> None:
        while not done.is_set():
            after, words = over.is_set(), set()
            with suppress(psycopg.OperationalError), psycopg.connect(both.url(), autocommit=True) as connection:
                for _ in range(50):
                    words |= {word for (word,) in connection.execute(WORD)}
            seen.append((after, words))

    with ThreadPoolExecutor(6) as executor:
        clients = [executor.submit(hammer) for _ in range(6)]
        try:
            wait_for(lambda: sum(words == {"old"} for _, words in seen) >= 12, "clients read the old database")
            exchange(both)
            over.set()
            wait_for(lambda: sum(after for after, _ in seen) >= 24, "clients have come again")
        finally:
            done.set()
        for client in clients:
            client.result()
    assert all(len(words) <= 1 for _, words in seen)
    later = [words for after, words in seen if after]
    assert later
    assert all(words == {"new"} for words in later)


@pytest.mark.parametrize(
    ("coming", "going", "told"),
    [
        ("nowhere", "old", "database {}_nowhere is not there"),
        ("new", "taken", "database {}_taken is there already"),
        ("new", "new", "database {}_new is there already"),
    ],
)
def test_a_name_that_is_missing_or_taken_ends_no_session(both: Server, coming: str, going: str, told: str) -> None:
    postgres(both, f"CREATE DATABASE {both.name}_taken")
    before = databases_of(both)
    with psycopg.connect(both.url()) as connection:
        with pytest.raises(PreflightError, match=told.format(both.name)):
            exchange(both, coming, going)
        assert connection.execute(WORD).fetchone() == ("old",)
    assert databases_of(both) == before


def test_a_superusers_session_stands_in_the_way_of_others_and_all_stay(both: Server) -> None:
    with (
        owner(both, beside(both, "new").name) as target,
        psycopg.connect(replace(both, user=target.user, password=SECRET).url()) as own,
        psycopg.connect(both.url(), application_name="psql") as connection,
    ):
        told = f"session {connection.info.backend_pid} of role {both.user} \\(psql\\) .* it is a superuser's"
        with pytest.raises(PreflightError, match=told):
            databases.exchange(target, beside(both, "new").name, beside(both, "old").name, LIMIT)
        assert connection.execute(WORD).fetchone() == ("old",)
        assert own.execute("SELECT 1").fetchone() == (1,)
    assert unchanged(both)


def test_another_roles_session_takes_a_grant(both: Server) -> None:
    new, old = beside(both, "new").name, beside(both, "old").name
    with (
        owner(both, new) as target,
        role(both) as name,
        psycopg.connect(replace(both, user=name, password=SECRET).url()) as connection,
    ):
        with pytest.raises(PreflightError, match=f"of role {name} .* GRANT pg_signal_backend"):
            databases.exchange(target, new, old, LIMIT)
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert unchanged(both)
        postgres(both, f"GRANT pg_signal_backend TO {target.user}")
        databases.exchange(target, new, old, LIMIT)
        with pytest.raises(psycopg.errors.AdminShutdown):
            connection.execute("SELECT 1")
    assert one(both, WORD) == "new"


def test_neither_a_role_that_does_not_own_both_nor_one_that_may_not_create_ends_a_session(both: Server) -> None:
    new, old = beside(both, "new").name, beside(both, "old").name
    with psycopg.connect(both.url()) as connection:
        with owner(both) as target, pytest.raises(PreflightError, match=f"not the owner of database {new}"):
            databases.exchange(target, new, old, LIMIT)
        with owner(both, new, options="LOGIN") as target, pytest.raises(PreflightError, match="CREATEDB"):
            databases.exchange(target, new, old, LIMIT)
        assert connection.execute(WORD).fetchone() == ("old",)


def test_a_session_that_does_not_end_leaves_all_as_it_was(both: Server) -> None:
    with stopped(both), pytest.raises(TransientError, match=rf"nothing was changed.*1 of role {both.user} \(stuck\)"):
        exchange(both, limit_ms=300)
    assert unchanged(both)


def test_a_database_that_is_locked_leaves_all_as_it_was(both: Server) -> None:
    with psycopg.connect(both.url("postgres")) as connection:
        connection.execute(f"COMMENT ON DATABASE {both.name} IS 'locked until it is committed'".encode())
        with pytest.raises(TransientError, match="nobody any more"):
            exchange(both, limit_ms=300)
    assert unchanged(both)


def test_it_is_tried_again_when_the_server_gives_up_the_wait(both: Server) -> None:
    query = "SELECT xact_start FROM pg_stat_activity WHERE starts_with(query, 'ALTER DATABASE') AND state = 'active'"
    elsewhere = replace(both, name="postgres")
    with ThreadPoolExecutor(1) as executor:
        with stopped(both):
            exchanging = executor.submit(exchange, both)
            ((first,),) = wait_for(lambda: rows(elsewhere, query), "the rename waits")
            wait_for(lambda: rows(elsewhere, query + " AND xact_start > %s", first), "the rename waits again")
        exchanging.result()
    assert one(both, WORD) == "new"


@contextmanager
def killed(both: Server) -> Iterator[subprocess.Popen[bytes]]:
    """A process that exchanges the databases to and fro and is killed in the end, whose sessions are then gone."""
    login = {"PGHOST": both.host, "PGPORT": str(both.port), "PGUSER": both.user, "PGPASSWORD": both.password}
    environment = os.environ | login | {"DATABASE": both.name}
    with subprocess.Popen([sys.executable, "-c", TO_AND_FRO], env=environment, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"exchanging\n"
            yield process
            assert process.poll() is None, "it ended by itself"
        finally:
            process.kill()


def sessions_of_ours(server: Server) -> int:
    return int(
        one(
            replace(server, name="postgres"), "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cutover'"
        )
    )


def test_a_process_killed_at_any_moment_leaves_one_state_or_the_other(both: Server) -> None:
    for _ in range(5):
        with killed(both) as process, suppress(subprocess.TimeoutExpired):
            process.wait(random.uniform(0, 0.3))
        wait_for(lambda: sessions_of_ours(both) == 0, "the killed process's sessions are gone")
        found = {name.removeprefix(both.name): one(replace(both, name=name), WORD) for name in databases_of(both)}
        assert found in ({"": "old", "_new": "new"}, {"": "new", "_old": "old"})


def test_a_process_killed_between_both_renames_leaves_all_as_it_was(both: Server) -> None:
    query = "SELECT 1 FROM pg_stat_activity WHERE starts_with(query, %s) AND state = 'active'"
    second = f'ALTER DATABASE "{both.name}_new" RENAME'
    with stopped(beside(both, "new")), killed(both):
        wait_for(lambda: rows(replace(both, name="postgres"), query, second), "the second rename waits")
    wait_for(lambda: sessions_of_ours(both) == 0, "the killed process's sessions are gone")
    assert unchanged(both)


# What is lacking.


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
