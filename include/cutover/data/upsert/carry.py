"""Carry the rows of live tables over into the new ones, as often as need be.

A version of a row is known by where it is and which transaction made it: the system columns tableoid, ctid and xmin
(PostgreSQL manual, System Columns). Nothing else ever has all three, and whatever changes a row or moves it makes
another version. A table of the shadow schema holds those that were seen. So what the application does in between is
found exactly, and carrying again costs what has changed, and a scan.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql

from cutover.data.merge import alike, is_there, names
from cutover.data.upsert import counters, guards
from cutover.data.upsert.ways import Way
from cutover.errors import DataError, VerificationError

_SHOWN = 5
_VERSION = ("cutover_part", "cutover_place", "cutover_made")


@dataclass(frozen=True)
class Carried:
    """What became of the rows of one live table.

    Attributes:
        table: its name.
        kept: its rows that are in the new table.
        replaced: its rows that gave way to the source's.
        yielded: rows of the source that gave way to its rows.
        keys: the first keys of rows that gave way, as JSON.
    """

    table: str
    kept: int
    replaced: int
    yielded: int
    keys: tuple[str, ...]


def seen_table(table: str) -> str:
    """Return the name of the table, in the shadow schema, that tells which rows of the live table were carried."""
    return "cutover_carried_" + hashlib.sha256(table.encode()).hexdigest()[:12]


def yielded_table(table: str) -> str:
    """Return the name of the table, in the shadow schema, that holds the source's rows which gave way."""
    return "cutover_yielded_" + hashlib.sha256(table.encode()).hexdigest()[:12]


def carry(connection: psycopg.Connection, ways: Sequence[Way], resolution: str, loaded: Mapping[str, int]) -> bool:
    """Bring the new tables to what the live ones hold now, in the caller's transaction; return whether that is news.

    Args:
        connection: a session that finds the new tables and the extensions' operators by its search path, and sees
            one state of all live tables: by its isolation level, or because they are locked.
        ways: how the rows go.
        resolution: what becomes of two rows that are alike in a key: update, ignore or fail.
        loaded: how many rows of the source each new table was loaded with.

    Raises:
        DataError: rows are alike and must not be, or a row does not fit into the new table.
        VerificationError: a new table does not hold what it must.
    """
    for way in ways:
        _make_room(connection, way)
    changed = [way for way in ways if _has_changed(connection, way)]
    if not changed:
        return False
    _refuse_changed_values(connection, changed)
    with _naming("foreign keys"), guards.lifted(connection, changed[0].shadow, [way.table for way in changed]):
        for way in changed:
            with _naming(way.table):
                _forget(connection, way)
                if resolution == "fail":
                    _refuse_conflicts(connection, way)
                if resolution == "ignore":
                    _give_back(connection, way)
                    _set_aside(connection, way)
                _bring(connection, way, all_of_them=resolution == "ignore")
    for way in changed:
        counters.go_above(connection, way)
    _refuse_miscount(connection, changed, loaded)
    return True


def begun(connection: psycopg.Connection, shadow: str, tables: Iterable[str]) -> bool:
    """Whether rows of one of the tables were carried."""
    return any(is_there(connection, shadow, seen_table(table)) for table in tables)


def take_back(connection: psycopg.Connection, ways: Sequence[Way]) -> None:
    """Leave in the new tables what was loaded from the source, and nothing else, in the caller's transaction.

    Rows of all of them have been carried.
    """
    with guards.lifted(connection, ways[0].shadow, [way.table for way in ways]):
        for way in ways:
            connection.execute(
                sql.SQL("DELETE FROM {} AS n USING {} AS seen WHERE seen.cutover_carried AND {}").format(
                    _new(way), _seen(way), alike("n", "seen", way.keys[0])
                )
            )
            connection.execute(sql.SQL("DELETE FROM {}").format(_seen(way)))
            _give_back(connection, way)
            connection.execute(sql.SQL("DROP TABLE {}, {}").format(_seen(way), _yielded(way)))


def carried(connection: psycopg.Connection, ways: Iterable[Way]) -> list[Carried]:
    """Return what was carried, by what the shadow schema tells."""
    return [Carried(way.table, *_counts(connection, way), _gave_way(connection, way)) for way in ways]


def _seen(way: Way) -> sql.Identifier:
    return sql.Identifier(way.shadow, seen_table(way.table))


def _yielded(way: Way) -> sql.Identifier:
    return sql.Identifier(way.shadow, yielded_table(way.table))


def _new(way: Way) -> sql.Identifier:
    return sql.Identifier(way.shadow, way.table)


def _make_room(connection: psycopg.Connection, way: Way) -> None:
    connection.execute(
        sql.SQL(
            "CREATE TABLE IF NOT EXISTS {} AS SELECT tableoid AS cutover_part, ctid AS cutover_place, "
            "xmin AS cutover_made, true AS cutover_carried, {} FROM {} WITH NO DATA"
        ).format(_seen(way), names(way.keyed), _new(way))
    )
    connection.execute(sql.SQL("CREATE TABLE IF NOT EXISTS {} (LIKE {})").format(_yielded(way), _new(way)))


