"""Show a plan or a report to a person: as Markdown, and as tables in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cutover.inventory import AS_IS, LEFT_OUT, TRANSLATED
from cutover.plan import Plan
from cutover.progress import Progress
from cutover.report import COMPLETED, PLANNED, WITH_LOSSES, Report
from cutover.route import ColumnRoute

_COLUMNS = ("table", "read", "loaded", "refused", "set aside", "verified", "differ", "rows/s")
_OBJECTS = ("object", AS_IS, TRANSLATED, LEFT_OUT)
_VALIDATION = ("validation", "status", "errors", "warnings")
_QUERIES = ("query", "source ms", "target ms", "source rows", "target rows", "plan")
# A screen at 02:30 is no place for a thousand lines; the JSON has them all.
_SHOWN = 40
_WIDTH = 120


def _rows(report: Report) -> Iterator[tuple[str, ...]]:
    for table in report.tables:
        rate = f"{table.rows_read / table.seconds:,.0f}" if table.seconds else ""
        yield (
            table.table,
            f"{table.rows_read:,}",
            f"{table.rows:,}",
            f"{table.refused:,}",
            f"{table.set_aside:,}",
            f"{table.verified:,}",
            f"{table.lost + table.extra + table.changed:,}",
            rate,
        )


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    yield "run", report.run
    yield "source", report.source
    yield "target", report.target
    yield "started", f"{report.started}, took {report.seconds:.1f} s"
    if report.cause:
        yield "failed in", f"{report.failed_step}: {report.cause}"
    if report.locked_ms is not None:
        yield "downtime", f"live tables were locked for {report.locked_ms:.1f} ms"
    if report.expectations:
        yield "expectations", f"{report.expectations['run']} run, {report.expectations['failed']} failed"
    if report.backup:
        yield "backup", report.backup
    yield (
        "ledger",
        f"{report.events} events, "
        + ("chain intact" if report.chain is None else f"TAMPERED WITH at event {report.chain}"),
    )


def _counted(report: Report) -> Iterator[tuple[str, ...]]:
    for kind, found in report.counts.items():
        yield (kind.removesuffix(" of"), *(f"{found[outcome]:,}" for outcome in (AS_IS, TRANSLATED, LEFT_OUT)))


def _validated(report: Report) -> Iterator[tuple[str, ...]]:
    for kind, found in report.validation.items():
        yield kind, found["status"], f"{len(found['errors']):,}", f"{len(found['warnings']):,}"


def _timed(report: Report) -> Iterator[tuple[str, ...]]:
    for query in report.validation.get("performance", {}).get("details", {}).get("queries", ()):
        times = query["times"] or {}
        figures = [times.get("source"), times.get("target"), query["source_rows"], query["target_rows"]]
        yield (query["query"], *("" if figure is None else f"{figure:,}" for figure in figures), query["plan"])


def _lists(report: Report) -> Iterator[tuple[str, list[str]]]:
    for kind, found in report.validation.items():
        yield f"Errors: {kind}", found["errors"]
        yield f"Warnings: {kind}", found["warnings"]
    yield "Did not arrive as it was", report.losses
    yield "Taken away or changed because the spec says so", report.rule
    yield "Differences", report.differences
    yield "Expectations that do not hold", [_broken(each) for each in report.expectations.get("failures", ())]
    yield "Notes", report.notes


def _broken(failure: Mapping[str, Any]) -> str:
    where = ".".join(filter(None, (failure["table"], failure["column"])))
    severity = "" if failure["severity"] == "critical" else f" ({failure['severity']})"
    return f"{where}: {failure['expectation']}{severity}: {failure['detail']}"


def markdown(report: Report) -> str:
    """Return the report as Markdown."""
    lines = [f"# {report.migration}: {report.status}", ""]
    lines += [f"* **{name}**: {value}" for name, value in _facts(report)]
    lines += ["", line(_COLUMNS), line(["---"] * len(_COLUMNS)), *(line(row) for row in _rows(report))]
    lines += ["", "## What became of the source's objects", ""]
    lines += [line(_OBJECTS), line(["---"] * len(_OBJECTS)), *(line(row) for row in _counted(report))]
    for titles, rows in ((_VALIDATION, list(_validated(report))), (_QUERIES, list(_timed(report)))):
        if rows:
            lines += ["", line(titles), line(["---"] * len(titles)), *map(line, rows)]
    lines += ["", "| step | state | seconds |", "|---|---|---|"]
    lines += [line((step["step"], step["state"], f"{step['seconds']:.2f}")) for step in report.steps]
    for title, entries in _lists(report):
        if entries:
            lines += ["", f"## {title}", "", *(f"* {entry}" for entry in entries)]
    lines += ["", "## Every object", "", line(("object", "outcome", "detail")), "|---|---|---|"]
    lines += [line((f"{item.kind} {item.name}", item.outcome, item.detail)) for item in report.objects]
    return "\n".join(lines) + "\n"


def line(cells: Sequence[str]) -> str:
    """Return a row of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def console(stderr: bool = False) -> Console:
    """Return a console; one that is no terminal is wide enough for every table."""
    made = Console(stderr=stderr)
    return made if made.is_terminal else Console(stderr=stderr, width=_WIDTH)


