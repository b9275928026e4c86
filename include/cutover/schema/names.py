"""Names that fit into PostgreSQL, which cuts what is longer off and so makes two names one."""

from __future__ import annotations

import hashlib

MAX_IDENTIFIER_BYTES = 63
# What the names begin with of everything that a run makes beside the source's own objects.
OWN_PREFIX = "cutover_"
_DIGEST_LENGTH = 8
# PostgreSQL manual, System Columns.
_SYSTEM_COLUMNS = frozenset(["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"])


def fits(name: str) -> bool:
    """Whether PostgreSQL keeps the whole name (manual, Identifiers and Key Words)."""
    return len(name.encode()) <= MAX_IDENTIFIER_BYTES


def fitting(name: str) -> str:
    """Return the name, or where it is too long its beginning and a digest of all of it, the same every time."""
    return name if fits(name) else marked(name, name)


def spelled(name: str, fold: bool) -> str:
    """Return what an object is called in the target: fitting, and in lower case where names are folded.

    A name that begins as the server's own tables do, or the run's, is told from theirs by its end.
    """
    made = fitting(name.lower() if fold else name)
    return fitting(f"{made}_") if made.startswith((OWN_PREFIX, "pg_")) else made


def column_spelled(name: str, fold: bool) -> str:
    """Return what a column is called in the target, which has columns of its own in every table."""
    made = fitting(name.lower() if fold else name)
    return f"{made}_" if made in _SYSTEM_COLUMNS else made


def marked(name: str, whole: str) -> str:
    """Return the beginning of ``name`` with a digest of ``whole``, which tells it from others that begin alike."""
    digest = hashlib.sha256(whole.encode()).hexdigest()[:_DIGEST_LENGTH]
    return name.encode()[: MAX_IDENTIFIER_BYTES - _DIGEST_LENGTH - 1].decode(errors="ignore") + "_" + digest
