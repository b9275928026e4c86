"""What tests of whole databases share: a mark in each, those beside the target, a role that owns them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from helpers import SECRET, endpoint, postgres, role, rows

from cutover.dialects.endpoint import Endpoint
from cutover.local.servers import Server
from cutover.rollback import databases

LIMIT = 20_000
WORD = "SELECT word FROM marker"
# All that the catalogue says of a database, but for what is its own: number, name, age.
SAYS = (
    "SELECT to_jsonb(d) - '{oid,datname,datfrozenxid,datminmxid,datacl}'::text[], "
    "ARRAY(SELECT unnest(datacl)::text ORDER BY 1), shobj_description(oid, 'pg_database') "
    "FROM pg_database d WHERE datname = %s"
)


def beside(server: Server, end: str) -> Server:
    return replace(server, name=f"{server.name}_{end}")


def databases_of(server: Server) -> dict[str, int]:
    """The target database and those beside it: the numbers that stay theirs, by name."""
    query = "SELECT datname, oid FROM pg_database WHERE starts_with(datname, %s)"
    return dict(rows(replace(server, name="postgres"), query, server.name))


def mark(server: Server, word: str) -> None:
    postgres(server, "CREATE TABLE marker (word text)", f"INSERT INTO marker VALUES ('{word}')")


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
