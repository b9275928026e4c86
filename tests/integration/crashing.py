"""Runs of the command line over small chunks, which are killed at random moments and gone on with."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from changing import equal
from helpers import access, migrations, one, schemas, spec

from cutover.ledger import Ledger
from cutover.local.servers import Server
from cutover.plan import Plan

# The command line as it is, but for the size of a chunk.
SMALL = """
import sys
from cutover import workers
from cutover.data import chunks
chunks.CHUNK_ROWS = 2500
if sys.argv[1] == "run":
    workers.warm_up()
from cutover import cli
cli.main()
"""
PEOPLE = 9000
TABLES = (
    "CREATE TABLE people (id INT AUTO_INCREMENT PRIMARY KEY, mail VARCHAR(40), state INT NOT NULL, born DATE, "
    "KEY by_born (born, state))",
    "CREATE TABLE pets (owner INT, no BIGINT UNSIGNED, name VARCHAR(20), PRIMARY KEY (owner, no), "
    "CONSTRAINT pets_owner FOREIGN KEY (owner) REFERENCES people (id))",
    "CREATE TABLE words (word VARCHAR(40) COLLATE utf8mb4_nopad_bin PRIMARY KEY, n INT, UNIQUE KEY by_n (n))",
    "CREATE TABLE logs (line TEXT, n INT)",
    "INSERT INTO people (mail, state, born) SELECT CONCAT('p', IF(seq <= 20, 1, seq), '@example.com'), "
    f"IF(seq = 777, 9, 1 + seq % 2), '1970-01-01' + INTERVAL seq DAY FROM seq_1_to_{PEOPLE}",
    f"INSERT INTO pets SELECT 1000 + seq DIV 2, seq % 2, MD5(seq) FROM seq_2_to_{PEOPLE}",
    f"INSERT INTO words SELECT CONCAT(MD5(seq), 'é'), seq FROM seq_1_to_{PEOPLE}",
    "INSERT INTO logs SELECT REPEAT(MD5(seq DIV 2), 3), seq DIV 2 FROM seq_1_to_3000",
    "CREATE VIEW owners AS SELECT p.id, p.mail, count(*) AS pets FROM people p JOIN pets q ON q.owner = p.id "
    "GROUP BY p.id, p.mail",
    "ANALYZE TABLE people, pets, words, logs",
)
# What the spec below makes of them, in the words of the source.
BECOMES = (
    "DELETE FROM people WHERE id BETWEEN 2 AND 20 OR id = 777",
    "UPDATE people SET state = state * 10",
)
DATA = {
    "transformation": {
        "mapping": {"valueMapping": {"people.state": {"1": 10, "2": 20}}},
        "cleaning": {"duplicateRemoval": {"enabled": True, "strategy": "keep_first", "keyFields": ["people.mail"]}},
    }
}


@dataclass
class Crashing:
    """A migration ``shop`` whose runs are killed; ``told`` is what happened, for the message of a failure.

    ``proves``: whether its runs compare every cell themselves, which takes longer than all the rest; ``autoroll``:
    whether they take themselves back when they fail.
    """

    source: Server
    expected: Server
    target: Server
    folder: Path
    chance: random.Random
    proves: bool = False
    autoroll: bool = True
    told: list[str] = field(default_factory=list)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin a run, or go on with the one that has begun."""
        safe = {"validateAfterMigration": self.proves, "autoRollbackOnError": self.autoroll}
        strategy = {"execution": {"modes": {"safe": safe}}}
        home, known = migrations(self.folder, spec(data=DATA, strategy=strategy)), self.run_id()
        command = ["run", "shop", "--migrations", str(home), "--workers", "3", "--allow-losses", *arguments]
        return self.command(*command, *(["--run", known] if known else []))

    def command(self, *words: str) -> subprocess.Popen[str]:
        """Start the command line in a process group of its own; what it says goes into a file."""
        said = (self.folder / f"said-{len(self.told)}").open("w")
        with said:
            return subprocess.Popen(
                [sys.executable, "-c", SMALL, *words],
                env=os.environ | access(self.source, self.target),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                text=True,
                start_new_session=True,
            )

    def said(self) -> str:
        """What the command that was started last has said."""
        return (self.folder / f"said-{len(self.told)}").read_text()

    def run_id(self) -> str | None:
        """The run that has begun."""
        runs = Ledger().runs("shop")
        return runs[0][0] if runs else None

    def events(self) -> int:
        """How many events the run has."""
        known = self.run_id()
        return len(Ledger().events(known)) if known else 0

    def until(self, process: subprocess.Popen[str], condition: Callable[[], bool], patience: float = 100) -> bool:
        """Wait for a condition, or for the end of the process; say whether the condition came first."""
        deadline = time.monotonic() + patience
        while process.poll() is None:
            if condition():
                return True
            assert time.monotonic() < deadline, f"it hangs: {self.told} {self.said()}"
            time.sleep(0.005)
        return False

    def kill(self, process: subprocess.Popen[str], whom: str) -> None:
        """Kill all of a run's processes, the run's own alone, or one of the others."""
        if whom == "other":
            others = psutil.Process(process.pid).children(recursive=True)
            if others:
                self.chance.choice(others).kill()
            return
        if whom == "all":
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()

    def crash(self, first: int, last: int, kills: int, whom: tuple[str, ...] = ("all", "parent", "other")) -> None:
        """Kill a run, and those that go on with it, each at some moment from event ``first`` to ``last``."""
        for _ in range(kills):
            process = self.start()
            number, later = self.chance.randint(first, last), self.chance.expovariate(20)
            self.killed(process, f"event {number}", lambda number=number: self.events() >= number, later, whom)

    def killed(
        self,
        process: subprocess.Popen[str],
        moment: str,
        condition: Callable[[], bool],
        later: float,
        whom: tuple[str, ...] = ("all",),
    ) -> None:
        """Kill one of ``whom`` some seconds after a condition, unless the process ends before."""
        chosen = self.chance.choice(whom)
        if self.until(process, condition):
            with suppress(subprocess.TimeoutExpired):
                process.wait(later)
        if process.poll() is None:
            with suppress(psutil.NoSuchProcess):
                self.kill(process, chosen)
        self.until(process, lambda: False)
        self.told.append(f"{chosen} at {moment} + {later:.3f} s: exit {process.returncode}")

    def goes_on(self, attempts: int = 2) -> None:
        """Go on with the run until it has ended well."""
        for _ in range(attempts):
            process = self.start()
            self.until(process, lambda: False)
            said = self.said()
            self.told.append(f"went on: exit {process.returncode}")
            if process.returncode in (0, 3):
                return
            self.told.append(said)
        raise AssertionError("\n".join(self.told))

    def chunks(self) -> set[str]:
        """The names of the run's chunks: how many there are depends on the source's estimate of its rows."""
        planned = Ledger().last(str(self.run_id()), "planned")
        assert planned is not None
        plan = Plan.from_json(planned.detail["plan"])
        return {chunk.name for chunk in plan.chunks}

    def exact(self) -> None:
        """The target has every cell and no more, each chunk was loaded once, and nothing lies about."""
        equal(self.expected, self.target)
        run_id = self.run_id()
        assert run_id is not None
        ledger = Ledger()
        loaded = Counter(event.detail["chunk"] for event in ledger.events(run_id, "loaded"))
        assert set(loaded.values()) == {1}, loaded
        assert loaded.keys() == self.chunks()
        assert ledger.broken_at(run_id) is None
        (kept,) = schemas(self.target) - {"public"}
        markers = f"SELECT sum(rows_read) FROM {kept}.cutover_chunks"
        assert one(self.target, markers) == PEOPLE * 3 - 1 + 3000
        staging = [path for path in (Path(os.environ["CUTOVER_HOME"])).rglob("*") if "staging" in path.parts]
        assert staging == []
        new = "INSERT INTO people (mail, state) VALUES ('new@example.com', 10) RETURNING id"
        assert one(self.target, new) > PEOPLE
