"""What the benchmark prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from cutover.local.bench.measured import Measured

_TEXTS = ("case", "engine")
_COLUMNS = (*_TEXTS, "rows", "seconds", "rows/s", "MB/s", "x peer", "proof/copy", "lag s, worst", "peak MB")


def say(screen: Console, text: str) -> None:
    """Print a line."""
    screen.print(text, highlight=False, markup=False, soft_wrap=True)


def line(one: Measured, pair: int) -> str:
    """Say what came out of one run."""
    what = f"{one.rows:>11,} rows, pair {pair}: {one.case}: {one.engine}: "
    if one.failed is not None:
        return f"{what}NO RESULT: {one.failed}"
    return f"{what}{one.seconds:.1f} s, {one.rows / one.seconds:,.0f} rows/s, {one.peak_mb:.0f} MB"


def expectation(seconds: float, unknown: int, count: int) -> str:
    """Say how long so many measurements will take, of which some have not been made here before."""
    known = f"about {seconds / 60:.0f} minutes, as last time" if unknown < count else "not known yet"
    more = f", and {unknown} that were not measured here before" if 0 < unknown < count else ""
    return f"{count} measurements: {known}{more}; tables that are not there yet are made first"


def show(screen: Console, found: Sequence[dict[str, Any]]) -> None:
    """Print the summary: a table, the steps of each engine that tells them, and what has failed."""
    table = Table(box=None)
    for name in _COLUMNS:
        table.add_column(name, justify="left" if name in _TEXTS else "right", overflow="fold")
    for entry in found:
        table.add_row(*_cells(entry))
    screen.print(table)
    for entry in found:
        what = f"{entry['engine']}, {entry['case']}, {entry['rows']:,} rows"
        if entry.get("steps"):
            steps = ", ".join(f"{name} {seconds:.2f}" for name, seconds in entry["steps"].items() if seconds >= 0.01)
            say(screen, f"{what}: {steps}")
        for failure in entry.get("failed", ()):
            say(screen, f"{what}: NO RESULT: {failure}")


def _cells(entry: dict[str, Any]) -> list[str]:
    begin = [entry["case"], entry["engine"], f"{entry['rows']:,}"]
    if "seconds" not in entry:
        return [*begin, "no result"]
    lag = entry["lag"]
    return [
        *begin,
        f"{entry['seconds']:.1f}",
        f"{entry['rows_per_second']:,}",
        _shown(entry["mb_per_second"], 1),
        _shown(entry["times_peer"], 2),
        _shown(entry["proof_times_copy"], 2),
        f"{lag['median']:.2f}, {lag['worst']:.2f}" if lag else "",
        f"{entry['peak_mb']}",
    ]


def _shown(number: float | None, digits: int) -> str:
    return "" if number is None else f"{number:.{digits}f}"
