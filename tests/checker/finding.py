"""What the checker says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Finding:
    """Something of the source that is not in the target, or not as it was.

    Attributes:
        kind: what sort of thing it is, such as ``index`` or ``cell``.
        object: its name in the source; what belongs to a table is ``table.name``.
        problem: what is wrong with it.
    """

    kind: str
    object: str
    problem: str

    def __str__(self) -> str:
        return f"{self.kind} {self.object}: {self.problem}"
