"""Owners and grants: what replaces an object has those of the old one."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg import sql

Grant = tuple[str, str | None, bool]

_GRANT = "a.privilege_type, CASE WHEN a.grantee = 0 THEN NULL ELSE pg_get_userbyid(a.grantee) END, a.is_grantable"
_OF_RELATION = f"""
SELECT {_GRANT}
FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = %s AND a.grantee <> c.relowner"""  # noqa: S608
_OF_ROUTINE = f"""
SELECT {_GRANT}
FROM pg_proc p, aclexplode(p.proacl) a WHERE p.oid = %s AND a.grantee <> p.proowner"""  # noqa: S608
_OF_TYPE = f"""
SELECT {_GRANT}
FROM pg_type t, aclexplode(t.typacl) a WHERE t.oid = %s AND a.grantee <> t.typowner"""  # noqa: S608
_DEFAULTS = f"""
SELECT {_GRANT}
FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace, aclexplode(d.defaclacl) a
WHERE d.defaclobjtype = %s AND (n.nspname = %s OR n.nspname IS NULL)
  AND d.defaclrole = (SELECT oid FROM pg_roles WHERE rolname = current_user) AND a.grantee <> d.defaclrole"""  # noqa: S608
_OWNER = sql.SQL(
    "SELECT pg_get_userbyid({owner}), pg_get_userbyid({owner}) = current_user, {untouched}, {definer} "
    "FROM {catalogue} WHERE oid = %s"
)
_OWNERS = {
    kind: _OWNER.format(
        catalogue=sql.SQL(catalogue), owner=sql.SQL(owner), untouched=sql.SQL(untouched), definer=sql.SQL(definer)
    )
    for kind, catalogue, owner, untouched, definer in (
        ("TABLE", "pg_class", "relowner", "relacl IS NULL", "false"),
        ("VIEW", "pg_class", "relowner", "relacl IS NULL", "false"),
        ("SEQUENCE", "pg_class", "relowner", "relacl IS NULL", "false"),
        ("ROUTINE", "pg_proc", "proowner", "proacl IS NULL", "prosecdef"),
        ("TYPE", "pg_type", "typowner", "typacl IS NULL", "false"),
        ("COLLATION", "pg_collation", "collowner", "true", "false"),
    )
}
_GRANTS = dict.fromkeys(("TABLE", "VIEW", "SEQUENCE"), _OF_RELATION) | {"ROUTINE": _OF_ROUTINE, "TYPE": _OF_TYPE}
# What a kind is called in GRANT, and how pg_default_acl marks it.
_GRANTED_ON = {"TABLE": "TABLE", "VIEW": "TABLE", "SEQUENCE": "SEQUENCE", "ROUTINE": "ROUTINE", "TYPE": "TYPE"}
_MARKS = {"TABLE": "r", "VIEW": "r", "SEQUENCE": "S"}


def defaults(connection: psycopg.Connection, schema: str) -> dict[str, list[Grant]]:
    """Return what is granted on every new table, view and sequence of the schema, by kind."""
    return {kind: connection.execute(_DEFAULTS, (mark, schema)).fetchall() for kind, mark in _MARKS.items()}


def carry(connection: psycopg.Connection, kind: str, old: int, schema: str, identity: str) -> None:
    """Give an object the owner, grants and definer's rights of the one that it replaces.

    Args:
        connection: the target.
        kind: what both are, as a :class:`~cutover.schema.target.Movable` says.
        old: the number in the catalogue of the one that is replaced.
        schema: where the new one is.
        identity: how ALTER calls it there.
    """
    named = sql.SQL(".").join((sql.Identifier(schema), sql.SQL(identity)))
    row = connection.execute(_OWNERS[kind], (old,)).fetchone()
    assert row is not None
    owner, is_ours, untouched, definer = row
    if not untouched:
        granted_on = sql.SQL(_GRANTED_ON[kind])
        if kind in ("ROUTINE", "TYPE"):
            # What everybody may do with a new one is said by nothing: it has to be taken away.
            connection.execute(sql.SQL("REVOKE ALL ON {} {} FROM PUBLIC").format(granted_on, named))
        _grant(connection, granted_on, named, connection.execute(_GRANTS[kind], (old,)).fetchall())
    if definer:
        connection.execute(sql.SQL("ALTER ROUTINE {} SECURITY DEFINER").format(named))
    if not is_ours:
        connection.execute(sql.SQL("ALTER {} {} OWNER TO {}").format(sql.SQL(kind), named, sql.Identifier(owner)))


def grant(connection: psycopg.Connection, kind: str, schema: str, name: str, grants: Sequence[Grant]) -> None:
    """Grant privileges on a table, view or sequence."""
    _grant(connection, sql.SQL(_GRANTED_ON[kind]), sql.Identifier(schema, name), grants)


def _grant(connection: psycopg.Connection, kind: sql.SQL, identity: sql.Composable, grants: Sequence[Grant]) -> None:
    for privilege, grantee, grantable in grants:
        connection.execute(
            sql.SQL("GRANT {} ON {} {} TO {}{}").format(
                # The server's own word for the privilege, from its catalogue.
                sql.SQL(privilege),
                kind,
                identity,
                sql.SQL("PUBLIC") if grantee is None else sql.Identifier(grantee),
                sql.SQL(" WITH GRANT OPTION" if grantable else ""),
            )
        )
