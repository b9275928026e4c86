"""Feed files to a source as its users do: with the client, in one session."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from checker import Address


def feed(server: Address, files: Iterable[Path], force: bool = False) -> None:
    """Run the files one after the other; with ``force``, go on where the server refuses a statement.

    Raises:
        subprocess.CalledProcessError: the server refused one; the notes hold its words.
    """
    client = shutil.which("mariadb") or shutil.which("mysql")
    assert client is not None, "neither mariadb nor mysql is installed"
    login = [f"--host={server['host']}", f"--port={server['port']}", f"--user={server['user']}", "--protocol=tcp"]
    words = [client, "--no-defaults", *login, "--default-character-set=utf8mb4", *(["--force"] if force else [])]
    done = subprocess.run(
        [*words, server["database"]],
        input=b"".join(file.read_bytes() + b"\n" for file in files),
        env=os.environ | {"MYSQL_PWD": server["password"]},
        capture_output=True,
    )
    if done.returncode and not force:
        error = subprocess.CalledProcessError(done.returncode, words[0])
        error.add_note(done.stderr.decode())
        raise error
