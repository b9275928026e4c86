"""Which handler answers what, as MySQL chooses, and what an error's handler is in PL/pgSQL.

PL/pgSQL undoes all that a block did before it handles an error, MySQL only the statement that failed. So
it is each single statement that gets an EXCEPTION clause here, never a block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from cutover.schema.programs.draft import Handler, Place
from cutover.schema.programs.lexer import tokens
from cutover.schema.programs.syntax import Condition
from cutover.schema.rewrite.scope import UntranslatableError

NO_DATA = "02000"
# ER_SP_FETCH_NO_DATA, which FETCH and SELECT INTO raise under the SQLSTATE 02000.
_NO_DATA_NUMBER = "1329"
_DUPLICATE_NUMBER = "1062"
_INTEGRITY = "23000"
# Within one block the more particular condition goes first (MySQL manual, Scope Rules for Handlers).
_PARTICULAR = {"number": 0, "sqlstate": 1, "sqlexception": 2, "not found": 2}
# Classes of SQLSTATE that neither server raises by itself.
_FREE_CLASSES = frozenset(f"{number:02}" for number in (*range(45, 53), 56, 59, *range(60, 70), 71, *range(73, 100)))
_OPERATORS = frozenset(["=", "<", ">", "<=", ">=", "<>", "!=", "<=>", "(", ")", "."])
_WORDS = frozenset(["AND", "OR", "NOT", "XOR", "IS", "NULL", "TRUE", "FALSE", "BETWEEN", "IN"])


# Writes what a handler does; whether PL/pgSQL handles an error there, which can be raised again.
Answering: TypeAlias = Callable[[Handler, bool], list[str]]


@dataclass(frozen=True)
class Answer:
    """A handler for errors, and PL/pgSQL's condition for it to answer."""

    test: str
    handler: Handler


def resolved(condition: Condition, place: Place) -> Condition:
    """Return what a condition's name stands for.

    Raises:
        UntranslatableError: the name is not declared.
    """
    if condition.kind != "name":
        return condition
    found = place.conditions.get(condition.value)
    if found is None:
        raise UntranslatableError(f"condition {condition.value}, which is not declared")
    return found


def check(condition: Condition) -> None:
    """Raise UntranslatableError where PostgreSQL has no condition that is raised for the same errors."""
    if condition.kind == "sqlwarning" or condition.value[:2] == "01":
        raise UntranslatableError("a handler for SQLWARNING")
    if is_no_data(condition) or condition.kind == "sqlexception":
        return
    known = (_DUPLICATE_NUMBER,) if condition.kind == "number" else (_INTEGRITY,)
    if condition.value not in known and not (condition.kind == "sqlstate" and condition.value[:2] in _FREE_CLASSES):
        what = "error" if condition.kind == "number" else "SQLSTATE"
        raise UntranslatableError(f"a handler for {what} {condition.value}")


def is_no_data(condition: Condition) -> bool:
    """Whether a condition is that of a FETCH or SELECT INTO without a row."""
    number = condition.kind == "number" and condition.value == _NO_DATA_NUMBER
    return number or condition.kind == "not found" or (condition.kind == "sqlstate" and condition.value == NO_DATA)


def for_no_data(place: Place) -> Handler | None:
    """Return the handler that answers a FETCH or SELECT INTO without a row, if any."""
    for block in place.handlers:
        found = [
            (_PARTICULAR[condition.kind], number)
            for number, handler in enumerate(block)
            for condition in handler.conditions
            if is_no_data(condition)
        ]
        if found:
            return block[min(found)[1]]
    return None


def for_errors(place: Place) -> list[Answer]:
    """Return the handlers for errors in the order in which they are tried."""
    found: list[Answer] = []
    for block in place.handlers:
        own = sorted(
            (
                (_PARTICULAR[condition.kind], number, _test(condition))
                for number, handler in enumerate(block)
                for condition in handler.conditions
                if not is_no_data(condition)
            ),
        )
        found += [Answer(test, block[number]) for _, number, test in own]
        if any(rank == _PARTICULAR["sqlexception"] for rank, _, _ in own):
            break
    return found


def _test(condition: Condition) -> str:
    if condition.kind == "sqlexception":
        # What a routine raises for want of a row is no error to MySQL.
        return "SQLSTATE NOT LIKE '02%'"
    if condition.kind == "number":
        return "SQLSTATE = '23505'"
    if condition.value == _INTEGRITY:
        return "SQLSTATE LIKE '23%'"
    return f"SQLSTATE = '{condition.value}'"


def guarded(lines: Sequence[str], place: Place, answer: Answering) -> list[str]:
    """Return one statement's lines with what the handlers in force do where it fails."""
    answers = for_errors(place)
    if not answers:
        return list(lines)
    made = ["BEGIN", *indented(lines), "EXCEPTION WHEN OTHERS THEN"]
    for number, found in enumerate(answers):
        word = "ELSIF" if number else "IF"
        made += [f"    {word} {found.test} THEN", *indented(answer(found.handler, True), 2)]
    return [*made, "    ELSE", "        RAISE;", "    END IF;", "END;"]


def refuse_failing(place: Place, *expressions: str | None) -> None:
    """Raise UntranslatableError where a condition or default may fail while a handler for errors is in force."""
    if for_errors(place) and any(not unfailing(text) for text in expressions if text is not None):
        raise UntranslatableError("an expression that may fail, under a handler for errors, outside a statement")


def unfailing(text: str) -> bool:
    """Whether an expression only compares variables and values."""
    words = tokens(text)
    if any(after.text == "(" and word.name and word.upper not in _WORDS for word, after in pairwise(words)):
        return False
    return all(
        word.kind in ("string", "number", "end", "quoted")
        or word.upper in _OPERATORS
        or (word.kind == "word" and word.upper != "SELECT")
        for word in words
    )


def indented(lines: Sequence[str], times: int = 1) -> list[str]:
    """Return the lines further to the right; an empty body becomes the statement that does nothing."""
    return ["    " * times + line if line else line for line in lines or ["NULL;"]]
