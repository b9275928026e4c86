"""Whole databases: made like another, cloned, exchanged by rename.

The old state is built in a database beside the live one, and both change their names in one transaction:
whatever dies meanwhile, the server has either both old names or both new ones. A rename takes the database's
lock before it looks for sessions (RenameDatabase and CountOtherDBBackends in PostgreSQL's dbcommands.c). Whoever
connects after that waits, and is told by the server that the database was renamed; who was there before is ended.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from cutover.dialects import pools, postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.errors import PreflightError, TransientError

# Seconds between two looks for sessions while a rename waits for them to end.
_PAUSE = 0.05
_WITH_SET_OPTION = 160000
_WITH_STRATEGIES = 150000
_PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin"}
_RIGHTS = """
    SELECT d.datname, pg_get_userbyid(d.datdba), me.rolname, me.rolsuper OR me.rolcreatedb,
      pg_has_role(d.datdba, 'USAGE') AND pg_has_role(d.datdba, %s)
    FROM pg_database d, pg_roles me WHERE d.datname = ANY (%s) AND me.rolname = current_user ORDER BY 1"""
_TABLESPACE = """
    SELECT s.spcname, current_user FROM pg_database d JOIN pg_tablespace s ON s.oid = d.dattablespace
    WHERE d.datname = %s AND NOT has_tablespace_privilege(s.oid, 'CREATE')
      AND s.oid <> (SELECT dattablespace FROM pg_database WHERE datname = 'template0')"""
# What belongs to a database by its number, and stays with it whatever its name is: what to say of it, how to find it.
_PREPARED = (
    "prepared transactions ({}); end each with COMMIT PREPARED or ROLLBACK PREPARED",
    "SELECT gid FROM pg_prepared_xacts WHERE database = %s ORDER BY 1",
)
_SLOTS = (
    "logical replication slots ({}), which would stay with the old database; let the readers finish, "
    "then drop each with pg_drop_replication_slot",
    "SELECT slot_name FROM pg_replication_slots WHERE database = %s ORDER BY 1",
)
_SUBSCRIPTIONS = (
    "subscriptions ({}), which would go on in the old database; drop each with DROP SUBSCRIPTION",
    "SELECT s.subname FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = %s ORDER BY 1",
)
# Autovacuum's workers have no user; the server itself sends them away.
_SESSIONS = """
    SELECT a.pid, a.usename AS user, a.application_name AS application, r.rolsuper IS TRUE AS super,
      me.rolsuper OR r.rolsuper IS NOT TRUE
        AND (pg_has_role(a.usesysid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE')) AS may_end
    FROM pg_stat_activity a LEFT JOIN pg_roles r ON r.oid = a.usesysid, pg_roles me
    WHERE a.datname = ANY (%s) AND a.usesysid IS NOT NULL AND me.rolname = current_user ORDER BY 1"""


@dataclass(frozen=True)
class _Session:
    """A session on a database; ``may_end`` says whether our role may end it."""

    pid: int
    user: str | None
    application: str
    super: bool
    may_end: bool


def lacking(target: Endpoint, *, clones: bool) -> list[str]:
    """Return what stands against making databases beside the target and exchanging them, each with its cure.

    Args:
        target: the live database.
        clones: whether the other database will be a clone of it, which has its tablespace without asking.

    Raises:
        TransientError: the server could not be reached or was full.
        PreflightError: the target itself does not let us in.
    """
    name = target.database
    with postgresql.session(target) as connection:
        found = _without_rights(connection, [name])
        refused = None if clones else connection.execute(_TABLESPACE, (name,)).fetchone()
        if refused is not None:
            tablespace, role = (postgresql.quoted(each) for each in refused)
            found.append(
                f"role {role} may not use the tablespace {tablespace} of database {name}: "
                f"GRANT CREATE ON TABLESPACE {tablespace} TO {role}"
            )
        found += _bound(connection, name, _PREPARED, _SLOTS, _SUBSCRIPTIONS)
    try:
        with postgresql.beside(target):
            pass
    except (PreflightError, TransientError) as error:
        # Libpq tells no difference between a server that is gone and one that refuses; this one was there just now.
        if postgresql.full(error):
            raise
        found.append(
            f"role {target.user} may reach neither database postgres nor template1, from one of which others are made "
            f"and renamed: GRANT CONNECT ON DATABASE postgres, and let it in by pg_hba.conf ({error})"
        )
    return found


def _without_rights(connection: psycopg.Connection, names: Sequence[str]) -> list[str]:
    """Return what our role lacks for renaming databases, or for giving another one their owner."""
    # Since PostgreSQL 16 a member may have a role's rights without being able to hand it anything.
    handing = "SET" if connection.info.server_version >= _WITH_SET_OPTION else "MEMBER"
    found = []
    for name, owner, role, makes, owns in connection.execute(_RIGHTS, (handing, list(names))):
        ours = postgresql.quoted(role)
        if not makes:
            found.append(f"role {ours} may neither make nor rename databases: ALTER ROLE {ours} CREATEDB")
        if not owns:
            found.append(
                f"role {ours} is not the owner of database {name}, which only its owner renames: "
                f"GRANT {postgresql.quoted(owner)} TO {ours}"
            )
    return list(dict.fromkeys(found))


def _bound(connection: psycopg.Connection, name: str, *kinds: tuple[str, str]) -> list[str]:
    """Return what is bound to a database, by kind."""
    found = []
    for what, query in kinds:
        bound = [str(row[0]) for row in connection.execute(query.encode(), (name,))]
        if bound:
            found.append(f"database {name} has {what.format(', '.join(bound))}")
    return found


def exists(target: Endpoint, name: str) -> bool:
    """Whether the target's server has a database of this name."""
    with postgresql.beside(target) as connection:
        return _described(connection, name) is not None


def _described(connection: psycopg.Connection, name: str) -> dict[str, Any] | None:
    """Return what the catalogue says of a database, whose columns are not the same in every version."""
    query = (
        "SELECT to_jsonb(d) || jsonb_build_object('encoding', pg_encoding_to_char(d.encoding), 'tablespace', "
        "(SELECT s.spcname FROM pg_tablespace s WHERE s.oid = d.dattablespace)) FROM pg_database d WHERE d.datname = %s"
    )
    row = connection.execute(query, (name,)).fetchone()
    return None if row is None else row[0]


def there(connection: psycopg.Connection, name: str) -> dict[str, Any]:
    """Return what the catalogue says of a database.

    Raises:
        PreflightError: it is not there.
    """
    described = _described(connection, name)
    if described is None:
        raise PreflightError([f"database {name} is not there; check its name, or make it first"])
    return described


def make_like(target: Endpoint, name: str) -> None:
    """Make an empty database with the target's encoding, locale and tablespace.

    Args:
        target: the live database.
        name: the new one's; one that is there already is what an interrupted attempt left, and is dropped.

    Raises:
        TransientError: the server could not be reached, or an interrupted attempt is making it at this moment.
        PreflightError: the server refused it.
    """
    drop(target, name)
    with postgresql.beside(target) as connection:
        live, template = (there(connection, each) for each in (target.database, "template0"))
        options = {"ENCODING": live["encoding"], "LC_COLLATE": live["datcollate"], "LC_CTYPE": live["datctype"]}
        provider = _PROVIDERS[live.get("datlocprovider", "c")]
        if "datlocprovider" in live:
            options["LOCALE_PROVIDER"] = provider
        if provider != "libc":
            # Until PostgreSQL 16 the column has ICU in its name.
            options[f"{provider.upper()}_LOCALE"] = live.get("datlocale") or live.get("daticulocale")
        if live.get("daticurules"):
            options["ICU_RULES"] = live["daticurules"]
        given = [sql.SQL("{} = {}").format(sql.SQL(key), sql.Literal(value)) for key, value in options.items()]
        # The template's own has to be asked for by nobody; to name one takes a right on it, even on pg_default.
        if live["tablespace"] != template["tablespace"]:
            given.append(sql.SQL("TABLESPACE = {}").format(sql.Identifier(live["tablespace"])))
        create = sql.SQL("CREATE DATABASE {} TEMPLATE = template0 {}")
        connection.execute(create.format(sql.Identifier(name), sql.SQL(" ").join(given)))


def clone(target: Endpoint, origin: str, name: str, tablespace: str | None = None) -> None:
    """Make a database that holds what ``origin`` holds; one that an earlier attempt made is left as it is.

    The server copies files, for which nobody may be connected to ``origin``; nobody is sent away. Whoever connects
    to it meanwhile waits.

    Args:
        target: the live database.
        origin: the database to copy.
        name: the copy's name.
        tablespace: where the copy is to be; where ``origin`` is if not given.

    Raises:
        TransientError: the server could not be reached, or an interrupted attempt is making it at this moment.
        PreflightError: others use ``origin``, or the server refused it.
    """
    pools.close()
    with postgresql.beside(target) as connection:
        there = _described(connection, name)
        # A server that died while it dropped a database marks it so, from 15.4 and its siblings on.
        if there is not None and there["datconnlimit"] != -2:
            return
        if there is not None:
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))
        options: list[sql.Composable] = [sql.SQL("TEMPLATE = {}").format(sql.Identifier(origin))]
        if connection.info.server_version >= _WITH_STRATEGIES:
            options.append(sql.SQL("STRATEGY = FILE_COPY"))
        if tablespace is not None:
            options.append(sql.SQL("TABLESPACE = {}").format(sql.Identifier(tablespace)))
        create = sql.SQL("CREATE DATABASE {} {}").format(sql.Identifier(name), sql.SQL(" ").join(options))
        try:
            connection.execute(create)
        except psycopg.errors.ObjectInUse as error:
            raise PreflightError(
                [
                    f"database {origin} cannot be cloned while it is in use: {error.diag.message_detail} "
                    f"Connected: {_counted(_sessions(connection, [origin]))}. Stop what uses it and try again."
                ]
            ) from error


