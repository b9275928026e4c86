"""Servers killed and started again, and disks that are full: a run outlasts it, or ends with the cure, and goes on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import MySQLdb
import psutil
import psycopg
import pytest
from crashing import BECOMES, TABLES, Crashing
from helpers import begin, differences, mysql, postgres, source_database, spec, wait_for

from cutover.errors import PreflightError
from cutover.local import program
from cutover.local.servers import Server, mariadb, postgresql
from cutover.steps import check, move, prove
from cutover.steps.context import Run

pytestmark = pytest.mark.slow
PIDS = {"mysql": "mariadb/data/mariadb.pid", "postgresql": "postgresql/data-*/postmaster.pid"}
USERS = {"mysql": "mysql", "postgresql": "postgres"}


class Killed:
    """A private server that is killed and started again, with its own command, on its own port."""

    def __init__(self, server: Server, folder: Path) -> None:
        (pid_file,) = folder.glob(PIDS[server.scheme])
        self.server = server
        self.process = psutil.Process(int(pid_file.read_text().split()[0]))
        user = program.os_user(USERS[server.scheme], server.scheme)
        self.command = [*program.as_user(user, signal.SIGKILL), *self.process.cmdline()]

    def kill(self) -> None:
        """Kill the server, and what it has started."""
        processes = [self.process, *self.process.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        # A dead postmaster that nobody has waited for is still one to the next.
        with suppress(ChildProcessError):
            os.waitpid(self.process.pid, 0)
        wait_for(lambda: not any(_runs(process) for process in processes), "the server is gone")

    def start(self) -> None:
        """Start it again."""
        started = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.process = psutil.Process(started.pid)
        wait_for(self._answers, f"{self.server.scheme} answers")

    def _answers(self) -> bool:
        server = self.server
        try:
            if server.scheme == "postgresql":
                psycopg.connect(server.url("postgres")).close()
            else:
                login = {"host": server.host, "port": server.port, "user": server.user, "password": server.password}
                MySQLdb.connect(**login).close()
        except (psycopg.OperationalError, MySQLdb.OperationalError):
            return False
        return True


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Killed]]:
    """Both servers, of this module's own."""
    with tempfile.TemporaryDirectory(prefix="cutover-tests-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        source = stack.enter_context(mariadb(folder))
        target = stack.enter_context(postgresql(folder))
        both = {"source": Killed(source, folder), "target": Killed(target, folder)}
        yield both
        for server in both.values():
            server.kill()


@pytest.fixture(scope="module")
def sources(servers: dict[str, Killed]) -> Iterator[tuple[Server, Server]]:
    with ExitStack() as stack:
        source, expected = (stack.enter_context(source_database(servers["source"].server)) for _ in range(2))
        mysql(source, *TABLES)
        mysql(expected, *TABLES, *BECOMES)
        yield source, expected


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize("seed", range(4))
def test_a_server_that_is_killed_during_a_run(
    servers: dict[str, Killed], sources: tuple[Server, Server], tmp_path: Path, side: str, seed: int
) -> None:
    """The run outlasts a server that comes back at once; with one that stays away it ends, and can be gone on with."""
    chance, killed = random.Random(seed), servers[side]
    target = replace(servers["target"].server, name=f"t_{side}_{seed}")
    postgres(replace(target, name="postgres"), f"CREATE DATABASE {target.name}")
    crashing = Crashing(*sources, target, tmp_path, chance, autoroll=False)
    process = crashing.start()
    number = chance.randint(1, 34)
    crashing.until(process, lambda: crashing.events() >= number)
    killed.kill()
    stays_away = seed % 2 == 1
    if not stays_away:
        killed.start()
    crashing.until(process, lambda: False)
    crashing.told.append(f"{side} killed at event {number}: exit {process.returncode}")
    said = (crashing.folder / "said-0").read_text()
    if stays_away:
        killed.start()
    if number > 12 and not stays_away:
        assert process.returncode in (0, 3), said
    assert "Traceback" not in said
    crashing.goes_on(1)
    crashing.exact()


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own."""
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder], check=False).returncode:
        pytest.skip("a file system cannot be mounted here")
    try:
        folder.chmod(0o777)
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path, left: int) -> Path:
    """Leave so many bytes free."""
    ballast = disk / "ballast"
    status = os.statvfs(disk)
    ballast.write_bytes(b"x" * (status.f_bavail * status.f_frsize - left))
    return ballast


def every(step: Callable[[Run, int], None], run: Run) -> None:
    for number in range(len(run.plan.batches)):
        step(run, number)


def finds_it_full(disk: Path, work: Callable[[], None]) -> None:
    """Work that needs room says where there is none, and what to do."""
    ballast = fill(disk, 1 << 15)
    with pytest.raises(PreflightError, match=rf"no space left for staging in {disk}.*set CUTOVER_STAGING"):
        work()
    ballast.unlink()


def test_a_full_staging_disk(
    sources: tuple[Server, Server], target_db: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Airflow runs it: whichever task finds the disk full says so, and does its work once there is room."""
    with small_disk(tmp_path / "disk", 40) as disk:
        monkeypatch.setenv("CUTOVER_STAGING", str(disk))
        run = begin(sources[0], target_db, spec(data={"loading": {"options": {"errorHandling": {"maxErrors": 0}}}}))
        ballast = fill(disk, 1 << 16)
        with pytest.raises(PreflightError, match=rf"staging in {disk}.* has 0 MB free, .*set CUTOVER_STAGING"):
            check.make_plan(run)
        ballast.unlink()
        check.preflight(run)
        check.make_plan(run)
        move.create_schema(run)
        for step in (move.extract_batch, move.transform_batch, move.load_batch):
            if step is not move.load_batch:
                finds_it_full(disk, partial(every, step, run))
                assert list(disk.rglob("*.partial")) == []
            every(step, run)
        move.finish_schema(run)
        finds_it_full(disk, partial(every, prove.validate_rows, run))
        assert differences(run) == []
        assert [path for path in disk.rglob("*") if path.is_file()] == []


def test_a_full_disk_of_the_target(sources: tuple[Server, Server], pg_server: Server, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="cutover-tests-") as name, ExitStack() as stack:
        Path(name).chmod(0o755)
        disk = stack.enter_context(small_disk(Path(name) / "disk", 64))
        data = disk / "data"
        data.mkdir(mode=0o777)
        data.chmod(0o777)
        if os.geteuid() == 0:
            os.chown(data, program.os_user("postgres", "postgresql").pw_uid, -1)
        server = replace(pg_server, name="postgres")
        postgres(server, f"CREATE TABLESPACE small LOCATION '{data}'", "CREATE DATABASE cramped TABLESPACE small")
        target = replace(pg_server, name="cramped")
        try:
            crashing = Crashing(*sources, target, tmp_path, random.Random(1), autoroll=False)
            ballast = fill(disk, 1 << 20)
            process = crashing.start()
            crashing.until(process, lambda: False)
            said = crashing.said()
            crashing.told.append("full")
            assert process.returncode == 1, said
            assert "No space left on device" in said
            assert "Traceback" not in said
            ballast.unlink()
            crashing.goes_on(1)
            crashing.exact()
        finally:
            postgres(server, "DROP DATABASE cramped WITH (FORCE)", "DROP TABLESPACE small")
