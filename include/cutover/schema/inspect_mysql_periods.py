"""Find the keys that let no periods overlap (MariaDB manual, Application-Time Periods).

The catalogue of 10.11 shows such a key as a plain one over the period's two columns; only SHOW CREATE TABLE tells. It
is asked of no other tables than those with a unique key that ends in two moments of one type.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import sqlalchemy as sa

from cutover.dialects import mysql
from cutover.schema.model import Column, Index

_NAME = "`((?:[^`]|``)+)`"
_PERIOD = re.compile(rf"^ *PERIOD FOR {_NAME} \({_NAME}, {_NAME}\)", re.MULTILINE)
_KEY = re.compile(rf"^ *(?:UNIQUE KEY {_NAME}|PRIMARY KEY) \((?:.*,)?{_NAME} WITHOUT OVERLAPS\)", re.MULTILINE)
_MOMENTS = ("date", "datetime", "timestamp")


def with_periods(
    connection: sa.Connection, indexes: Mapping[str, list[Index]], columns: Mapping[str, Sequence[Column]]
) -> dict[str, list[Index]]:
    """Return every table's indexes, those that let no periods overlap with their kind and period.

    Args:
        connection: a MariaDB.
        indexes: the indexes of each table as the catalogue shows them.
        columns: the columns of each table.
    """
    found: dict[str, list[Index]] = defaultdict(list)
    for table, declared in indexes.items():
        types = {column.name: column.type.lower() for column in columns[table]}
        asked = any(_may_have_one(index, types) for index in declared)
        periods = _periods(connection, table) if asked else {}
        found[table] = [
            replace(index, kind="period", period=periods[index.name]) if index.name in periods else index
            for index in declared
        ]
    return found


def _may_have_one(index: Index, types: Mapping[str, str]) -> bool:
    ending = {types[name] for name in index.columns[-2:]}
    return index.unique and len(index.columns) > 1 and len(ending) == 1 and _is_moment(*ending)


def _is_moment(type_: str) -> bool:
    return type_.partition("(")[0] in _MOMENTS


def _periods(connection: sa.Connection, table: str) -> dict[str, tuple[str, str]]:
    """Return the start and end of the period of each such key, by the key's name."""
    # As bytes: the default of a binary column stands in it as it is, and need not be text.
    connection.execute(sa.text("SET character_set_results = binary"))
    shown: bytes = connection.execute(sa.text(f"SHOW CREATE TABLE {mysql.quoted(table)}".replace(":", r"\:"))).one()[1]
    connection.execute(sa.text("SET character_set_results = @@character_set_client"))
    text = shown.decode(errors="replace")
    moments = {_bare(name): (_bare(start), _bare(end)) for name, start, end in _PERIOD.findall(text)}
    return {_bare(key) or "PRIMARY": moments[_bare(period)] for key, period in _KEY.findall(text)}


def _bare(name: str) -> str:
    return name.replace("``", "`")
