"""Functions that PostgreSQL has by the name that MySQL gives to another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlglot import exp

DIFFER: Mapping[str, str] = {
    "ASCII": "gives the number of a letter, not of its first byte",
    "AVG": "has other digits",
    "BIT_AND": "of no rows is NULL",
    "BIT_LENGTH": "counts in the database's encoding",
    "BIT_OR": "of no rows is NULL",
    "BIT_XOR": "of no rows is NULL",
    "CHAR": "is no function of numbers",
    "CONCAT": "passes over NULL, where the source gives NULL",
    "FORMAT": "takes a pattern, and writes no numbers",
    "GREATEST": "passes over NULL, where the source gives NULL",
    "JSON_ARRAYAGG": "is of another grammar",
    "JSON_OBJECT": "is of another grammar",
    "JSON_OBJECTAGG": "is of another grammar",
    "LEAST": "passes over NULL, where the source gives NULL",
    "LEFT": "of a negative number leaves out letters at the end",
    "LENGTH": "counts letters, where the source counts bytes",
    "LOG": "of one number is to the base of ten",
    "RIGHT": "of a negative number leaves out letters at the beginning",
    "ROUND": "of a double rounds halves to even",
    "STDDEV": "is that of a sample",
    "SUBSTR": "knows no places counted from the end",
    "SUBSTRING": "knows no places counted from the end",
    "VARIANCE": "is that of a sample",
    "VERSION": "names PostgreSQL",
}
"""What a function does there, by its upper-case name."""

# Spelled with brackets, and in no catalogue (PostgreSQL manual, Conditional Expressions, Functions and Operators).
GRAMMAR = frozenset(
    {"CAST", "COALESCE", "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "CURRENT_USER", "EXTRACT", "GREATEST"}
    | {"GROUPING", "JSON_ARRAYAGG", "JSON_OBJECT", "JSON_OBJECTAGG", "LEAST", "LOCALTIME", "LOCALTIMESTAMP"}
    | {"NORMALIZE", "NULLIF", "OVERLAY", "POSITION", "ROW", "SESSION_USER", "SUBSTRING", "TRIM"}
)
# Calls that have a grammar of their own in the source.
_NODES: tuple[tuple[type[exp.Expr], str], ...] = (
    (exp.GroupConcat, "GROUP_CONCAT"),
    (exp.MatchAgainst, "MATCH"),
    (exp.Substring, "SUBSTRING"),
)


def called(tree: exp.Expr) -> Iterator[str]:
    """Yield the upper-case names of the functions that a statement of the source calls, each once.

    VALUES() is the name of a row that was to be inserted.
    """
    calls = (call for call in tree.find_all(exp.Anonymous) if call.find_ancestor(exp.Hint) is None)
    names = [call.name.upper() for call in calls]
    names += [name for node, name in _NODES if tree.find(node) is not None]
    yield from dict.fromkeys(name for name in names if name != "VALUES")
