"""Which rows changed, by the source's binary log."""

from __future__ import annotations

import re
import secrets
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any

import sqlalchemy as sa
import sqlglot
from sqlglot import exp

from cutover.data.sync.changes import Changes, Followed, Key
from cutover.dialects import mysql, pools
from cutover.dialects.endpoint import Endpoint
from cutover.errors import DriftError, PreflightError, TransientError

# Python's own name, which PyMySQL does not know: every byte is a character, so that none is lost in decoding.
_BYTES = "iso-8859-1"
_POSITION = re.compile(r"(?P<file>.+):(?P<offset>\d+)")
_IDLE = re.compile(r"\s*(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|XA|SET|FLUSH|GRANT|REVOKE|ANALYZE|OPTIMIZE)\b", re.I)
_ACCOUNTS = re.compile(
    r"\s*(CREATE|ALTER|DROP|RENAME)\s+(OR\s+REPLACE\s+)?(USER|ROLE|DATABASE|SCHEMA|EVENT|SERVER)\b", re.I
)
_WITHIN = re.compile(r"\s*(BEGIN|START|SAVEPOINT|RELEASE|ROLLBACK\s+TO|XA\s+(START|END|PREPARE))\b", re.I)
_TEMPORARY = re.compile(r"\s*(CREATE|DROP)\s+(/\*.*?\*/\s*)?TEMPORARY\b", re.I)
_UNREADABLE = ("NotImplementedEvent", "PartialUpdateRowsEvent", "BeginLoadQueryEvent", "ExecuteLoadQueryEvent")
_ROWS = ("WriteRowsEvent", "UpdateRowsEvent", "DeleteRowsEvent")
# What a server must be set to, so that every change of a row is in its log as a row that can be read.
_SETTINGS = {
    "log_bin": "ON",
    "binlog_format": "ROW",
    "binlog_row_image": "FULL",
    "binlog_row_value_options": "",
    "binlog_transaction_compression": "OFF",
    "log_bin_compress": "OFF",
}
# Events that the reader does not know, and that change no row: ignorable, anonymous GTID, group replication's,
# a second kind of heartbeat, tagged GTID (MySQL's source, binlog_event.h).
_HARMLESS = {28, 34, 36, 37, 41, 42}
# Error 1236: the server has no such position any more.
_GONE = 1236


def position(source: Endpoint) -> str | None:
    """Return where the source's binary log stands, as ``file:offset``; None where it has none or does not tell."""
    with mysql.session(source) as connection:
        for statement in ("SHOW MASTER STATUS", "SHOW BINARY LOG STATUS"):
            try:
                row = connection.execute(sa.text(statement)).first()
            except sa.exc.DBAPIError as error:
                if error.connection_invalidated:
                    raise
                continue
            return None if row is None else f"{row[0]}:{row[1]}"
    return None


def order(where: str) -> tuple[str, int]:
    """Return a position as what positions are sorted by: the log's files are numbered."""
    found = _POSITION.fullmatch(where)
    if found is None:
        raise PreflightError([f"{where!r} is no position of a binary log, such as binlog.000003:1234"])
    return found["file"], int(found["offset"])


def unfit(source: Endpoint) -> list[str]:
    """Say what of the source's settings or rights keeps its binary log from being followed."""
    findings = []
    with mysql.session(source) as connection:
        rows = connection.execute(
            sa.text("SHOW GLOBAL VARIABLES WHERE variable_name LIKE 'binlog\\_%' OR variable_name LIKE 'log\\_bin%'")
        )
        settings = {str(name).lower(): str(value).upper() for name, value in rows}
    for name, wanted in _SETTINGS.items():
        # No server has all of them; what one does not know it does not do otherwise.
        if settings.get(name, wanted) != wanted:
            findings.append(f"{source}: {name} is {settings[name]}; to follow its changes it must be {wanted}")
    if not findings and position(source) is None:
        findings.append(
            f"{source.user} may not follow {source}: GRANT REPLICATION CLIENT, REPLICATION SLAVE ON *.* TO it"
        )
    return findings


def changes(source: Endpoint, tables: Mapping[str, Followed], since: str, until: str, limit: int) -> Changes:
    """Read which rows changed after ``since``, up to ``until`` or to the end of the transaction that passes ``limit``.

    Args:
        source: the server, whose database is the one that is followed.
        tables: what is followed, by source table.
        since: a position that a transaction ends at.
        until: a position, not before ``since``.
        limit: row changes after which it is enough.

    Raises:
        DriftError: the schema of a followed table changed there.
        PreflightError: the log begins after ``since``, or may not or cannot be read.
        TransientError: the connection was lost.
    """
    found = Changes(since, since)
    if order(since) >= order(until):
        return found
    with closing(_stream(source, since)) as stream:
        for event in _events(source, stream):
            _note(found, event, source.database, tables, f"{stream.log_file}:{stream.log_pos}")
            if found.statement is not None:
                return found
            if _ends_transaction(event):
                found.position = f"{stream.log_file}:{stream.log_pos}"
                if order(found.position) >= order(until):
                    return found
                if found.events >= limit:
                    found.complete = False
                    return found
    # Nothing but the end of the log, which may hold what concerns nobody, is between.
    found.position = max(found.position, until, key=order)
    return found


