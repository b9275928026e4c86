"""The arithmetic of the benchmark's summary, and what its environment variables choose."""

from __future__ import annotations

import pytest

from cutover.errors import PreflightError
from cutover.local.bench.cases import CASES, chosen
from cutover.local.bench.measured import PGLOADER, Measured, expected_seconds, summary

OURS = "cutover run"


def test_the_ratio_is_the_median_of_the_pairs_and_not_the_ratio_of_the_medians() -> None:
    seconds = [(10.0, 5.0), (40.0, 10.0), (30.0, 30.0)]
    measured = [
        Measured("copy", engine, 1_000, took)
        for pair in seconds
        for engine, took in zip((PGLOADER, OURS), pair, strict=True)
    ]
    peer, ours = summary(measured)
    assert (peer["seconds"], peer["times_peer"]) == (30.0, 1.0)
    assert (ours["seconds"], ours["rows_per_second"], ours["times_peer"]) == (10.0, 100, 2.0)


def test_a_pair_of_which_one_failed_gives_no_ratio_and_a_failure_is_told() -> None:
    measured = [
        Measured("copy", PGLOADER, 10, failed="heap exhausted"),
        Measured("copy", OURS, 10, 1.0),
        Measured("copy", PGLOADER, 10, 6.0),
        Measured("copy", OURS, 10, 2.0),
    ]
    peer, ours = summary(measured)
    assert (peer["seconds"], peer["failed"]) == (6.0, ["heap exhausted"])
    assert (ours["times_peer"], ours["seconds"]) == (3.0, 1.5)


def test_an_engine_that_always_fails_has_no_figures() -> None:
    (entry,) = summary([Measured("copy", PGLOADER, 10, failed="heap exhausted")])
    assert entry == {"case": "copy", "engine": PGLOADER, "rows": 10, "failed": ["heap exhausted"]}


def test_each_size_of_a_case_has_its_own_line_and_rate() -> None:
    found = summary([Measured("copy", OURS, 1_000, 2.0), Measured("copy", OURS, 10_000, 10.0)])
    assert [(entry["rows"], entry["rows_per_second"]) for entry in found] == [(1_000, 500), (10_000, 1_000)]


def test_megabytes_proof_and_lag_are_told_where_the_case_has_them() -> None:
    wide = Measured("wide", OURS, 1_024, 2.0, row_bytes=10_240, steps={"load": 4.0, "validate_rows": 6.0})
    lag = Measured("lag", OURS, 10, 1.0, lags=[0.1, 0.2, 1.5])
    first, second = summary([wide, lag])
    assert (first["mb_per_second"], first["proof_times_copy"], first["lag"]) == (5.0, 1.5, None)
    assert (second["mb_per_second"], second["proof_times_copy"]) == (None, None)
    assert second["lag"] == {"median": 0.2, "worst": 1.5}


def test_the_time_expected_is_that_of_the_last_results_and_says_what_they_do_not_tell() -> None:
    earlier = summary([Measured("copy", OURS, 10, 3.0), Measured("copy", PGLOADER, 10, failed="no")])
    wanted = [("copy", OURS, 10), ("copy", PGLOADER, 10), ("copy", OURS, 20)]
    assert expected_seconds(earlier, wanted) == (3.0, 2)


def test_the_environment_chooses_cases_sizes_and_pairs() -> None:
    cases, pairs = chosen({"BENCH_CASES": "wide, many", "BENCH_SIZES": "500,wide=100,wide=200", "BENCH_PAIRS": "1"})
    assert [(case.name, case.sizes) for case in cases] == [("wide", (100, 200)), ("many", (500,))]
    assert pairs == 1


def test_without_a_choice_every_case_is_measured() -> None:
    cases, _ = chosen({})
    assert tuple(cases) == CASES


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"BENCH_CASES": "wider"}, "there is no case 'wider'; there are narrow, dag, rollback, wide"),
        ({"BENCH_SIZES": "wider=5"}, "there is no case 'wider'"),
        ({"BENCH_SIZES": "wide=many"}, "BENCH_SIZES: 'many' is no whole number from 1"),
        ({"BENCH_PAIRS": "0"}, "BENCH_PAIRS: '0' is no whole number from 1"),
    ],
)
def test_a_choice_that_is_none_is_refused_by_name(environment: dict[str, str], message: str) -> None:
    with pytest.raises(PreflightError, match=message):
        chosen(environment)
