"""MySQL's text as a tree that still says what was written.

sqlglot replaces many functions by its own idea of them while it parses. Here a call keeps its name and its
arguments, so that only what this package knows is ever translated.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp
from sqlglot.dialects.mysql import MySQL
from sqlglot.errors import ErrorLevel, SqlglotError
from sqlglot.parsers.mysql import MySQLParser

from cutover.schema.rewrite.scope import UntranslatableError

# Their arguments have a grammar of their own: CAST(a AS b), EXTRACT(a FROM b) and so on.
_OWN_GRAMMAR = ("CAST", "CONVERT", "EXTRACT", "GROUP_CONCAT", "MATCH", "POSITION", "SUBSTRING", "SUBSTR", "TRIM")


SYNTAX = "syntax that the parser does not know"
SEVERAL = "several statements in one"
# What MySQL's catalogue writes around the columns and aggregates of a query WITH ROLLUP; no query may have it.
_ROLLUP = ("ROLLUP_GROUP_ITEM", "ROLLUP_SUM_SWITCHER")


def _counter(name: str, follows: tuple[str, ...]) -> Callable[[_Parser], exp.Expr | None]:
    """Return what reads ``NEXT VALUE FOR s`` as the call that it is short for, and leaves a column ``next`` alone."""

    def read(parser: _Parser) -> exp.Expr | None:
        if not parser._match_text_seq(*follows):
            parser._retreat(parser._index - 1)
            return None
        return exp.Anonymous(this=name, expressions=[parser._parse_column()])

    return read


class _Parser(MySQLParser):
    FUNCTIONS = {}
    FUNCTION_PARSERS = {name: MySQLParser.FUNCTION_PARSERS[name] for name in _OWN_GRAMMAR} | {
        "VALUES": MySQLParser.FUNCTION_PARSERS["VALUES"]
    }
    # MariaDB's own (manual, SEQUENCE Functions).
    NO_PAREN_FUNCTION_PARSERS = MySQLParser.NO_PAREN_FUNCTION_PARSERS | {
        "NEXT": _counter("NEXTVAL", ("VALUE", "FOR")),
        "PREVIOUS": _counter("LASTVAL", ("VALUE", "FOR")),
    }


def parse_statement(text: str) -> exp.Expr:
    """Return the tree of one statement.

    Raises:
        UntranslatableError: it is no statement that the parser knows, or several.
    """
    dialect = MySQL()
    try:
        tokens = dialect.tokenize(text)
        if any(comment.startswith(("!", "M!")) for token in tokens for comment in token.comments):
            # A server runs what stands in it; the tokenizer takes it for a comment.
            raise UntranslatableError("executable comment /*! */")
        parser = _Parser(error_level=ErrorLevel.RAISE, dialect=dialect)
        trees = [tree for tree in parser.parse(tokens, text) if tree is not None]
    except SqlglotError as error:
        raise UntranslatableError(f"{SYNTAX} ({_reason(error)})") from None
    if len(trees) != 1:
        raise UntranslatableError(SEVERAL)
    if trees[0].find(exp.Command):
        raise UntranslatableError(f"{text.split(maxsplit=1)[0].upper()} statement")
    for call in list(trees[0].find_all(exp.Anonymous)):
        if call.name.upper() in _ROLLUP:
            call.replace(call.expressions[0])
    return trees[0]


def parse_expression(text: str) -> exp.Expr:
    """Return the tree of one expression.

    Raises:
        UntranslatableError: it is no expression that the parser knows, or more than one.
    """
    # Parsed, never run.
    tree = parse_statement(f"SELECT {text}")
    extra = [key for key, value in tree.args.items() if value and key != "expressions"]
    if not isinstance(tree, exp.Select) or extra or len(tree.expressions) != 1:
        raise UntranslatableError("more than one expression")
    made: exp.Expr = tree.expressions[0]
    return made


def _reason(error: SqlglotError) -> str:
    return str(error).splitlines()[0].split(". Line")[0]


def other_parts(tree: exp.Expr, known: frozenset[str]) -> list[str]:
    """Return the names of a node's parts that are there and not known."""
    return [key for key, value in tree.args.items() if value and key not in known]


def refuse_others(tree: exp.Expr, known: frozenset[str]) -> None:
    """Raise UntranslatableError where a node has a part that is not known."""
    extra = other_parts(tree, known)
    if extra:
        raise UntranslatableError(f"{extra[0].strip('_').upper()} in {tree.key.upper()}")
