"""When the target counts as slower than the source."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

# Milliseconds below which a difference is the machine's and not the database's. A login takes several round trips,
# and PostgreSQL's is meant to cost time (RFC 5802, SCRAM).
NOISE_MS, CONNECT_NOISE_MS = 5.0, 50.0


@dataclass(frozen=True)
class Limits:
    """How the two sides are compared.

    Attributes:
        threshold: the share that the target may take longer by.
        runs: how often each side is measured; medians are compared.
        timeout: milliseconds that a statement may take.
    """

    threshold: float = 0.5
    runs: int = 3
    timeout: int = 30_000


@dataclass(frozen=True)
class Pair:
    """How long the same thing took on both sides, in milliseconds: the medians."""

    source: float
    target: float

    @staticmethod
    def of(source: list[float], target: list[float]) -> Pair:
        """Return the medians of what was measured."""
        return Pair(round(median(source), 2), round(median(target), 2))

    def degraded(self, limits: Limits, noise: float = NOISE_MS) -> bool:
        """Whether the target is slower by more than the threshold, and by more than noise."""
        return self.target > self.source * (1 + limits.threshold) and self.target - self.source > noise

    def __str__(self) -> str:
        return f"{self.target:,.1f} ms, in the source {self.source:,.1f} ms"
