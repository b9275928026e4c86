"""A run and its way back fail, or are killed, at each of their steps: by every way, the target is as it was before."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from backward import SHOP, TYPES, WHOLE, by, completed, without
from helpers import access, begin, migrations, mysql, rows, spec, wait_for
from planting import (
    AROUND,
    BACK_STEPS,
    PIECES,
    ROOTS,
    STEPS,
    fails_at,
    fails_back_at,
    taken_back,
)
from program import cutover, started

from cutover import report
from cutover.ledger import Ledger
from cutover.local.servers import Server
from cutover.run import run_migration
from cutover.spec import MigrationSpec
from cutover.steps import ways
from cutover.steps.context import Run

# Dozens of runs, each of which takes seconds.
pytestmark = pytest.mark.slow


def tried(way: str) -> MigrationSpec:
    """A migration with every step that a bulk run can have."""
    return spec(schema={"validation": ROOTS}, rollback={"types": TYPES[way]})


@pytest.fixture
def shop(source_db: Server) -> Server:
    mysql(source_db, *SHOP, "CREATE VIEW notes AS SELECT id, note FROM orders")
    return source_db


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("way", TYPES)
def test_a_run_that_fails_leaves_the_target_as_it_was(
    shop: Server, live: Server, pg_server: Server, way: str, step: str
) -> None:
    before = without(live, "cutover_none")
    run = begin(shop, live, tried(way), replace_target=True)
    fails_at(run, step)
    assert without(live, "cutover_none") == before
    # A database that is replaced holds what others have written until then: it is kept until a run succeeds.
    assert databases_of(pg_server) == ({ways.site(run).kept} if replaced(run, way) else set())
    again = begin(shop, live, tried(way), replace_target=True)
    assert run_migration(again).status == report.COMPLETED
    assert databases_of(pg_server) <= {ways.site(again).beside}
    taken_back(again)
    assert without(live, again.shadow) == before


@pytest.mark.parametrize("step", BACK_STEPS)
@pytest.mark.parametrize("way", TYPES)
def test_a_way_back_that_fails_is_gone_on_with(shop: Server, live: Server, way: str, step: str) -> None:
    before = without(live, "cutover_none")
    run = completed(shop, live, by(way, **AROUND))
    fails_back_at(run, live, step, before)


@pytest.mark.parametrize("kind", ["rollback_asked", "step_started", "went_back", "rolled_back", "step_finished"])
@pytest.mark.parametrize("way", TYPES)
def test_a_ledger_that_takes_nothing_more_is_gone_on_with(
    shop: Server, live: Server, way: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = without(live, "cutover_none")
    run = completed(shop, live, by(way))
    after = without(live, run.shadow)
    append = Ledger.append

    def full(ledger: Ledger, run_id: str, migration: str, what: str, *args: Any) -> Any:
        if what == kind:
            raise OSError("no space left on device")
        return append(ledger, run_id, migration, what, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "append", full)
        with pytest.raises(OSError, match="no space left"):
            taken_back(run)
    assert without(live, run.shadow) in (before, after)
    taken_back(run)
    assert without(live, run.shadow) == before


@pytest.mark.parametrize("step", [step for step in STEPS if step not in PIECES])
@pytest.mark.parametrize("way", TYPES)
def test_a_run_killed_after_a_step_goes_on_and_back(
    shop: Server, live: Server, tmp_path: Path, way: str, step: str
) -> None:
    before, environment, ledger = without(live, "cutover_none"), access(shop, live), Ledger()
    home = migrations(tmp_path, tried(way))
    process = started(["run", "shop", "--migrations", str(home), "--replace-target"], environment)

    def ended() -> bool:
        events = (event for run_id, _, _ in ledger.runs("shop") for event in ledger.events(run_id, "step_finished"))
        return process.poll() is not None or any(event.detail["step"] == step for event in events)

    wait_for(ended, f"{step} to end")
    assert process.poll() is None, process.communicate()
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    ((run_id, _, _),) = ledger.runs("shop")
    gone_on = cutover(["run", "shop", "--migrations", str(home), "--replace-target", "--run", run_id], environment)
    assert gone_on.returncode == 0, gone_on.stdout + gone_on.stderr
    assert rows(live, "SELECT name FROM customers WHERE id = 3") == [("桜",)]
    back = cutover(["rollback", "shop", "--run", run_id], environment)
    assert back.returncode == 0, back.stdout + back.stderr
    assert without(live, "cutover_shop_*") == before


def databases_of(server: Server) -> set[str]:
    """The databases that runs have made."""
    return {name for (name,) in rows(server, "SELECT datname FROM pg_database WHERE datname ~ '^cutover_'")}


def replaced(run: Run, way: str) -> bool:
    """Whether a run that goes back replaces the whole database."""
    return way in WHOLE and run.ledger.last(run.id, "cut_over") is not None
