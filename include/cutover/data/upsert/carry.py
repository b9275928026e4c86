"""Carry the rows of live tables over into the new ones, as often as need be: only what changed is carried again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql

from cutover.data.merge import alike, names
from cutover.data.upsert import counters, guards, seen
from cutover.data.upsert.ways import Way
from cutover.errors import DataError, VerificationError

_SHOWN = 5


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


def yielded_table(table: str) -> str:
    """Return the name of the table, in the shadow schema, that holds the source's rows which gave way."""
    return "cutover_yielded_" + hashlib.sha256(table.encode()).hexdigest()[:12]


def carry(
    connection: psycopg.Connection, shadow: str, ways: Sequence[Way], resolution: str, loaded: Mapping[str, int]
) -> bool:
    """Bring the new tables to what the live ones hold now, in the caller's transaction; return whether that is news.

    Args:
        connection: a session that finds the new tables and the extensions' operators by its search path, and sees
            one state of all live tables: by its isolation level, or because they are locked.
        shadow: the schema of the new tables.
        ways: how the rows go.
        resolution: what becomes of two rows that are alike in a key: update, ignore or fail.
        loaded: how many rows of the source each new table was loaded with.

    Raises:
        DataError: rows are alike and must not be, or a row does not fit into the new table.
        VerificationError: a new table does not hold what it must.
    """
    for way in ways:
        seen.make_room(connection, way)
        connection.execute(sql.SQL("CREATE TABLE IF NOT EXISTS {} (LIKE {})").format(_yielded(way), _new(way)))
    changed = [way for way in ways if seen.has_changed(connection, way)]
    if not changed:
        return False
    _refuse_changed_values(connection, changed)
    with _naming("foreign keys"), guards.lifted(connection, shadow, [way.table for way in changed]):
        for way in changed:
            with _naming(way.table):
                _forget(connection, way)
                if resolution == "fail":
                    _refuse_conflicts(connection, way)
                if resolution == "ignore":
                    _give_back(connection, way)
                    _set_aside(connection, way)
                _bring(connection, way)
    for way in changed:
        counters.go_above(connection, way)
        seen.note(connection, way)
    _refuse_miscount(connection, changed, loaded)
    return True


def take_back(connection: psycopg.Connection, ways: Sequence[Way]) -> None:
    """Leave in the new tables what was loaded from the source, and nothing else, in the caller's transaction.

    Rows of all of them have been carried.
    """
    with guards.lifted(connection, ways[0].shadow, [way.table for way in ways]):
        for way in ways:
            connection.execute(
                sql.SQL("DELETE FROM {} AS n USING {} AS seen WHERE seen.cutover_carried AND {}").format(
                    _new(way), seen.table(way), alike("n", "seen", way.keys[0])
                )
            )
            connection.execute(sql.SQL("DELETE FROM {}").format(seen.table(way)))
            _give_back(connection, way)
            seen.leave(connection, way)
            connection.execute(sql.SQL("DROP TABLE {}").format(_yielded(way)))


def carried(connection: psycopg.Connection, ways: Iterable[Way]) -> list[Carried]:
    """Return what was carried, by what the shadow schema tells."""
    return [Carried(way.table, *_counts(connection, way), _gave_way(connection, way)) for way in ways]


def _yielded(way: Way) -> sql.Identifier:
    return sql.Identifier(way.shadow, yielded_table(way.table))


def _new(way: Way) -> sql.Identifier:
    return sql.Identifier(way.shadow, way.table)


def _live(way: Way) -> sql.Composed:
    """Select the live table's rows as rows of the new one, with what tells their versions."""
    values = [sql.SQL("{} AS {}").format(passage.value, sql.Identifier(passage.name)) for passage in way.passages]
    return sql.SQL("SELECT tableoid AS cutover_part, ctid AS cutover_place, xmin AS cutover_made, {} FROM {}").format(
        sql.SQL(", ").join(values), sql.Identifier(way.live, way.table)
    )


def _fresh(way: Way) -> sql.Composed:
    """Select the live rows that were not seen yet."""
    return sql.SQL("SELECT * FROM ({}) AS l WHERE NOT EXISTS (SELECT 1 FROM {} AS seen WHERE {})").format(
        _live(way), seen.table(way), alike("l", "seen", seen.VERSION)
    )


def _loaded(way: Way) -> sql.Composed:
    """Select the new table's rows that came from the source."""
    return sql.SQL(
        "SELECT n.*, n.tableoid AS cutover_part, n.ctid AS cutover_place FROM {} AS n "
        "WHERE NOT EXISTS (SELECT 1 FROM {} AS seen WHERE seen.cutover_carried AND {})"
    ).format(_new(way), seen.table(way), alike("n", "seen", way.keys[0]))


