"""What CREATE DATABASE does not copy, carried over: owner, grants, connection limit, settings and comment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from cutover.dialects import postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.rollback.databases import there

# The settings whose stored value is a list of quoted names (GUC_LIST_QUOTE in PostgreSQL's guc_tables.c).
_LISTS = {
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
}
_LIST_PART = re.compile(r'"((?:[^"]|"")*)"|([^,\s"]+)')
_GRANTS = """
    SELECT CASE WHEN a.grantee = 0 THEN NULL ELSE pg_get_userbyid(a.grantee) END, a.privilege_type, a.is_grantable
    FROM pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a WHERE d.datname = %s"""
_SETTINGS = """
    SELECT r.rolname, s.setconfig
    FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase LEFT JOIN pg_roles r ON r.oid = s.setrole
    WHERE d.datname = %s"""


@dataclass(frozen=True)
class _Properties:
    """What the catalogue says of a database that CREATE DATABASE does not copy; ``None`` is PUBLIC or every role."""

    owner: str
    limit: int
    comment: str | None
    grants: frozenset[tuple[str | None, str, bool]]
    settings: dict[str | None, list[str]]


def carry(target: Endpoint, origin: str, name: str) -> None:
    """Give a database the owner, grants, connection limit, settings and comment of another, and no others.

    All of it or nothing; a second call changes nothing. Every grant is then the owner's, whoever granted it before.
    Security labels are not carried.

    Args:
        target: the live database.
        origin: the database that has them.
        name: the database that gets them.

    Raises:
        TransientError: the server could not be reached.
        PreflightError: one of both is missing, or our role may not change something.
    """
    with postgresql.beside(target) as connection, connection.transaction():
        named = sql.Identifier(name)
        wanted = _properties(connection, origin)
        # Before the grants are read: they change with the owner.
        connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(named, sql.Identifier(wanted.owner)))
        has = _properties(connection, name)
        limit = sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}")
        connection.execute(limit.format(named, sql.Literal(wanted.limit)))
        connection.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(named, sql.Literal(wanted.comment)))
        for grantee, privilege, _ in has.grants - wanted.grants:
            _grant(connection, "REVOKE {} ON DATABASE {} FROM {}", privilege, named, grantee)
        for grantee, privilege, grantable in wanted.grants - has.grants:
            option = " WITH GRANT OPTION" if grantable else ""
            _grant(connection, "GRANT {} ON DATABASE {} TO {}" + option, privilege, named, grantee)
        for role in wanted.settings.keys() | has.settings.keys():
            if wanted.settings.get(role) != has.settings.get(role):
                _set(connection, named, role, wanted.settings.get(role, []))


def _properties(connection: psycopg.Connection, name: str) -> _Properties:
    query = (
        "SELECT pg_get_userbyid(datdba), datconnlimit, shobj_description(oid, 'pg_database') "
        "FROM pg_database WHERE oid = %s"
    )
    row = connection.execute(query, (there(connection, name)["oid"],)).fetchone()
    assert row is not None
    owner, limit, comment = row
    grants = frozenset(connection.execute(_GRANTS, (name,)).fetchall())
    return _Properties(owner, limit, comment, grants, dict(connection.execute(_SETTINGS, (name,)).fetchall()))


def _grant(
    connection: psycopg.Connection, statement: str, privilege: str, named: sql.Identifier, grantee: str | None
) -> None:
    whom = sql.SQL("PUBLIC") if grantee is None else sql.Identifier(grantee)
    # The server's own word for the privilege, from its catalogue.
    connection.execute(sql.SQL(statement).format(sql.SQL(privilege), named, whom))


def _set(connection: psycopg.Connection, named: sql.Identifier, role: str | None, settings: Sequence[str]) -> None:
    """Let a database, or a role in it, have these settings, each ``name=value``, and no others."""
    whose = sql.SQL("DATABASE {}").format(named)
    if role is not None:
        whose = sql.SQL("ROLE {} IN DATABASE {}").format(sql.Identifier(role), named)
    connection.execute(sql.SQL("ALTER {} RESET ALL").format(whose))
    for setting in settings:
        parameter, _, value = setting.partition("=")
        # As one literal a list would become a single name with commas in it.
        values = _parts(value) if parameter.lower() in _LISTS else [value]
        connection.execute(
            sql.SQL("ALTER {} SET {} TO {}").format(
                whose, sql.Identifier(*parameter.split(".")), sql.SQL(", ").join(map(sql.Literal, values))
            )
        )


def _parts(value: str) -> list[str]:
    """Split a stored list of names, some in double quotes, as PostgreSQL's SplitGUCList does."""
    return [bare or quoted.replace('""', '"') for quoted, bare in _LIST_PART.findall(value)] or [""]
