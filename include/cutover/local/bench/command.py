"""This engine from the command line: ``cutover run``, ``cutover verify``."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cutover.local.bench.case import COPY, INDEXED, Case, Contest
from cutover.local.bench.measured import CUTOVER, Measured
from cutover.local.bench.memory import last_lines, running
from cutover.local.bench.place import SCHEMA, NoResultError, Place, require_rows
from cutover.run import EXIT_COMPLETE, EXIT_LOSSES
from cutover.verifying import EXIT_SAME

WORKERS = 2
VERIFIED = "cutover run, every cell verified"
VERIFY, FAST = "cutover verify", "cutover verify --fast"
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


def verify(place: Place, case: Case, rows: int, contest: Contest) -> Measured:
    """Compare a case's tables with what a migration has made of them, which is not measured.

    Raises:
        NoResultError: it failed, or found a difference.
    """
    run(place, case, rows, replace(contest, what=INDEXED, engine=CUTOVER))
    log = place.folder / "verify.log"
    source, target = (replace(server, password="").url() for server in (place.source, place.target))
    command = [PROGRAM, "verify", source, target, "--schema", SCHEMA, "--workers", str(WORKERS)]
    command += [*(f"--table={name}" for name in case.tables), *(["--fast"] if contest.engine == FAST else [])]
    started = time.monotonic()
    with running(command, log, environment(place)) as (process, peak):
        code = process.wait()
    seconds = time.monotonic() - started
    if code != EXIT_SAME:
        raise NoResultError(f"{contest.engine} exited with {code}: {last_lines(log)}")
    copied = replace(contest, what=COPY).title(case)
    return replace(contest.measured(case, rows, seconds, peak()), copied=copied)


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