def _judged(way: Way) -> sql.Composed:
    """Select the live rows that were not seen yet, and for each whether one of the source's is like it in a key."""
    # A key is unique in the new table, so no join gives a row twice.
    joins = [
        sql.SQL("LEFT JOIN ({}) AS {} ON {}").format(
            _loaded(way), sql.Identifier(f"o{place}"), alike("f", f"o{place}", key)
        )
        for place, key in enumerate(way.keys)
    ]
    met = [sql.SQL("{}.cutover_part IS NOT NULL").format(sql.Identifier(f"o{place}")) for place in range(len(way.keys))]
    return sql.SQL("SELECT f.*, {} AS cutover_met FROM ({}) AS f {}").format(
        sql.SQL(" OR ").join(met), _fresh(way), sql.SQL(" ").join(joins)
    )


def _shown(way: Way, row: str) -> sql.Composed:
    pairs = [part for name in way.keys[0] for part in (sql.Literal(name), sql.Identifier(row, name))]
    return sql.SQL("jsonb_build_object({})::text").format(sql.SQL(", ").join(pairs))


def _forget(connection: psycopg.Connection, way: Way) -> None:
    """Take back the rows whose live version is there no longer."""
    connection.execute(
        sql.SQL(
            "WITH gone AS (DELETE FROM {seen} AS seen WHERE NOT EXISTS (SELECT 1 FROM {live} AS l "
            "WHERE l.tableoid = cutover_part AND l.ctid = cutover_place AND l.xmin = cutover_made) RETURNING *) "
            "DELETE FROM {new} AS n USING gone WHERE gone.cutover_carried AND {same}"
        ).format(
            seen=seen.table(way),
            live=sql.Identifier(way.live, way.table),
            new=_new(way),
            same=alike("n", "gone", way.keys[0]),
        )
    )


def _refuse_conflicts(connection: psycopg.Connection, way: Way) -> None:
    query = sql.SQL("SELECT {}, count(*) OVER () FROM ({}) AS j WHERE cutover_met ORDER BY {} LIMIT {}").format(
        _shown(way, "j"), _judged(way), names(way.keys[0], "j"), sql.Literal(_SHOWN)
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
    alone = [
        sql.SQL("NOT EXISTS (SELECT 1 FROM {} AS seen WHERE {})").format(seen.table(way), alike("y", "seen", key))
        for key in way.keys
    ]
    connection.execute(
        sql.SQL(
            "WITH back AS (DELETE FROM {yielded} AS y WHERE {alone} RETURNING *) "
            "INSERT INTO {new} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM back"
        ).format(yielded=_yielded(way), alone=sql.SQL(" AND ").join(alone), new=_new(way), columns=names(way.held))
    )


def _set_aside(connection: psycopg.Connection, way: Way) -> None:
    """Take out the source's rows that give way to a live one."""
    chosen = [
        sql.SQL("SELECT c.cutover_part, c.cutover_place FROM ({}) AS c JOIN ({}) AS f ON {}").format(
            _loaded(way), _fresh(way), alike("c", "f", key)
        )
        for key in way.keys
    ]
    connection.execute(
        sql.SQL(
            "WITH chosen AS MATERIALIZED ({chosen}), "
            "gone AS (DELETE FROM {new} AS n USING chosen WHERE n.tableoid = chosen.cutover_part "
            "AND n.ctid = chosen.cutover_place RETURNING {returned}) "
            "INSERT INTO {yielded} ({columns}) SELECT {columns} FROM gone"
        ).format(
            chosen=sql.SQL(" UNION ").join(chosen),
            new=_new(way),
            returned=names(way.held, "n"),
            yielded=_yielded(way),
            columns=names(way.held),
        )
    )


def _bring(connection: psycopg.Connection, way: Way) -> None:
    """Note the live rows that were not seen, and carry those that no row of the source stands for."""
    connection.execute(
        sql.SQL(
            "WITH judged AS MATERIALIZED ({judged}), "
            "noted AS (INSERT INTO {seen} (cutover_part, cutover_place, cutover_made, cutover_carried, {keyed}) "
            "SELECT cutover_part, cutover_place, cutover_made, NOT cutover_met, {keyed} FROM judged) "
            "INSERT INTO {new} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM judged WHERE NOT cutover_met"
        ).format(
            judged=_judged(way), seen=seen.table(way), keyed=names(way.keyed), new=_new(way), columns=names(way.columns)
        )
    )
    connection.execute(sql.SQL("ANALYZE {}").format(seen.table(way)))


def _counts(connection: psycopg.Connection, way: Way) -> tuple[int, int, int]:
    """Return how many live rows are kept, how many gave way, and how many of the source's did."""
    counts = connection.execute(
        sql.SQL(
            "SELECT count(*) FILTER (WHERE cutover_carried), count(*) FILTER (WHERE NOT cutover_carried), "
            "(SELECT count(*) FROM {}) FROM {}"
        ).format(_yielded(way), seen.table(way))
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
        ).format(shown=_shown(way, "g"), key=key, seen=seen.table(way), yielded=_yielded(way), most=sql.Literal(_SHOWN))
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
