"""Whether PostgreSQL takes the application's queries, as they are written or rewritten."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import psycopg

from cutover.verify import preparing
from cutover.verify.application.finding import Finding, Known
from cutover.verify.application.meaning import changes
from cutover.verify.queries import Query


def check_queries(
    connection: psycopg.Connection, queries: Sequence[Query], known: Known, never_null: frozenset[str]
) -> Iterator[Finding]:
    """Yield what becomes of each query that the application cannot go on asking as it does.

    Args:
        connection: a session that sees the schema (:func:`cutover.verify.preparing.looking`).
        queries: the application's.
        known: what each may be on the target.
        never_null: lower-case names of columns that hold NULL in no table.

    Raises:
        psycopg.Error: the connection was lost.
    """
    for query in queries:
        refused = preparing.problem(connection, query.text)
        found = (
            _taken(query, never_null, known[query.name])
            if refused is None
            else _refused(query, refused, known[query.name])
        )
        if found is not None:
            yield found


def working(connection: psycopg.Connection, query: Query) -> tuple[str, bool] | None:
    """Return the best translation that the server takes, with whether it surely means the same; None for none."""
    return next((made for made in query.translations if preparing.problem(connection, made[0]) is None), None)


def _refused(query: Query, refused: str, working: tuple[str, bool] | None) -> Finding:
    reason = f"PostgreSQL does not take it as it is written ({refused})"
    if working is None:
        why = query.construct or "its translation is refused too"
        return Finding(query.name, f"{reason}, and no translation of it is known: {why}", fatal=True)
    rewrite, sure = working
    if not sure:
        reason += f", and it has no surely equal translation ({query.construct}); try sqlglot's"
    elif query.notes:
        reason += f"; translated, {', '.join(query.notes)}"
    return Finding(query.name, reason, rewrite)


def _taken(query: Query, never_null: frozenset[str], working: tuple[str, bool] | None) -> Finding | None:
    if query.target is None:
        reason = f"PostgreSQL takes it as it is written, but it need not mean the same: {query.construct}"
        return Finding(query.name, reason, working[0] if working else None)
    reasons = changes(query, never_null)
    if not reasons:
        return None
    rewrite = query.target if working is not None and working[1] else None
    reason = f"PostgreSQL takes it as it is written, but it means something else there: {'; '.join(reasons)}"
    return Finding(query.name, reason, rewrite)
