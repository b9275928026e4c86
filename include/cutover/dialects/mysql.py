"""MySQL and MariaDB: connecting, and reading rows as Arrow batches.

Two readers give the same values. connectorx is several times faster, but knows no way to verify
a server's certificate; where the endpoint asks for that, the C client reads instead.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from cutover.dialects import pools
from cutover.dialects.endpoint import Endpoint
from cutover.errors import PreflightError, TransientError

# named: the C client's own style doubles every % in the statement.
_DIALECT = mysql.dialect(paramstyle="named")
# Rows must not depend on the server's settings. ANSI_QUOTES stays off: filters are MySQL's own words.
# MySQL 8 alone runs the first comment: its catalogue's counters are of today, not up to a day old. MariaDB alone
# runs the second. Either server ends a recursion after 1,000 rounds; MariaDB does so with no more than a warning.
SESSION = (
    "SET time_zone = '+00:00' /*!80000 , information_schema_stats_expiry = 0, cte_max_recursion_depth = 4294967295 */ "
    "/*M!100202 , max_recursive_iterations = 4294967295 */",
    "SET sql_mode = 'NO_ENGINE_SUBSTITUTION'",
)
# Where the rows of a recursion outgrow its memory and move to disk, MariaDB (10.11) loses one: they begin there. For
# this statement alone, as its GROUP_CONCAT(DISTINCT) gives values twice without memory.
_RECURSION_ON_DISK = "/*M!100202 SET STATEMENT tmp_memory_table_size = 0 FOR */ "
_ACCESS_DENIED = 1045
_ERROR_CODE = re.compile(r"ERROR (\d{4})|\((\d{4}),")
# Client errors 2002 to 2055 and these server errors end with the connection or the lock wait.
_TRANSIENT_CODES = {1040, 1053, 1203, 1205, 1213, 1927}
# Too many connections: of all, of this account by the server's limit, of this account by its own. The last
# code is also that of other limits, which do not pass in seconds; its message names the limit.
_FULL_CODES, _LIMIT_CODE, _LIMIT = {1040, 1203}, 1226, "max_user_connections"
_CHARSET = "utf8mb4"


def quoted(name: str) -> str:
    """Return the identifier in backquotes."""
    return _DIALECT.identifier_preparer.quote_identifier(name)


def literal(text: str) -> str:
    """Return the text as a literal."""
    return str(sa.literal(text).compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True}))


@contextmanager
def session(endpoint: Endpoint) -> Iterator[sa.Connection]:
    """Open a session in UTC, of this process's pool where the endpoint has one.

    Raises:
        TransientError: the server could not be reached or was full, or was lost.
        PreflightError: it refused the login or a statement; its own words are in the message.
    """
    try:
        with _engine(endpoint).connect() as connection:
            yield connection
    except sa.exc.DBAPIError as error:
        raise _problem(endpoint, error.orig or error) from None


def _problem(source: Endpoint, error: BaseException) -> Exception:
    code, words = _number(error), str(error.args[-1] if error.args else error)
    if code == _ACCESS_DENIED:
        return PreflightError([f"source {source}: the server refused the login; check the user and password"])
    if 2000 <= code < 2100:
        if any(word in words.lower() for word in ("certificate", "ssl", "tls")):
            return PreflightError([f"source {source}: the server's certificate could not be verified: {words}"])
        return TransientError(f"source {source}: cannot be reached: {words}; is it up, and host and port right?")
    text = f"source {source}: {words}"
    return TransientError(text) if passes(error) else PreflightError([text])


def _engine(endpoint: Endpoint) -> sa.Engine:
    url = sa.URL.create(
        "mysql+mysqldb",
        endpoint.user,
        endpoint.password or None,
        _host(endpoint),
        endpoint.port,
        endpoint.database,
    )

    def renew(connection: Any) -> None:
        connection.change_user(endpoint.user, endpoint.password, endpoint.database)
        connection.set_character_set(_CHARSET)

    return pools.engine(endpoint, url, _client_options(endpoint), pools.Ways(_prepare, renew, full))


def _host(endpoint: Endpoint) -> str:
    """Return the host as the C client takes it: as ``localhost`` it is a socket's, and the port is ignored."""
    return "LOCALHOST" if endpoint.host == "localhost" else endpoint.host


