"""What the target's server tells of itself: version, locale, connections, disk."""

from __future__ import annotations

from collections.abc import Iterator

from cutover.assess.facts import Server
from cutover.dialects import postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.plan import Plan

# The new tables with their indexes, and the sorting of one of them, beside the old ones that are kept.
DISK_FACTOR = 2.0
# Since 15 a database may have ICU's locale in place of the system's (PostgreSQL manual, pg_database).
_PROVIDERS = {"c": "of the system", "i": "of ICU", "b": "built in"}
_DATABASE = """
    SELECT pg_encoding_to_char(d.encoding), d.datcollate, d.datctype, to_jsonb(d) ->> 'datlocprovider',
      d.datconnlimit, t.spcname, pg_database_size(d.oid), r.rolconnlimit, r.rolsuper,
      current_setting('max_connections')::int, current_setting('superuser_reserved_connections')::int,
      (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
      (SELECT count(*) FROM pg_stat_activity WHERE datname = d.datname),
      (SELECT count(*) FROM pg_stat_activity WHERE usename = current_user),
      current_setting('server_version')
    FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace JOIN pg_roles r ON r.rolname = current_user
    WHERE d.datname = current_database()"""


def describe(target: Endpoint, plan: Plan, needed: int) -> Server:
    """Ask the target's server for what a run depends on.

    Args:
        target: the target database.
        plan: the plan, whose tables say how much there is.
        needed: how many connections a run holds at once.

    Raises:
        TransientError: the server could not be reached.
        PreflightError: it refused.
    """
    with postgresql.session(target) as connection:
        row = connection.execute(_DATABASE).fetchone()
    assert row is not None
    encoding, collate, ctype, provider, database_limit, tablespace, size, role_limit, superuser, *counts = row
    most, reserved, clients, in_database, of_role, version = counts
    limits = [most - (0 if superuser else reserved) - clients]
    limits += [limit - used for limit, used in ((database_limit, in_database), (role_limit, of_role)) if limit >= 0]
    free, megabytes = max(min(limits), 0), int(plan.bytes * DISK_FACTOR) >> 20
    described = (
        ("version", version),
        ("encoding", encoding),
        ("text is sorted by", f"{collate} ({_PROVIDERS.get(provider, 'of the system')}), letters by {ctype}"),
        ("connections", f"{free:,} of {most:,} free, the run takes {needed:,}"),
        (
            "disk",
            f"the database has {size >> 20:,} MB in tablespace {tablespace}, the run adds about {megabytes:,} MB; "
            "PostgreSQL does not tell how much is free",
        ),
    )
    return Server(described, (), tuple(_tight(target, free, needed)))


def _tight(target: Endpoint, free: int, needed: int) -> Iterator[str]:
    if free < needed:
        yield f"{target}: {free:,} connections are free, and the run takes {needed:,}; set fewer workers, or a pool"
