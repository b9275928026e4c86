"""Read the body of a stored program: one statement, often ``BEGIN ... END``.

The grammar is MySQL's. MariaDB's own additions (FOR loops, bodies in Oracle's mode, ROW and TYPE OF
variables) are refused by name, as is everything that changes more than rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from cutover.schema.programs.lexer import Token, tokens
from cutover.schema.programs.syntax import (
    Block,
    Branch,
    Call,
    Case,
    Close,
    Condition,
    Declaration,
    DeclareCondition,
    DeclareCursor,
    DeclareHandler,
    DeclareVariable,
    Do,
    Fetch,
    If,
    Iterate,
    Leave,
    Loop,
    Open,
    Resignal,
    Return,
    SelectInto,
    Set,
    Signal,
    Sql,
    Statement,
)
from cutover.schema.rewrite.scope import UntranslatableError

_WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE")
_QUERIES = ("SELECT", "WITH", "(", "VALUES", "TABLE")
_TRANSACTIONS = ("COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "XA")
_PREPARED = ("PREPARE", "EXECUTE", "DEALLOCATE")
_LABELLED = ("BEGIN", "LOOP", "WHILE", "REPEAT", "FOR")
_ELSEWHERE = ("SESSION", "GLOBAL", "LOCAL", "PERSIST", "PERSIST_ONLY", "STATEMENT", "ROLE", "TRANSACTION")
# What a SQLSTATE is that a condition may name (MySQL manual, DECLARE ... CONDITION).
_SQLSTATE = re.compile(r"(?!00)[0-9A-Z]{5}")


def parse(body: str) -> Statement:
    """Return the one statement that a stored program's body is.

    Raises:
        UntranslatableError: it is not one of MySQL's, or has a construct that is refused wherever it stands.
    """
    return _Parser(body).program()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens(text)
        self._at = 0

    def program(self) -> Statement:
        if self._word() in ("AS", "IS", "DECLARE", "<<"):
            raise UntranslatableError("a body in Oracle's mode")
        found = self._statement()
        self._accept(";")
        if self._token.kind != "end":
            raise self._unexpected()
        return found

    @property
    def _token(self) -> Token:
        return self._tokens[self._at]

    def _word(self, ahead: int = 0) -> str:
        return self._tokens[min(self._at + ahead, len(self._tokens) - 1)].upper

    def _next(self) -> Token:
        token = self._token
        if token.kind == "end":
            raise UntranslatableError("a body that does not end")
        self._at += 1
        return token

    def _accept(self, *words: str) -> bool:
        if any(self._word(ahead) != word for ahead, word in enumerate(words)):
            return False
        self._at += len(words)
        return True

    def _expect(self, *words: str) -> None:
        if not self._accept(*words):
            raise self._unexpected()

    def _unexpected(self) -> UntranslatableError:
        near = self._text[self._token.start : self._token.start + 30].split("\n")[0].strip()
        return UntranslatableError(f"what begins with {near!r}" if near else "a body that does not end")

    def _name(self) -> str:
        name = self._token.name
        if name is None:
            raise self._unexpected()
        self._at += 1
        return name

    def _names(self) -> tuple[str, ...]:
        found = [self._name().lower()]
        while self._accept(","):
            found.append(self._name().lower())
        return tuple(found)

    def _cut(self, *stops: str) -> str:
        """Take the text up to a word outside parentheses and CASE ... END; it must not be empty."""
        first, depth, cases = self._token, 0, 0
        last = None
        while self._token.kind != "end":
            word = self._word()
            if depth == 0 and cases == 0 and word in (*stops, ";"):
                break
            dotted = last is not None and last.text == "."
            depth += (word == "(") - (word == ")")
            cases += 0 if dotted else (word == "CASE") - (word == "END" and cases > 0)
            last = self._next()
        if last is None:
            raise self._unexpected()
        return self._text[first.start : last.end]

    def _body(self, *stops: str) -> tuple[Statement, ...]:
        found: list[Statement] = []
        while self._word() not in stops:
            found += self._statements()
            self._expect(";")
        return tuple(found)

    def _statement(self) -> Statement:
        found = self._statements()
        return found[0] if len(found) == 1 else Block(None, (), tuple(found))

    def _statements(self) -> list[Statement]:
        """Read one statement; a SET of several variables sets them one after the other."""
        label = None
        if self._word(1) == ":" and self._word(2) in _LABELLED:
            label = self._name().lower()
            self._expect(":")
        word = self._word()
        if word == "SET":
            return self._set()
        if word in ("BEGIN", "LOOP", "WHILE", "REPEAT"):
            self._next()
            return [self._block(label) if word == "BEGIN" else self._loop(word, label)]
        readers: dict[str, Callable[[], Statement]] = {
            "IF": self._if,
            "CASE": self._case,
            "CALL": self._call,
            "FETCH": self._fetch,
            "SIGNAL": self._signal,
            "LEAVE": lambda: Leave(self._name().lower()),
            "ITERATE": lambda: Iterate(self._name().lower()),
            "RETURN": lambda: Return(self._cut()),
            "DO": lambda: Do(self._cut()),
            "OPEN": lambda: Open(self._name().lower()),
            "CLOSE": lambda: Close(self._name().lower()),
            "RESIGNAL": self._resignal,
        }
        if word in readers:
            self._next()
            return [readers[word]()]
        if word in _WRITES:
            return [Sql(word, self._cut())]
        if word in _QUERIES:
            return [self._select()]
        raise self._refused()

    def _refused(self) -> UntranslatableError:
        word = self._word()
        if word in _TRANSACTIONS or (word, self._word(1)) == ("START", "TRANSACTION"):
            return UntranslatableError(f"{word}, a transaction in a stored program")
        if word in _PREPARED:
            return UntranslatableError(f"{word}, a prepared statement")
        if word in ("CREATE", "DROP") and self._word(1) == "TEMPORARY":
            return UntranslatableError(f"{word} TEMPORARY TABLE")
        if word == "FOR":
            return UntranslatableError("a FOR loop")
        if word == "DECLARE":
            return UntranslatableError("DECLARE after a statement")
        if word and self._word(1) not in (":=", "."):
            return UntranslatableError(f"{word} in a stored program")
        return self._unexpected()

    def _block(self, label: str | None) -> Block:
        if self._word() == "NOT":
            raise UntranslatableError("BEGIN NOT ATOMIC")
        declared: list[Declaration] = []
        while self._accept("DECLARE"):
            declared.append(self._declaration())
            self._expect(";")
        body = self._body("END")
        self._end(label)
        return Block(label, tuple(declared), body)

    def _end(self, label: str | None, *words: str) -> None:
        self._expect("END", *words)
        if label is not None and self._token.name is not None and self._token.name.lower() == label:
            self._next()

    def _declaration(self) -> Declaration:
        if self._word() in ("CONTINUE", "EXIT", "UNDO") and self._word(1) == "HANDLER":
            return self._handler()
        if self._word(1) == "CURSOR":
            name = self._name().lower()
            self._next()
            if self._word() == "(":
                raise UntranslatableError("a cursor with parameters")
            self._expect("FOR")
            return DeclareCursor(name, self._cut())
        if self._word(1) == "CONDITION":
            name = self._name().lower()
            self._expect("CONDITION", "FOR")
            return DeclareCondition(name, self._condition())
        names = self._names()
        type_ = self._cut("DEFAULT", ":=")
        default = self._cut() if self._accept("DEFAULT") or self._accept(":=") else None
        return DeclareVariable(names, type_, default)

    def _handler(self) -> DeclareHandler:
        action = self._next().upper
        if action == "UNDO":
            raise UntranslatableError("an UNDO handler")
        self._expect("HANDLER", "FOR")
        conditions = [self._condition()]
        while self._accept(","):
            conditions.append(self._condition())
        return DeclareHandler(action == "EXIT", tuple(conditions), self._statement())

    def _condition(self) -> Condition:
        if self._accept("NOT", "FOUND"):
            return Condition("not found")
        if self._accept("SQLEXCEPTION"):
            return Condition("sqlexception")
        if self._accept("SQLWARNING"):
            return Condition("sqlwarning")
        if self._word() == "SQLSTATE":
            self._next()
            self._accept("VALUE")
            state = self._next()
            if state.kind != "string" or not _SQLSTATE.fullmatch(state.text[1:-1].upper()):
                raise UntranslatableError(f"SQLSTATE {state.text}")
            return Condition("sqlstate", state.text[1:-1].upper())
        if self._token.kind == "number":
            return Condition("number", self._next().text)
        return Condition("name", self._name().lower())

    def _set(self) -> list[Statement]:
        self._expect("SET")
        found: list[Statement] = []
        while True:
            target = self._target()
            if not (self._accept("=") or self._accept(":=")):
                raise UntranslatableError(f"SET {target}")
            found.append(Set(target, self._cut(",")))
            if not self._accept(","):
                return found

    def _target(self) -> str:
        """Read what a value is given to: a variable, or ``NEW.column``."""
        if self._token.kind == "variable":
            what = "system variable" if self._token.text.startswith("@@") else "user variable"
            raise UntranslatableError(f"the {what} {self._token.text}")
        if self._word() in _ELSEWHERE and self._word(1) not in ("=", ":="):
            raise UntranslatableError(f"SET {self._word()}")
        name = self._name().lower()
        if self._accept("."):
            name += "." + self._name().lower()
        return name

    def _branch(self) -> Branch:
        condition = self._cut("THEN")
        self._expect("THEN")
        return Branch(condition, self._body("ELSEIF", "ELSE", "END", "WHEN"))

    def _if(self) -> If:
        branches = [self._branch()]
        while self._accept("ELSEIF"):
            branches.append(self._branch())
        otherwise = self._body("END") if self._accept("ELSE") else None
        self._expect("END", "IF")
        return If(tuple(branches), otherwise)

    def _case(self) -> Case:
        subject = None if self._word() == "WHEN" else self._cut("WHEN")
        branches: list[Branch] = []
        while self._accept("WHEN"):
            branches.append(self._branch())
        otherwise = self._body("END") if self._accept("ELSE") else None
        self._expect("END", "CASE")
        return Case(subject, tuple(branches), otherwise)

    def _loop(self, word: str, label: str | None) -> Loop:
        condition = until = None
        if word == "WHILE":
            condition = self._cut("DO")
            self._expect("DO")
        body = self._body("UNTIL" if word == "REPEAT" else "END")
        if self._accept("UNTIL"):
            until = self._cut("END")
        self._end(label, word)
        return Loop(label, body, condition, until)

    def _call(self) -> Call:
        name = self._name()
        while self._accept("."):
            name += "." + self._name()
        arguments: list[str] = []
        if self._accept("(") and not self._accept(")"):
            arguments = self._list(")")
            self._expect(")")
        return Call(name, tuple(arguments))

    def _list(self, stop: str) -> list[str]:
        found = [self._cut(",", stop)]
        while self._accept(","):
            found.append(self._cut(",", stop))
        return found

    def _fetch(self) -> Fetch:
        self._accept("NEXT", "FROM") or self._accept("FROM")
        cursor = self._name().lower()
        self._expect("INTO")
        return Fetch(cursor, self._targets())

    def _targets(self, stops: Collection[str] = ()) -> tuple[str, ...]:
        if self._word() in stops:
            raise UntranslatableError(f"SELECT ... INTO {self._word()}")
        found = [self._target()]
        while self._accept(","):
            found.append(self._target())
        return tuple(found)

    def _signal(self) -> Signal:
        condition = self._condition()
        items: list[tuple[str, str]] = []
        if self._accept("SET"):
            while True:
                item = self._name().upper()
                self._expect("=")
                items.append((item, self._cut(",")))
                if not self._accept(","):
                    break
        return Signal(condition, tuple(items))

    def _resignal(self) -> Resignal:
        if self._token.kind != "end" and self._word() != ";":
            raise UntranslatableError("RESIGNAL that changes the condition")
        return Resignal()

    def _select(self) -> SelectInto:
        """Read a query; only one whose rows go into variables can stand in a program."""
        query = self._cut("INTO")
        if not self._accept("INTO"):
            raise UntranslatableError("SELECT that returns rows to the client")
        targets = self._targets(("OUTFILE", "DUMPFILE"))
        if self._word() != ";" and self._token.kind != "end":
            query += "\n" + self._cut()
        return SelectInto(query, targets)
