"""Where the program ``cutover`` starts: passwords leave the process list before anything else is loaded."""

from __future__ import annotations

import os
import sys
from urllib.parse import unquote, urlsplit, urlunsplit

import setproctitle

from cutover import workers
from cutover.dialects.endpoint import PASSWORDS


def main() -> None:
    """Start the command line; a run's workers load their drivers while this process loads its own."""
    sys.argv[1:] = _hide_passwords(sys.argv[1:])
    if sys.argv[1:2] == ["run"]:
        workers.warm_up()
    from cutover import cli

    cli.main()


def _hide_passwords(arguments: list[str]) -> list[str]:
    """Move passwords from URLs on the command line into this process's environment, and out of ``ps``."""
    shown = list(arguments)
    for position, argument in enumerate(arguments):
        for option, variable in PASSWORDS.items():
            url = None
            if argument.startswith(option + "="):
                url, prefix = argument[len(option) + 1 :], option + "="
            elif position and arguments[position - 1] == option:
                url, prefix = argument, ""
            if url is None:
                continue
            try:
                parts = urlsplit(url)
            except ValueError:  # the command that takes it says what is wrong with it
                continue
            if not parts.password:
                continue
            os.environ[variable] = unquote(parts.password)
            address = f"{parts.username}@{parts.netloc.rpartition('@')[2]}"
            shown[position] = prefix + urlunsplit(parts._replace(netloc=address))
    if shown != arguments:
        setproctitle.setproctitle(" ".join(["cutover", *shown]))
    return shown
