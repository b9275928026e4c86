"""The cases, and which of them the environment chooses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cutover.errors import PreflightError
from cutover.local.bench import command, dag, pgloader, rollback, seeds, streaming
from cutover.local.bench.case import COMPARED, COPY, INDEXED, Case, Contest
from cutover.local.bench.measured import CUTOVER, PGLOADER
from cutover.local.seed import seed_camera_counting

PAIRS = 3

_COPIES = (Contest(COPY, PGLOADER, pgloader.run), Contest(COPY, CUTOVER, command.run))
_WHOLE = (
    Contest(INDEXED, PGLOADER, pgloader.run),
    Contest(INDEXED, CUTOVER, command.run),
    Contest(INDEXED, command.VERIFIED, command.run),
)
_COMPARISONS = tuple(Contest(COMPARED, engine, command.verify) for engine in (command.VERIFY, command.FAST))

CASES = (
    Case(
        "narrow",
        "narrow rows",
        (1_000_000, 10_000_000),
        seed_camera_counting,
        (*_COPIES, *_WHOLE, *_COMPARISONS),
        tables=("cameras", "analytics"),
        counted=("analytics",),
    ),
    # A case of its own: Airflow works beside whatever else is measured while it is there.
    Case(
        "dag",
        "narrow rows, Airflow running",
        (1_000_000, 10_000_000),
        seed_camera_counting,
        (Contest(INDEXED, PGLOADER, pgloader.run), Contest(INDEXED, dag.DAG_RUN, dag.run)),
        tables=("cameras", "analytics"),
        counted=("analytics",),
        airflow=True,
    ),
    Case(
        "rollback",
        "narrow rows",
        (1_000_000, 10_000_000),
        seed_camera_counting,
        rollback.CONTESTS,
        tables=("cameras", "analytics"),
        counted=("analytics",),
    ),
    Case("wide", "10 KB of text a row", (50_000,), seeds.wide, _WHOLE, row_bytes=seeds.WIDE_BYTES),
    Case("many", f"tables of {seeds.TABLE_ROWS} rows", (100_000,), seeds.many, _WHOLE),
    Case("composite", "key of two numbers", (1_000_000,), seeds.composite, _WHOLE),
    Case("text", "key of text", (1_000_000,), seeds.text, _WHOLE),
    Case(
        "stream",
        f"changes, {streaming.LARGE:,} a transaction",
        (200_000,),
        seeds.counters,
        (Contest(streaming.CAUGHT_UP, streaming.STREAM, streaming.in_large),),
    ),
    Case(
        "single",
        "changes, one a transaction",
        (20_000,),
        seeds.counters,
        (Contest(streaming.CAUGHT_UP, streaming.STREAM, streaming.one_by_one),),
    ),
    Case(
        "lag",
        "changes while the stream runs",
        (20_000,),
        seeds.counters,
        (Contest(streaming.LAG, streaming.STREAM, streaming.lag),),
    ),
)


def chosen(environment: Mapping[str, str]) -> tuple[list[Case], int]:
    """Return the cases that BENCH_CASES and BENCH_SIZES choose, and the BENCH_PAIRS to measure.

    BENCH_SIZES holds row counts: ``wide=5000`` is for one case, and may be there for several sizes; a number alone is
    for every case that has none of its own.

    Raises:
        PreflightError: a case is unknown, or a number is none.
    """
    known = {case.name: case for case in CASES}
    names = _listed(environment, "BENCH_CASES") or list(known)
    sizes: dict[str, list[int]] = {}
    for entry in _listed(environment, "BENCH_SIZES"):
        name, _, number = entry.rpartition("=")
        sizes.setdefault(name, []).append(_number("BENCH_SIZES", number))
    unknown = sorted({*names, *sizes} - {*known, ""})
    if unknown:
        raise PreflightError([f"there is no case {name!r}; there are {', '.join(known)}" for name in unknown])
    wanted = [replace(case, sizes=tuple(_sizes(case, sizes))) for case in map(known.__getitem__, names)]
    return wanted, _number("BENCH_PAIRS", environment.get("BENCH_PAIRS") or str(PAIRS))


def _sizes(case: Case, given: Mapping[str, list[int]]) -> list[int]:
    return given.get(case.name) or given.get("") or list(case.sizes)


def _listed(environment: Mapping[str, str], name: str) -> list[str]:
    return [part.strip() for part in environment.get(name, "").split(",") if part.strip()]


def _number(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text):
        raise PreflightError([f"{name}: {text!r} is no whole number from 1"])
    return int(text)
