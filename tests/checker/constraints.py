"""Foreign keys and checks: whether they are there, and whether they say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import MySQLdb
import psycopg

from checker import source, target
from checker.finding import Finding
from checker.types import family, parse

_NUMBER = re.compile(r"(?<![\w.'`])-?\d+(?:\.\d+)?(?![\w.'`])")
_COLUMN = re.compile(r"`((?:[^`]|``)+)`")


def compare(
    mysql: Any, postgres: psycopg.Connection, table: source.Table, counterpart: target.Table
) -> Iterator[Finding]:
    """Say which constraints of the table are not in the target."""
    yield from _foreign_keys(table, counterpart)
    yield from _checks(mysql, postgres, table, counterpart)


def _foreign_keys(table: source.Table, counterpart: target.Table) -> Iterator[Finding]:
    free = list(counterpart.foreign_keys)
    for key in table.foreign_keys:
        where = f"{table.name}.{key.name}"
        alike = [k for k in free if k.parent == key.parent and set(k.pairs) == set(key.pairs)]
        if not alike:
            yield Finding("foreign key", where, f"there is none to {key.parent} over {key.pairs}")
            continue
        found = next((k for k in alike if _actions(k) == _actions(key)), alike[0])
        free.remove(found)
        if _actions(found) != _actions(key):
            yield Finding("foreign key", where, f"{_told(key)} has become {_told(found)}")


def _actions(key: source.ForeignKey | target.ForeignKey) -> tuple[str, str]:
    # The source takes RESTRICT and NO ACTION for the same: the statement fails at once.
    return _action(key.on_delete), _action(key.on_update)


def _action(rule: str) -> str:
    return "RESTRICT" if rule == "NO ACTION" else rule


def _told(key: source.ForeignKey | target.ForeignKey) -> str:
    return f"ON DELETE {key.on_delete} ON UPDATE {key.on_update}"


def _checks(
    mysql: Any, postgres: psycopg.Connection, table: source.Table, counterpart: target.Table
) -> Iterator[Finding]:
    free = [check for check in counterpart.checks if not _stands_for_an_enum(check, table)]
    missing = list(table.checks)
    unlike: dict[tuple[str, str], str | None] = {}
    for check in table.checks:
        for candidate in free:
            if candidate.columns == _columns(check):
                unlike[check.name, candidate.name] = _unlike(mysql, postgres, table, counterpart, check, candidate)
    # What agrees and bears the name comes first, then what agrees, then what is left over the same columns.
    for pair in sorted(unlike, key=lambda pair: (unlike[pair] is not None, pair[0] != pair[1])):
        wanted = next((check for check in missing if check.name == pair[0]), None)
        found = next((candidate for candidate in free if candidate.name == pair[1]), None)
        if wanted is None or found is None:
            continue
        missing.remove(wanted)
        free.remove(found)
        if unlike[pair]:
            told = f"{wanted.clause} and {found.expression} differ over {unlike[pair]}"
            yield Finding("check", f"{table.name}.{wanted.name}", told)
    for check in missing:
        yield Finding("check", f"{table.name}.{check.name}", f"{check.clause} is not there")


def _stands_for_an_enum(check: target.Check, table: source.Table) -> bool:
    """A check of all of an enum's labels is the enum's, unless the source checks that column as well."""
    enums = {column.name for column in table.columns if parse(column.type).base == "enum"}
    checked = [_columns(own) for own in table.checks]
    return len(check.columns) == 1 and check.columns <= enums and check.columns not in checked


def _columns(check: source.Check) -> frozenset[str]:
    return frozenset(name.replace("``", "`") for name in _COLUMN.findall(check.clause))


def _unlike(
    mysql: Any,
    postgres: psycopg.Connection,
    table: source.Table,
    counterpart: target.Table,
    check: source.Check,
    found: target.Check,
) -> str | None:
    """The first number around those of the condition over which the two do not agree, for a check of one number."""
    if len(found.columns) != 1:
        return None
    (name,) = found.columns
    column = next(column for column in table.columns if column.name == name)
    if family(column) not in ("integer", "decimal"):
        return None
    for number in _around(check.clause):
        value = f"{number}::{counterpart.columns[name].type}"
        try:
            theirs = source.fetch(
                mysql, f"SELECT {check.clause} FROM (SELECT {number} AS {source.quoted(name)}) AS made"
            )
            ours = target.fetch(
                postgres, f"SELECT ({found.expression})::int FROM (SELECT ({value}) AS {target.quoted(name)}) AS made"
            )
        except (MySQLdb.Error, psycopg.errors.NumericValueOutOfRange):
            # No row can hold the number, or no row of the source's can be asked about by itself.
            continue
        if theirs != ours:
            return number
    return None


def _around(clause: str) -> list[str]:
    numbers = {0, *(int(float(number)) for number in _NUMBER.findall(clause))}
    return [f"({near})" for number in sorted(numbers) for near in (number - 1, number, number + 1)]
