"""Try on the target what it may refuse, on empty tables, and take everything back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

import psycopg
from psycopg import sql

from cutover.dialects import postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.errors import PreflightError
from cutover.schema import ddl
from cutover.schema.programs import Program
from cutover.schema.target import Loss, TargetTable, TargetView, commented


@dataclass(frozen=True)
class Accepted:
    """What the target takes, and the others as losses."""

    tables: tuple[TargetTable, ...]
    views: tuple[TargetView, ...]
    programs: tuple[Program, ...]
    losses: tuple[Loss, ...]


def rehearse(
    target: Endpoint,
    first: Iterable[ddl.Statement],
    tables: Sequence[TargetTable],
    views: Sequence[TargetView],
    programs: Sequence[Program],
    summing: Sequence[ddl.Statement] = (),
) -> Accepted:
    """Find out which generated columns, indexes, checks, triggers, views and routines the target accepts.

    Everything happens in one transaction that is rolled back: first table by table, so that no more
    locks are held than one needs, then all tables at once where views or routines need them.
    ``first`` makes what the tables' columns need, ``summing`` tables of the tables' rows.

    Raises:
        TransientError: the target was lost.
        PreflightError: it refuses a table itself, or one of the tables' rows.
    """
    accepted: list[TargetTable] = []
    losses: list[Loss] = []
    with postgresql.session(target) as connection:
        schema = f"cutover_rehearsal_{uuid4().hex[:8]}"
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        connection.execute("SELECT set_config('search_path', %s, true)", (postgresql.quoted(schema),))
        _run(connection, first)
        for table in tables:
            with connection.transaction(force_rollback=True):
                if _refusal(connection, _whole(table)) is not None:
                    # Something of it: one after the other tells what.
                    table = _with_what_it_computes(connection, table, losses)
                    table = _with_what_is_accepted(connection, table, losses)
                accepted.append(table)
        postgresql.find_extensions(connection, schema)
        if summing:
            _refuse_unsummable(connection, accepted, summing)
        code = _code(connection, accepted, views, programs, losses) if views or programs else ((), ())
        connection.rollback()
    return Accepted(tuple(accepted), tuple(code[0]), tuple(code[1]), tuple(losses))


def _refuse_unsummable(
    connection: psycopg.Connection, tables: Sequence[TargetTable], summing: Sequence[ddl.Statement]
) -> None:
    with connection.transaction(force_rollback=True):
        for table in tables:
            _run(connection, ddl.create_tables((replace(table, partitioning=None),)))
        refused = [(s, refusal) for s in summing if (refusal := _refusal(connection, [s])) is not None]
    if refused:
        raise PreflightError([f"{s.what}: the target refuses {s.sql}: {refusal}" for s, refusal in refused])


def _whole(table: TargetTable) -> Iterator[ddl.Statement]:
    yield from ddl.create_tables((table,))
    yield from ddl.indexes(replace(table, constrained=False))
    yield from (ddl.check(table, check) for check in table.checks)
    yield from ddl.touch(table)


def _with_what_it_computes(connection: psycopg.Connection, table: TargetTable, losses: list[Loss]) -> TargetTable:
    """Create the table; a generated column that is refused becomes a plain one, a default is left out."""
    refusal = _refusal(connection, ddl.create_tables((table,)))
    if refusal and table.partitioning:
        where, table = f"partitioning of {table.route.source}", replace(table, partitioning=None)
        losses.append(Loss(where, f"the table is whole; the target refuses its partitions: {refusal}"))
        refusal = _refusal(connection, ddl.create_tables((table,)))
    for column in table.computed if refusal else ():
        others = [replace(c, computed=None) if c is not column else c for c in table.route.columns]
        alone = replace(table, route=replace(table.route, columns=tuple(others)), defaults=())
        with connection.transaction(force_rollback=True):
            reason = _refusal(connection, ddl.create_tables((alone,)))
        if reason is not None:
            kind = "generated column" if column.added is None else "column"
            where = f"{kind} {table.route.source}.{column.source}"
            losses.append(Loss(where, f"its values arrive; the target refuses {column.computed}: {reason}"))
            columns = (replace(c, computed=None) if c is column else c for c in table.route.columns)
            table = replace(table, route=replace(table.route, columns=tuple(columns)))
    for name, default in table.defaults if refusal else ():
        bare = replace(table, route=table.route.loaded, defaults=((name, default),))
        with connection.transaction(force_rollback=True):
            reason = _refusal(connection, ddl.create_tables((bare,)))
        if reason is not None:
            where = f"default of {table.route.source}.{table.route.column(name).source}"
            losses.append(Loss(where, f"the target refuses {default}: {reason}"))
            table = replace(table, defaults=tuple(pair for pair in table.defaults if pair[0] != name))
    if refusal:
        still = _refusal(connection, ddl.create_tables((table,)))
        if still:
            raise PreflightError([f"table {table.name}: the target refuses to create it: {still}"])
    return table


def _with_what_is_accepted(connection: psycopg.Connection, table: TargetTable, losses: list[Loss]) -> TargetTable:
    indexes, checks = [], []
    for index in table.indexes:
        (statement,) = ddl.indexes(replace(table, indexes=(index,), constrained=False))
        refusal = _refusal(connection, [statement])
        if refusal is None:
            indexes.append(index)
        else:
            losses.append(
                Loss(
                    table.in_source(index),
                    f"the target refuses {statement.sql}: {refusal}",
                )
            )
    for check in table.checks:
        refusal = _refusal(connection, [ddl.check(table, check)])
        if refusal is None:
            checks.append(check)
        else:
            losses.append(
                Loss(
                    table.in_source(check),
                    f"the target refuses {check.sql}: {refusal}",
                )
            )
    refusal = _refusal(connection, ddl.touch(table))
    if refusal:
        names = ", ".join(table.touched)
        losses.append(Loss(f"ON UPDATE of {table.route.source}", f"the target refuses a trigger on {names}: {refusal}"))
    return replace(table, indexes=tuple(indexes), checks=tuple(checks), touched=() if refusal else table.touched)


def _code(
    connection: psycopg.Connection,
    tables: Sequence[TargetTable],
    views: Sequence[TargetView],
    programs: Sequence[Program],
    losses: list[Loss],
) -> tuple[list[TargetView], list[Program]]:
    """Create views and programs as the run does, in rounds: what was refused may take others with it."""
    for table in tables:
        keyed = replace(table, checks=(), indexes=())
        key = ddl.constraints(keyed, ())
        # A view may select what depends on the key it groups by (manual, GROUP BY).
        _run(connection, [*ddl.create_tables((table,)), *ddl.indexes(keyed), *([key] if key else [])])
    kept_views, kept_programs = list(views), list(programs)
    while True:
        refused: list[Loss] = []
        with connection.transaction(force_rollback=True):
            routines = [p for p in kept_programs if p.table is None]
            triggers = [p for p in kept_programs if p.table is not None]
            made = [p for p in routines if _accepts(connection, p, refused)]
            seen = [_accepted_view(connection, view, refused) for view in kept_views]
            # Once all of it is there, every statement within the programs is tried by itself.
            made += [p for p in triggers if _accepts(connection, p, refused)]
            made = [p for p in made if _runs(connection, p, refused)]
        losses += refused
        kept_views = [view for view in seen if view is not None]
        kept_programs = made
        if not refused:
            return kept_views, kept_programs


def _accepts(connection: psycopg.Connection, program: Program, refused: list[Loss]) -> bool:
    refusal = _refusal(connection, ddl.program(program))
    if refusal:
        refused.append(Loss(program.origin, f"the target refuses it: {refusal}", _text(program)))
    return not refusal


def _accepted_view(connection: psycopg.Connection, view: TargetView, refused: list[Loss]) -> TargetView | None:
    """Return the view, without its check option where that is what is refused, or None."""
    refusal = _refusal(connection, [ddl.view(view)])
    if refusal is None:
        return view
    unchecked = replace(view, check_option=None)
    if view.check_option and _refusal(connection, [ddl.view(unchecked)]) is None:
        refused.append(Loss(f"check option of view {view.source}", f"the target refuses it: {refusal}"))
        return unchecked
    refused.append(Loss(f"view {view.source}", f"the target refuses it: {refusal}", commented(ddl.view(view).sql)))
    return None


def _runs(connection: psycopg.Connection, program: Program, refused: list[Loss]) -> bool:
    """Whether the target can prepare every statement of a program; creating one looks at its syntax alone."""
    for position, probe in enumerate(program.probes):
        name = f"cutover_probe_{position}"
        refusal = _refusal(connection, [ddl.Statement("", "probe", f"PREPARE {name} AS {probe}")])
        if refusal:
            reason = f"the target refuses {probe}: {refusal}"
            refused.append(Loss(program.origin, reason, _text(program)))
            return False
        connection.execute(sql.SQL("DEALLOCATE {}").format(sql.Identifier(name)))
    return True


def _text(program: Program) -> str:
    return commented(";\n".join(program.statements))


def _refusal(connection: psycopg.Connection, statements: Iterable[ddl.Statement]) -> str | None:
    """Run statements; what the server says where it refuses one, and then none of them has run."""
    try:
        with connection.transaction():
            _run(connection, statements)
    except psycopg.Error as error:
        if postgresql.transient(error.sqlstate):
            raise
        return error.diag.message_primary or str(error)
    return None


def _run(connection: psycopg.Connection, statements: Iterable[ddl.Statement]) -> None:
    """Run statements in one round trip: there are thousands of them."""
    connection.execute(";\n".join(statement.sql for statement in statements).encode())
