"""``make demo``: one whole migration in a private Airflow, between private servers."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import MySQLdb
from rich.console import Console
from rich.live import Live

from cutover import render, report
from cutover.errors import CutoverError
from cutover.ledger import Ledger
from cutover.local import servers
from cutover.local.airflow_server import ENDED, Airflow, airflow, connection
from cutover.local.seed import seed_camera_counting
from cutover.progress import Progress
from cutover.render import progress_table

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / ".local"
DAG = "camera_counting"
SOURCE_ROWS = 1_000_000


def main() -> int:
    """Seed, migrate, report; serve the UI until Ctrl-C when there is somebody to look at it.

    Returns:
        0 when the run succeeded, 1 when it did not, 2 when it could not start.
    """
    screen = render.console()
    detached = os.environ.get("DETACH") == "1" or not sys.stdout.isatty()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        rows = int(os.environ.get("ROWS") or SOURCE_ROWS)
        with ExitStack() as stack:
            folder = FOLDER / "demo"
            source = stack.enter_context(servers.source(folder))
            target = stack.enter_context(servers.target(folder))
            _seed(source, rows, screen)
            ledger_url = f"sqlite:///{folder / 'ledger.db'}"
            environment = {
                "CUTOVER_HOME": str(folder / "runs"),
                "CUTOVER_LEDGER": ledger_url,
                "CUTOVER_MIGRATIONS": str(ROOT / "include" / "migrations"),
                "AIRFLOW_CONN_CAMERA_COUNTING_LEGACY": connection(source),
                "AIRFLOW_CONN_CAMERA_COUNTING": connection(target),
            }
            screen.print("Starting Airflow ...")
            server = stack.enter_context(airflow(folder / "airflow", ROOT / "dags", ROOT / "plugins", environment))
            _introduce(server, screen)
            server.wait_for_dag(DAG)
            run_id = server.trigger(DAG, {"ignore_window": True})
            state = _watch(server, Ledger(ledger_url), run_id, screen, live=not detached)
            screen.print(f"Airflow says: {state}")
            if not detached:
                _introduce(server, screen)
                screen.print("Ctrl-C ends it.")
                _serve()
        return 0 if state == "success" else 1
    except KeyboardInterrupt:
        return 0
    except (CutoverError, ValueError, OSError) as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False)
        return 2


def _seed(source: servers.Server, rows: int, screen: Console) -> None:
    if servers.source_from_env() and not _is_empty(source):
        screen.print(f"{source.name} on {source.host} is not empty and stays as it is")
        return
    started = time.monotonic()
    seed_camera_counting(source, rows)
    screen.print(f"Seeded {rows:,} rows of analytics in {time.monotonic() - started:.1f} s")


def _is_empty(source: servers.Server) -> bool:
    """Whether a source that the user named holds nothing: another's tables are never replaced."""
    with MySQLdb.connect(host=source.host, port=source.port, user=source.user, password=source.password) as session:
        cursor = session.cursor()
        cursor.execute("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = %s", (source.name,))
        return bool(cursor.fetchone()[0] == 0)


def _introduce(server: Airflow, screen: Console) -> None:
    screen.print(f"Airflow: {server.url}/dags/{DAG}   user {server.user}   password {server.password}", soft_wrap=True)


def _watch(server: Airflow, ledger: Ledger, run_id: str, screen: Console, live: bool) -> str:
    """Show the run as it goes, then its report; return the state Airflow gave it."""
    identity = f"{DAG}/{run_id}"
    state = Progress(ledger, identity)
    shown = ""
    with _picture(screen, live) as update:
        while server.state(DAG, run_id) not in ENDED:
            state.update()
            if update is not None:
                update(state)
            else:
                line = _line(state)
                if line != shown:
                    screen.print(line, highlight=False)
                    shown = line
            time.sleep(0.5)
    try:
        render.show_report(report.build(ledger, identity), screen)
    except KeyError:
        screen.print(f"the run left no events; the log is {server.folder / 'airflow.log'}")
    return server.state(DAG, run_id)


@contextmanager
def _picture(screen: Console, live: bool) -> Iterator[Callable[[Progress], None] | None]:
    if not live:
        yield None
        return
    with Live(console=screen, refresh_per_second=4, transient=True) as picture:
        yield lambda state: picture.update(progress_table(state))


def _line(state: Progress) -> str:
    parts = [
        f"{t.table} {t.rows:,} of about {t.planned:,} ({t.rows_per_second:,.0f} rows/s"
        + ("" if t.seconds_left is None else f", {t.seconds_left:.0f} s left")
        + (f", {t.verified:,} verified" if t.verified else "")
        + ")"
        for t in state.tables.values()
        if t.rows or t.verified
    ]
    return f"{state.step}: " + ", ".join(parts) if parts else state.step or "waiting for the scheduler"


def _serve() -> None:
    try:
        signal.pause()
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    sys.exit(main())
