"""What gives a sequence's values."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from cutover.dialects.postgresql import quoted
from cutover.schema.rewrite.context import Context
from cutover.schema.rewrite.scope import UntranslatableError
from cutover.schema.rewrite.value import Value, integer, string

COUNTERS = {"NEXTVAL": "nextval", "LASTVAL": "currval", "SETVAL": None}
_NONE_YET = "LASTVAL is an error in a session that has taken no value yet, where the source gives NULL"


def count(context: Context, name: str, arguments: Sequence[exp.Expr]) -> Value:
    """Translate NEXTVAL or LASTVAL of a sequence.

    Raises:
        UntranslatableError: it is SETVAL, which never goes back in the source and does in PostgreSQL, or the
            sequence is not carried.
    """
    called = COUNTERS[name]
    if called is None:
        raise UntranslatableError("SETVAL(), which never goes back in the source")
    if len(arguments) != 1 or not isinstance(arguments[0], exp.Column):
        raise UntranslatableError(f"{name}() of something else than a sequence")
    if called == "currval":
        context.note(_NONE_YET)
    return integer(f"{called}({string(quoted(_sequence(context, arguments[0])))})", type_="bigint")


def _sequence(context: Context, tree: exp.Column) -> str:
    """Return a sequence's name in the target; the parser takes its database for a table."""
    database = tree.text("table")
    if tree.args.get("db") or (database and database.lower() != context.scope.database.lower()):
        raise UntranslatableError(f"another database: {tree.sql(dialect='mysql', comments=False)}")
    found = context.scope.sequences.get(tree.name)
    if found is None:
        raise UntranslatableError(f"sequence {tree.name}, which is not carried")
    return found
