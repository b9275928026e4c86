"""The ledger keeps every event in order, from many writers, and notices a hand in it."""

from __future__ import annotations

import multiprocessing
import pickle
import sqlite3
from pathlib import Path

import pytest

from cutover.ledger import Ledger


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


def write(url: str, writer: int) -> None:
    ledger = Ledger(url)
    for number in range(25):
        ledger.append("run", "shop", "worked", {"writer": writer, "number": number})


def test_events_come_back_as_they_were_written(url: str) -> None:
    ledger = Ledger(url)
    ledger.append("a", "shop", "run_started", {"größe": [1, None, "x"]})
    ledger.append("b", "shop", "run_started")
    ledger.append("a", "shop", "completed", {"n": 2})
    assert [(e.number, e.kind, dict(e.detail)) for e in ledger.events("a")] == [
        (1, "run_started", {"größe": [1, None, "x"]}),
        (2, "completed", {"n": 2}),
    ]
    assert [e.kind for e in ledger.events("a", after=1)] == ["completed"]
    assert ledger.last("a", "failed") is None
    latest = ledger.latest("shop", "run_started")
    assert latest is not None
    assert latest.run_id == "b"
    assert [run for run, _, _ in ledger.runs("shop")] == ["b", "a"]
    assert ledger.runs("other") == []


def test_many_writers_make_one_chain(url: str) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write, args=(url, n)) for n in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 4
    ledger = Ledger(url)
    events = ledger.events("run")
    assert [e.number for e in events] == list(range(1, 101))
    assert sorted((e.detail["writer"], e.detail["number"]) for e in events) == [
        (writer, number) for writer in range(4) for number in range(25)
    ]
    assert ledger.broken_at("run") is None


@pytest.mark.parametrize(
    ("tamper", "found"),
    [
        ("UPDATE cutover_events SET detail = '{}' WHERE number = 2", 2),
        ("UPDATE cutover_events SET kind = 'completed' WHERE number = 3", 3),
        ("UPDATE cutover_events SET at = '2020-01-01T00:00:00+00:00' WHERE number = 1", 1),
        ("DELETE FROM cutover_events WHERE number = 2", 2),
        ("DELETE FROM cutover_events WHERE number = 1", 1),
    ],
)
def test_a_hand_in_the_ledger_is_noticed(url: str, tmp_path: Path, tamper: str, found: int) -> None:
    ledger = Ledger(url)
    for number in range(4):
        ledger.append("run", "shop", "worked", {"number": number})
    assert ledger.broken_at("run") is None
    with sqlite3.connect(tmp_path / "ledger.db") as database:
        database.execute(tamper)
    assert ledger.broken_at("run") == found


def test_a_ledger_crosses_to_another_process(url: str) -> None:
    ledger = Ledger(url)
    ledger.append("run", "shop", "worked")
    assert len(pickle.loads(pickle.dumps(ledger)).events("run")) == 1
