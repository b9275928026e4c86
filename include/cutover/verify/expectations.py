"""What became of each expectation.

Great Expectations asks on the target (:mod:`cutover.verify.engine`) what follows from the plan
(:mod:`cutover.verify.generated`), and what stands in the files of the migration's ``expectations`` folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cutover.dialects import postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.errors import TransientError, VerificationError
from cutover.schema.target import TargetTable
from cutover.verify import answers, engine, spelling, suites
from cutover.verify.generated import Facts, rules
from cutover.verify.outcome import CONSTRAINT, DATA, SCHEMA, Outcome
from cutover.verify.questions import Question, questions
from cutover.verify.ranges import Range
from cutover.verify.suites import OwnExpectation

_SHOWN = 5
DOCUMENTED = 100
CRITICAL = "critical"
OWN = "own"
TABLES = "tables"
_OUTCOMES = {
    SCHEMA: (TABLES, "types"),
    DATA: ("rows", "values", "ranges", OWN),
    CONSTRAINT: ("not_null", "unique", "foreign_keys", "checks"),
}


@dataclass(frozen=True)
class Result:
    """What became of one expectation.

    Attributes:
        table: the table.
        expectation: what must hold.
        column: the column or columns it is about; None where it is the whole table.
        success: whether it does.
        detail: what was found.
        severity: what the user's suite says (critical, warning or info).
        kind: one of :data:`cutover.verify.generated.KINDS`, "tables" for a table that is not there, or "own".
        keys: of some rows that break it, where rows do; a key of several columns is joined by commas.
    """

    table: str
    expectation: str
    column: str | None
    success: bool
    detail: str
    severity: str = CRITICAL
    kind: str = OWN
    keys: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = f"{self.table}.{self.column}" if self.column else self.table
        return f"{where}: {self.expectation}" + (f": {self.detail}" if self.detail else "")


def outcomes(results: Sequence[Result], unasked: Sequence[str] = ()) -> tuple[Outcome, ...]:
    """Sort what failed by the kinds of validation: schema, data and constraint.

    What is not critical is a warning, and so is what was not asked.
    """
    made = []
    for kind, of in _OUTCOMES.items():
        failed = [result for result in results if not result.success and result.kind in of]
        errors = tuple(str(result) for result in failed if result.severity == CRITICAL)
        warnings = tuple(str(result) for result in failed if result.severity != CRITICAL)
        made.append(Outcome(kind, errors, (*warnings, *unasked) if kind == DATA else warnings))
    return tuple(made)


def nameable(table: TargetTable) -> bool:
    """Whether a suite of the user's can be asked of a table.

    Great Expectations takes quotes off a name, and doubles a percent sign.
    """
    return table.name.strip("\"'`[]") == table.name and not any(
        "%" in name for name in (table.name, *(column.target for column in table.route.columns))
    )


def validate(
    tables: tuple[TargetTable, ...],
    target: Endpoint,
    schema: str,
    expected_rows: Mapping[str, int],
    relaxed: frozenset[str],
    own: Sequence[OwnExpectation],
    data_docs: Path,
    kinds: frozenset[str],
    ranges: Mapping[str, tuple[Range, ...]] | None = None,
) -> list[Result]:
    """Run every suite and say what became of each expectation.

    Args:
        tables: the tables as planned.
        target: the server they are on.
        schema: the schema that holds them.
        expected_rows: rows that each table must hold, by target name; one that is not in it must be empty.
        relaxed: columns, as ``table.column``, that may hold NULL although the source's may not.
        own: the user's expectations; see :func:`cutover.verify.suites.read`.
        data_docs: folder for the report as a web site; begin with its ``index.html``. It is not written for
            more than :data:`DOCUMENTED` suites: two pages for each take longer than the suites themselves.
        kinds: what to generate, of :data:`cutover.verify.generated.KINDS`.
        ranges: what the source's columns hold, by target table; see :func:`cutover.verify.ranges.profile`.

    Raises:
        TransientError: the server was lost.
        VerificationError: the suites could not be run.
    """
    with postgresql.session(target, schema) as connection:
        postgresql.find_extensions(connection, schema)
        (path,) = connection.execute("SELECT current_setting('search_path')").fetchone() or ("",)
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (schema,))
        there = {row[0] for row in found}
        present = [table for table in tables if table.name in there]
        checks = dict(spelling.checks(connection, schema, present)) if kinds & {"checks", "values"} else {}
        types = spelling.types(connection, present) if "types" in kinds else {}
        facts = Facts(schema, expected_rows, relaxed, types, checks, ranges or {})
        written = {table.name: list(rules(table, facts, kinds)) for table in present}
        items: list[Question | OwnExpectation] = [*questions(connection, schema, present, written)]
    asked = {table.name for table in tables if kinds} | {each.table for each in own}
    missing = [table.name for table in tables if table.name in asked - there]
    items += [each for each in own if each.table in there]
    results = [Result(name, "expect the table", None, False, "it does not exist", kind=TABLES) for name in missing]
    if items:
        keys = {table.name: table.route.key for table in present}
        results += _answered(items, target, schema, path, data_docs, keys)
    return results


def _answered(
    items: Sequence[Question | OwnExpectation],
    target: Endpoint,
    schema: str,
    path: str,
    data_docs: Path,
    keys: Mapping[str, tuple[str, ...]],
) -> Iterator[Result]:
    lost: list[BaseException] = []
    found: dict[int, Any] = {}
    try:
        found = engine.ask(items, target, schema, path, data_docs, DOCUMENTED, keys, lost)
    except Exception as error:
        lost += [cause for cause in _causes(error) if engine.may_pass(cause)]
        if not lost:
            text = f"Great Expectations could not run on {target}: {_first_line(str(error))}"
            raise VerificationError(_hidden(text, target)) from None
    if lost:
        text = f"{target} was lost during the expectations: {_first_line(str(lost[0]))}"
        raise TransientError(_hidden(text, target))
    for position, item in enumerate(items):
        answer = found[position]
        if isinstance(item, Question):
            said = _about_rule(item, answer)
        else:
            said = iter([_about_own(item, answer, keys.get(item.table, ()))])
        for result in said:
            named = tuple(_hidden(key, target) for key in result.keys)
            yield replace(result, detail=_hidden(result.detail, target), keys=named)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _hidden(text: str, target: Endpoint) -> str:
    return text.replace(target.password, "***") if target.password else text


def _about_rule(question: Question, answer: Any) -> Iterator[Result]:
    rule = question.rule
    failure = _exception(answer)
    every = [] if failure else answer.result["details"]["answers"]
    for column in rule.columns or (None,):
        found = [each for each in every if column is None or each["column_name"] == column]
        broken = [each for each in found if not each["holds"]]
        # Of a whole table the catalogue tells which column it is.
        detail = failure or answers.said(broken or found, named=column is None and not rule.measures) or question.how
        keys = answers.keys(broken)
        success = not failure and not broken
        yield Result(rule.table, rule.expectation, column, success, detail, kind=rule.kind, keys=keys)


def _about_own(own: OwnExpectation, answer: Any, key: Sequence[str]) -> Result:
    detail = _exception(answer) or ""
    keys: tuple[str, ...] = ()
    if not answer.success and not detail:
        detail, keys = _observed(answer.result, key)
    expectation = f"{own.type} ({own.file.name})"
    return Result(own.table, expectation, own.column, bool(answer.success), detail, own.severity, keys=keys)


def _observed(result: Mapping[str, Any], key: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Say what a failed expectation of any type saw, and the keys of the first rows that break it."""
    details = result.get("details")
    rows = details.get("unexpected_rows") if isinstance(details, Mapping) else None
    if rows:
        shown = [{k: v for k, v in row.items() if k != suites.COUNT} for row in rows[:_SHOWN]]
        return answers.cut(f"{rows[0][suites.COUNT]} unexpected rows, e.g. {shown}"), _keys(shown, key)
    if "unexpected_count" in result:
        found = result.get("partial_unexpected_index_list", [])[:_SHOWN]
        examples = str(result.get("partial_unexpected_list", [])[:_SHOWN])
        if found:
            examples = ", ".join(f"[{', '.join(_keys([row], key))}] {_rest(row, key)}".rstrip() for row in found)
        return answers.cut(f"{result['unexpected_count']} unexpected, e.g. {examples}"), _keys(found, key)
    return answers.cut(f"found {result.get('observed_value', details)}"), ()


def _keys(rows: Sequence[Mapping[str, Any]], key: Sequence[str]) -> tuple[str, ...]:
    whole = [row for row in rows if key and set(key) <= set(row)]
    return tuple(dict.fromkeys(", ".join(str(row[column]) for column in key) for row in whole))


def _rest(row: Mapping[str, Any], key: Sequence[str]) -> str:
    return ", ".join(repr(value) for column, value in row.items() if column not in key)


def _exception(answer: Any) -> str | None:
    """Return the error that kept an expectation from being looked at, if there was one."""
    info = answer.exception_info or {}
    every = [info] if "raised_exception" in info else list(info.values())
    messages = [str(each.get("exception_message")) for each in every if each.get("raised_exception")]
    return f"could not be asked: {_first_line(messages[0])}" if messages else None


def _first_line(text: str) -> str:
    # SQLAlchemy adds the whole statement to the server's words.
    return answers.cut(" ".join(text.split("[SQL:")[0].split()))
