"""The memory of processes while they work."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil


@contextmanager
def peak(pids: Callable[[], Sequence[int]]) -> Iterator[Callable[[], float]]:
    """Watch processes; what is yielded returns the largest resident size seen of any one, in MB."""
    highest, done = 0, threading.Event()

    def watch() -> None:
        nonlocal highest
        while not done.wait(0.5):
            try:
                for pid in pids():
                    highest = max(highest, psutil.Process(pid).memory_info().rss)
            except psutil.Error:
                continue

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield lambda: highest / 2**20
    finally:
        done.set()
        watcher.join()


@contextmanager
def running(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[], float]]]:
    """Run a command and watch it and its children; what it prints goes to ``log``. It has ended when the block has."""
    with log.open("wb") as out, subprocess.Popen(command, env=environment, stdout=out, stderr=out) as process:

        def family() -> list[int]:
            children = psutil.Process(process.pid).children(recursive=True)
            return [process.pid, *(child.pid for child in children)]

        with peak(family) as highest:
            try:
                yield process, highest
            except BaseException:
                process.terminate()
                raise


def last_lines(log: Path) -> str:
    """Return what a program said last, in one line of no more than 300 letters."""
    return " ".join(log.read_text(errors="replace").split())[-300:]
