"""The statements of a MySQL stored program, as a tree.

Names are in lower case: MySQL tells variables, cursors, conditions and labels apart without regard to
it. Expressions, queries and statements that are not procedural are kept as the text they were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True)
class Condition:
    """What a handler answers or SIGNAL raises; ``value`` is a SQLSTATE, an error's number or a condition's name."""

    kind: Literal["sqlstate", "number", "name", "sqlexception", "sqlwarning", "not found"]
    value: str = ""


@dataclass(frozen=True)
class DeclareVariable:
    """``DECLARE names type [DEFAULT default]``; ``type`` as it was written."""

    names: tuple[str, ...]
    type: str
    default: str | None = None


@dataclass(frozen=True)
class DeclareCondition:
    """``DECLARE name CONDITION FOR condition``."""

    name: str
    condition: Condition


@dataclass(frozen=True)
class DeclareCursor:
    """``DECLARE name CURSOR FOR query``."""

    name: str
    query: str


@dataclass(frozen=True)
class DeclareHandler:
    """``DECLARE CONTINUE|EXIT HANDLER FOR conditions body``."""

    exits: bool
    conditions: tuple[Condition, ...]
    body: Statement


@dataclass(frozen=True)
class Block:
    """``[label:] BEGIN declarations body END``."""

    label: str | None
    declarations: tuple[Declaration, ...]
    body: tuple[Statement, ...]


@dataclass(frozen=True)
class Set:
    """``SET target = value``; the target is a variable or ``new.column``."""

    target: str
    value: str


@dataclass(frozen=True)
class Branch:
    """What is done where ``condition`` holds; in a CASE with a subject the value that it equals."""

    condition: str
    body: tuple[Statement, ...]


@dataclass(frozen=True)
class If:
    """``IF ... ELSEIF ... ELSE ... END IF``; no ELSE is None."""

    branches: tuple[Branch, ...]
    otherwise: tuple[Statement, ...] | None


@dataclass(frozen=True)
class Case:
    """``CASE [subject] WHEN ... ELSE ... END CASE``; no ELSE is None, and then no match is an error."""

    subject: str | None
    branches: tuple[Branch, ...]
    otherwise: tuple[Statement, ...] | None


@dataclass(frozen=True)
class Loop:
    """``LOOP``, ``WHILE condition DO`` or ``REPEAT ... UNTIL until``."""

    label: str | None
    body: tuple[Statement, ...]
    condition: str | None = None
    until: str | None = None


@dataclass(frozen=True)
class Leave:
    """``LEAVE label``, of a loop or a block."""

    label: str


@dataclass(frozen=True)
class Iterate:
    """``ITERATE label``, of a loop."""

    label: str


@dataclass(frozen=True)
class Return:
    """``RETURN value``."""

    value: str


@dataclass(frozen=True)
class Call:
    """``CALL name(arguments)``; the name as it was written, but unquoted."""

    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Open:
    """``OPEN cursor``."""

    cursor: str


@dataclass(frozen=True)
class Fetch:
    """``FETCH cursor INTO targets``."""

    cursor: str
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Close:
    """``CLOSE cursor``."""

    cursor: str


@dataclass(frozen=True)
class Signal:
    """``SIGNAL condition SET item = value, ...``; items by their name in upper case."""

    condition: Condition
    items: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Resignal:
    """``RESIGNAL``, which raises again what the handler answers."""


@dataclass(frozen=True)
class SelectInto:
    """``SELECT ... INTO targets``; ``query`` is without its INTO."""

    query: str
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Do:
    """``DO value``, for what evaluating it does."""

    value: str


WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE")


@dataclass(frozen=True)
class Sql:
    """A statement that writes; ``verb`` is its first word in upper case."""

    verb: str
    text: str


Declaration: TypeAlias = DeclareVariable | DeclareCondition | DeclareCursor | DeclareHandler
Statement: TypeAlias = (
    Block
    | Set
    | If
    | Case
    | Loop
    | Leave
    | Iterate
    | Return
    | Call
    | Open
    | Fetch
    | Close
    | Signal
    | Resignal
    | SelectInto
    | Do
    | Sql
)
