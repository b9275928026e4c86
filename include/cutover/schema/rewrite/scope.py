"""What the names in a piece of SQL mean: relations, columns, variables and routines, in source and target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

Family = Literal[
    "integer",
    "decimal",
    "float",
    "boolean",
    "text",
    "enum",
    "set",
    "binary",
    "bit",
    "date",
    "timestamp",
    "timestamptz",
    "interval",
    "json",
    "uuid",
    "geometry",
    "other",
]


class UntranslatableError(Exception):
    """SQL that has no sure translation; ``construct`` names what stopped it, in a few words."""

    def __init__(self, construct: str) -> None:
        super().__init__(construct)
        self.construct = construct


@contextmanager
def surely() -> Iterator[None]:
    """Take a translator's own failure for what it is: no sure translation, and no reason to stop the others."""
    try:
        yield
    except UntranslatableError:
        raise
    except Exception as error:
        raise UntranslatableError(f"the translator failed ({type(error).__name__}: {error})") from error


@dataclass(frozen=True)
class Attribute:
    """A column or variable of the target.

    Attributes:
        name: its name in the target, not quoted.
        type: its PostgreSQL type, as SQL.
        family: what kind of value it holds; a ``set`` is a text[], an ``enum`` a type of its own or text.
        ignores_case: whether the source compares it without regard to case.
    """

    name: str
    type: str
    family: Family
    ignores_case: bool = False


@dataclass(frozen=True)
class Relation:
    """A table or view of the target; ``attributes`` by their lower-case name in the source, as those of its key."""

    name: str
    attributes: Mapping[str, Attribute]
    key: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Scope:
    """What names stand for.

    Attributes:
        database: the source database; what is qualified with another one is untranslatable.
        relations: tables and views by their name in the source.
        variables: a routine's parameters and variables by their lower-case name in the source;
            in a trigger ``new.column`` and ``old.column`` are among them.
        functions: the target's name of each stored function that is carried, with its return type
            (``Attribute.name`` is the name), by its lower-case name in the source.
        sequences: the target's name of each sequence, by its name in the source.
        rounds_quotients: whether the source counts on with the digits of a quotient that it shows.
    """

    database: str
    relations: Mapping[str, Relation] = field(default_factory=dict)
    variables: Mapping[str, Attribute] = field(default_factory=dict)
    functions: Mapping[str, Attribute] = field(default_factory=dict)
    sequences: Mapping[str, str] = field(default_factory=dict)
    rounds_quotients: bool = False


@dataclass(frozen=True)
class Rewritten:
    """SQL for PostgreSQL, with what it means a little differently there.

    ``kind`` is the kind of value that an expression gives in the source, where a truth value is ``boolean`` and a
    bare NULL ``null``; ``scale`` is how many digits after the point a number has, where that is known.
    """

    sql: str
    notes: tuple[str, ...] = ()
    kind: str = field(default="other", compare=False)
    scale: int | None = field(default=None, compare=False)
