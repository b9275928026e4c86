"""The tables to build in the target, and what of the source does not get there."""

from __future__ import annotations

from dataclasses import dataclass

from cutover.route import TableRoute
from cutover.schema.model import ForeignKey, Index


@dataclass(frozen=True)
class Loss:
    """Something of the source that does not arrive, and why."""

    object: str
    reason: str


@dataclass(frozen=True)
class TargetCheck:
    """A CHECK constraint to add after the load; ``column`` and ``labels`` where it says what a column may hold."""

    name: str
    sql: str
    column: str | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class TargetTable:
    """A table of the target, bare columns first and everything else to be added after the load.

    ``constrained`` says whether keys and constraints are built at all; ``touched`` are the columns
    that take the current time when their row is changed.
    """

    route: TableRoute
    constrained: bool = True
    defaults: tuple[tuple[str, str], ...] = ()
    checks: tuple[TargetCheck, ...] = ()
    comments: tuple[tuple[str, str], ...] = ()
    identity: str | None = None
    next_identity: int | None = None
    indexes: tuple[Index, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    touched: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The table's name in the target."""
        return self.route.target