def show_report(report: Report, screen: Console) -> None:
    """Print the report."""
    good = report.status in (COMPLETED, PLANNED)
    colour = "green" if good else "yellow" if report.status == WITH_LOSSES else "red"
    screen.print(Text(f"{report.migration}: {report.status}", style=f"bold {colour}"))
    for name, value in _facts(report):
        screen.print(Text(f"  {name:<13}", style="dim") + Text(value), soft_wrap=True)
    print_table(_COLUMNS, list(_rows(report)), screen)
    if report.objects:
        screen.print()
        print_table(_OBJECTS, list(_counted(report)), screen)
    if report.validation:
        screen.print()
        print_table(_VALIDATION, list(_validated(report)), screen)
    for title, entries in _lists(report):
        if entries:
            screen.print(Text(title, style="bold"))
            for entry in entries[:_SHOWN]:
                screen.print(Text(f"  {entry}"), soft_wrap=True)
            if len(entries) > _SHOWN:
                screen.print(Text(f"  and {len(entries) - _SHOWN} more; the JSON report has them all"))


def show_plan(plan: Plan, screen: Console) -> None:
    """Print the plan: tables in order, what becomes of each type, what stays behind."""
    screen.print(Text(f"Plan of {plan.migration}", style="bold") + Text(f"  {plan.digest[:12]}", style="dim"))
    screen.print(
        f"  {plan.source.name} ({plan.source.server}) to schema {plan.target.name} (PostgreSQL {plan.target.server})\n"
        f"  about {plan.rows:,} rows, {plan.bytes / 2**20:,.0f} MB, {len(plan.chunks)} chunks in "
        f"{len(plan.batches)} batches, about {max(plan.seconds, 1):,.0f} s"
    )
    if plan.replaced:
        screen.print(f"  replaces {', '.join(plan.replaced)}")
    for table in plan.tables:
        chunks = sum(chunk.table == table.route.source for chunk in plan.chunks)
        screen.print(Text(f"\n{table.route.source}", style="bold") + Text(f"  {chunks} chunks", style="dim"))
        if table.route.where:
            screen.print(Text(f"  only rows where {table.route.where}"))
        if table.route.sample:
            screen.print(Text(f"  only a sample of them, about {table.route.sample.rows:,} rows"))
        for key in table.route.duplicates:
            stays = "last" if table.route.keep_last else "first"
            merged = ", with the others' values where it has none" if table.route.merge else ""
            screen.print(Text(f"  of rows with the same {', '.join(key)} the {stays} stays{merged}"))
        rows = []
        for column in table.route.columns:
            what = [f"{code} becomes {meaning}" for code, meaning in column.values]
            what += list(_asked(column))
            origin = (column.source, column.source_type) if column.added is None else ("", "")
            rows.append((*origin, column.target, column.target_type, ", ".join(what)))
        print_table(("column", "type", "becomes", "type", "values"), rows, screen, right=False)
    for title, entries in (
        ("Does not arrive", [f"{loss.object}: {loss.reason}" for loss in plan.losses]),
        ("Notes", [str(note) for note in plan.notes]),
    ):
        if entries:
            screen.print(Text(f"\n{title}", style="bold"))
            for entry in entries:
                screen.print(Text(f"  {entry}"), soft_wrap=True)


def _asked(column: ColumnRoute) -> Iterator[str]:
    """Say what else the spec asks of a column's values."""
    if column.added is not None:
        yield column.added
    if column.values and column.unmapped != "refuse":
        other = {"nullify": "becomes NULL", "keep": "stays", "default": f"becomes {column.unmapped_default}"}
        yield f"any other {other[column.unmapped]}"
    if column.rewritten:
        yield f"written by {', '.join([*column.normal, *([column.standard] if column.standard else [])])}"
    if column.default is not None:
        yield f"NULL becomes {column.default}"
    if column.email:
        yield "must be an e-mail address"
    if column.phone:
        yield "must be a phone number"
    if column.dates:
        yield f"must be a date from {column.dates[0]} to {column.dates[1]}"
    if column.numbers:
        ends = zip(("from", "to"), column.numbers, strict=True)
        yield " ".join(["must be a number", *(f"{word} {bound}" for word, bound in ends if bound is not None)])
    if column.required:
        yield "rows with NULL stay behind"
    if column.among is not None:
        yield f"only rows with {', '.join('NULL' if v is None else str(v) for v in column.among)}"


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], screen: Console, right: bool = True) -> None:
    """Print a table whose columns but the first are numbers, unless ``right`` says otherwise."""
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    for position, name in enumerate(columns):
        table.add_column(
            name,
            justify="right" if right and position else "left",
            overflow="fold",
            no_wrap=right,
        )
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    screen.print(table)


def progress_table(state: Progress) -> Table:
    """Return a run's live numbers as a table."""
    table = Table(box=None, title=state.step, title_justify="left")
    for name in ("table", "rows", "of about", "MB", "rows/s", "time left", "verified"):
        table.add_column(name, justify="left" if name == "table" else "right")
    for entry in state.tables.values():
        left = entry.seconds_left
        table.add_row(
            entry.table,
            f"{entry.rows:,}",
            f"{entry.planned:,}",
            f"{entry.bytes / 1e6:,.1f}",
            f"{entry.rows_per_second:,.0f}",
            "" if left is None else f"{left:.0f} s",
            f"{entry.verified:,}",
        )
    return table


def tell(text: str) -> None:
    """Say a line where results are said."""
    console().print(text, markup=False, highlight=False, soft_wrap=True)


def complain(text: str) -> None:
    """Say what went wrong, in red, where errors are said."""
    console(stderr=True).print(text, style="red", markup=False, highlight=False, soft_wrap=True)
