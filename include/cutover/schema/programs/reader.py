"""Going through a program's words, and cutting out the text between two of them."""

from __future__ import annotations

from cutover.schema.programs.lexer import Token, tokens
from cutover.schema.rewrite.scope import UntranslatableError


class Reader:
    """A place in a program's text that moves on as its words are taken."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens(text)
        self._at = 0

    @property
    def token(self) -> Token:
        """The word that is next."""
        return self._tokens[self._at]

    def word(self, ahead: int = 0) -> str:
        """Return the word so far ahead in upper case, empty where it is no keyword."""
        return self._tokens[min(self._at + ahead, len(self._tokens) - 1)].upper

    def next(self) -> Token:
        """Take the next word; raise UntranslatableError at the end."""
        token = self.token
        if token.kind == "end":
            raise UntranslatableError("a body that does not end")
        self._at += 1
        return token

    def accept(self, *words: str) -> bool:
        """Take these words if they are next, and say whether they were."""
        if any(self.word(ahead) != word for ahead, word in enumerate(words)):
            return False
        self._at += len(words)
        return True

    def expect(self, *words: str) -> None:
        """Take these words; raise UntranslatableError where others are next."""
        if not self.accept(*words):
            raise self.unexpected()

    def unexpected(self) -> UntranslatableError:
        """Return the error that names what is next."""
        near = self._text[self.token.start : self.token.start + 30].split("\n")[0].strip()
        return UntranslatableError(f"what begins with {near!r}" if near else "a body that does not end")

    def name(self) -> str:
        """Take an identifier; raise UntranslatableError where none is next."""
        name = self.token.name
        if name is None:
            raise self.unexpected()
        self._at += 1
        return name

    def names(self) -> tuple[str, ...]:
        """Take identifiers with commas between them, in lower case."""
        found = [self.name().lower()]
        while self.accept(","):
            found.append(self.name().lower())
        return tuple(found)

    def cut(self, *stops: str) -> str:
        """Take the text up to a word outside parentheses and CASE ... END; it must not be empty."""
        first, depth, cases = self.token, 0, 0
        last = None
        while self.token.kind != "end":
            word = self.word()
            if depth == 0 and cases == 0 and word in (*stops, ";"):
                break
            dotted = last is not None and last.text == "."
            depth += (word == "(") - (word == ")")
            cases += 0 if dotted else (word == "CASE") - (word == "END" and cases > 0)
            last = self.next()
        if last is None:
            raise self.unexpected()
        return self._text[first.start : last.end]