def _sessions(connection: psycopg.Connection, names: Sequence[str]) -> list[_Session]:
    with connection.cursor(row_factory=class_row(_Session)) as cursor:
        return cursor.execute(_SESSIONS, (list(names),)).fetchall()


def _counted(sessions: Sequence[_Session]) -> str:
    """Tell how many sessions there are of which role and application."""
    counts = Counter((each.user or "a dropped role", each.application or "unnamed") for each in sessions)
    told = [f"{count} of role {user} ({application})" for (user, application), count in sorted(counts.items())]
    return ", ".join(told) or "nobody any more"


def exchange(target: Endpoint, coming: str, going: str, limit_ms: int) -> float:
    """Give the live database the name ``going``, and ``coming`` the live one's, in one transaction.

    Sessions on both are ended, those that this process keeps too; one that may not be ended keeps all others.

    Args:
        target: the live database.
        coming: the database that becomes the live one.
        going: what the live one is called afterwards.
        limit_ms: how long to wait for the sessions to end.

    Returns:
        How many milliseconds the transaction took, for which nobody could connect.

    Raises:
        TransientError: sessions did not end within ``limit_ms``; nothing was changed.
        PreflightError: a session may not be ended, a name is missing or taken, or a right is lacking; nothing was
            changed.
    """
    pools.close()
    deadline = time.monotonic() + limit_ms / 1000
    both = (target.database, coming)
    with (
        postgresql.beside(target) as renaming,
        postgresql.beside(target) as ending,
        ThreadPoolExecutor(1, "cutover-rename") as executor,
    ):
        if findings := _unready(ending, target.database, coming, going):
            raise PreflightError(findings)
        while True:
            attempt = executor.submit(
                _rename, renaming, [(target.database, going), (coming, target.database)], deadline
            )
            took = _ended_meanwhile(ending, both, renaming, attempt)
            if took is not None:
                return took
            if time.monotonic() >= deadline:
                raise TransientError(
                    f"databases {target.database} and {coming} were not exchanged within {limit_ms} ms, nothing was "
                    f"changed; still connected: {_counted(_sessions(ending, both))}; stop what uses them, or allow "
                    "more time, and try again"
                )


