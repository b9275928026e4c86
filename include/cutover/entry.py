"""Where the program ``cutover`` starts: passwords leave the process list before anything else is loaded."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit, urlunsplit

import setproctitle

from cutover import workers
from cutover.dialects.endpoint import PASSWORDS


def main() -> None:
    """Start the command line; a run's workers load their drivers while this process loads its own."""
    sys.argv[1:] = _hide_passwords(sys.argv[1:])
    if sys.argv[1:2] in (["run"], ["verify"]):
        workers.warm_up()
    from cutover import cli

    cli.main()


def _hide_passwords(arguments: list[str]) -> list[str]:
    """Move passwords from URLs on the command line into this process's environment, and out of ``ps``."""
    shown = list(arguments)
    for position, prefix, variable in _urls(arguments):
        try:
            parts = urlsplit(arguments[position][len(prefix) :])
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


def _urls(arguments: list[str]) -> Iterator[tuple[int, str, str]]:
    """Yield where a URL is, what stands before it in its argument, and the variable that its password may be in."""
    by_place = iter(PASSWORDS.values()) if arguments[:1] == ["verify"] else iter(())
    for position, argument in enumerate(arguments):
        before = arguments[position - 1] if position else ""
        option = next((name for name in PASSWORDS if argument.startswith(f"{name}=")), None)
        if option is not None:
            yield position, f"{option}=", PASSWORDS[option]
        elif before in PASSWORDS:
            yield position, "", PASSWORDS[before]
        elif "://" in argument and not argument.startswith("-") and (variable := next(by_place, None)):
            yield position, "", variable
