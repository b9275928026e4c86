"""Rows into variables: SELECT ... INTO, and cursors.

Without a row MySQL leaves the variables as they are and PL/pgSQL makes them NULL, so rows go through
scratch variables; of several rows MySQL takes none and PL/pgSQL the first, so a query that may have
several is looped over.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from cutover.schema.programs.draft import Draft, Place, Variable
from cutover.schema.programs.handlers import NO_DATA, Answering, for_errors, for_no_data, guarded, indented
from cutover.schema.programs.syntax import Fetch, Open, SelectInto
from cutover.schema.rewrite.scope import UntranslatableError

_TOO_MANY = "RAISE EXCEPTION USING ERRCODE = 'too_many_rows', MESSAGE = 'Result consisted of more than one row';"
_NO_ROW = (
    f"RAISE EXCEPTION USING ERRCODE = '{NO_DATA}', MESSAGE = 'No data - zero rows fetched, selected, or processed';"
)


def select_into(statement: SelectInto, place: Place, draft: Draft, answer: Answering) -> list[str]:
    """Return the lines of a ``SELECT ... INTO``.

    Raises:
        UntranslatableError: the query has no translation, or a target is no variable.
    """
    targets = _targets(statement.targets, place)
    query = draft.query(statement.query, place, targets)
    least, most = _rows(statement.query)
    if least and not any(target.declared.trimmed for target in targets):
        direct = ", ".join(target.sql for target in targets)
        # What is put together here runs in the target as part of the program.
        lines = [f"{direct} := ({query});"] if len(targets) == 1 else [_first_row(query, direct)]
        return guarded(lines, place, answer)
    if most:
        taken = ", ".join(draft.next_of(target) for target in targets)
        lines = [_first_row(query, taken)]
        return _one_or_none(lines, targets, place, draft, answer, otherwise=[])
    counted = draft.other("rows", "integer")
    taken = ", ".join(draft.next_of(target) for target in targets)
    lines = [
        f"{counted} := 0;",
        f"FOR {taken} IN {query} LOOP",
        f"    {counted} := {counted} + 1;",
        f"    IF {counted} > 1 THEN",
        f"        {_TOO_MANY}",
        "    END IF;",
        *indented(_take(targets, draft)),
        "END LOOP;",
    ]
    return _with_none(lines, "NOT FOUND", place, draft, answer, otherwise=[])


def open_cursor(statement: Open, place: Place, draft: Draft, answer: Answering) -> list[str]:
    """Return the lines of an OPEN.

    Raises:
        UntranslatableError: the cursor's query has no translation, or would see what is changed after OPEN.
    """
    cursor = place.cursor(statement.cursor)
    if draft.calls_stored_function(cursor.query):
        raise UntranslatableError("a cursor over a stored function")
    return guarded([f"OPEN {cursor.sql} NO SCROLL FOR {draft.opened(cursor)};"], place, answer)


def fetch(statement: Fetch, place: Place, draft: Draft, answer: Answering) -> list[str]:
    """Return the lines of a FETCH; without a handler, no more rows are an error.

    Raises:
        UntranslatableError: a target is no variable, or there is no such cursor.
    """
    cursor = place.cursor(statement.cursor)
    targets = _targets(statement.targets, place)
    draft.fetched(cursor, targets)
    taken = ", ".join(draft.next_of(target) for target in targets)
    return _one_or_none([f"FETCH {cursor.sql} INTO {taken};"], targets, place, draft, answer, otherwise=[_NO_ROW])


def _targets(names: Sequence[str], place: Place) -> list[Variable]:
    if any("." in name for name in names):
        raise UntranslatableError("INTO something that is no variable")
    return [place.variable(name) for name in names]


def _first_row(query: str, targets: str) -> str:
    # The program's own text, of what was translated.
    return f"SELECT q.* INTO {targets} FROM ({query}) AS q;"  # noqa: S608


def _take(targets: Sequence[Variable], draft: Draft) -> list[str]:
    return [target.given(draft.next_of(target)) for target in targets]


def _one_or_none(
    lines: list[str],
    targets: Sequence[Variable],
    place: Place,
    draft: Draft,
    answer: Answering,
    otherwise: list[str],
) -> list[str]:
    taken = _take(targets, draft)
    if for_errors(place):
        return _with_none(
            [*lines, "IF FOUND THEN", *indented(taken), "END IF;"], "NOT FOUND", place, draft, answer, otherwise
        )
    handler = for_no_data(place)
    none = otherwise if handler is None else answer(handler, False)
    made = [*lines, "IF FOUND THEN", *indented(taken)]
    return [*made, *(["ELSE", *indented(none)] if none or handler else []), "END IF;"]


def _with_none(
    lines: list[str], test: str, place: Place, draft: Draft, answer: Answering, otherwise: list[str]
) -> list[str]:
    handler = for_no_data(place)
    none = otherwise if handler is None else answer(handler, False)
    if not none:
        return guarded(lines, place, answer)
    if for_errors(place):
        # An error's handler may change FOUND, and after it no row is missing.
        missing = draft.flag("missing")
        lines = guarded([*lines, f"{missing} := {test};"], place, answer)
        lines, test = [f"{missing} := FALSE;", *lines], missing
    return [*lines, f"IF {test} THEN", *indented(none), "END IF;"]


def _rows(query: str) -> tuple[bool, bool]:
    """Whether a query surely has a row, and whether it surely has no second one.

    The first is said only together with the second.
    """
    try:
        tree = sqlglot.parse_one(query, read="mysql")
    except SqlglotError:
        return False, False
    if not isinstance(tree, exp.Select):
        return False, False
    limit = tree.args.get("limit")
    cut = limit is not None or tree.args.get("offset") is not None
    if cut:
        first = (
            isinstance(limit, exp.Limit) and isinstance(limit.expression, exp.Literal) and limit.expression.this == "1"
        )
        return False, first
    if any(tree.args.get(part) for part in ("group", "having", "distinct", "qualify")):
        return False, False
    if tree.args.get("from_") is None and tree.args.get("from") is None:
        return tree.args.get("where") is None, True
    aggregated = any(_aggregates(column) for column in tree.expressions)
    return aggregated, aggregated


def _aggregates(column: exp.Expr) -> bool:
    """Whether an aggregate stands in the column itself, not in a subquery or over a window."""
    return any(_own(found, column) for found in column.find_all(exp.AggFunc))


def _own(found: exp.Expr, column: exp.Expr) -> bool:
    step: exp.Expr | None = found
    while step is not column and step is not None:
        step = step.parent
        if isinstance(step, (exp.Window, exp.Query)):
            return False
    return True
