"""What is gathered while a program is written: its names, scratch variables, probes and notes.

Every variable gets a name that stands nowhere else, neither in the source nor among the columns: so no
name means one thing in MySQL, where a variable goes before a column, and another in PL/pgSQL; and so
each can be replaced by a NULL of its type, which makes a statement that PREPARE takes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal

from cutover.dialects.postgresql import quoted
from cutover.schema.model import Routine
from cutover.schema.names import fitting
from cutover.schema.programs.declared import Declared, TypeOf, declared
from cutover.schema.programs.lexer import Token, tokens
from cutover.schema.programs.syntax import Condition, Statement
from cutover.schema.programs.values import rewrite_query, rewrite_value
from cutover.schema.rewrite import rewrite_expression, rewrite_statement
from cutover.schema.rewrite.scope import Attribute, Scope, UntranslatableError

Kind = Literal["function", "procedure", "trigger"]

# In the target's SQL: strings, which stay, and quoted identifiers, with the trigger's row before them.
_PIECE = re.compile(
    r"""\b[Ee]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | (?:\b(?:NEW|OLD)\.)?"(?:[^"]|"")*" """, re.X | re.S
)


def _unlike(name: str, taken: set[str]) -> str:
    made, number = fitting(name), 1
    while made.lower() in taken:
        number += 1
        made = fitting(f"{name}_{number}")
    taken.add(made.lower())
    return made


@dataclass(frozen=True)
class Variable:
    """What a value can be given to; ``sql`` is how the target writes it."""

    sql: str
    declared: Declared

    def fitted(self, value: str) -> str:
        """Return a value of the target's as it is kept here."""
        return f"rtrim(CAST({value} AS text), ' ')" if self.declared.trimmed else value

    def given(self, value: str) -> str:
        """Return the statement that gives it a value of the target's."""
        return f"{self.sql} := {self.fitted(value)};"


@dataclass(frozen=True)
class Cursor:
    """A cursor: its variable, and its query with the place where that was declared."""

    sql: str
    query: str
    place: Place


@dataclass(frozen=True)
class Handler:
    """A handler of a block.

    Attributes:
        exits: whether the block is left after it.
        conditions: what it answers, no longer by a name.
        body: what it does.
        label: the block's label in the target.
        place: where the body stands: what the block declares is seen, the handlers are those around the block.
    """

    exits: bool
    conditions: tuple[Condition, ...]
    body: Statement
    label: str
    place: Place


@dataclass(frozen=True)
class Place:
    """What can be seen from a statement; all by lower-case name.

    Attributes:
        variables: what a value can be given to.
        cursors: the cursors.
        conditions: the names of conditions.
        labels: the labels in the target of the blocks and loops around.
        handlers: the handlers of each block around, the innermost first.
        answering: whether it stands where PL/pgSQL handles an error, which can be raised again there.
    """

    variables: Mapping[str, Variable] = field(default_factory=dict)
    cursors: Mapping[str, Cursor] = field(default_factory=dict)
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    handlers: tuple[tuple[Handler, ...], ...] = ()
    answering: bool = False

    def variable(self, name: str) -> Variable:
        """Return what a value is given to; raise UntranslatableError where it is no variable of the program."""
        found = self.variables.get(name)
        if found is None:
            raise UntranslatableError(f"SET {name}, which is no variable of the program")
        return found

    def cursor(self, name: str) -> Cursor:
        """Return a cursor; raise UntranslatableError where there is none of this name."""
        found = self.cursors.get(name)
        if found is None:
            raise UntranslatableError(f"cursor {name}, which is not declared")
        return found


