"""The peer: pgloader with its own defaults, but for rows that these are too much for."""

from __future__ import annotations

import time

from cutover.local.bench.case import COPY, Case, Contest
from cutover.local.bench.measured import Measured
from cutover.local.bench.memory import last_lines, running
from cutover.local.bench.place import SCHEMA, NoResultError, Place, require_rows

_OPTIONS = {
    True: "include drop, create tables, create no indexes, no foreign keys, reset no sequences",
    False: "include drop, create tables, create indexes, foreign keys",
}
# With its default of 100,000 rows its heap does not hold rows of 10 KB (pgloader manual, prefetch rows).
_FEWER = ", prefetch rows = 1000"


def run(place: Place, case: Case, rows: int, contest: Contest) -> Measured:
    """Let pgloader move a case's tables.

    Raises:
        NoResultError: it failed, or rows are missing: it exits with 0 then, too.
    """
    names = ", ".join(f"'{name}'" for name in case.tables)
    only = f"INCLUDING ONLY TABLE NAMES MATCHING {names} " if names else ""
    options = _OPTIONS[contest.what == COPY] + (_FEWER if case.row_bytes else "")
    script, log = place.folder / "pgloader.load", place.folder / "pgloader.log"
    script.touch(0o600)
    script.write_text(
        f"LOAD DATABASE FROM {place.source.url()} INTO {place.target.url()} WITH {options} "
        f"{only}ALTER SCHEMA '{place.source.name}' RENAME TO '{SCHEMA}';\n"
    )
    started = time.monotonic()
    with running(["pgloader", str(script)], log) as (process, peak):
        code = process.wait()
    seconds = time.monotonic() - started
    if code:
        raise NoResultError(f"pgloader exited with {code}: {last_lines(log)}")
    require_rows(place.target, rows, case.counted)
    return contest.measured(case, rows, seconds, peak())
