"""The benchmark measures every case of its own engine, on a few rows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cutover import render
from cutover.local.bench.__main__ import main
from cutover.local.bench.case import Case
from cutover.local.bench.cases import CASES
from cutover.local.bench.measured import PGLOADER
from cutover.local.bench.streaming import LAG


def _small(case: Case) -> Case:
    """The case's last contest, which does all that the others of this engine do, on a few rows."""
    assert case.contests[-1].engine != PGLOADER
    return replace(case, sizes=(500,), contests=case.contests[-1:])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_case_has_a_result_in_which_no_row_is_missing(tmp_path: Path) -> None:
    cases = [_small(case) for case in CASES if not case.airflow]
    found = main(tmp_path, cases, 1, render.console())
    assert [entry.get("failed") for entry in found] == [None] * len(found)
    assert [entry["rows"] for entry in found] == [500] * len(cases)
    assert next(entry for entry in found if LAG in entry["case"])["lag"]["worst"] > 0
    assert all(entry["mb_per_second"] > 0 for entry in found if "10 KB" in entry["case"])
    assert json.loads((tmp_path / "bench.json").read_text())["summary"] == found
