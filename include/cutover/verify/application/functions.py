"""Functions of the application's queries that PostgreSQL lacks, or has with another meaning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import psycopg

from cutover.schema.rewrite import Scope
from cutover.verify.application.finding import Finding, Known
from cutover.verify.application.known import DIFFER, GRAMMAR, called
from cutover.verify.queries import Query

_IN_VIEW = """
    SELECT DISTINCT upper(p.proname) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = ANY (current_schemas(true)) AND upper(p.proname) = ANY (%s)"""


def check_functions(
    connection: psycopg.Connection, queries: Sequence[Query], known: Known, scope: Scope, own: Sequence[str]
) -> Iterator[Finding]:
    """Yield the functions that the queries count on and will not find as they were.

    Args:
        connection: a session that sees the schema (:func:`cutover.verify.preparing.looking`).
        queries: the application's; those that the parser does not know are passed over.
        known: what each may be on the target.
        scope: what names mean on the target.
        own: the names of the source's stored functions.

    Raises:
        psycopg.Error: the connection was lost.
    """
    names = {query.name: list(called(query.tree)) for query in queries if query.tree is not None}
    wanted = sorted({name for found in names.values() for name in found})
    there = {name for (name,) in connection.execute(_IN_VIEW, (wanted,))} | GRAMMAR
    stored = {name.upper(): name for name in own}
    carried = {name.upper() for name in scope.functions}
    for query in queries:
        if query.name not in names:
            continue
        made = known[query.name]
        rewrite = made[0] if made is not None else None
        for name in names[query.name]:
            if name in stored and name not in carried:
                reason = f"{stored[name]}() is a function of the source's that is not carried"
                yield Finding(query.name, reason, rewrite, fatal=rewrite is None)
            elif name in stored:
                continue
            elif name not in there:
                reason = f"{name}() is no function of PostgreSQL's"
                yield Finding(query.name, reason, rewrite, fatal=rewrite is None)
            elif name in DIFFER:
                yield Finding(query.name, f"{name}() {DIFFER[name]}", rewrite)
