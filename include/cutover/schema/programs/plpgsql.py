"""The statements of a program in PL/pgSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from cutover.dialects.postgresql import quoted
from cutover.schema.programs import calls, rows
from cutover.schema.programs.declared import Declared
from cutover.schema.programs.draft import Cursor, Draft, Handler, Place
from cutover.schema.programs.handlers import (
    check,
    for_errors,
    guarded,
    indented,
    is_no_data,
    refuse_failing,
    resolved,
)
from cutover.schema.programs.lexer import tokens
from cutover.schema.programs.syntax import (
    WRITES,
    Block,
    Branch,
    Call,
    Case,
    Close,
    Condition,
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
from cutover.schema.rewrite.scope import Attribute, UntranslatableError

_UNHANDLED = "'Unhandled user-defined exception condition'"
_TEXT = Attribute("", "text", "text")
_ITEMS = {"CONSTRAINT_NAME": "CONSTRAINT", "TABLE_NAME": "TABLE", "COLUMN_NAME": "COLUMN", "SCHEMA_NAME": "SCHEMA"}
_NO_NUMBER = "it raises an error by its SQLSTATE and message; MYSQL_ERRNO has no counterpart"
# Each time it is looked at, it may be another.
_CHANGING = frozenset(["SELECT", "RAND", "UUID", "UUID_SHORT", "SLEEP", "NEXTVAL", "NEXT", "LAST_INSERT_ID"])


@dataclass(frozen=True)
class WrittenBlock:
    """A block in PL/pgSQL; ``label`` is None where nothing leaves it."""

    label: str | None
    declarations: tuple[str, ...]
    body: tuple[str, ...]

    def lines(self) -> list[str]:
        """Return it as a statement; a block that neither declares anything nor is left is its statements."""
        if self.label is None and not self.declarations:
            return list(self.body)
        label = [] if self.label is None else [f"<<{self.label}>>"]
        declared = ["DECLARE", *indented(self.declarations)] if self.declarations else []
        end = "END;" if self.label is None else f"END {self.label};"
        return [*label, *declared, "BEGIN", *indented(self.body), end]


class Writer:
    """Writes statements, with all that they need in a draft."""

    def __init__(self, draft: Draft, returns: Declared | None = None) -> None:
        """``returns`` is a function's type; where it has a size, ``result`` takes what is returned first."""
        self._draft = draft
        self._returns = returns
        self.result = draft.variable("result", returns) if returns is not None and returns.sized else None

    def statements(self, statements: Sequence[Statement], place: Place) -> list[str]:
        """Return the lines of statements; raise UntranslatableError where one has no translation."""
        return [line for statement in statements for line in self.statement(statement, place)]

    def statement(self, statement: Statement, place: Place) -> list[str]:
        """Return the lines of one statement.

        Raises:
            UntranslatableError: it has no translation.
        """
        match statement:
            case Block():
                return self.block(statement, place).lines()
            case If():
                return self._if(statement, place)
            case Case():
                return self._case(statement, place)
            case Loop():
                return self._loop(statement, place)
            case Leave(label):
                return [f"EXIT {self._label(label, place)};"]
            case Iterate(label):
                return [f"CONTINUE {self._label(label, place)};"]
            case SelectInto():
                return rows.select_into(statement, place, self._draft, self._answer)
            case Fetch():
                return rows.fetch(statement, place, self._draft, self._answer)
            case Open():
                return rows.open_cursor(statement, place, self._draft, self._answer)
            case Call():
                return calls.call(statement, place, self._draft)
            case Set() | Return() | Close() | Signal() | Resignal() | Do() | Sql():
                return guarded(self._single(statement, place), place, self._answer)

    def block(self, block: Block, place: Place) -> WrittenBlock:
        """Return a block with its declarations; raise UntranslatableError where something has no translation."""
        label = self._draft.label(block.label or "block")
        labels = dict(place.labels) | ({block.label: label} if block.label else {})
        inner = replace(place, labels=labels)
        declarations: list[str] = []
        handlers: list[Handler] = []
        for declaration in block.declarations:
            match declaration:
                case DeclareVariable():
                    inner, lines = self._variables(declaration, inner)
                    declarations += lines
                case DeclareCondition(name, condition):
                    inner = replace(inner, conditions={**inner.conditions, name: resolved(condition, inner)})
                case DeclareCursor(name, query):
                    made = quoted(self._draft.fresh(f"c_{name}"))
                    declarations.append(f"{made} refcursor;")
                    inner = replace(inner, cursors={**inner.cursors, name: Cursor(made, query, inner)})
                case DeclareHandler():
                    handlers.append(self._handler(declaration, inner, place, label))
        if handlers:
            inner = replace(inner, handlers=(tuple(handlers), *place.handlers))
        body = self.statements(block.body, inner)
        used = label if label in self._draft.used_labels else None
        return WrittenBlock(used, tuple(declarations), tuple(body))

    def _variables(self, declaration: DeclareVariable, place: Place) -> tuple[Place, list[str]]:
        type_ = self._draft.declared(declaration.type)
        refuse_failing(place, declaration.default)
        lines, variables = [], dict(place.variables)
        for name in declaration.names:
            variable = self._draft.variable(name, type_)
            line = f"{variable.sql} {type_.attribute.type}"
            if declaration.default is None:
                lines.append(f"{line};")
            else:
                value = self._draft.value(declaration.default, place, type_.attribute)
                lines.append(f"{line} := {variable.fitted(value)};")
            variables[name] = variable
        return replace(place, variables=variables), lines

    def _handler(self, declared: DeclareHandler, inside: Place, outside: Place, label: str) -> Handler:
        conditions = tuple(resolved(condition, inside) for condition in declared.conditions)
        for condition in conditions:
            check(condition)
        self._check_undone(conditions)
        # A handler's body cannot leave or go on with what is around its block.
        place = replace(inside, labels={}, handlers=outside.handlers, answering=False)
        return Handler(declared.exits, conditions, declared.body, label, place)

    def _check_undone(self, conditions: Sequence[Condition]) -> None:
        """Inside a function or trigger MySQL does not undo what a statement did before it failed."""
        draft = self._draft
        if draft.kind == "procedure" or all(is_no_data(condition) for condition in conditions):
            return
        writes = any(word.upper in WRITES and after.text != "(" for word, after in pairwise(draft.words))
        if writes or draft.calls_stored_function(draft.body):
            raise UntranslatableError(f"a handler for errors in a {draft.kind} that writes or calls a function")

    def _answer(self, handler: Handler, raised: bool) -> list[str]:
        lines = self.statement(handler.body, replace(handler.place, answering=raised))
        if handler.exits and not isinstance(handler.body, Return):
            self._draft.used_labels.add(handler.label)
            lines = [*lines, f"EXIT {handler.label};"]
        return lines

    def _label(self, label: str, place: Place) -> str:
        found = place.labels.get(label)
        if found is None:
            raise UntranslatableError(f"label {label}, which is not known")
        self._draft.used_labels.add(found)
        return found

    def _branches(self, branches: Sequence[Branch], place: Place, word: str, other: str) -> list[str]:
        lines: list[str] = []
        for number, branch in enumerate(branches):
            condition = self._draft.condition(branch.condition, place)
            lines.append(f"{other if number else word} {condition} THEN")
            lines += indented(self.statements(branch.body, place))
        return lines

    def _if(self, statement: If, place: Place) -> list[str]:
        refuse_failing(place, *(branch.condition for branch in statement.branches))
        lines = self._branches(statement.branches, place, "IF", "ELSIF")
        if statement.otherwise is not None:
            lines += ["ELSE", *indented(self.statements(statement.otherwise, place))]
        return [*lines, "END IF;"]

    def _case(self, statement: Case, place: Place) -> list[str]:
        subject, branches = statement.subject, statement.branches
        refuse_failing(place, subject, *(branch.condition for branch in branches))
        if statement.otherwise is None and for_errors(place):
            raise UntranslatableError("CASE without ELSE under a handler for errors")
        if subject is not None:
            if self._changes(subject):
                raise UntranslatableError("CASE over a value that may change while it is compared")
            branches = tuple(replace(b, condition=f"({subject}\n) = ({b.condition}\n)") for b in branches)
        lines = ["CASE", *indented(self._branches(branches, place, "WHEN", "WHEN"))]
        if statement.otherwise is not None:
            lines += ["    ELSE", *indented(self.statements(statement.otherwise, place), 2)]
        return [*lines, "END CASE;"]

    def _changes(self, text: str) -> bool:
        return self._draft.calls_stored_function(text) or any(word.upper in _CHANGING for word in tokens(text))

    def _loop(self, statement: Loop, place: Place) -> list[str]:
        refuse_failing(place, statement.condition, statement.until)
        label = self._draft.label(statement.label or "loop")
        labels = dict(place.labels) | ({statement.label: label} if statement.label else {})
        body = self.statements(statement.body, replace(place, labels=labels))
        if statement.until is not None:
            body.append(f"EXIT WHEN {self._draft.condition(statement.until, place)};")
        head = "LOOP"
        if statement.condition is not None:
            head = f"WHILE {self._draft.condition(statement.condition, place)} LOOP"
        if label not in self._draft.used_labels:
            return [head, *indented(body), "END LOOP;"]
        return [f"<<{label}>>", head, *indented(body), f"END LOOP {label};"]

    def _single(self, statement: Set | Return | Close | Signal | Resignal | Do | Sql, place: Place) -> list[str]:
        match statement:
            case Set(target, value):
                variable = place.variable(target)
                if target.startswith(("new.", "old.")) and variable.sql not in self._draft.assignable:
                    raise UntranslatableError(f"SET {target.upper()} in this trigger")
                return [variable.given(self._draft.value(value, place, variable.declared.attribute))]
            case Return(value):
                return self._return(value, place)
            case Close(cursor):
                return [f"CLOSE {place.cursor(cursor).sql};"]
            case Signal():
                return self._signal(statement, place)
            case Resignal():
                if not place.answering:
                    raise UntranslatableError("RESIGNAL outside a handler for errors")
                return ["RAISE;"]
            case Do(value):
                self._draft.writes = True
                return [f"PERFORM {self._draft.value(value, place)};"]
            case Sql(verb, text):
                return self._sql(verb, text, place)

    def _return(self, value: str, place: Place) -> list[str]:
        if self._returns is None:
            raise UntranslatableError("RETURN outside a function")
        if self.result is not None:
            made = self._draft.value(value, place, self._returns.attribute)
            return [self.result.given(made), f"RETURN {self.result.sql};"]
        return [f"RETURN {self._draft.value(value, place, self._returns.attribute)};"]

    def _sql(self, verb: str, text: str, place: Place) -> list[str]:
        self._draft.writes = True
        if any(word.upper == "RETURNING" for word in tokens(text)):
            raise UntranslatableError(f"{verb} ... RETURNING that returns rows to the client")
        return [f"{self._draft.statement(text, place)};"]

    def _signal(self, statement: Signal, place: Place) -> list[str]:
        condition = resolved(statement.condition, place)
        if condition.kind != "sqlstate" or condition.value[:2] in ("01", "02"):
            raise UntranslatableError(f"SIGNAL {condition.value}")
        options = {"ERRCODE": f"'{condition.value}'", "MESSAGE": _UNHANDLED}
        for item, value in statement.items:
            if item == "MYSQL_ERRNO":
                self._draft.note(_NO_NUMBER)
            elif item == "MESSAGE_TEXT":
                options["MESSAGE"] = self._draft.value(value, place, _TEXT)
            elif item in _ITEMS:
                options[_ITEMS[item]] = self._draft.value(value, place, _TEXT)
            else:
                raise UntranslatableError(f"SIGNAL ... SET {item}")
        return [f"RAISE EXCEPTION USING {', '.join(f'{name} = {value}' for name, value in options.items())};"]