class Draft:
    """A program that is being written."""

    def __init__(
        self, kind: Kind, body: str, scope: Scope, type_of: TypeOf, procedures: Mapping[str, Routine] | None = None
    ) -> None:
        self.kind = kind
        self.body = body
        self.procedures = procedures or {}
        self.probes: list[str] = []
        self.notes: list[str] = []
        self.used_labels: set[str] = set()
        self.assignable: set[str] = set()
        self.scratch: dict[tuple[str, str], str] = {}
        self.writes = False
        self.words: tuple[Token, ...] = tokens(body)
        self._type_of = type_of
        self._scope = scope
        self._labels: set[str] = set()
        self._types: dict[str, str] = {}
        self._opened: dict[str, Cursor] = {}
        self._queries: dict[str, str] = {}
        self._taken = {(token.name or "").lower() for token in self.words}
        for relation in scope.relations.values():
            self._taken |= {attribute.name.lower() for attribute in relation.attributes.values()}

    def note(self, *texts: str | None) -> None:
        """Say once what means a little differently."""
        self.notes += dict.fromkeys(text for text in texts if text and text not in self.notes)

    def fresh(self, name: str) -> str:
        """Return a name like this one that is used nowhere."""
        return _unlike(name, self._taken)

    def label(self, name: str) -> str:
        """Return a label that no other block or loop has, as the target writes it."""
        return quoted(_unlike(name, self._labels))

    def declared(self, type_: str) -> Declared:
        """Return what a type is in the target, and note where that takes more values."""
        made = declared(type_, self._type_of)
        self.note(made.note)
        return made

    def variable(self, name: str, type_: Declared) -> Variable:
        """Return a new variable for one of the source's."""
        made = self.fresh(f"v_{name}")
        self._types[quoted(made)] = type_.attribute.type
        return Variable(quoted(made), replace(type_, attribute=replace(type_.attribute, name=made)))

    def row(self, row: str, attribute: Attribute) -> Variable:
        """Return a column of a trigger's row, NEW or OLD."""
        made = f"{row}.{quoted(attribute.name)}"
        self._types[made] = attribute.type
        return Variable(made, Declared(replace(attribute, name=f"{row.lower()}.{attribute.name}")))

    def other(self, name: str, type_: str) -> str:
        """Return a scratch variable of that name and type; it is the same each time."""
        if (name, type_) not in self.scratch:
            self.scratch[name, type_] = quoted(self.fresh(name))
        return self.scratch[name, type_]

    def flag(self, name: str) -> str:
        """Return a truth value of its own."""
        return self.other(self.fresh(name), "boolean")

    def next_of(self, variable: Variable) -> str:
        """Return the scratch variable that takes a variable's next value, where there may be none."""
        attribute = variable.declared.attribute
        return self.other(f"next{attribute.name[1:]}", attribute.type)

    def value(self, text: str, place: Place, into: Attribute | None = None) -> str:
        """Translate an expression; what it is given to is of the kind and type of ``into``."""
        scope = self._within(place)
        made = rewrite_expression(text, scope) if into is None else rewrite_value(text, scope, into)
        self.note(*made.notes)
        self._probe(f"SELECT {made.sql}" if into is None else f"SELECT CAST(({made.sql}) AS {into.type})")
        return made.sql

    def condition(self, text: str, place: Place) -> str:
        """Translate a condition."""
        made = rewrite_expression(text, self._within(place), condition=True)
        self.note(*made.notes)
        self._probe(f"SELECT CAST(({made.sql}) AS boolean)")
        return made.sql

    def statement(self, text: str, place: Place) -> str:
        """Translate a statement that writes."""
        made = rewrite_statement(text, self._within(place))
        self.note(*made.notes)
        self._probe(made.sql)
        return made.sql

    def query(self, text: str, place: Place, into: Sequence[Variable]) -> str:
        """Translate a query whose columns are given to variables."""
        made = rewrite_query(text, self._within(place), [variable.declared.attribute for variable in into])
        self.note(*made.notes)
        types = [variable.declared.attribute.type for variable in into]
        names = [f"c{number}" for number, _ in enumerate(types)]
        casts = ", ".join(f"CAST({name} AS {type_})" for name, type_ in zip(names, types, strict=True))
        # Only prepared, never run; what is in it is the translation itself.
        self._probe(f"SELECT {casts} FROM ({made.sql}) AS q ({', '.join(names)})")  # noqa: S608
        return made.sql

    def opened(self, cursor: Cursor) -> str:
        """Return what stands for a cursor's query until it is known what its rows are fetched into."""
        # No SQL has this character, so that nothing else looks like it.
        mark = f"\0{cursor.sql}\0"
        self._opened[mark] = cursor
        return mark

    def fetched(self, cursor: Cursor, into: Sequence[Variable]) -> None:
        """Translate a cursor's query for the variables that its rows are fetched into.

        Raises:
            UntranslatableError: it has no translation, or has another for the variables of another FETCH.
        """
        made = self.query(cursor.query, cursor.place, into)
        if self._queries.setdefault(cursor.sql, made) != made:
            raise UntranslatableError("a cursor that is fetched into variables of several types")

    def finished(self, lines: Sequence[str]) -> list[str]:
        """Return a program's lines with the cursors' queries in their places."""
        found = list(lines)
        for mark, cursor in self._opened.items():
            query = self._queries.get(cursor.sql) or self.statement(cursor.query, cursor.place)
            found = [line.replace(mark, query) for line in found]
        return found

    def calls_stored_function(self, text: str) -> bool:
        """Whether an expression or statement calls a function that is stored in the source."""
        words = tokens(text)
        pairs = pairwise(words)
        return any(after.text == "(" and (word.name or "").lower() in self._scope.functions for word, after in pairs)

    def same_database(self, name: str) -> bool:
        """Whether a database's name is that of the source."""
        return name.lower() == self._scope.database.lower()

    def _within(self, place: Place) -> Scope:
        known = {name: variable.declared.attribute for name, variable in place.variables.items()}
        return replace(self._scope, variables=known)

    def _probe(self, sql: str) -> None:
        def typed(piece: re.Match[str]) -> str:
            type_ = self._types.get(piece[0])
            return piece[0] if type_ is None else f"CAST(NULL AS {type_})"

        made = _PIECE.sub(typed, sql)
        if made not in self.probes:
            self.probes.append(made)
