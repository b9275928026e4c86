"""Questions about the rows of a table, and how one SELECT asks them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from cutover.assess.facts import REFUSED, Finding, Seen
from cutover.data.transform import key_text
from cutover.dialects import mysql
from cutover.dialects.endpoint import Endpoint
from cutover.errors import PreflightError
from cutover.route import TableRoute

# How many keys of the rows in question are told.
KEYS = 5


@dataclass(frozen=True)
class Question:
    """Which rows of a table do what.

    Attributes:
        kind: as a finding's.
        object: as a finding's.
        text: as a finding's.
        fate: as a finding's.
        condition: SQL in the source's dialect that is true of the rows.
        certain: as a finding's.
    """

    kind: str
    object: str
    text: str
    fate: str
    condition: str
    certain: bool = False


@dataclass(frozen=True)
class Measure:
    """A column whose largest value is asked for, in bytes; by its name in the source."""

    column: str


def asked(source: Endpoint, route: TableRoute, questions: Sequence[Question], measures: Sequence[Measure] = ()) -> Seen:
    """Ask all questions in one pass over a table; the keys are asked for where there are rows.

    What the source refuses to evaluate is asked for by itself, and is noted where it refuses that too.

    Raises:
        TransientError: the server could not be reached, or was lost.
        PreflightError: it refused to count the rows.
    """
    try:
        return _at_once(source, route, questions, measures)
    except PreflightError:
        seen = _at_once(source, route, (), measures)
    for question in questions:
        try:
            one = _at_once(source, route, (question,), ())
        except PreflightError as error:
            why = f"{question.object}: the source cannot tell which rows {question.text}: {'; '.join(error.findings)}"
            seen = replace(seen, unasked=(*seen.unasked, why))
        else:
            seen = replace(seen, findings=(*seen.findings, *one.findings), refused=max(seen.refused, one.refused))
    return seen


def _at_once(source: Endpoint, route: TableRoute, questions: Sequence[Question], measures: Sequence[Measure]) -> Seen:
    conditions = [sa.literal_column(f"({q.condition})", sa.Boolean) for q in questions]
    surely = [c for c, q in zip(conditions, questions, strict=True) if q.certain and q.fate == REFUSED]
    # NULL is not true, and NULL OR true is.
    any_of = [sa.or_(*surely)] if surely else []
    columns: list[sa.ColumnElement[Any]] = [sa.func.count()]
    columns += [sa.func.sum(condition, type_=sa.Integer) for condition in [*conditions, *any_of]]
    columns += [sa.func.max(sa.func.length(sa.column(measure.column))) for measure in measures]
    with mysql.session(source) as connection:
        rows, *answers = map(_number, connection.execute(_of(route, columns)).one())
        found = []
        for question, condition, count in zip(questions, conditions, answers, strict=False):
            if count:
                keys = tuple(_keys(connection, route, condition))
                found.append(
                    Finding(
                        question.kind,
                        route.source,
                        question.object,
                        question.text,
                        count,
                        question.fate,
                        keys,
                        question.certain,
                    )
                )
    after = answers[len(questions) :]
    refused = after.pop(0) if surely else 0
    largest = tuple((measure.column, size) for measure, size in zip(measures, after, strict=True))
    return Seen(route.source, rows, refused, tuple(found), largest=largest)


def _number(value: object) -> int:
    return int(str(value)) if value is not None else 0


def _of(route: TableRoute, columns: Sequence[sa.ColumnElement[Any]]) -> sa.Select[*tuple[Any, ...]]:
    chosen: sa.Select[*tuple[Any, ...]] = sa.select(*columns).select_from(sa.table(route.source))
    return chosen if route.where is None else chosen.where(sa.literal_column(f"({route.where})"))


def _keys(connection: sa.Connection, route: TableRoute, condition: sa.ColumnElement[bool]) -> list[str]:
    if not route.key:
        return []
    key: list[sa.ColumnClause[Any]] = [sa.column(column.source) for column in route.identifying]
    rows = connection.execute(_of(route, key).where(condition).order_by(*key).limit(KEYS))
    return [key_text([column.source for column in route.identifying], row) for row in rows]
