"""This engine from the command line: ``cutover run``."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cutover.local.bench.case import COPY, Case, Contest
from cutover.local.bench.measured import Measured
from cutover.local.bench.memory import last_lines, running
from cutover.local.bench.place import SCHEMA, NoResultError, Place, require_rows
from cutover.run import EXIT_COMPLETE, EXIT_LOSSES

WORKERS = 2
CUTOVER, VERIFIED = "cutover run", "cutover run, every cell verified"
PROGRAM = str(Path(sys.executable).parent / "cutover")


def run(place: Place, case: Case, rows: int, contest: Contest) -> Measured:
    """Run a whole migration of a case's tables; without the proof unless the engine's name says so.

    Raises:
        NoResultError: it failed, or rows are missing.
    """
    out, log = place.folder / "report.json", place.folder / "cutover.log"
    out.unlink(missing_ok=True)
    source, target = (replace(server, password="").url() for server in (place.source, place.target))
    # The target is emptied between runs, which a run takes for another hand's doing.
    command = [PROGRAM, "run", "--replace-target", "--source", source, "--target", target, "--schema", SCHEMA]
    command += ["--report", str(out), "--workers", str(WORKERS), *(f"--table={name}" for name in case.tables)]
    command += ["--no-indexes"] if contest.what == COPY else []
    command += [] if contest.engine == VERIFIED else ["--no-verify"]
    started = time.monotonic()
    with running(command, log, environment(place)) as (process, peak):
        code = process.wait()
    seconds = time.monotonic() - started
    # The tables hold a few dates that are none, which are told as losses; rows that are missing are found below.
    if code not in (EXIT_COMPLETE, EXIT_LOSSES):
        raise NoResultError(f"cutover run exited with {code}: {last_lines(log)}")
    require_rows(place.target, rows, case.counted)
    return contest.measured(case, rows, seconds, peak(), steps(json.loads(out.read_text())))


def environment(place: Place) -> dict[str, str]:
    """What the command needs to know that its arguments do not say."""
    return {
        **os.environ,
        "CUTOVER_HOME": str(place.folder / "runs"),
        "CUTOVER_SOURCE_PASSWORD": place.source.password,
        "CUTOVER_TARGET_PASSWORD": place.target.password,
    }


def steps(report: Mapping[str, Any]) -> dict[str, float]:
    """Return the seconds of a report's steps."""
    return {step["step"]: step["seconds"] for step in report["steps"]}