def _prepare(connection: Any) -> None:
    with closing(connection.cursor()) as cursor:
        for statement in SESSION:
            cursor.execute(statement)


def full(error: BaseException) -> bool:
    """Whether a server, or an account, has as many connections as it may."""
    number = _number(error)
    return number in _FULL_CODES or (number == _LIMIT_CODE and _LIMIT in str(error))


def _client_options(endpoint: Endpoint) -> dict[str, Any]:
    options: dict[str, Any] = {"charset": _CHARSET, "connect_timeout": pools.connect_timeout(endpoint)}
    if endpoint.verify_tls:
        options["ssl_mode"] = "VERIFY_IDENTITY"
        options["ssl"] = {"ca": endpoint.tls_ca or ssl.get_default_verify_paths().cafile or ""}
    return options


_RIGHTS = """
    SELECT privilege_type, 1 FROM information_schema.user_privileges WHERE {grantee} = {who}
    UNION ALL SELECT privilege_type, 0 FROM information_schema.schema_privileges
    WHERE {grantee} = {who} AND DATABASE() LIKE table_schema"""
_GRANTEE = "REPLACE(grantee, '\\'', '')"


def rights(connection: sa.Connection) -> dict[str, bool]:
    """Return the account's rights on the whole database, and whether it has each itself on the whole server."""
    own = connection.execute(sa.text(_RIGHTS.format(grantee=_GRANTEE, who="CURRENT_USER()"))).all()
    try:
        # Rights that come from a role are listed under the role (MariaDB manual, CURRENT_ROLE).
        of_role = sa.text(_RIGHTS.format(grantee=_GRANTEE, who="REPLACE(CURRENT_ROLE(), '`', '')"))
        found = {str(right): False for right, _ in connection.execute(of_role)}
    except sa.exc.DBAPIError:
        found = {}
    for right, everywhere in own:
        found[str(right)] = found.get(str(right), False) or bool(everywhere)
    return found


def select(
    table: str,
    columns: Sequence[tuple[str, str]],
    where: str | None = None,
    order: Sequence[str] = (),
    within: Sequence[sa.ColumnElement[bool]] = (),
    limit: int | None = None,
    recursive: bool = False,
) -> str:
    """Return the SELECT of ``columns`` (expression, alias) from the rows that meet every condition.

    Ordered by the columns ``order``, whatever the aliases are. ``where`` is SQL that a parser has printed;
    ``recursive``, whether it goes through a recursion.
    """
    chosen: list[sa.Label[object]] = [sa.literal_column(expression).label(alias) for expression, alias in columns]
    source = sa.table(table, *map(sa.column, order))
    statement = sa.select(*chosen).select_from(source)
    if where is not None:
        statement = statement.where(sa.literal_column(f"({where})"))
    statement = statement.where(*within).order_by(*(source.c[name] for name in order)).limit(limit)
    written = str(statement.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True}))
    return _RECURSION_ON_DISK + written if recursive else written


