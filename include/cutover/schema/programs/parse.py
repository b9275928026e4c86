"""Read the body of a stored program: one statement, often ``BEGIN ... END``.

The grammar is MySQL's. MariaDB's own additions (FOR loops, bodies in Oracle's mode, ROW and TYPE OF
variables) are refused by name, as is everything that changes more than rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from cutover.schema.programs.reader import Reader
from cutover.schema.programs.syntax import (
    WRITES,
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


class _Parser(Reader):
    def program(self) -> Statement:
        if self.word() in ("AS", "IS", "DECLARE", "<<"):
            raise UntranslatableError("a body in Oracle's mode")
        found = self._statement()
        self.accept(";")
        if self.token.kind != "end":
            raise self.unexpected()
        return found

    def _body(self, *stops: str) -> tuple[Statement, ...]:
        found: list[Statement] = []
        while self.word() not in stops:
            found += self._statements()
            self.expect(";")
        return tuple(found)

    def _statement(self) -> Statement:
        found = self._statements()
        return found[0] if len(found) == 1 else Block(None, (), tuple(found))

    def _statements(self) -> list[Statement]:
        """Read one statement; a SET of several variables sets them one after the other."""
        label = None
        if self.word(1) == ":" and self.word(2) in _LABELLED:
            label = self.name().lower()
            self.expect(":")
        word = self.word()
        if word == "SET":
            return self._set()
        if word in ("BEGIN", "LOOP", "WHILE", "REPEAT"):
            self.next()
            return [self._block(label) if word == "BEGIN" else self._loop(word, label)]
        readers: dict[str, Callable[[], Statement]] = {
            "IF": self._if,
            "CASE": self._case,
            "CALL": self._call,
            "FETCH": self._fetch,
            "SIGNAL": self._signal,
            "LEAVE": lambda: Leave(self.name().lower()),
            "ITERATE": lambda: Iterate(self.name().lower()),
            "RETURN": lambda: Return(self.cut()),
            "DO": lambda: Do(self.cut()),
            "OPEN": lambda: Open(self.name().lower()),
            "CLOSE": lambda: Close(self.name().lower()),
            "RESIGNAL": self._resignal,
        }
        if word in readers:
            self.next()
            return [readers[word]()]
        if word in WRITES:
            return [Sql(word, self.cut())]
        if word in _QUERIES:
            return [self._select()]
        raise self._refused()

    def _refused(self) -> UntranslatableError:
        word = self.word()
        if word in _TRANSACTIONS or (word, self.word(1)) == ("START", "TRANSACTION"):
            return UntranslatableError(f"{word}, a transaction in a stored program")
        if word in _PREPARED:
            return UntranslatableError(f"{word}, a prepared statement")
        if word in ("CREATE", "DROP") and self.word(1) == "TEMPORARY":
            return UntranslatableError(f"{word} TEMPORARY TABLE")
        if word == "FOR":
            return UntranslatableError("a FOR loop")
        if word == "DECLARE":
            return UntranslatableError("DECLARE after a statement")
        if word and self.word(1) not in (":=", "."):
            return UntranslatableError(f"{word} in a stored program")
        return self.unexpected()

    def _block(self, label: str | None) -> Block:
        if self.word() == "NOT":
            raise UntranslatableError("BEGIN NOT ATOMIC")
        declared: list[Declaration] = []
        while self.accept("DECLARE"):
            declared.append(self._declaration())
            self.expect(";")
        body = self._body("END")
        self._end(label)
        return Block(label, tuple(declared), body)

    def _end(self, label: str | None, *words: str) -> None:
        self.expect("END", *words)
        if label is not None and self.token.name is not None and self.token.name.lower() == label:
            self.next()

    def _declaration(self) -> Declaration:
        if self.word() in ("CONTINUE", "EXIT", "UNDO") and self.word(1) == "HANDLER":
            return self._handler()
        if self.word(1) == "CURSOR":
            name = self.name().lower()
            self.next()
            if self.word() == "(":
                raise UntranslatableError("a cursor with parameters")
            self.expect("FOR")
            return DeclareCursor(name, self.cut())
        if self.word(1) == "CONDITION":
            name = self.name().lower()
            self.expect("CONDITION", "FOR")
            return DeclareCondition(name, self._condition())
        names = self.names()
        type_ = self.cut("DEFAULT", ":=")
        default = self.cut() if self.accept("DEFAULT") or self.accept(":=") else None
        return DeclareVariable(names, type_, default)

    def _handler(self) -> DeclareHandler:
        action = self.next().upper
        if action == "UNDO":
            raise UntranslatableError("an UNDO handler")
        self.expect("HANDLER", "FOR")
        conditions = [self._condition()]
        while self.accept(","):
            conditions.append(self._condition())
        return DeclareHandler(action == "EXIT", tuple(conditions), self._statement())

    def _condition(self) -> Condition:
        if self.accept("NOT", "FOUND"):
            return Condition("not found")
        if self.accept("SQLEXCEPTION"):
            return Condition("sqlexception")
        if self.accept("SQLWARNING"):
            return Condition("sqlwarning")
        if self.word() == "SQLSTATE":
            self.next()
            self.accept("VALUE")
            state = self.next()
            if state.kind != "string" or not _SQLSTATE.fullmatch(state.text[1:-1].upper()):
                raise UntranslatableError(f"SQLSTATE {state.text}")
            return Condition("sqlstate", state.text[1:-1].upper())
        if self.token.kind == "number":
            return Condition("number", self.next().text)
        return Condition("name", self.name().lower())

    def _set(self) -> list[Statement]:
        self.expect("SET")
        found: list[Statement] = []
        while True:
            target = self._target()
            if not (self.accept("=") or self.accept(":=")):
                raise UntranslatableError(f"SET {target}")
            found.append(Set(target, self.cut(",")))
            if not self.accept(","):
                return found

    def _target(self) -> str:
        """Read what a value is given to: a variable, or ``NEW.column``."""
        if self.token.kind == "variable":
            what = "system variable" if self.token.text.startswith("@@") else "user variable"
            raise UntranslatableError(f"the {what} {self.token.text}")
        if self.word() in _ELSEWHERE and self.word(1) not in ("=", ":="):
            raise UntranslatableError(f"SET {self.word()}")
        name = self.name().lower()
        if self.accept("."):
            name += "." + self.name().lower()
        return name

    def _branch(self) -> Branch:
        condition = self.cut("THEN")
        self.expect("THEN")
        return Branch(condition, self._body("ELSEIF", "ELSE", "END", "WHEN"))

    def _if(self) -> If:
        branches = [self._branch()]
        while self.accept("ELSEIF"):
            branches.append(self._branch())
        otherwise = self._body("END") if self.accept("ELSE") else None
        self.expect("END", "IF")
        return If(tuple(branches), otherwise)

    def _case(self) -> Case:
        subject = None if self.word() == "WHEN" else self.cut("WHEN")
        branches: list[Branch] = []
        while self.accept("WHEN"):
            branches.append(self._branch())
        otherwise = self._body("END") if self.accept("ELSE") else None
        self.expect("END", "CASE")
        return Case(subject, tuple(branches), otherwise)

    def _loop(self, word: str, label: str | None) -> Loop:
        condition = until = None
        if word == "WHILE":
            condition = self.cut("DO")
            self.expect("DO")
        body = self._body("UNTIL" if word == "REPEAT" else "END")
        if self.accept("UNTIL"):
            until = self.cut("END")
        self._end(label, word)
        return Loop(label, body, condition, until)

    def _call(self) -> Call:
        name = self.name()
        while self.accept("."):
            name += "." + self.name()
        arguments: list[str] = []
        if self.accept("(") and not self.accept(")"):
            arguments = self._list(")")
            self.expect(")")
        return Call(name, tuple(arguments))

    def _list(self, stop: str) -> list[str]:
        found = [self.cut(",", stop)]
        while self.accept(","):
            found.append(self.cut(",", stop))
        return found

    def _fetch(self) -> Fetch:
        self.accept("NEXT", "FROM") or self.accept("FROM")
        cursor = self.name().lower()
        self.expect("INTO")
        return Fetch(cursor, self._targets())

    def _targets(self, stops: Collection[str] = ()) -> tuple[str, ...]:
        if self.word() in stops:
            raise UntranslatableError(f"SELECT ... INTO {self.word()}")
        found = [self._target()]
        while self.accept(","):
            found.append(self._target())
        return tuple(found)

    def _signal(self) -> Signal:
        condition = self._condition()
        items: list[tuple[str, str]] = []
        if self.accept("SET"):
            while True:
                item = self.name().upper()
                self.expect("=")
                items.append((item, self.cut(",")))
                if not self.accept(","):
                    break
        return Signal(condition, tuple(items))

    def _resignal(self) -> Resignal:
        if self.token.kind != "end" and self.word() != ";":
            raise UntranslatableError("RESIGNAL that changes the condition")
        return Resignal()

    def _select(self) -> SelectInto:
        """Read a query; only one whose rows go into variables can stand in a program."""
        query = self.cut("INTO")
        if not self.accept("INTO"):
            raise UntranslatableError("SELECT that returns rows to the client")
        targets = self._targets(("OUTFILE", "DUMPFILE"))
        if self.word() != ";" and self.token.kind != "end":
            query += "\n" + self.cut()
        return SelectInto(query, targets)