def _unready(connection: psycopg.Connection, live: str, coming: str, going: str) -> list[str]:
    """Return why an exchange cannot be; nobody is to lose a session for one that the server refuses."""
    found = [
        f"database {name} is not there, so it cannot be exchanged; make it first"
        for name in (live, coming)
        if _described(connection, name) is None
    ]
    if _described(connection, going) is not None:
        found.append(f"database {going} is there already; drop it, or let the old one get another name")
    for name in (live, coming):
        # Nobody's session: no rename waits long enough for one to end.
        found += _bound(connection, name, _PREPARED)
    return found + _without_rights(connection, (live, coming))


def _rename(connection: psycopg.Connection, names: Sequence[tuple[str, str]], deadline: float) -> float | None:
    """Rename databases in one transaction; return the milliseconds it took, None where somebody was in the way."""
    started = time.monotonic()
    try:
        with connection.transaction():
            for old, new in names:
                left = max(1, int((deadline - time.monotonic()) * 1000))
                connection.execute("SELECT set_config('statement_timeout', %s, true)", (str(left),))
                rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
                connection.execute(rename.format(sql.Identifier(old), sql.Identifier(new)))
    # The server waits for sessions no longer than five seconds, for the lock as long as the statement may last.
    except (psycopg.errors.ObjectInUse, psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable):
        return None
    return (time.monotonic() - started) * 1000


