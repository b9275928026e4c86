"""What was measured, and the arithmetic of the summary."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PGLOADER, PG_RESTORE, CUTOVER = "pgloader", "pg_restore alone", "cutover run"
# What an engine is compared with, where it is in the same case.
PEERS = (PGLOADER, PG_RESTORE)


@dataclass(frozen=True)
class Measured:
    """One run of one engine.

    Attributes:
        case: what was done; engines are compared within a case and size.
        engine: who did it.
        rows: how many rows it was done with.
        seconds: how long it took.
        peak_mb: the largest resident size of any single process.
        row_bytes: bytes of text in a row, where these are what the case is about.
        steps: seconds by step, where the engine tells them.
        lags: seconds from a commit in the source until the row was in the target, of every sample.
        copied: the case that copies what was compared, where something was compared alone.
        failed: why there is no result; seconds mean nothing then.
    """

    case: str
    engine: str
    rows: int
    seconds: float = 0.0
    peak_mb: float = 0.0
    row_bytes: int = 0
    steps: Mapping[str, float] = field(default_factory=dict)
    lags: Sequence[float] = ()
    copied: str = ""
    failed: str | None = None


def summary(measured: Sequence[Measured]) -> list[dict[str, Any]]:
    """Return medians by case, engine and size, each with its ratio to the peer in the same case and pair."""
    found: dict[tuple[str, str, int], list[Measured]] = {}
    for one in measured:
        found.setdefault((one.case, one.engine, one.rows), []).append(one)
    entries = []
    for (case, _, rows), runs in found.items():
        copies = found.get((runs[0].copied, CUTOVER, rows), [])
        peers = next((found[case, peer, rows] for peer in PEERS if (case, peer, rows) in found), [])
        entries.append(_entry(runs, peers, copies))
    return entries


def _entry(runs: Sequence[Measured], peers: Sequence[Measured], copies: Sequence[Measured]) -> dict[str, Any]:
    first = runs[0]
    entry: dict[str, Any] = {"case": first.case, "engine": first.engine, "rows": first.rows}
    whole = [run for run in runs if run.failed is None]
    failures = [run.failed for run in runs if run.failed is not None]
    if failures:
        entry["failed"] = failures
    if not whole:
        return entry
    median = statistics.median(run.seconds for run in whole)
    # The two of a pair ran in the same minutes: a pair of which one failed says nothing.
    ratios = [
        peer.seconds / run.seconds
        for peer, run in zip(peers, runs, strict=False)
        if peer.failed is None and run.failed is None
    ]
    steps = {name: _median(run.steps.get(name, 0.0) for run in whole) for name in whole[0].steps}
    return entry | {
        "seconds": round(median, 2),
        "rows_per_second": round(first.rows / median),
        "mb_per_second": round(first.rows * first.row_bytes / 2**20 / median, 1) if first.row_bytes else None,
        "times_peer": round(statistics.median(ratios), 2) if ratios else None,
        "peak_mb": round(max(run.peak_mb for run in whole)),
        "proof_times_copy": _proof(steps) if not copies else _times(median, copies),
        "lag": _lag([lag for run in whole for lag in run.lags]),
        "steps": steps,
    }


def _proof(steps: Mapping[str, float]) -> float | None:
    """How much longer comparing every cell takes than the load."""
    load, proof = steps.get("load"), steps.get("validate_rows")
    return round(proof / load, 2) if load and proof else None


def _times(seconds: float, copies: Sequence[Measured]) -> float | None:
    """How much longer a comparison by itself takes than the copy by itself, from start to exit."""
    whole = [run.seconds for run in copies if run.failed is None]
    return round(seconds / statistics.median(whole), 2) if whole else None


def _lag(lags: Sequence[float]) -> dict[str, float] | None:
    return {"median": _median(lags), "worst": round(max(lags), 2)} if lags else None


def _median(values: Iterable[float]) -> float:
    return round(statistics.median(values), 2)


def expected_seconds(earlier: Sequence[Mapping[str, Any]], wanted: Sequence[tuple[str, str, int]]) -> tuple[float, int]:
    """Say how long measurements take, by an earlier summary, and how many of them it does not tell of.

    Args:
        earlier: what :func:`summary` returned.
        wanted: (case, engine, rows) of every measurement that is to come.
    """
    known = {(e["case"], e["engine"], e["rows"]): e["seconds"] for e in earlier if "seconds" in e}
    return sum(known.get(key, 0.0) for key in wanted), sum(key not in known for key in wanted)
