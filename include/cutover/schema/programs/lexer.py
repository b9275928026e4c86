"""The words of a stored program, each with its place, so that what is not procedural can be cut out whole.

sqlglot's tokenizer takes CALL, FETCH and their like for commands and swallows the rest of the
statement, and it drops ``/*! ... */``, which MySQL runs; so these few rules are written out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from cutover.schema.rewrite.scope import UntranslatableError

Kind = Literal["word", "quoted", "string", "number", "variable", "operator", "end"]

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<comment>\#[^\n]* | --(?=[\s\x00-\x1f]|\Z)[^\n]* | /\*.*?\*/)
  | (?P<string>'(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*")
  | (?P<quoted>`(?:[^`]|``)*`)
  | (?P<variable>@@?(?:[\w$.]+|`(?:[^`]|``)*`|'[^']*'|"[^"]*"))
  | (?P<number>(?:\d+(?:\.(?!\.)\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w$]))
  | (?P<word>[\w$]+)
  | (?P<operator>:=|<=>|<=|>=|<>|!=|\|\||&&|<<|>>|->>|->|\.\.|[^'"`])
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Token:
    """A word of the text from ``start`` up to ``end``; ``upper`` is empty unless it may be a keyword."""

    kind: Kind
    text: str
    start: int
    end: int

    @property
    def upper(self) -> str:
        """The word or operator in upper case, empty where it is quoted or a value."""
        return self.text.upper() if self.kind in ("word", "operator") else ""

    @property
    def name(self) -> str | None:
        """What it is called as an identifier, or None where it cannot be one."""
        if self.kind == "quoted":
            return self.text[1:-1].replace("``", "`")
        return self.text if self.kind == "word" else None


def tokens(text: str) -> tuple[Token, ...]:
    """Return the words of a program without its comments; the last is of the kind ``end`` and empty.

    Raises:
        UntranslatableError: a comment is one that MySQL runs, or a string does not end.
    """
    found: list[Token] = []
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise UntranslatableError("a string that does not end")
        kind = match.lastgroup
        if kind == "comment" and match[0].startswith(("/*!", "/*M!")):
            raise UntranslatableError("a comment that MySQL runs (/*! ... */)")
        if kind not in ("space", "comment"):
            found.append(Token(kind, match[0], match.start(), match.end()))  # type: ignore[arg-type]
        place = match.end()
    return (*found, Token("end", "", len(text), len(text)))


def comments(text: str) -> bool:
    """Whether the program has comments; a text that cannot be read has none."""
    return any(match.lastgroup == "comment" for match in _TOKEN.finditer(text))
