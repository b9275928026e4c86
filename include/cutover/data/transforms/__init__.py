"""What can be done to a column of values, in the order in which it is done: first what changes it, then what checks.

A user's own function has its place between the two.

Each transform is one module with two functions: ``applies(route)`` says whether the column needs
it, ``apply(route, array)`` returns an :class:`~cutover.data.transforms.result.Outcome`. A new one
is a module here and a line in :data:`CHANGES` or :data:`CHECKS`.
"""

from __future__ import annotations

from typing import Protocol

import pyarrow as pa

from cutover.data.transforms import (
    among,
    dates,
    defaults,
    email,
    json,
    normal,
    not_null,
    nul,
    numbers,
    phone,
    required,
    shapes,
    standard,
    types,
    values,
)
from cutover.data.transforms.result import Outcome
from cutover.route import ColumnRoute


class Transform(Protocol):
    """What a module of this package offers."""

    def applies(self, route: ColumnRoute) -> bool:
        """Whether the column needs this transform."""

    def apply(self, route: ColumnRoute, array: pa.Array) -> Outcome:
        """Return the transformed array, of the same length, and what was refused or altered."""


CHANGES: tuple[Transform, ...] = (
    nul,
    # Text has its one form before it is looked up in a mapping, brought to a type or checked.
    normal,
    standard,
    values,
    types,
    json,
    shapes,
    defaults,
)
CHECKS: tuple[Transform, ...] = (
    # The spec's word first: what it leaves out by rule is no error.
    among,
    email,
    phone,
    dates,
    numbers,
    # Here, too.
    required,
    not_null,
)

TRANSFORMS = (*CHANGES, *CHECKS)

__all__ = ["CHANGES", "CHECKS", "TRANSFORMS", "Outcome", "Transform"]
