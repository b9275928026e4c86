"""What a translation has at hand while it goes through a tree: the scope, the tables in view, the notes so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from cutover.schema.rewrite.scope import Attribute, Scope
from cutover.schema.rewrite.value import Value

LETTER_BY_LETTER = "it compares text letter by letter, where the source may ignore case"
IN_UTC = "its current time is that of the session's time zone, which must be UTC or what the source had"


@dataclass(frozen=True)
class Origin:
    """A table, view or subquery in FROM: how it is called in both places, what columns and what key it has."""

    called: str
    name: str
    attributes: Mapping[str, Attribute]
    key: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Frame:
    """What the names of one query can mean.

    Attributes:
        origins: what stands in its FROM.
        merged: the lower-case names of columns that a USING made one.
        aliases: what it selects by lower-case alias, where those may be named.
        aliases_first: whether an alias goes before a column of the same name.
        qualify: whether the name of a column is always written with its table.
    """

    origins: tuple[Origin, ...] = ()
    merged: frozenset[str] = frozenset()
    aliases: Mapping[str, Value] = field(default_factory=dict)
    aliases_first: bool = False
    qualify: bool = True


@dataclass(frozen=True)
class Query:
    """A translated query; ``columns`` are its names, where it has them, and values."""

    sql: str
    columns: tuple[tuple[str | None, Value], ...]


@dataclass(frozen=True)
class Context:
    """Where a piece of SQL stands.

    Attributes:
        scope: what names stand for.
        notes: what was found to mean a little differently, added to as the tree is gone through.
        frames: the queries around, the innermost one last.
        tables: the columns of the WITH queries in view, by lower-case name.
        evaluate: how an expression is translated.
        widest: whether a query's columns take the widest type of their kind, as a recursive query's first part must.
        select: how a query is translated; a target's attributes are what its columns are stored in.
    """

    scope: Scope
    notes: list[str]
    evaluate: Callable[[Context, exp.Expr], Value]
    select: Callable[[Context, exp.Expr, Sequence[Attribute] | None], Query]
    frames: tuple[Frame, ...] = ()
    tables: Mapping[str, Mapping[str, Attribute]] = field(default_factory=dict)
    widest: bool = False

    def value(self, tree: exp.Expr) -> Value:
        """Translate an expression that stands here."""
        return self.evaluate(self, tree)

    def query(self, tree: exp.Expr, targets: Sequence[Attribute] | None = None) -> Query:
        """Translate a query that stands here."""
        return self.select(self, tree, targets)

    def note(self, text: str) -> None:
        """Say once what means a little differently."""
        if text not in self.notes:
            self.notes.append(text)
