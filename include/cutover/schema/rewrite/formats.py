"""DATE_FORMAT: MySQL's format letters as to_char's patterns."""

from __future__ import annotations

import re

from cutover.schema.rewrite.context import Context
from cutover.schema.rewrite.moments import as_timestamp
from cutover.schema.rewrite.scope import UntranslatableError
from cutover.schema.rewrite.value import Value, string, text

_LETTERS = {
    "%": '"%"',
    "D": "FMDDth",
    "H": "HH24",
    "I": "HH12",
    "M": "FMMonth",
    "S": "SS",
    "T": "HH24:MI:SS",
    "W": "FMDay",
    "Y": "YYYY",
    "a": "Dy",
    "b": "Mon",
    "c": "FMMM",
    "d": "DD",
    "e": "FMDD",
    "f": "US",
    "h": "HH12",
    "i": "MI",
    "j": "DDD",
    "k": "FMHH24",
    "l": "FMHH12",
    "m": "MM",
    "p": "AM",
    "r": "HH12:MI:SS AM",
    "s": "SS",
    "v": "IW",
    "x": "IYYY",
    "y": "YY",
}


def date_format(_: Context, values: list[Value]) -> Value:
    """Return a moment as a text in a format that is a literal.

    Raises:
        UntranslatableError: the format is not a literal, or has a letter that to_char has not.
    """
    written = values[1].literal
    if written is None or values[1].kind != "text":
        raise UntranslatableError("DATE_FORMAT with a format that is not a literal")
    return text(f"to_char({as_timestamp(values[0]).sql}, {string(pattern(written))})")


def pattern(written: str) -> str:
    """Return MySQL's format as to_char's.

    Raises:
        UntranslatableError: it has a letter that to_char has not.
    """
    made = ""
    for code, plain, other in re.findall(
        r"%(.)|([-/:.,; ]+)|([^%]+?(?=[-/:.,; %]|$))", written + ("%" * written.endswith("%")), re.DOTALL
    ):
        if code:
            if code not in _LETTERS:
                raise UntranslatableError(f"DATE_FORMAT with %{code}")
            made += _LETTERS[code]
        else:
            made += plain or '"' + other.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return made
