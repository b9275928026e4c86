"""The command line, each time in a process of its own.

One that is waited for is forked from a process that has loaded it: to load it takes longer than most of them run.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

CUTOVER = str(Path(sys.executable).with_name("cutover"))
# Seconds after which one that hangs is ended.
_PATIENCE = 240


def started(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Start the command line in a process group of its own."""
    return subprocess.Popen(
        [CUTOVER, *arguments],
        env=os.environ | (environment or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def cutover(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    loaded = _loaded()
    assert loaded.stdin is not None
    assert loaded.stdout is not None
    with tempfile.TemporaryDirectory() as name:
        out, err = Path(name, "out"), Path(name, "err")
        call = {"arguments": arguments, "environment": dict(os.environ | (environment or {})), "cwd": os.getcwd()}
        loaded.stdin.write(json.dumps(call | {"out": str(out), "err": str(err)}) + "\n")
        loaded.stdin.flush()
        code = int(loaded.stdout.readline())
        return subprocess.CompletedProcess(["cutover", *arguments], code, out.read_text(), err.read_text())


@cache
def _loaded() -> subprocess.Popen[str]:
    """Return the process that the others are forked from; it ends with this one."""
    return subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _serve() -> None:
    from cutover import cli  # noqa: F401  (what is loaded here, no call has to load)

    for line in sys.stdin:
        call = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(call)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()


def _become(call: Mapping[str, object]) -> None:
    """Be the program ``cutover`` until it ends."""
    os.setsid()
    signal.alarm(_PATIENCE)
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, str(call["out"]), os.O_WRONLY | os.O_CREAT),
        (2, str(call["err"]), os.O_WRONLY | os.O_CREAT),
    ):
        os.dup2(os.open(path, flags, 0o600), number)
    os.environ.clear()
    os.environ.update(call["environment"])  # type: ignore[call-overload]
    os.chdir(str(call["cwd"]))
    sys.argv = [CUTOVER, *call["arguments"]]  # type: ignore[misc]
    from cutover.entry import main

    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    else:
        code = 0
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve()
