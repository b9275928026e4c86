"""Stored procedures, functions, triggers and events of MySQL in PL/pgSQL, or the construct that has no translation."""

from cutover.schema.programs.program import Program, translate_event, translate_routine, translate_trigger
from cutover.schema.programs.skeleton import skeleton

__all__ = ["Program", "skeleton", "translate_event", "translate_routine", "translate_trigger"]
