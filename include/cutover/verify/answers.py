"""What the answers to a question say, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_LONGEST = 300
_KEY, _VALUE = 100, 60

Answer = Mapping[str, Any]
"""A row as :mod:`cutover.verify.scans` says."""


def said(answers: Sequence[Answer], named: bool) -> str:
    """Say what was found; ``named``, whether each answer begins with the column it is about."""
    return cut("; ".join(f"{a['column_name']} {_said(a)}" if named else _said(a) for a in answers if _said(a)))


def keys(answers: Sequence[Answer]) -> tuple[str, ...]:
    """Return the keys of some rows that break what was asked; several columns of a key are joined by commas."""
    return tuple(dict.fromkeys(cut(str(key), _KEY) for answer in answers for key, _ in answer["shown"] or ()))


def _said(answer: Answer) -> str:
    parts = [answer["found"]] if answer["found"] else []
    if answer["rows"]:
        examples = [_example(*shown) for shown in answer["shown"] or ()]
        parts.append(f"{answer['rows']} unexpected" + (f", e.g. {', '.join(examples)}" if examples else ""))
    return "; ".join(parts)


def _example(key: str, value: str | None) -> str:
    return f"[{cut(key, _KEY)}]" + (f" {cut(value, _VALUE)!r}" if value is not None else "")


def cut(text: str, longest: int = _LONGEST) -> str:
    """Return the text, without its end where it is too long for a report."""
    return text if len(text) <= longest else text[: longest - 3] + "..."
