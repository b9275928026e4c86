"""Runs that are interrupted at any moment go on and end exact."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from helpers import (
    access,
    begin,
    finished,
    held,
    held_at_once,
    migrations,
    mysql,
    mysql_rows,
    rows,
    spec,
    wait_for,
    waiting,
)
from program import started

from cutover import report
from cutover.errors import TransientError
from cutover.ledger import Ledger
from cutover.local.servers import Server
from cutover.steps import check, move, switch, versions

LARGE = 900


@pytest.fixture
def large(source_db: Server) -> Server:
    mysql(
        source_db,
        "CREATE TABLE people (id INT AUTO_INCREMENT PRIMARY KEY, email VARCHAR(80), word TEXT, KEY by_word (word(9)))",
        "CREATE TABLE pets (id INT AUTO_INCREMENT PRIMARY KEY, person INT NOT NULL, KEY of_person (person), "
        "CONSTRAINT pets_person FOREIGN KEY (person) REFERENCES people (id))",
        "INSERT INTO people (email, word) WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n "
        f"WHERE i < {LARGE}) SELECT CONCAT('p', IF(i <= 20, 1, i), '@example.com'), REPEAT(MD5(i), 9) FROM n",
        "INSERT INTO pets (person) SELECT id FROM people WHERE id > 20",
        "ANALYZE TABLE people, pets",
    )
    return source_db


CLEANED = spec(
    data={
        "transformation": {
            "cleaning": {"duplicateRemoval": {"enabled": True, "strategy": "keep_first", "keyFields": ["people.email"]}}
        }
    }
)


def exact(source: Server, target: Server) -> None:
    query = "SELECT id, email, word FROM people {} ORDER BY id"
    assert rows(target, query.format("")) == mysql_rows(source, query.format("WHERE id = 1 OR id > 20"))
    query = "SELECT id, person FROM pets ORDER BY id"
    assert rows(target, query) == mysql_rows(source, query)


def connected(process: psutil.Process, server: Server) -> bool:
    """Whether a process talks to a server."""
    return any(c.raddr and c.raddr.port == server.port for c in process.net_connections("tcp"))


def kill(process: psutil.Process) -> None:
    """End a process of the test's own, and those it started, without warning."""
    for each in [process, *process.children(recursive=True)]:
        each.send_signal(signal.SIGKILL)


@pytest.mark.parametrize(
    ("mode", "waits_in", "whole"),
    [
        ("SHARE", "copy", True),  # in the load
        # in finish_schema: duplicates are taken out, keys not built
        pytest.param("ACCESS SHARE", "alter table", True, marks=pytest.mark.slow),
        # its worker lives on and finishes its chunk beside the new attempt
        pytest.param("SHARE", "copy", False, marks=pytest.mark.slow),
    ],
)
def test_a_run_that_was_killed_goes_on_where_it_was(
    large: Server, target_db: Server, tmp_path: Path, mode: str, waits_in: str, whole: bool
) -> None:
    folder, environment = migrations(tmp_path, CLEANED), access(large, target_db)
    arguments = ["run", "shop", "--migrations", str(folder), "--workers", "1"]
    process = started(arguments, environment)
    with held_at_once(target_db, "people", mode):
        wait_for(lambda: waiting(target_db, waits_in), f"{waits_in} waits for the lock")
        left = waiting(target_db)
        if whole:
            kill(psutil.Process(process.pid))
        else:
            process.kill()
        process.wait()
        ((run_id, _, _),) = Ledger().runs("shop")
        again = started([*arguments, "--run", run_id], environment)
        wait_for(lambda: waiting(target_db) > left, "the new attempt waits for the lock too")
    out, err = again.communicate(timeout=240)
    assert again.returncode in (0, 3), out + err
    exact(large, target_db)
    told = report.build(Ledger(), run_id)
    assert {t.table: (t.rows_read, t.rows, t.set_aside) for t in told.tables} == {
        "people": (LARGE, LARGE - 19, 19),
        "pets": (LARGE - 20, LARGE - 20, 0),
    }
    assert told.chain is None


@pytest.mark.slow
def test_a_killed_worker_is_replaced(large: Server, target_db: Server, tmp_path: Path) -> None:
    folder, environment = migrations(tmp_path, CLEANED), access(large, target_db)
    process = started(["run", "shop", "--migrations", str(folder), "--workers", "2"], environment)
    with held_at_once(target_db, "people", "SHARE"):
        wait_for(lambda: waiting(target_db, "copy"), "COPY waits for the lock")
        workers = [
            child for child in psutil.Process(process.pid).children(recursive=True) if connected(child, target_db)
        ]
        assert workers
        for worker in workers:
            worker.kill()
        ((run_id, _, _),) = Ledger().runs("shop")
        wait_for(lambda: Ledger().last(run_id, "retrying"), "the run tries again")
    out, err = process.communicate(timeout=240)
    assert process.returncode in (0, 3), out + err
    exact(large, target_db)


def test_two_loaders_of_one_chunk_leave_it_there_once(shop: Server, target_db: Server) -> None:
    """An attempt that was given up may still be at work when the next one comes."""
    run = begin(shop, target_db)
    check.make_plan(run)
    move.create_schema(run)
    (chunk,) = (chunk for chunk in run.plan.chunks if chunk.table == "customers")
    with ThreadPoolExecutor(2) as pool:
        with held(target_db, f"{run.shadow}.customers", "SHARE"):
            loaders = [pool.submit(move.stream_chunk, run, chunk) for _ in range(2)]
            wait_for(lambda: waiting(target_db, "copy") == 2, "both wait for the lock")
        problems = [loader.exception() for loader in loaders]
    # One of them may be told to try again; neither may be told that the data are bad.
    assert [type(problem) for problem in problems if problem is not None] in ([], [TransientError]), problems
    move.stream_chunk(run, chunk)
    assert rows(target_db, f"SELECT name FROM {run.shadow}.customers ORDER BY id") == [("Ana",), ("Björn",), ("桜",)]


def test_steps_run_twice_change_nothing(large: Server, target_db: Server) -> None:
    run = finished(begin(large, target_db, CLEANED))
    for chunk in run.plan.chunks:
        move.stream_chunk(run, chunk)
    move.create_schema(run)
    move.finish_schema(run)
    for _ in range(2):
        versions.upgrade_schema(run)
    for _ in range(2):
        switch.cutover(run)
    switch.validate_cutover(run)
    exact(large, target_db)
