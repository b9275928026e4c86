"""Owners and grants: what replaces an object has those of the old one."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg import sql

from cutover.data import shadow
from cutover.schema.target import Movable

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
WHERE d.defaclobjtype = 'r' AND (n.nspname = %s OR n.nspname IS NULL)
  AND d.defaclrole = (SELECT oid FROM pg_roles WHERE rolname = current_user) AND a.grantee <> d.defaclrole"""  # noqa: S608
_OWNERS = {
    "TABLE": "SELECT pg_get_userbyid(relowner), relacl IS NULL, false FROM pg_class WHERE oid = %s",
    "ROUTINE": "SELECT pg_get_userbyid(proowner), proacl IS NULL, prosecdef FROM pg_proc WHERE oid = %s",
    "TYPE": "SELECT pg_get_userbyid(typowner), typacl IS NULL, false FROM pg_type WHERE oid = %s",
    "COLLATION": "SELECT pg_get_userbyid(collowner), true, false FROM pg_collation WHERE oid = %s",
}
_OWNERS["VIEW"] = _OWNERS["TABLE"]
_GRANTS = {"TABLE": _OF_RELATION, "VIEW": _OF_RELATION, "ROUTINE": _OF_ROUTINE, "TYPE": _OF_TYPE}


def defaults(connection: psycopg.Connection, schema: str) -> list[Grant]:
    """Return what is granted on every new table of the schema."""
    return connection.execute(_DEFAULTS, (schema,)).fetchall()


def carry(connection: psycopg.Connection, old: str, new: str, movable: Movable) -> None:
    """Give an object of the schema ``new`` the owner, grants and definer's rights of its namesake in ``old``."""
    before = shadow.contents(connection, old)[movable]
    identity = sql.SQL(".").join((sql.Identifier(new), sql.SQL(shadow.contents(connection, new)[movable].identity)))
    row = connection.execute(_OWNERS[movable.kind], (before.oid,)).fetchone()
    assert row is not None
    owner, untouched, definer = row
    kind = sql.SQL(movable.kind if movable.kind in ("ROUTINE", "TYPE") else "TABLE")
    if not untouched:
        if movable.kind in ("ROUTINE", "TYPE"):
            # What everybody may do with a new one is said by nothing: it has to be taken away.
            connection.execute(sql.SQL("REVOKE ALL ON {} {} FROM PUBLIC").format(kind, identity))
        _grant(connection, kind, identity, connection.execute(_GRANTS[movable.kind], (before.oid,)).fetchall())
    if definer:
        connection.execute(sql.SQL("ALTER ROUTINE {} SECURITY DEFINER").format(identity))
    connection_user = connection.execute("SELECT current_user").fetchone()
    if connection_user is not None and owner != connection_user[0]:
        altered = sql.SQL(movable.kind)
        connection.execute(sql.SQL("ALTER {} {} OWNER TO {}").format(altered, identity, sql.Identifier(owner)))


def grant(connection: psycopg.Connection, schema: str, name: str, grants: Sequence[Grant]) -> None:
    """Grant privileges on a table or view."""
    _grant(connection, sql.SQL("TABLE"), sql.Identifier(schema, name), grants)


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
