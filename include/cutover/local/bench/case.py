"""What a case of the benchmark is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cutover.local.bench.measured import Measured
from cutover.local.bench.place import Place
from cutover.local.servers import Server

COPY, INDEXED, COMPARED = "copy alone", "with key and indexes", "source and target compared"


@dataclass(frozen=True)
class Case:
    """Tables that are moved, and who moves them.

    Attributes:
        name: what chooses it in BENCH_CASES.
        title: what it is called in the results.
        sizes: in rows.
        seed: fills a database with so many rows.
        contests: who works on it, in turn.
        tables: the only ones that are moved; all where empty.
        counted: the tables that hold the rows; all where empty.
        row_bytes: bytes of text in a row, where these are what the case is about.
        airflow: whether it needs one.
    """

    name: str
    title: str
    sizes: tuple[int, ...]
    seed: Callable[[Server, int], None]
    contests: tuple[Contest, ...]
    tables: tuple[str, ...] = ()
    counted: tuple[str, ...] = ()
    row_bytes: int = 0
    airflow: bool = False

    def database(self, rows: int) -> str:
        """The name of the source database that holds it."""
        return f"bench_{self.name}_{rows}"


@dataclass(frozen=True)
class Contest:
    """One engine's turn: ``what`` is done, by ``engine``, with ``work``."""

    what: str
    engine: str
    work: Callable[[Place, Case, int, Contest], Measured]

    def measured(
        self, case: Case, rows: int, seconds: float, peak_mb: float, steps: Mapping[str, float] | None = None
    ) -> Measured:
        """Return what came out."""
        title = self.title(case)
        return Measured(title, self.engine, rows, seconds, peak_mb, case.row_bytes, steps or {})

    def title(self, case: Case) -> str:
        """What the results call it: engines are compared that do the same."""
        return f"{case.title}, {self.what}"