def _live(way: Way) -> sql.Composed:
    """Select the live table's rows as rows of the new one, with what tells their versions."""
    values = [sql.SQL("{} AS {}").format(passage.value, sql.Identifier(passage.name)) for passage in way.passages]
    return sql.SQL("SELECT tableoid AS cutover_part, ctid AS cutover_place, xmin AS cutover_made, {} FROM {}").format(
        sql.SQL(", ").join(values), sql.Identifier(way.live, way.table)
    )


def _fresh(way: Way) -> sql.Composed:
    """Select the live rows that were not seen yet."""
    return sql.SQL("SELECT * FROM ({}) AS l WHERE NOT EXISTS (SELECT 1 FROM {} AS seen WHERE {})").format(
        _live(way), _seen(way), alike("l", "seen", _VERSION)
    )


def _loaded(way: Way) -> sql.Composed:
    """Select the new table's rows that came from the source."""
    return sql.SQL(
        "SELECT n.*, n.tableoid AS cutover_part, n.ctid AS cutover_place FROM {} AS n "
        "WHERE NOT EXISTS (SELECT 1 FROM {} AS seen WHERE seen.cutover_carried AND {})"
    ).format(_new(way), _seen(way), alike("n", "seen", way.keys[0]))


def _has_conflict(way: Way, one: str, others: sql.Composed) -> sql.Composed:
    """Return the condition that a row is alike in one of the keys to one of ``others``."""
    # One EXISTS for each key: an OR within one would be compared pair by pair.
    return sql.SQL(" OR ").join(
        sql.SQL("EXISTS (SELECT 1 FROM ({}) AS o WHERE {})").format(others, alike(one, "o", key)) for key in way.keys
    )


def _shown(way: Way, row: str) -> sql.Composed:
    pairs = [part for name in way.keys[0] for part in (sql.Literal(name), sql.Identifier(row, name))]
    return sql.SQL("jsonb_build_object({})::text").format(sql.SQL(", ").join(pairs))


def _has_changed(connection: psycopg.Connection, way: Way) -> bool:
    query = sql.SQL(
        "SELECT EXISTS (SELECT 1 FROM (SELECT tableoid AS cutover_part, ctid AS cutover_place, xmin AS cutover_made "
        "FROM {}) AS l FULL JOIN {} AS seen ON {} WHERE l.cutover_part IS NULL OR seen.cutover_part IS NULL)"
    ).format(sql.Identifier(way.live, way.table), _seen(way), alike("l", "seen", _VERSION))
    row = connection.execute(query).fetchone()
    return bool(row and row[0])


def _forget(connection: psycopg.Connection, way: Way) -> None:
    """Take back the rows whose live version is there no longer."""
    connection.execute(
        sql.SQL(
            "WITH gone AS (DELETE FROM {seen} AS seen WHERE NOT EXISTS (SELECT 1 FROM {live} AS l "
            "WHERE l.tableoid = cutover_part AND l.ctid = cutover_place AND l.xmin = cutover_made) RETURNING *) "
            "DELETE FROM {new} AS n USING gone WHERE gone.cutover_carried AND {same}"
        ).format(
            seen=_seen(way),
            live=sql.Identifier(way.live, way.table),
            new=_new(way),
            same=alike("n", "gone", way.keys[0]),
        )
    )


def _refuse_conflicts(connection: psycopg.Connection, way: Way) -> None:
    query = sql.SQL("SELECT {}, count(*) OVER () FROM ({}) AS f WHERE {} ORDER BY {} LIMIT {}").format(
        _shown(way, "f"),
        _fresh(way),
        _has_conflict(way, "f", _loaded(way)),
        names(way.keys[0], "f"),
        sql.Literal(_SHOWN),
    )
    found = connection.execute(query).fetchall()
    if found:
        count, keys = found[0][1], ", ".join(key for key, _ in found)
        raise DataError(
            f"{way.table}: {count} rows that are there are the source's too, by "
            f"{' or '.join(map(' and '.join, way.keys))}: {keys}{' ...' if count > len(found) else ''}. Nothing was "
            "changed; take them away on one side, or say conflictResolution: update or ignore"
        )


def _give_back(connection: psycopg.Connection, way: Way) -> None:
    """Put back the source's rows that gave way to a row which is there no longer."""
    seen = sql.SQL("SELECT * FROM {}").format(_seen(way))
    connection.execute(
        sql.SQL(
            "WITH back AS (DELETE FROM {yielded} AS y WHERE NOT ({conflict}) RETURNING *) "
            "INSERT INTO {new} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM back"
        ).format(yielded=_yielded(way), conflict=_has_conflict(way, "y", seen), new=_new(way), columns=names(way.held))
    )


