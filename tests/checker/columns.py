"""The columns of a table: their order, types, NOT NULL, defaults, counters and comments."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import MySQLdb
import psycopg

from checker import source, target
from checker.finding import Finding
from checker.source import fetch
from checker.types import family, parse, reason_against
from checker.values import canonical, reading, reading_target

# What gives another value each time, or needs the row.
_MOVING = re.compile(r"`|\b(current_|curdate|curtime|now|sysdate|utc_|uuid|rand|nextval|unix_timestamp|local)", re.I)


def compare(
    mysql: Any, postgres: psycopg.Connection, table: source.Table, counterpart: target.Table
) -> Iterator[Finding]:
    """Say what of the columns is not in the target."""
    names = [column.name for column in table.columns if column.name in counterpart.columns]
    referring = {mine for key in table.foreign_keys for mine, _ in key.pairs}
    if names != [name for name in counterpart.columns if name in names]:
        yield Finding("column order", table.name, f"the columns stand as {', '.join(counterpart.columns)}")
    if table.comment != counterpart.comment:
        yield Finding("comment", table.name, f"{table.comment!r} has become {counterpart.comment!r}")
    for column in table.columns:
        found = counterpart.columns.get(column.name)
        where = f"{table.name}.{column.name}"
        if found is None:
            yield Finding("column", where, "there is no such column")
            continue
        yield from _declaration(column, found, where, column.auto_increment or column.name in referring)
        yield from _labels(column, found, counterpart, where)
        yield from _on_update(column, counterpart, where)
        if column.auto_increment:
            yield from _counter(mysql, postgres, table, column, counterpart)
        elif not column.generated:
            yield from _default(mysql, postgres, table, column, found, where)


def _declaration(column: source.Column, found: target.Column, where: str, counted: bool) -> Iterator[Finding]:
    against = reason_against(column, found.type, counted)
    if against:
        yield Finding("type", where, against)
    if found.not_null == column.nullable:
        yield Finding("not null", where, "it takes no NULL" if column.nullable else "it takes NULL")
    if column.generated and not found.generated:
        yield Finding("generated column", where, "it is a column as any other")
    if column.comment != found.comment:
        yield Finding("comment", where, f"{column.comment!r} has become {found.comment!r}")


def _labels(column: source.Column, found: target.Column, counterpart: target.Table, where: str) -> Iterator[Finding]:
    """An enum keeps every other text out: by its type, in the same order, or by a check of all its labels."""
    wanted = parse(column.type)
    if wanted.base != "enum":
        return
    if found.labels:
        labels = list(_undone(wanted.labels))
        if [label for label in found.labels if label in labels] != labels:
            yield Finding("enum", where, f"its labels are {found.labels}")
    elif not any(_names_all(wanted.labels, check) for check in counterpart.checks if check.columns == {column.name}):
        yield Finding("enum", where, "it takes any text")


def _names_all(labels: tuple[str, ...], check: target.Check) -> bool:
    return all("'" + label.replace("'", "''") + "'" in check.expression for label in _undone(labels))


def _undone(labels: tuple[str, ...]) -> Iterator[str]:
    """Labels without the escapes with which MariaDB prints control characters and backslashes."""
    escapes = {"n": "\n", "r": "\r", "t": "\t", "0": "", "Z": "\x1a"}
    for label in labels:
        yield re.sub(r"\\(.)", lambda match: escapes.get(match[1], match[1]), label)


def _on_update(column: source.Column, counterpart: target.Table, where: str) -> Iterator[Finding]:
    takes = any(trigger.before and "UPDATE" in trigger.events for trigger in counterpart.triggers)
    if column.on_update and not takes:
        yield Finding("on update", where, "nothing sets it when its row is changed")


def _counter(
    mysql: Any, postgres: psycopg.Connection, table: source.Table, column: source.Column, counterpart: target.Table
) -> Iterator[Finding]:
    where = f"{table.name}.{column.name}"
    found = counterpart.columns[column.name]
    sequence = target.sequence_of(postgres, counterpart, found) if found.identity else None
    if sequence is None:
        yield Finding("auto_increment", where, "nothing counts it up")
        return
    ((highest,),) = fetch(mysql, f"SELECT MAX({source.quoted(column.name)}) FROM {source.quoted(table.name)}")
    following = target.next_value(postgres, sequence)
    if following <= int(highest or 0):
        yield Finding("auto_increment", where, f"the next value is {following}, but there is a row {highest}")
    elif following < (table.auto_increment or 1):
        yield Finding("auto_increment", where, f"the next value is {following}, not {table.auto_increment}")


def _default(
    mysql: Any,
    postgres: psycopg.Connection,
    table: source.Table,
    column: source.Column,
    found: target.Column,
    where: str,
) -> Iterator[Finding]:
    if column.default is None:
        # The default that is no default may be written out.
        if found.default is not None and not found.default.startswith("NULL"):
            yield Finding("default", where, f"there is none in the source, but {found.default} in the target")
    elif found.default is None:
        yield Finding("default", where, f"{column.default} is not there")
    elif _MOVING.search(_bare(column.default)):
        if re.fullmatch(r"'[^']*'(::[\w ]+(\(\d+\))?)*", found.default):
            yield Finding("default", where, f"{column.default} has become the constant {found.default}")
    else:
        before, after = _value(mysql, table, column), _value_here(postgres, column, found)
        if not _alike(before, after):
            yield Finding("default", where, f"{column.default} is {before!r}, {found.default} is {after!r}")


def _alike(before: Any, after: Any) -> bool:
    """Compare defaults; the source's catalogue, in three-byte UTF-8, shows what it cannot write as '?'."""
    if type(before) is not type(after) or not isinstance(before, str | bytes):
        return bool(before == after)
    unknown = "?" if isinstance(before, str) else ord("?")
    return len(before) == len(after) and all(one in (other, unknown) for one, other in zip(before, after, strict=True))