def _stream(source: Endpoint, since: str) -> Any:
    import logging

    import pymysql
    from pymysqlreplication import BinLogStreamReader, event, row_event

    # It warns of column names that the log does not hold, and that are not needed.
    logging.getLogger("pymysqlreplication").setLevel(logging.ERROR)
    opened: list[Any] = []

    def connect(**settings: Any) -> Any:
        # It would connect anew by itself, and lose the rows of the transaction that it was in.
        if len(opened) == 2:
            raise TransientError(f"reading the binary log of {source}: the connection was lost")
        opened.append(pools.patient(source, lambda: pymysql.connect(**settings), mysql.full))
        return opened[-1]

    file, offset = order(since)
    settings: dict[str, Any] = {
        "host": source.host,
        "port": source.port,
        "user": source.user,
        "passwd": source.password,
        "charset": "utf8mb4",
        "connect_timeout": pools.connect_timeout(source),
    }
    if source.verify_tls:
        settings["ssl"] = ssl.create_default_context(cafile=source.tls_ca)
    return BinLogStreamReader(
        settings,
        server_id=2**31 + secrets.randbelow(2**31 - 1),
        log_file=file,
        log_pos=offset,
        resume_stream=True,
        blocking=False,
        only_events=[
            *(row_event.WriteRowsEvent, row_event.UpdateRowsEvent, row_event.DeleteRowsEvent),
            *(event.QueryEvent, event.XidEvent, event.RotateEvent, event.GtidEvent, event.MariadbGtidEvent),
            # What cannot be read is not to be passed over.
            *(event.NotImplementedEvent, row_event.PartialUpdateRowsEvent),
            *(event.BeginLoadQueryEvent, event.ExecuteLoadQueryEvent),
        ],
        filter_non_implemented_events=False,
        only_schemas=[source.database],
        ignore_decode_errors=True,
        pymysql_wrapper=connect,
        enable_logging=False,
    )


def _events(source: Endpoint, stream: Any) -> Iterator[Any]:
    import pymysql
    from pymysqlreplication.exceptions import StatusVariableMismatch

    try:
        yield from stream
    except StatusVariableMismatch:
        # What MySQL (9.7) adds to statements that it writes down in place of their rows is new to the reader.
        where = f"{stream.log_file}:{stream.log_pos}"
        raise PreflightError(
            [
                f"the binary log of {source} has a statement after {where} that cannot be read, it may be one in place "
                "of rows. Set binlog_format to ROW in every session, and start a new run"
            ]
        ) from None
    except pymysql.MySQLError as error:
        code, words = (*error.args, "")[:2]
        if code == _GONE:
            raise PreflightError(
                [f"the binary log of {source} no longer has what is to be followed: {words}. A new run starts over"]
            ) from None
        if isinstance(code, int) and 1044 <= code <= 1227:
            raise PreflightError([f"reading the binary log of {source}: {words}"]) from None
        raise TransientError(f"reading the binary log of {source}: {words or error}") from None


def _ends_transaction(event: Any) -> bool:
    kind = type(event).__name__
    return kind == "XidEvent" or (kind == "QueryEvent" and _WITHIN.match(_query(event)) is None)


def _query(event: Any) -> str:
    text = event.query
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)


def _note(found: Changes, event: Any, database: str, tables: Mapping[str, Followed], where: str) -> None:
    kind = type(event).__name__
    if kind == "QueryEvent":
        schema = event.schema.decode() if isinstance(event.schema, bytes) else event.schema
        _note_statement(found, _query(event), schema, database, tables, where)
    elif kind in _UNREADABLE and event.event_type not in _HARMLESS:
        raise PreflightError(
            [
                f"the binary log has an event of type {event.event_type} at {where}, which cannot be read: it may be "
                "compressed, partial, or hold a file; look at log_bin_compress and the binlog_... settings"
            ]
        )
    elif kind in _ROWS and event.schema == database and event.table in tables:
        _note_rows(found, event, tables[event.table], where)


def _note_rows(found: Changes, event: Any, table: Followed, where: str) -> None:
    if event.number_of_columns != len(table.columns):
        raise DriftError("source", [f"table {event.table} has {event.number_of_columns} columns at {where}"])
    for column in event.columns:
        column.character_set_name = _BYTES
    rows = event.rows
    found.events += len(rows)
    if not table.key:
        found.whole.add(event.table)
        return
    images = (image for row in rows for name, image in row.items() if name.endswith("values"))
    found.add(event.table, _keys(images, table))


def _keys(images: Iterable[Mapping[str, object]], table: Followed) -> Iterator[Key]:
    for image in images:
        values = list(image.values())
        given = (values[column.position] for column in table.key)
        plain = (v.encode(_BYTES) if isinstance(v, str) else v for v in given)
        yield tuple(column.value(value) for column, value in zip(table.key, plain, strict=True))


def _note_statement(
    found: Changes, text: str, schema: str, database: str, tables: Mapping[str, Followed], where: str
) -> None:
    """Look at a statement of the log; one that may change a followed table is not passed over."""
    if any(words.match(text) for words in (_IDLE, _ACCOUNTS, _TEMPORARY)):
        return
    try:
        statement = sqlglot.parse_one(text, dialect="mysql")
    except sqlglot.errors.SqlglotError:
        statement = None
    if statement is None or isinstance(statement, exp.Command):
        named = {name for name in tables if re.search(rf"(?<![\w$]){re.escape(name)}(?![\w$])", text)}
        named = named if database in (schema, "") or re.search(rf"\b{re.escape(database)}\b", text) else set()
    else:
        named = {t.name for t in statement.find_all(exp.Table) if (t.db or schema) == database and t.name in tables}
    if not named:
        return
    if isinstance(statement, exp.TruncateTable):
        found.whole |= named
    elif isinstance(statement, exp.Insert | exp.Update | exp.Delete):
        found.whole |= named
        found.statement = f"{' '.join(text.split())[:200]} (at {where})"
    else:
        shown = " ".join(text.split())[:200]
        raise DriftError("source", [f"{shown} (at {where}, table {', '.join(sorted(named))})"])
