"""Whom a run concerns: what the cutover replaces, and who uses both databases."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

import sqlalchemy as sa

from cutover.assess.facts import Impact
from cutover.dialects import mysql, postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.plan import Plan
from cutover.rollback.bound import bound_objects
from cutover.schema.target import Movable

_SESSIONS = """
    SELECT coalesce(usename, '?') || CASE WHEN application_name <> '' THEN ' (' || application_name || ')' ELSE '' END,
      count(*)
    FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
      AND application_name <> 'cutover'
    GROUP BY 1 ORDER BY 2 DESC, 1"""
_KEYS = sa.text("""
    SELECT DISTINCT table_schema, table_name, constraint_name, referenced_table_name
    FROM information_schema.key_column_usage
    WHERE referenced_table_schema = DATABASE() AND table_schema <> DATABASE() ORDER BY 1, 2, 3""")
_VIEWS = sa.text("""
    SELECT table_schema, table_name FROM information_schema.views
    WHERE table_schema <> DATABASE() AND INSTR(view_definition, CONCAT('`', DATABASE(), '`.')) > 0 ORDER BY 1, 2""")
_USING = sa.text("""
    SELECT user, COUNT(*) FROM information_schema.processlist
    WHERE db = DATABASE() AND id <> CONNECTION_ID() GROUP BY 1 ORDER BY 2 DESC, 1""")
_ACCOUNTS = sa.text("""
    SELECT grantee, GROUP_CONCAT(DISTINCT privilege_type ORDER BY privilege_type SEPARATOR ', ')
    FROM information_schema.schema_privileges WHERE DATABASE() LIKE table_schema GROUP BY 1 ORDER BY 1""")
_WORDS = {"event": "run by themselves", "trigger": "fire at its changes", "routine": "are called there"}


def concerned(source: Endpoint, target: Endpoint, live: str, plan: Plan, displaced: Collection[Movable]) -> Impact:
    """Ask both servers who is concerned.

    Args:
        source: the source database.
        target: the target database.
        live: the schema that the application reads.
        plan: the plan.
        displaced: what leaves the live schema at the cutover.

    Raises:
        TransientError: a server could not be reached, or was lost.
        PreflightError: one refused.
    """
    rows = {table.name: table.statistics.rows for table in plan.target.tables}
    leaving = sorted(movable.name for movable in displaced if movable.kind == "TABLE")
    with postgresql.session(target) as connection:
        sessions = tuple((str(who), int(n)) for who, n in connection.execute(_SESSIONS).fetchall())
    around, unseen = _around(source, plan)
    return Impact(
        tuple((name, rows.get(name, 0)) for name in leaving),
        tuple(bound_objects(target, live, displaced)),
        sessions,
        (*_programs(plan), *around),
        unseen,
    )


def _programs(plan: Plan) -> Iterator[str]:
    source = plan.source
    for kind, names in (
        ("event", [event.name for event in source.events]),
        ("trigger", [trigger.name for trigger in source.triggers]),
        ("routine", [routine.name for routine in source.routines]),
    ):
        if names:
            yield f"{len(names)} {kind}s {_WORDS[kind]}: {', '.join(sorted(names))}"


def _around(source: Endpoint, plan: Plan) -> tuple[tuple[str, ...], tuple[str, ...]]:
    found: list[str] = []
    refused: list[str] = []
    with mysql.session(source) as connection:
        for query, what, write in _ASKED:
            try:
                found += [write(*row) for row in connection.execute(query)]
            except sa.exc.DBAPIError as error:
                if error.connection_invalidated:
                    raise
                refused.append(f"{what} of the source: the server does not tell: {error.orig}")
        sees_all = mysql.rights(connection).get("PROCESS", False)
        try:
            connection.execute(sa.text("SELECT 1 FROM mysql.user LIMIT 1")).all()
            sees_accounts = True
        except sa.exc.DBAPIError as error:
            if error.connection_invalidated:
                raise
            sees_accounts = False
    hidden = (
        (sees_accounts, f"which other accounts have rights on {plan.source.name}: GRANT SELECT ON mysql.* TO it"),
        (sees_all, "the sessions of other accounts of the source: GRANT PROCESS ON *.* TO it"),
    )
    unseen = [f"{source.user} may not see {what}" for seen, what in hidden if not seen]
    return tuple(found), (*unseen, *refused)


_ASKED: tuple[tuple[sa.TextClause, str, Callable[..., str]], ...] = (
    (
        _KEYS,
        "foreign keys of other databases",
        lambda schema, table, key, to: f"foreign key {schema}.{table}.{key} refers to {to} from another database",
    ),
    (
        _VIEWS,
        "views of other databases",
        lambda schema, view: f"view {schema}.{view} of another database reads it",
    ),
    (
        _ACCOUNTS,
        "accounts with rights",
        lambda who, rights: f"account {str(who).replace(chr(39), '')} has rights on it: {rights}",
    ),
    (_USING, "sessions", lambda user, n: f"{n} sessions of {user} use it now"),
)
