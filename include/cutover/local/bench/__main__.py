"""``make bench``: measure the cases and print what came out.

Nothing here passes or fails: medians and ratios are printed, and written to ``.local/bench.json``.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from cutover import render
from cutover.errors import CutoverError
from cutover.local import servers
from cutover.local.bench import dag
from cutover.local.bench.case import Case, Contest
from cutover.local.bench.cases import chosen
from cutover.local.bench.measured import PGLOADER, Measured, expected_seconds, summary
from cutover.local.bench.place import NoResultError, Place, clean, seed_once
from cutover.local.bench.printing import expectation, line, say, show
from cutover.local.demo import FOLDER


def main(folder: Path, cases: Sequence[Case], pairs: int, screen: Console) -> list[dict[str, Any]]:
    """Measure cases, each in pairs; return the summary, which is also in ``bench.json`` in the folder."""
    results = folder / "bench.json"
    earlier = json.loads(results.read_text())["summary"] if results.exists() else []
    wanted = [(contest.title(c), contest.engine, rows) for c in cases for rows in c.sizes for contest in c.contests]
    seconds, unknown = expected_seconds(earlier, wanted)
    say(screen, expectation(seconds * pairs, unknown * pairs, len(wanted) * pairs))
    measured: list[Measured] = []
    home = folder / "bench"
    with ExitStack() as stack:
        source = stack.enter_context(servers.mariadb(home, buffer_pool="1G"))
        target = stack.enter_context(servers.postgresql(home))
        for case in cases:
            with dag.running(home, source, target, case) if case.airflow else nullcontext() as server:
                for rows in case.sizes:
                    place = Place(home, replace(source, name=case.database(rows)), target, server)
                    seed_once(place, case.seed, rows)
                    for contest, pair in ((c, pair) for pair in range(1, pairs + 1) for c in case.contests):
                        clean(target)
                        measured.append(_measured(place, case, rows, contest))
                        say(screen, line(measured[-1], pair))
                        # As they come: who ends it early keeps what there is.
                        found = {"runs": [asdict(m) for m in measured], "summary": summary(measured)}
                        results.write_text(json.dumps(found, indent=2) + "\n")
    return summary(measured)


def _measured(place: Place, case: Case, rows: int, contest: Contest) -> Measured:
    """Measure; what fails says so in its result, and the others go on."""
    try:
        return contest.work(place, case, rows, contest)
    except (NoResultError, CutoverError) as error:
        return Measured(contest.title(case), contest.engine, rows, failed=str(error))


if __name__ == "__main__":
    console = render.console()
    try:
        the_cases, the_pairs = chosen(os.environ)
    except CutoverError as problem:
        sys.exit(str(problem))
    needed = any(contest.engine == PGLOADER for case in the_cases for contest in case.contests)
    if needed and shutil.which("pgloader") is None:
        sys.exit("pgloader is not installed; make bench installs it")
    show(console, main(FOLDER, the_cases, the_pairs, console))
