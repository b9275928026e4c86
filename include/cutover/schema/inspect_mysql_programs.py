"""Read what a MySQL or MariaDB database holds as SQL text: views, triggers, routines and events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from cutover.dialects import mysql
from cutover.schema.model import Column, Event, Parameter, Routine, Trigger, View

_VIEWS = sa.text("""
    SELECT table_name, view_definition, check_option, security_type FROM information_schema.views
    WHERE table_schema = DATABASE() ORDER BY BINARY table_name""")
_TRIGGERS = sa.text("""
    SELECT trigger_name, event_object_table, action_timing, event_manipulation, action_statement, action_order,
           sql_mode
    FROM information_schema.triggers WHERE trigger_schema = DATABASE() ORDER BY BINARY trigger_name""")
# The parameter without a name and mode is what a function returns.
_PARAMETERS = sa.text("""
    SELECT routine_type, specific_name, parameter_name, dtd_identifier, parameter_mode
    FROM information_schema.parameters
    WHERE specific_schema = DATABASE() AND parameter_name IS NOT NULL
    ORDER BY BINARY specific_name, routine_type, ordinal_position""")
_ROUTINES = sa.text("""
    SELECT routine_type, routine_name, routine_definition, dtd_identifier, is_deterministic, routine_comment,
           sql_mode
    FROM information_schema.routines
    WHERE routine_schema = DATABASE() AND routine_type IN ('FUNCTION', 'PROCEDURE')
    ORDER BY BINARY routine_name, routine_type""")
_EVENTS = sa.text("""
    SELECT event_name, event_type, execute_at, interval_value, interval_field, starts, ends, event_definition, status
    FROM information_schema.events WHERE event_schema = DATABASE() ORDER BY BINARY event_name""")

# Which rights, any of them, show an account that there are such objects (manuals, the tables of these names).
_SHOWN_BY = {
    "trigger": ("TRIGGER",),
    "event": ("EVENT",),
    "routine": ("EXECUTE", "ALTER ROUTINE", "CREATE ROUTINE", "SHOW_ROUTINE"),
}


def unseen(connection: sa.Connection) -> tuple[str, ...]:
    """Return the kinds of object (trigger, event, routine) of which the account is not told whether there are any."""
    rights = mysql.rights(connection)
    # Whoever may read the server's own tables is told of every routine.
    everywhere = rights.get("SELECT", False)
    return tuple(
        kind
        for kind, any_of in _SHOWN_BY.items()
        if not rights.keys() & {*any_of} and not (kind == "routine" and everywhere)
    )


def views(connection: sa.Connection, columns: Mapping[str, Sequence[Column]]) -> tuple[View, ...]:
    """Read the views; ``columns`` are those of every table and view.

    What the account may not read (it takes SHOW VIEW, and for a routine SELECT on the server's own
    tables) has no text.
    """
    return tuple(
        View(name, definition or "", tuple(columns[name]), None if check == "NONE" else check, security == "INVOKER")
        for name, definition, check, security in connection.execute(_VIEWS)
    )


def triggers(connection: sa.Connection) -> tuple[Trigger, ...]:
    """Read the triggers."""
    return tuple(
        Trigger(name, table, timing, event, body or "", int(order), mode)
        for name, table, timing, event, body, order, mode in connection.execute(_TRIGGERS)
    )


def routines(connection: sa.Connection) -> tuple[Routine, ...]:
    """Read procedures and functions with their parameters."""
    parameters: dict[tuple[str, str], list[Parameter]] = defaultdict(list)
    for kind, routine, name, type_, mode in connection.execute(_PARAMETERS):
        parameters[kind, routine].append(Parameter(name, type_, mode or "IN"))
    return tuple(
        Routine(
            name,
            tuple(parameters[kind, name]),
            body or "",
            returns if kind == "FUNCTION" else None,
            deterministic == "YES",
            comment or None,
            mode,
        )
        for kind, name, body, returns, deterministic, comment, mode in connection.execute(_ROUTINES)
    )


def events(connection: sa.Connection) -> tuple[Event, ...]:
    """Read the events; their schedule is put together as the server writes it."""
    return tuple(
        Event(name, _schedule(*schedule), body or "", status == "ENABLED")
        for name, *schedule, body, status in connection.execute(_EVENTS)
    )


def _schedule(kind: str, at: object, every: str | None, unit: str | None, starts: object, ends: object) -> str:
    if kind == "ONE TIME":
        return f"AT '{at}'"
    limits = [f" {word} '{when}'" for word, when in (("STARTS", starts), ("ENDS", ends)) if when is not None]
    return f"EVERY {every} {unit}" + "".join(limits)
