"""What comparing source and target finds, whatever the way they are compared."""

from __future__ import annotations

from dataclasses import dataclass, field

# Differences are counted to the last one, but only this many of a chunk are shown.
SHOWN = 20


@dataclass(frozen=True)
class Difference:
    """One cell, or one whole row, that is not alike on both sides."""

    table: str
    key: str
    column: str | None
    source: str | None
    target: str | None

    def __str__(self) -> str:
        where = f"{self.table}[{self.key}]"
        if self.column is None:
            return f"{where}: only in the {'source' if self.target is None else 'target'}"
        return f"{where}.{self.column}: source {self.source}, target {self.target}"


@dataclass
class Comparison:
    """What comparing a chunk found; ``rows`` are the rows of the target that were looked at."""

    rows: int = 0
    lost: int = 0
    extra: int = 0
    changed: int = 0
    shown: list[Difference] = field(default_factory=list)

    @property
    def differences(self) -> int:
        """Rows that are not alike on both sides."""
        return self.lost + self.extra + self.changed

    def show(self, difference: Difference) -> None:
        """Keep a difference for the report, as long as there is room."""
        if len(self.shown) < SHOWN:
            self.shown.append(difference)


def shown(value: object) -> str:
    """Return a value as it stands in a report."""
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."
