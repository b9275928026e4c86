"""Where a query that both servers take does not mean the same to both."""

from __future__ import annotations

from collections.abc import Iterator

import sqlglot
from sqlglot import exp
from sqlglot.dialects.mysql import MySQL
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import TokenType

from cutover.verify.application.known import DIFFER, called
from cutover.verify.queries import Query

_NODES: tuple[tuple[type[exp.Expr], str], ...] = (
    (exp.Div, "/ of whole numbers drops the fraction, and that of others has other digits"),
    (exp.BitwiseXor, "^ is a power"),
)
_PIPES = "|| joins texts, and is no OR"
_BACKSLASH = "a backslash within a text is a letter like any other"
_NULLS = "NULL sorts after every value, and with DESC before every one"
_WHOLE = (exp.DataType.Type.SMALLINT, exp.DataType.Type.INT, exp.DataType.Type.BIGINT)
_OTHER = "its translation is another query"


def changes(query: Query, never_null: frozenset[str]) -> list[str]:
    """Return what means something else in PostgreSQL where a query is left as it is written, in words.

    Args:
        query: one that has a translation.
        never_null: lower-case names of columns that hold NULL in no table.
    """
    assert query.tree is not None
    assert query.target is not None
    found = [*_constructs(query.text, query.tree), *_functions(query.tree)]
    if _sorts_null(query.tree, never_null):
        found.append(_NULLS)
    if not found and not query.notes and not _same(query.text, query.target):
        found.append(_OTHER)
    return list(dict.fromkeys([*found, *query.notes]))


def _constructs(text: str, tree: exp.Expr) -> Iterator[str]:
    yield from (words for node, words in _NODES if tree.find(node) is not None)
    if any(token.token_type is TokenType.DPIPE for token in MySQL().tokenize(text)):
        yield _PIPES
    if "\\" in text and any(literal.is_string for literal in tree.find_all(exp.Literal)):
        yield _BACKSLASH


def _functions(tree: exp.Expr) -> Iterator[str]:
    for name in called(tree):
        if name in DIFFER:
            yield f"{name}() {DIFFER[name]}"


def _sorts_null(tree: exp.Expr, never_null: frozenset[str]) -> bool:
    """Whether NULL may be among what is ordered by; an outer join makes one of any column."""
    outer = any(join.args.get("side") for join in tree.find_all(exp.Join))
    for entry in tree.find_all(exp.Ordered):
        by = _selected(tree, entry.this)
        if isinstance(by, exp.Is) or (isinstance(by, exp.Anonymous) and by.name.upper() == "COUNT"):
            continue
        counts = isinstance(by, exp.Column) and _counted(tree, by.name)
        if not counts and (outer or not isinstance(by, exp.Column) or by.name.lower() not in never_null):
            return True
    return False


def _selected(tree: exp.Expr, by: exp.Expr) -> exp.Expr:
    """Return what a number in ORDER BY stands for; anything else stands for itself."""
    if isinstance(tree, exp.Select) and isinstance(by, exp.Literal) and by.name.isdigit():
        items = tree.expressions[int(by.name) - 1 : int(by.name)]
        return items[0].unalias() if items else by
    return by


def _counted(tree: exp.Expr, name: str) -> bool:
    aliases = (alias for alias in tree.find_all(exp.Alias) if alias.alias.lower() == name.lower())
    return any(isinstance(a.this, exp.Anonymous) and a.this.name.upper() == "COUNT" for a in aliases)


def _same(one: str, other: str) -> bool:
    """Whether two queries of PostgreSQL's differ in nothing but how names are written, and where NULL is sorted."""
    try:
        trees = [sqlglot.parse_one(text, read="postgres") for text in (one, other)]
    except SqlglotError:
        return False
    if any(isinstance(item, exp.Star) for item in trees[0].args.get("expressions") or ()):
        for tree in trees:
            tree.set("expressions", [exp.Star()])
    return len({_canonical(tree) for tree in trees}) == 1


def _canonical(tree: exp.Expr) -> str:
    for node in list(tree.walk()):
        if isinstance(node, exp.Identifier):
            node.set("this", node.name.lower())
            node.set("quoted", True)
        elif isinstance(node, exp.Column):
            node.set("table", None)
        elif isinstance(node, exp.Ordered):
            node.set("nulls_first", True)
        elif isinstance(node, exp.Anonymous):
            node.set("this", node.name.lower())
        elif isinstance(node, exp.Join) and node.args.get("kind") == "INNER":
            node.set("kind", None)
        elif isinstance(node, exp.Paren):
            node.replace(node.this)
        elif isinstance(node, exp.Boolean):
            # To a program its type is another: that is told of the result's columns.
            node.replace(exp.Literal.number(int(node.this)))
        elif isinstance(node, exp.Cast) and node.to.this in _WHOLE:
            node.replace(node.this)
        elif isinstance(node, exp.Cast) and isinstance(node.this.unnest(), exp.Predicate):
            node.replace(node.this.unnest())
        elif isinstance(node, exp.Cast) and isinstance(node.this, exp.Literal) and node.this.is_string:
            node.replace(exp.Literal.string(node.this.name.removesuffix(" 00:00:00")))
    return tree.sql(dialect="postgres", comments=False)
