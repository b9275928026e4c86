r"""Read expressions and defaults as MySQL's catalogue prints them; MariaDB's prints SQL already.

Measured on MySQL 9.7: check_clause, generation_expression, an index's expression and a default that
is one come escaped once more (``_utf8mb4\'it\\\'s\'``), and a literal's bytes are told as so many
characters (``_utf8mb4'Ã¼'`` is ``_utf8mb4'ü'``).
"""

from __future__ import annotations

import re

# In escaped text no quote stands alone.
_ESCAPED = re.compile(r"(?:[^'\\]|\\.)*", re.DOTALL)
_NAME_OR_LITERAL = re.compile(r"`(?:[^`]|``)*`|(?P<introducer>_utf8(?:mb[34])?)?'(?:[^'\\]|\\.|'')*'", re.DOTALL)
_NOW = "CURRENT_TIMESTAMP"


def expression(printed: str) -> str:
    """Return the expression in MySQL's SQL; one that is not escaped stays as it is."""
    if _ESCAPED.fullmatch(printed):
        printed = re.sub(r"\\(.)", r"\1", printed, flags=re.DOTALL)
    return _NAME_OR_LITERAL.sub(_with_its_characters, printed)


def _with_its_characters(found: re.Match[str]) -> str:
    if not found["introducer"]:
        return found[0]
    try:
        return found[0].encode("latin-1").decode("utf-8")
    except UnicodeError:
        return found[0]


def default(printed: str, type_: str, extra: str) -> str:
    """Return a column's default in MySQL's SQL; the catalogue has a literal's bare value."""
    base = re.split(r"\W", type_.lower(), maxsplit=1)[0]
    # 5.7 has no word in EXTRA for the default that is not a literal.
    if base in ("timestamp", "datetime") and printed.upper().startswith(_NOW):
        return printed
    if is_expression(extra):
        return expression(printed)
    if base == "bit" or (base in ("binary", "varbinary") and printed.startswith("0x")):
        return printed
    return "'" + printed.replace("\\", "\\\\").replace("'", "''") + "'"


def is_expression(extra: str) -> bool:
    """Whether the column's default is no literal, by what the catalogue has under EXTRA."""
    return "default_generated" in extra.lower()