def read(endpoint: Endpoint, statement: str, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Stream a SELECT's rows as record batches of at most ``batch_rows`` rows.

    Raises:
        TransientError: the connection failed or was lost.
        PreflightError: the server refused the statement.
    """
    reader = _read_with_client if endpoint.verify_tls else _read_with_connectorx
    return reader(endpoint, statement, batch_rows)


def _read_with_connectorx(endpoint: Endpoint, statement: str, batch_rows: int) -> Iterator[pa.RecordBatch]:
    import connectorx

    _wait_for_a_place(endpoint)
    login = quote(endpoint.user, safe="")
    if endpoint.password:
        login += ":" + quote(endpoint.password, safe="")
    # Where a server's own socket has the path that this one names, prefer_socket would lead there.
    url = f"mysql://{login}@{endpoint.host}:{endpoint.port}/{quote(endpoint.database, safe='')}?prefer_socket=false"
    try:
        yield from connectorx.read_sql(
            url,
            statement,
            return_type="arrow_stream",
            batch_size=batch_rows,
            pre_execution_query=list(SESSION),
        )
    except (GeneratorExit, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a Rust panic is no Exception
        raise _explained(endpoint, error) from None


def _wait_for_a_place(endpoint: Endpoint) -> None:
    """Wait until the server takes a connection: connectorx would say why it does not, but only after 30 s.

    Raises:
        TransientError: the server was full for as long as the pool's ``acquire`` allows, or is not there.
        PreflightError: it refused the login.
    """
    import MySQLdb

    try:
        _connected(endpoint).close()
    except MySQLdb.Error as error:
        raise _explained(endpoint, error) from None


def _connected(endpoint: Endpoint, **options: Any) -> Any:
    """Connect with the C client."""
    import MySQLdb

    login = {"host": _host(endpoint), "port": endpoint.port, "user": endpoint.user, "passwd": endpoint.password}
    options |= _client_options(endpoint) | login | {"db": endpoint.database}
    return pools.patient(endpoint, lambda: MySQLdb.connect(**options), full)


def _read_with_client(endpoint: Endpoint, statement: str, batch_rows: int) -> Iterator[pa.RecordBatch]:
    with client(endpoint) as connection:
        yield from batches(connection, statement, batch_rows)


@contextmanager
def client(endpoint: Endpoint) -> Iterator[Any]:
    """Open a session of the C client, prepared as every session is.

    Raises:
        TransientError: the connection failed or was lost.
        PreflightError: the server refused a statement.
    """
    import MySQLdb.cursors

    try:
        # Bytes are bytes to the server, too, and not text in the connection's charset.
        options = {"cursorclass": MySQLdb.cursors.SSCursor, "binary_prefix": True}
        with closing(_connected(endpoint, **options)) as connection:
            _prepare(connection)
            yield connection
    except MySQLdb.Error as error:
        raise _explained(endpoint, error) from None


def batches(
    connection: Any, statement: str, batch_rows: int, values: Sequence[object] | None = None
) -> Iterator[pa.RecordBatch]:
    """Stream a SELECT's rows in a session of the C client; with ``values`` for its parameters, a % is written twice."""
    with closing(connection.cursor()) as cursor:
        cursor.execute(statement, values)
        names = [entry[0] for entry in cursor.description]
        while rows := cursor.fetchmany(batch_rows):
            columns = [_array(column) for column in zip(*rows, strict=True)]
            yield pa.RecordBatch.from_arrays(columns, names=names)


def _array(values: Sequence[object]) -> pa.Array:
    try:
        return pa.array(values)
    except OverflowError:
        return pa.array(values, pa.uint64())


def _explained(endpoint: Endpoint, error: BaseException) -> Exception:
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if passes(error) or (not _number(error) and _lost(text)):
        return TransientError(f"reading from {endpoint}: {text}")
    return PreflightError([f"reading from {endpoint}: {text}"])


def passes(error: BaseException) -> bool:
    """Whether an error may pass when the same call is made again."""
    number = _number(error)
    return full(error) or number in _TRANSIENT_CODES or 2000 <= number < 2100


def _number(error: BaseException) -> int:
    """Return the server's or client's number for an error, 0 where none is told."""
    code = _ERROR_CODE.search(str(error))
    return int(code[1] or code[2]) if code else 0


def _lost(text: str) -> bool:
    lowered = text.lower()
    return any(word in lowered for word in ("connection", "i/o", "ioerror", "timed out", "disconnect", "broken pipe"))
