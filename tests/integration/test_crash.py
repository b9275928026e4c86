"""Any process killed at any moment: the run goes on from the last committed chunk and ends exact."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from backward import without
from changing import TABLES as CHANGING
from changing import equal, writing
from crashing import BECOMES, PEOPLE, TABLES, Crashing
from helpers import (
    NAMES,
    SECRET,
    account,
    begin,
    endpoint,
    held,
    loaded,
    migrations,
    mysql,
    postgres,
    ready,
    rows,
    schemas,
    source_database,
    spec,
    wait_for,
    waiting,
)

from cutover.data import shadow
from cutover.data.shadow import name_for
from cutover.ledger import Ledger
from cutover.local.servers import Server
from cutover.rollback import swap
from cutover.run import NotStartedError, run_migration
from cutover.schema import inspect_mysql, tracking
from cutover.steps import back, history, switch
from cutover.steps.context import Run

# The numbers of the last events before the end, with the run's own proof and without.
LAST, LAST_PROVED = 36, 50
UNPROVED = spec(strategy={"execution": {"modes": {"safe": {"validateAfterMigration": False}}}})
# The last of every five proves what it has loaded, too.
SEEDS = [4, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(50) if seed != 4)]


@pytest.fixture(scope="module")
def sources(mysql_server: Server) -> Iterator[tuple[Server, Server]]:
    """The source, and what the target must hold: the same with the spec's rules applied by the source itself."""
    with ExitStack() as stack:
        source, expected = (stack.enter_context(source_database(mysql_server)) for _ in range(2))
        mysql(source, *TABLES)
        mysql(expected, *TABLES, *BECOMES)
        yield source, expected


