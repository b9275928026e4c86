"""Put the rules of a schema as questions: to the catalogue where it guarantees them, to the rows where it does not.

What the catalogue guarantees is exact and takes no time. The rows of a table are looked at in one pass for all of its
rules that a row shows by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import psycopg

from cutover.dialects.postgresql import literal
from cutover.schema.target import TargetTable
from cutover.verify import scans
from cutover.verify.generated import Rule

GUARANTEED = "the catalogue guarantees it"
SCANNED = "every row was looked at"


@dataclass(frozen=True)
class Question:
    """A rule, or some columns of one, and the query that asks for it.

    One query may answer several; its rows are as :mod:`cutover.verify.scans` says, and those of this rule bear
    ``place``. ``how`` says how it is known to hold.
    """

    rule: Rule
    query: str
    place: int
    how: str


def questions(
    connection: psycopg.Connection, schema: str, tables: Sequence[TargetTable], rules: Mapping[str, Sequence[Rule]]
) -> list[Question]:
    """Return the questions of tables that exist, table by table; ``rules`` are theirs, by name."""
    unproven = _unproven(connection, [rule for table in tables for rule in rules[table.name]])
    asked: list[Question] = []
    for table in tables:
        proven: list[Rule] = []
        scanned: list[Rule] = []
        for rule in rules[table.name]:
            sure, unsure = _split(rule, next(unproven))
            proven += sure
            scanned += unsure
        asked += _of_catalogue(proven)
        asked += [Question(rule, rule.scan, 0, SCANNED) for rule in scanned if rule.scan]
        asked += _of_rows(schema, table, [rule for rule in scanned if not rule.scan])
    return asked


def _unproven(connection: psycopg.Connection, rules: Sequence[Rule]) -> Iterator[frozenset[str]]:
    """Yield, for each rule, what the catalogue does not guarantee it for."""
    # One after the other, a thousand tables would be thousands of round trips.
    with connection.pipeline():
        answers = [connection.execute(rule.proof.encode()) if rule.proof else None for rule in rules]
    for answer in answers:
        yield frozenset(row[0] for row in answer) if answer is not None else frozenset()


def _split(rule: Rule, unproven: frozenset[str]) -> tuple[list[Rule], list[Rule]]:
    """Return what of a rule the catalogue is asked for, and what the rows are."""
    if not rule.measures and not rule.scan:
        return [rule], []
    if not rule.proof:
        return [], [rule]
    if not unproven:
        return [rule], []
    sure = [column for column in rule.columns if column not in unproven]
    unsure = [(c, m) for c, m in zip(rule.columns, rule.measures, strict=False) if c in unproven]
    if not sure or not unsure:
        return [], [rule]
    columns, measures = zip(*unsure, strict=True)
    return [replace(rule, columns=tuple(sure))], [replace(rule, columns=columns, measures=measures)]


def _of_catalogue(rules: Sequence[Rule]) -> list[Question]:
    parts = []
    for place, rule in enumerate(rules):
        among = f" WHERE p.column_name IN ({', '.join(map(literal, rule.columns))})" if rule.columns else ""
        parts.append(f"""
SELECT {place} AS place, p.column_name, false AS holds, CAST(NULL AS bigint) AS rows, p.found,
  CAST(NULL AS text[]) AS shown FROM ({rule.proof}) AS p{among}""")  # noqa: S608
    query = " UNION ALL ".join(parts)
    return [Question(rule, query, place, GUARANTEED) for place, rule in enumerate(rules)]


def _of_rows(schema: str, table: TargetTable, rules: Sequence[Rule]) -> Iterator[Question]:
    """Yield the questions that one pass answers, or as many passes as their number takes."""
    for some in _together(rules):
        measures = [(place, measure) for place, rule in enumerate(some) for measure in rule.measures]
        query = scans.in_one_pass(schema, table.route, measures)
        yield from (Question(rule, query, place, SCANNED) for place, rule in enumerate(some))


def _together(rules: Sequence[Rule]) -> Iterator[list[Rule]]:
    some: list[Rule] = []
    for rule in (piece for whole in rules for piece in _pieces(whole)):
        if sum(len(each.measures) for each in [*some, rule]) > scans.AT_ONCE:
            yield some
            some = []
        some.append(rule)
    if some:
        yield some


def _pieces(rule: Rule) -> Iterator[Rule]:
    """Cut a rule of more columns than a pass measures."""
    for start in range(0, len(rule.measures), scans.AT_ONCE):
        end = start + scans.AT_ONCE
        yield replace(rule, columns=rule.columns[start:end], measures=rule.measures[start:end])