def _set_aside(connection: psycopg.Connection, way: Way) -> None:
    """Take out the source's rows that give way to a live one."""
    connection.execute(
        sql.SQL(
            "WITH fresh AS MATERIALIZED ({fresh}), chosen AS MATERIALIZED (SELECT c.cutover_part, c.cutover_place "
            "FROM ({loaded}) AS c WHERE {conflict}), "
            "gone AS (DELETE FROM {new} AS n USING chosen WHERE n.tableoid = chosen.cutover_part "
            "AND n.ctid = chosen.cutover_place RETURNING {returned}) "
            "INSERT INTO {yielded} ({columns}) SELECT {columns} FROM gone"
        ).format(
            fresh=_fresh(way),
            loaded=_loaded(way),
            conflict=_has_conflict(way, "c", sql.Composed([sql.SQL("SELECT * FROM fresh")])),
            new=_new(way),
            returned=names(way.held, "n"),
            yielded=_yielded(way),
            columns=names(way.held),
        )
    )


def _bring(connection: psycopg.Connection, way: Way, *, all_of_them: bool) -> None:
    """Note the live rows that were not seen, and carry those that no row of the source stands for."""
    stays = sql.SQL("true") if all_of_them else sql.SQL("NOT ({})").format(_has_conflict(way, "f", _loaded(way)))
    connection.execute(
        sql.SQL(
            "WITH noted AS (INSERT INTO {seen} (cutover_part, cutover_place, cutover_made, cutover_carried, {keyed}) "
            "SELECT cutover_part, cutover_place, cutover_made, {stays}, {keyed} FROM ({fresh}) AS f RETURNING *) "
            "INSERT INTO {new} ({columns}) OVERRIDING SYSTEM VALUE SELECT {chosen} FROM ({live}) AS l "
            "JOIN noted ON {version} WHERE noted.cutover_carried"
        ).format(
            seen=_seen(way),
            keyed=names(way.keyed),
            stays=stays,
            fresh=_fresh(way),
            new=_new(way),
            columns=names(way.columns),
            chosen=names(way.columns, "l"),
            live=_live(way),
            version=alike("l", "noted", _VERSION),
        )
    )


def _counts(connection: psycopg.Connection, way: Way) -> tuple[int, int, int]:
    """Return how many live rows are kept, how many gave way, and how many of the source's did."""
    counts = connection.execute(
        sql.SQL(
            "SELECT count(*) FILTER (WHERE cutover_carried), count(*) FILTER (WHERE NOT cutover_carried), "
            "(SELECT count(*) FROM {}) FROM {}"
        ).format(_yielded(way), _seen(way))
    ).fetchone()
    assert counts is not None
    return counts[0], counts[1], counts[2]


def _gave_way(connection: psycopg.Connection, way: Way) -> tuple[str, ...]:
    """Return the first keys of rows that gave way, live ones or the source's: a run has one kind of them."""
    key = names(way.keys[0])
    rows = connection.execute(
        sql.SQL(
            "SELECT {shown} FROM (SELECT {key} FROM {seen} WHERE NOT cutover_carried "
            "UNION ALL SELECT {key} FROM {yielded} ORDER BY {key} LIMIT {most}) AS g"
        ).format(shown=_shown(way, "g"), key=key, seen=_seen(way), yielded=_yielded(way), most=sql.Literal(_SHOWN))
    )
    return tuple(shown for (shown,) in rows)


def _refuse_changed_values(connection: psycopg.Connection, ways: Iterable[Way]) -> None:
    for way in ways:
        for passage in way.passages:
            if passage.changed is None:
                continue
            query = sql.SQL("SELECT CAST({} AS text) FROM {} WHERE {} LIMIT {}").format(
                sql.Identifier(passage.name),
                sql.Identifier(way.live, way.table),
                passage.changed,
                sql.Literal(_SHOWN),
            )
            with _naming(f"{way.table}.{passage.name}"):
                found = [str(value) for (value,) in connection.execute(query)]
            if found:
                raise DataError(
                    f"{way.table}.{passage.name}: {', '.join(map(repr, found))} of the live table would not be the "
                    f"same as {passage.type} in the new one; change the values, or the column's type"
                )


@contextmanager
def _naming(what: str) -> Iterator[None]:
    """Say which of the rows that are there does not fit, in place of the server's error alone."""
    try:
        yield
    except (psycopg.IntegrityError, psycopg.DataError) as error:
        words = ". ".join(filter(None, [error.diag.message_primary, error.diag.message_detail]))
        cure = "Change the row"
        if isinstance(error, psycopg.errors.UniqueViolation):
            cure = "Name the columns of this index in conflictColumns, or change one of the rows"
        where = error.diag.table_name or what
        text = f"{where}: a row that is there does not fit beside the source's: {words.rstrip('.')}. {cure}"
        raise DataError(text) from error


def _refuse_miscount(connection: psycopg.Connection, ways: Iterable[Way], loaded: Mapping[str, int]) -> None:
    wrong = []
    for way in ways:
        kept, _, yielded = _counts(connection, way)
        row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(_new(way))).fetchone()
        there, wanted = row[0] if row else 0, loaded[way.table] - yielded + kept
        if there != wanted:
            wrong.append(f"{way.table}: {there} rows, not {wanted}")
    if wrong:
        raise VerificationError("the new tables do not hold what was loaded and carried:", wrong)