def _ended_meanwhile(
    connection: psycopg.Connection, names: Sequence[str], renaming: psycopg.Connection, attempt: Future[float | None]
) -> float | None:
    """End the databases' sessions until the rename has ended, and return what it returns."""
    try:
        while not attempt.done():
            _end(connection, names)
            wait([attempt], _PAUSE)
    except BaseException:
        while not attempt.done():
            renaming.cancel_safe()
            wait([attempt], _PAUSE)
        # Done before it could be cancelled: what was wrong with a session is no more.
        if attempt.exception() is None and (took := attempt.result()) is not None:
            return took
        raise
    return attempt.result()


def _end(connection: psycopg.Connection, names: Sequence[str]) -> None:
    """End all sessions of databases, or none where one of them may not be ended."""
    sessions = _sessions(connection, names)
    findings = [
        f"session {each.pid} of role {each.user} ({each.application or 'unnamed'}) on {' or '.join(names)} may not be "
        "ended by our role: "
        + ("it is a superuser's, whoever has it must close it" if each.super else "GRANT pg_signal_backend to ours")
        for each in sessions
        if not each.may_end
    ]
    if findings:
        raise PreflightError(findings)
    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ANY (%s) AND datname = ANY (%s)"
    connection.execute(query, ([each.pid for each in sessions], list(names)))


def drop(target: Endpoint, name: str) -> None:
    """Drop a database beside the live one, and end its sessions; one that is not there is no error.

    Raises:
        TransientError: the server could not be reached.
        PreflightError: it is the live database, or the server refused it.
    """
    if name == target.database:
        raise PreflightError([f"database {name} is the live one and is not dropped; exchange it for another first"])
    with postgresql.beside(target) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def size(target: Endpoint, name: str) -> int:
    """Return how many bytes a database takes on the server's disks.

    Raises:
        PreflightError: it is not there, or our role may not connect to it.
    """
    with postgresql.beside(target) as connection:
        row = connection.execute("SELECT pg_database_size(%s::name)", (name,)).fetchone()
        assert row is not None
        return int(row[0])
