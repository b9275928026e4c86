"""The application's queries in the words of both sides."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

from cutover.schema.rewrite import Scope, UntranslatableError, rewrite_statement
from cutover.schema.rewrite.source import SEVERAL, SYNTAX, parse_statement
from cutover.verify.upserts import Keys, as_insert, upsert

# How the parser's errors show a token.
_TOKEN = re.compile(r"<Token .*?text: (.*?), line.*?>")
# A driver's of Python; the parser takes them for a remainder of nothing.
_PYTHON = re.compile(r"%s|%\(\w+\)s")
PLACEHOLDER = "a placeholder; write a value in its place"


@dataclass(frozen=True)
class Query:
    """A statement of the application's.

    Attributes:
        name: what the spec calls it.
        text: as the application has it, in the source's words.
        tree: what was parsed; None where the parser does not know it.
        target: its translation, which surely means the same but for the notes; None where it has none.
        construct: what stands in the way of a sure translation; "" where nothing does.
        plain: sqlglot's translation, which need not mean the same; None where it has none.
        notes: what the translation means a little differently.
    """

    name: str
    text: str
    tree: exp.Expr | None = field(default=None, compare=False, repr=False)
    target: str | None = None
    construct: str = ""
    plain: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """The query as the parser prints it in the source's words: what is run there is what was looked at."""
        return "" if self.tree is None else self.tree.sql(dialect="mysql", comments=False)

    @property
    def reads(self) -> bool:
        """Whether it is a query that changes and locks nothing, and so may be run."""
        if not isinstance(self.tree, exp.Query):
            return False
        return not any(node.args.get("locks") or node.args.get("into") for node in self.tree.find_all(exp.Query))

    @property
    def translations(self) -> tuple[tuple[str, bool], ...]:
        """What it may be on the target, the best first, with whether it surely means the same."""
        found = [(self.target, True), (self.plain, False)]
        return tuple((text, sure) for text, sure in found if text is not None)


def read(queries: Mapping[str, str], scope: Scope, keys: Keys) -> tuple[Query, ...]:
    """Parse and translate queries by name; what has no translation says why.

    Args:
        queries: SQL of the source by name.
        scope: what the names in it mean on the target.
        keys: the unique keys of the source's tables.
    """
    return tuple(_read(name, _trimmed(text), scope, keys) for name, text in queries.items())


def _trimmed(text: str) -> str:
    return text.strip().rstrip(";").rstrip()


def unreadable(queries: Mapping[str, str]) -> Iterator[str]:
    """Yield the names of queries that their text alone shows to be none, each with its cure."""
    for name, text in queries.items():
        problem = _unreadable(_trimmed(text))
        if problem is not None:
            yield f"{name}: {problem}"


def _unreadable(text: str) -> str | None:
    try:
        tree = parse_statement(as_insert(text) or text)
    except UntranslatableError as error:
        if error.construct == SEVERAL:
            return f"{SEVERAL}; give each a name of its own"
        if not error.construct.startswith(SYNTAX):
            return None
        if _PYTHON.search(text):
            return PLACEHOLDER
        return f"{_shown(error)}; mend it, or leave it out"
    return PLACEHOLDER if tree.find(exp.Placeholder) is not None else None


def _shown(error: UntranslatableError) -> str:
    return _TOKEN.sub(r"\1", error.construct)


def _read(name: str, text: str, scope: Scope, keys: Keys) -> Query:
    insert = as_insert(text)
    try:
        tree = parse_statement(insert or text)
    except UntranslatableError as error:
        return Query(name, text, construct=_shown(error))
    if tree.find(exp.Placeholder) is not None:
        return Query(name, text, construct=PLACEHOLDER)
    plain = _plain(text) if insert is None else None
    try:
        if insert is not None or tree.args.get("conflict"):
            made = upsert(tree, scope, keys, replaces=insert is not None)
        else:
            made = rewrite_statement(text, scope)
    except UntranslatableError as error:
        return Query(name, text, tree, construct=error.construct, plain=plain)
    return Query(name, text, tree, made.sql, plain=plain, notes=made.notes)


def _plain(text: str) -> str | None:
    try:
        return sqlglot.parse_one(text, read="mysql").sql(
            dialect="postgres", comments=False, unsupported_level=ErrorLevel.RAISE
        )
    except SqlglotError:
        return None
