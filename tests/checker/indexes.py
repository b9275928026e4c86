"""The keys and indexes of a table, matched by what they cover, not by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from checker import source, target
from checker.finding import Finding


def compare(table: source.Table, counterpart: target.Table) -> Iterator[Finding]:
    """Say which keys and indexes are not in the target; each needs one of its own there."""
    if table.primary_key != counterpart.primary_key:
        told = f"({', '.join(counterpart.primary_key)})" if counterpart.primary_key else "none"
        yield Finding("primary key", table.name, f"({', '.join(table.primary_key)}) has become {told}")
    free = [index for index in counterpart.indexes if not index.primary]
    for index in table.indexes:
        found = next((candidate for candidate in free if _alike(index, candidate)), None)
        if found is None:
            kind = "unique key" if index.unique else "index"
            yield Finding(kind, f"{table.name}.{index.name}", f"there is none over {_told(index)}")
        else:
            free.remove(found)


def _alike(wanted: source.Index, found: target.Index) -> bool:
    """Whether an index of the target does what one of the source does."""
    likeness: Callable[[source.Index, target.Index], bool] = {
        "fulltext": _of_words,
        "spatial": _of_space,
        "period": _of_periods,
    }.get(wanted.kind, _of_order)
    return likeness(wanted, found)


def _of_words(wanted: source.Index, found: target.Index) -> bool:
    text = " ".join(part.expression for part in found.parts)
    return found.method == "gin" and all(_names(part.column, text) for part in wanted.parts)


def _of_space(wanted: source.Index, found: target.Index) -> bool:
    text = " ".join(part.expression for part in found.parts)
    return found.method == "gist" and all(_names(part.column, text) for part in wanted.parts)


def _of_periods(wanted: source.Index, found: target.Index) -> bool:
    text = " ".join(part.expression for part in found.parts)
    return found.excludes and all(_names(part.column, text) for part in wanted.parts)


def _of_order(wanted: source.Index, found: target.Index) -> bool:
    alike = found.method == "btree" and found.unique == wanted.unique and len(found.parts) == len(wanted.parts)
    return alike and all(_same_part(*pair) for pair in zip(wanted.parts, found.parts, strict=True))


def _same_part(wanted: source.Part, found: target.Part) -> bool:
    if wanted.descending != found.descending:
        return False
    if wanted.column is None:
        return found.column is None
    if wanted.prefix is None:
        return found.column == wanted.column
    cast = re.fullmatch(r"\(*(.*?)\)::[\w.]*citext\)*", found.expression)
    expression = cast[1] if cast else found.expression
    cut = re.match(r'"?(left|substr|substring)"?\(', expression)
    return bool(cut) and expression.endswith(f", {wanted.prefix})") and _names(wanted.column, expression)


def _names(column: str | None, expression: str) -> bool:
    """Whether an expression of the target reads a column; it quotes a name only where it must."""
    if column is None:
        return False
    plain = re.fullmatch(r"[a-z_][a-z0-9_$]*", column)
    bare = plain and re.search(rf'(?<![\w$"]){re.escape(column)}(?![\w$"])', expression)
    return bool(bare) or target.quoted(column) in expression


def _told(index: source.Index) -> str:
    parts = []
    for part in index.parts:
        length = f"({part.prefix})" if part.prefix else ""
        parts.append((part.column or "an expression") + length + (" DESC" if part.descending else ""))
    return f"{', '.join(parts)} ({index.kind})"
