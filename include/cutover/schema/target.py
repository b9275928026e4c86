"""The tables to build in the target, and what of the source does not get there."""

from __future__ import annotations

from dataclasses import dataclass

from cutover.route import TableRoute
from cutover.schema.model import ForeignKey


@dataclass(frozen=True)
class Loss:
    """Something of the source that does not arrive, and why."""

    object: str
    reason: str


@dataclass(frozen=True)
class TargetIndex:
    """An index or unique key to build after the load."""

    name: str
    columns: tuple[str, ...]
    unique: bool


@dataclass(frozen=True)
class TargetTable:
    """A table of the target, bare columns first and everything else to be added after the load.

    ``constrained`` says whether keys and constraints are built at all.
    """

    route: TableRoute
    constrained: bool = True
    defaults: tuple[tuple[str, str], ...] = ()
    checks: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    comments: tuple[tuple[str, str], ...] = ()
    identity: str | None = None
    next_identity: int | None = None
    indexes: tuple[TargetIndex, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()

    @property
    def name(self) -> str:
        """The table's name in the target."""
        return self.route.target
