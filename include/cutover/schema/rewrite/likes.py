"""Patterns: LIKE and REGEXP, with or without regard to case as the source compares."""

from __future__ import annotations

import re

from cutover.schema.rewrite.context import Context
from cutover.schema.rewrite.scope import UntranslatableError
from cutover.schema.rewrite.value import OTHER, RANGE, Value, as_text, string, truth

_ACCENTS = "it matches text without regard to case, where the source may ignore accents too"
_REGULAR = "its regular expression is read by PostgreSQL's rules"
# What PCRE, ICU and PostgreSQL read alike; (?...), \b and the like are each engine's own.
_COMMON = re.compile(
    r"(?:[^\\\[\](){}?*+|.^$]|\\[dDwWsS.\\\-+*?()\[\]{}|^$/]|\[\^?(?:[^\\\[\]]|\\[dws.\\\-])+\]|\((?!\?)|[)^$|.]|(?:[*+?]|\{\d+(?:,\d*)?\})(?![?+]))*"
)


def like(context: Context, value: Value, pattern: Value, escape: Value | None, negated: bool) -> Value:
    """Return LIKE, or ILIKE where the source ignores case and the pattern has letters.

    Raises:
        UntranslatableError: a side is not text, or the escape is no single character.
    """
    left, right = as_text(value), as_text(pattern)
    operator = "LIKE"
    if (left.ignores_case or right.ignores_case) and (right.literal is None or _has_letters(right.literal)):
        operator = "ILIKE"
        context.note(_ACCENTS)
    ending = ""
    if escape is not None:
        if escape.literal is None or len(escape.literal) != 1:
            raise UntranslatableError("LIKE with an escape of several characters")
        ending = f" ESCAPE {escape.sql}"
    elif right.literal is not None and (len(right.literal) - len(right.literal.rstrip("\\"))) % 2:
        raise UntranslatableError("LIKE with a pattern that ends in its escape")
    no = "NOT " if negated else ""
    return truth(f"{left.at(OTHER)} {no}{operator} {right.at(OTHER)}{ending}", RANGE)


def _has_letters(pattern: str) -> bool:
    return pattern.lower() != pattern.upper()


def matches(context: Context, value: Value, pattern: Value) -> Value:
    """Return REGEXP; a pattern must be a literal that the engines read alike.

    Raises:
        UntranslatableError: a side is not text, or the pattern is in words of MySQL's engine.
    """
    left, right = as_text(value), as_text(pattern)
    if right.literal is None or not _COMMON.fullmatch(right.literal):
        raise UntranslatableError("a regular expression that the servers may read differently")
    operator = "~*" if (left.ignores_case or right.ignores_case) and _has_letters(right.literal) else "~"
    context.note(_REGULAR)
    return truth(f"{left.at(OTHER)} {operator} {string(right.literal)}", OTHER)
