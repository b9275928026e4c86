"""Show to a person what comparing source and target came to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from cutover.render import line, print_table
from cutover.verdict import DIFFERENT, SAME, Verdict

_COLUMNS = ("table", "ranges", "rows", "lost", "extra", "changed", "refused", "rows/s")
_SHOWN = 40


def _rows(found: Verdict) -> Iterator[tuple[str, ...]]:
    for table in found.tables:
        ranges = f"{table.done} of {table.of}" + (f", {table.by_digest} by number" if table.by_digest else "")
        counts = (table.rows, table.lost, table.extra, table.changed, table.refused)
        rate = f"{table.rows / table.seconds:,.0f}" if table.seconds else ""
        yield (table.table, ranges, *(f"{count:,}" for count in counts), rate)


def _facts(found: Verdict) -> Iterator[tuple[str, str]]:
    yield "run", found.run
    yield "source", found.source
    yield "target", found.target
    yield "compared", found.how
    yield "started", f"{found.started}, took {found.seconds:.1f} s"
    if found.cause and found.status not in (SAME, DIFFERENT):
        yield "failed of", found.cause


def _lists(found: Verdict) -> Iterator[tuple[str, list[str]]]:
    yield "Missing, or not to be compared", found.unlike
    yield "Differences, the first of each range", found.differences
    yield "Differs because a rule says so", found.explained
    yield "Repaired", found.repaired
    yield "Notes", found.notes


def headline(found: Verdict) -> str:
    """Return the verdict in one line."""
    if found.status == SAME:
        return f"{found.migration}: source and target hold the same, {found.rows:,} rows"
    if found.status == DIFFERENT:
        missing = f", {len(found.unlike)} objects are missing or unlike" if found.unlike else ""
        return f"{found.migration}: source and target differ in {found.count:,} rows{missing}"
    return f"{found.migration}: {found.status}"


def markdown(found: Verdict) -> str:
    """Return the verdict as Markdown."""
    lines = [f"# {headline(found)}", ""]
    lines += [f"* **{name}**: {value}" for name, value in _facts(found)]
    lines += ["", line(_COLUMNS), line(["---"] * len(_COLUMNS)), *map(line, _rows(found))]
    for title, entries in _lists(found):
        if entries:
            lines += ["", f"## {title}", "", *(f"* {entry}" for entry in entries)]
    return "\n".join(lines) + "\n"


def show(found: Verdict, screen: Console) -> None:
    """Print the verdict."""
    colour = {SAME: "green", DIFFERENT: "red"}.get(found.status, "yellow")
    screen.print(Text(headline(found), style=f"bold {colour}"))
    for name, value in _facts(found):
        screen.print(Text(f"  {name:<13}", style="dim") + Text(value), soft_wrap=True)
    print_table(_COLUMNS, list(_rows(found)), screen)
    for title, entries in _lists(found):
        _show_list(title, entries, screen)


def _show_list(title: str, entries: Sequence[str], screen: Console) -> None:
    if not entries:
        return
    screen.print(Text(title, style="bold"))
    for entry in entries[:_SHOWN]:
        screen.print(Text(f"  {entry}"), soft_wrap=True)
    if len(entries) > _SHOWN:
        screen.print(Text(f"  and {len(entries) - _SHOWN} more; the JSON verdict has them all"))
