"""An assessment as Markdown, or as a terminal shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cutover.assess.assessment import Analysis, Assessment

_COLOURS = {"low": "green", "medium": "yellow", "high": "red", "passed": "green", "failed": "red"}
# A terminal is no place for a thousand lines; Markdown and JSON have them all.
_SHOWN = 40


def _parts(made: Assessment) -> Iterator[tuple[str, Analysis | None]]:
    yield "Schema", made.schema
    yield "Data", made.data
    yield "Impact", made.impact
    yield "Performance", made.performance


def _effort(made: Assessment) -> Iterator[tuple[str, str]]:
    yield "duration", f"about {made.effort.seconds:,.0f} s: {made.effort.basis}"
    yield "objects to translate by hand", f"{len(made.effort.by_hand)}"
    yield "rows to look at in the source", f"{made.effort.to_clean:,}"


def markdown(made: Assessment) -> str:
    """Return the assessment as Markdown."""
    lines = [f"# Assessment of {made.migration}", "", f"{made.source} to {made.target}", "", "## Risks", ""]
    lines += ["| risk | level | why |", "|---|---|---|"]
    lines += [_line((risk.name, risk.level, "<br>".join(risk.reasons))) for risk in made.risks]
    lines += ["", "## Outcome", "", "| validation | status | errors | warnings |", "|---|---|---|---|"]
    lines += [_line((o.kind, o.status, str(len(o.errors)), str(len(o.warnings)))) for o in made.outcomes]
    lines += ["", *(f"* **{o.kind}**: {error}" for o in made.outcomes for error in o.errors)] if made.errors else []
    lines += ["", "## Effort", "", *(f"* **{name}**: {value}" for name, value in _effort(made))]
    lines += [f"* {entry}" for entry in made.effort.by_hand]
    for title, part in _parts(made):
        if part is None:
            lines += ["", f"## {title}", "", "Not looked at: the spec switches it off."]
            continue
        lines += ["", f"## {title}", "", *(f"* **{name}**: {value}" for name, value in part.facts)]
        lines += ["", *(f"* {entry}" for entry in part.findings)] if part.findings else []
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def show(made: Assessment, screen: Console) -> None:
    """Print the assessment."""
    screen.print(Text(f"Assessment of {made.migration}", style="bold"))
    screen.print(Text(f"  {made.source} to {made.target}", style="dim"), soft_wrap=True)
    for risk in made.risks:
        screen.print(Text(f"\n{risk.name} risk: ") + Text(risk.level, style=f"bold {_COLOURS[risk.level]}"))
        _print(risk.reasons, screen)
    screen.print()
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    for name in ("validation", "status", "errors", "warnings"):
        table.add_column(name, justify="left" if name in ("validation", "status") else "right")
    for outcome in made.outcomes:
        status = Text(outcome.status, style=_COLOURS[outcome.status])
        table.add_row(outcome.kind, status, str(len(outcome.errors)), str(len(outcome.warnings)))
    screen.print(table)
    if made.errors:
        screen.print(Text("\nA run would be refused, or fail", style="bold red"))
        _print(made.errors, screen)
    _print_part("Effort", tuple(_effort(made)), made.effort.by_hand, screen)
    for title, part in _parts(made):
        if part is None:
            screen.print(Text(f"\n{title}", style="bold") + Text("  not looked at: the spec switches it off"))
        else:
            _print_part(title, part.facts, part.findings, screen)


def _print_part(title: str, facts: Sequence[tuple[str, str]], findings: Sequence[str], screen: Console) -> None:
    screen.print(Text(f"\n{title}", style="bold"))
    for name, value in facts:
        screen.print(Text(f"  {name}: ", style="dim") + Text(value), soft_wrap=True)
    _print(findings, screen)


def _print(entries: Sequence[str], screen: Console) -> None:
    for entry in entries[:_SHOWN]:
        screen.print(Text(f"  {entry}"), soft_wrap=True)
    if len(entries) > _SHOWN:
        screen.print(Text(f"  and {len(entries) - _SHOWN} more; --format markdown and json have them all"))