@pytest.mark.parametrize("seed", SEEDS)
def test_processes_killed_at_random(
    sources: tuple[Server, Server], target_db: Server, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    proves = seed % 5 == 4
    crashing = Crashing(*sources, target_db, tmp_path, chance, proves)
    crashing.crash(1, LAST_PROVED if proves else LAST, kills=chance.randint(1, 3))
    crashing.goes_on()
    crashing.exact()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_processes_killed_during_the_exchange_and_the_way_back(
    sources: tuple[Server, Server], target_db: Server, tmp_path: Path, seed: int
) -> None:
    """Old or new, the live schema is whole at every moment, and both ways lead to their end."""
    chance = random.Random(seed)
    old = "INSERT INTO words VALUES ('old', 1); INSERT INTO words VALUES ('older', 2)"
    postgres(target_db, "CREATE TABLE words (word text PRIMARY KEY, n int)", *old.split("; "))
    postgres(target_db, "CREATE TABLE stays (n int)", "CREATE VIEW shown AS SELECT n FROM stays")
    before = without(target_db, "cutover_none")
    crashing = Crashing(*sources, target_db, tmp_path, chance)

    def begun(step: str) -> bool:
        known = crashing.run_id()
        steps = Ledger().events(known, "step_started", naming=step) if known else []
        return bool(steps)

    def whole(*states: int) -> None:
        assert rows(target_db, "SELECT count(*), count(DISTINCT n) FROM words") in [[(n, n)] for n in states]

    for step in ("upgrade_schema", "cutover"):
        process = crashing.start("--replace-target")
        later = chance.uniform(0, 0.5)
        crashing.killed(process, step, lambda step=step: begun(step), later, ("all", "parent"))
        whole(2, PEOPLE)
    crashing.goes_on()
    whole(PEOPLE)
    crashing.exact()
    for _ in range(2):
        process = crashing.command("rollback", "shop", "--run", str(crashing.run_id()))
        crashing.killed(process, "rollback", lambda: begun("rollback"), chance.uniform(0, 0.5))
        whole(2, PEOPLE)
    process = crashing.command("rollback", "shop", "--run", str(crashing.run_id()))
    crashing.until(process, lambda: False)
    assert process.returncode == 0, crashing.told
    kept = name_for("shop", str(crashing.run_id()))
    assert without(target_db, kept) == before
    assert schemas(target_db) == {"public", kept}


def interrupted(run: Run) -> list[str]:
    """The steps that a run has begun."""
    return [event.detail["step"] for event in run.ledger.events(run.id, "step_started")]


def test_a_complete_run_is_only_reported(shop: Server, target_db: Server) -> None:
    """Whoever was killed after the end may ask again, and what the application has written meanwhile stays."""
    run = begin(shop, target_db, UNPROVED)
    assert run_migration(run).status == "completed"
    postgres(target_db, "INSERT INTO customers (name) VALUES ('new')")
    before = interrupted(run)
    assert run_migration(run).status == "completed"
    assert interrupted(run) == before
    assert rows(target_db, NAMES)[-1] == ("new",)


def test_a_run_that_died_after_the_exchange_is_completed(shop: Server, target_db: Server) -> None:
    run = ready(begin(shop, target_db, UNPROVED))
    swap.cut_over(run.target, run.live, run.shadow, run.plan.movables, (), 10_000)
    assert run_migration(run).status == "completed"
    assert rows(target_db, NAMES) == [("Ana",), ("Björn",), ("桜",)]
    assert run.ledger.last(run.id, "cut_over") is not None
    # Nothing is begun anew with a run that was taken back.
    back.rollback(run)
    with pytest.raises(NotStartedError, match="was taken back; start a new one"):
        run_migration(run)


def test_a_way_back_that_died_is_gone_on_with(shop: Server, target_db: Server) -> None:
    """It died between the exchange and its event."""
    first = begin(shop, target_db, UNPROVED)
    run_migration(first)
    mysql(shop, "UPDATE customers SET name = 'Eva' WHERE id = 1")
    second = ready(begin(shop, target_db, UNPROVED))
    switch.cutover(second)
    assert swap.go_back(second.target, second.shadow, 10_000)
    # Forwards again ...
    switch.cutover(second)
    assert rows(target_db, NAMES)[0] == ("Eva",)
    # ... or back: the next run knows that it is the first one's schema that stands there.
    swap.go_back(second.target, second.shadow, 10_000)
    postgres(target_db, "DROP INDEX orders_note")
    back.rollback(second)
    assert rows(target_db, NAMES)[0] == ("Ana",)
    assert history.standing(second) == first.id
    with pytest.raises(NotStartedError, match=r"schema public is not as the last run left it: .*orders_note"):
        run_migration(begin(shop, target_db, UNPROVED))


def test_a_way_back_that_died_at_its_end_is_ended(shop: Server, target_db: Server) -> None:
    """It had dropped the run's schema already, and could not say so."""
    run = ready(begin(shop, target_db, UNPROVED))
    switch.cutover(run)
    swap.go_back(run.target, run.shadow, 10_000)
    run.record("went_back", tables=[])
    with pytest.raises(NotStartedError, match="is being taken back: cutover rollback shop --run"):
        run_migration(run)
    shadow.drop(run.target, run.shadow)
    back.rollback(run)
    back.validate_rollback(run)
    assert run.ledger.last(run.id, "rolled_back") is not None


@pytest.mark.parametrize("logged", [True, False])
def test_a_source_that_changed_during_the_interruption(shop: Server, target_db: Server, logged: bool) -> None:
    """What was read before it is not what is there now, though nothing has changed since the run went on."""
    grant = "REPLICATION SLAVE, REPLICATION CLIENT, SELECT ON *.*" if logged else f"SELECT ON {shop.name}.*"
    with account(shop, f"GRANT {grant} TO {{account}}") as name:
        source = endpoint(shop, user=name, password=SECRET)
        run = loaded(begin(source, target_db, UNPROVED))
        mysql(shop, "UPDATE customers SET name = 'Eva' WHERE id = 1")
        told = run_migration(run)
    assert told.cause is not None
    assert "the source was written to during the run, in customers" in told.cause
    assert schemas(target_db) == {"public"}


@pytest.mark.slow
def test_an_index_that_a_killed_run_still_builds(
    sources: tuple[Server, Server], target_db: Server, tmp_path: Path
) -> None:
    """Its server process lives on, and makes the index at the moment at which the next attempt does."""
    crashing = Crashing(*sources, target_db, tmp_path, random.Random(0))
    process = crashing.start()
    made = wait_for(lambda: schemas(target_db) - {"public"}, "the shadow schema is there").pop()
    wait_for(lambda: Ledger().events(str(crashing.run_id()), "loaded"), "a chunk is loaded")
    crashing.until(process, lambda: len(Ledger().events(str(crashing.run_id()), "loaded")) == len(crashing.chunks()))
    with held(target_db, f"{made}.words, {made}.people", "ROW EXCLUSIVE"):
        wait_for(lambda: waiting(target_db, "create"), "indexes wait for the lock")
        left = waiting(target_db)
        crashing.kill(process, "all")
        again = crashing.start()
        wait_for(lambda: waiting(target_db) > left, "the new attempt waits for the lock too")
    crashing.until(again, lambda: False)
    assert again.returncode in (0, 3), crashing.said()
    crashing.exact()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_passes_that_are_killed_while_the_source_changes(
    source_db: Server, target_db: Server, tmp_path: Path, seed: int
) -> None:
    """Whatever a killed pass has brought, the last one brings both sides together."""
    chance = random.Random(seed)
    mysql(source_db, *CHANGING)
    mysql(source_db, *tracking.statements(inspect_mysql.inspect(endpoint(source_db)).tables, "log", "at"))
    log = {"enabled": True, "changeTracking": True, "changeTable": "log", "lastSyncColumn": "at", "overlap": 1}
    written = spec(
        strategy={"types": {"data": {"strategy": "incremental", "incremental": {"checkpointTable": "marks"}}}},
        data={"extraction": {"strategy": {"incremental": log}}},
    )
    switch.cutover(ready(begin(source_db, target_db, written)))
    home = migrations(tmp_path, written)
    crashing = Crashing(source_db, source_db, target_db, tmp_path, chance)
    with writing(source_db, seed) as writer:
        for _ in range(5):
            before = crashing.run_id()
            process = crashing.command("sync", "shop", "--migrations", str(home))
            later = chance.uniform(0, 1.5)
            crashing.killed(process, "pass", lambda before=before: crashing.run_id() != before, later)
    assert writer.done
    process = crashing.command("sync", "shop", "--migrations", str(home))
    crashing.until(process, lambda: False)
    assert process.returncode == 0, (crashing.told, crashing.said())
    equal(source_db, target_db)