def _bare(expression: str) -> str:
    """An expression without its literals."""
    return re.sub(r"'(?:[^'\\]|''|\\.)*'", "''", expression)


def _value(mysql: Any, table: source.Table, column: source.Column) -> Any:
    """What the source puts into a column of this type by itself."""
    charset = f" CHARACTER SET {column.charset}" if column.charset and not column.json else ""
    plain = re.fullmatch(r"[\w.+-]*('(?:[^'\\]|''|\\.)*')?", column.default or "", re.DOTALL)
    default = column.default if plain else f"({column.default})"
    copy = f"(d {column.type}{charset} NULL DEFAULT {default}, i INT)"
    if "mariadb" not in mysql.get_server_info().lower() and family(column) != "bit":
        # MySQL's catalogue cuts bytes and escapes expressions. A copy keeps the default, though not of bits.
        copy = f"(i INT) SELECT {source.quoted(column.name)} AS d FROM {source.quoted(table.name)} LIMIT 0"
    cursor = mysql.cursor()
    cursor.execute("DROP TEMPORARY TABLE IF EXISTS checker_default")
    try:
        cursor.execute(f"CREATE TEMPORARY TABLE checker_default {copy}")
        cursor.execute("INSERT INTO checker_default (i) VALUES (1)")
        ((value,),) = fetch(mysql, f"SELECT {reading(family(column), 'd')} FROM checker_default")
    except MySQLdb.Error as error:
        return ("not to be had", str(error))
    finally:
        cursor.execute("DROP TEMPORARY TABLE IF EXISTS checker_default")
    odd: Counter[tuple[str, str]] = Counter()
    given = canonical(family(column), value, "d", odd)
    return ("a date that is none", value) if odd and given is None else given


def _value_here(postgres: psycopg.Connection, column: source.Column, found: target.Column) -> Any:
    """What the target puts into the column by itself."""
    type_ = found.type.removeprefix("enum ")
    read = reading_target(family(column), "d", found.type)
    try:
        ((value,),) = target.fetch(postgres, f"SELECT {read} FROM (SELECT ({found.default})::{type_} AS d) AS made")
    except psycopg.Error as error:
        return ("not to be had", str(error))
    return canonical(family(column), value, "d", Counter())
