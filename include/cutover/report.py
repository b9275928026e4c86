"""What happened in a run, folded from its events."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from cutover.inventory import Item, counts, inventory
from cutover.ledger import Event, Ledger
from cutover.plan import Plan
from cutover.verify.outcome import together

COMPLETED, WITH_LOSSES, FAILED = "completed", "completed with losses", "failed"
ROLLED_BACK, RUNNING, PLANNED = "failed and rolled back", "running", "planned"
UNDONE = "completed, then rolled back"


@dataclass
class TableReport:
    """One table's rows on their way; ``planned`` is an estimate, everything else is counted."""

    table: str
    planned: int = 0
    chunks: int = 0
    chunks_loaded: int = 0
    rows_read: int = 0
    rows: int = 0
    refused: int = 0
    set_aside: int = 0
    verified: int = 0
    lost: int = 0
    extra: int = 0
    changed: int = 0
    bytes: int = 0
    seconds: float = 0.0


@dataclass
class Report:
    """Everything an auditor asks of a run.

    Attributes:
        objects: a line for every object of the source: as is, translated or left out.
        losses: what did not arrive or did not arrive as it was, with the reason.
        rule: what the spec took away or changed on purpose.
        differences: cells and rows in which source and target differ.
        validation: what each kind of validation came to: status, errors, warnings, and its figures as details.
        chain: number of the first event that was tampered with, or None.
    """

    migration: str
    run: str
    status: str = RUNNING
    mode: str = "safe"
    source: str = ""
    target: str = ""
    started: str = ""
    ended: str = ""
    seconds: float = 0.0
    digest: str = ""
    locked_ms: float | None = None
    failed_step: str | None = None
    cause: str | None = None
    steps: list[dict[str, Any]] = field(default_factory=list)
    tables: list[TableReport] = field(default_factory=list)
    objects: list[Item] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)
    rule: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    expectations: dict[str, Any] = field(default_factory=dict)
    validation: dict[str, dict[str, Any]] = field(default_factory=dict)
    backup: str | None = None
    events: int = 0
    chain: int | None = None

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """How many objects of each kind are as is, translated and left out."""
        return counts(self.objects)

    @property
    def rows(self) -> int:
        """Rows loaded, over all tables."""
        return sum(table.rows for table in self.tables)

    def to_json(self) -> str:
        """Write the report as JSON."""
        return json.dumps(asdict(self) | {"counts": self.counts}, indent=2)


def build(ledger: Ledger, run_id: str) -> Report:
    """Fold a run's events into its report.

    Raises:
        KeyError: the ledger has no such run.
    """
    events = ledger.events(run_id)
    if not events:
        raise KeyError(run_id)
    report = Report(events[0].migration, run_id, events=len(events), chain=ledger.broken_at(run_id))
    by_kind: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_kind[event.kind].append(event)
    _begin(report, by_kind["run_started"])
    _steps(report, events)
    _tables(report, by_kind)
    _losses(report, by_kind)
    report.validation = together(event.detail for event in by_kind["validated"])
    _outcome(report, by_kind)
    # What was done to the run later, such as taking it back, is no part of its duration.
    last = (by_kind["completed"] or [events[-1]])[0]
    report.ended = last.at.isoformat(timespec="seconds")
    report.seconds = round((last.at - events[0].at).total_seconds(), 1)
    return report


def _begin(report: Report, started: list[Event]) -> None:
    if not started:
        return
    detail = started[0].detail
    report.started = started[0].at.isoformat(timespec="seconds")
    report.source, report.target, report.mode = detail["source"], detail["target"], detail["params"]["mode"]


def _steps(report: Report, events: Iterable[Event]) -> None:
    """List the steps with their times; a mapped step's chunks are put together under one name."""
    spans: dict[str, list[datetime]] = {}
    names = {
        "extracted": "extract",
        "transformed": "transform",
        "loaded": "load",
        "verified": "validate_rows",
    }
    state: dict[str, str] = {}
    for event in events:
        detail = event.detail
        if event.kind == "completed":
            # Every step of a complete run has finished, at its last attempt.
            state = dict.fromkeys(state, "finished")
        elif event.kind in ("step_started", "step_finished", "step_failed"):
            name = detail["step"]
            spans.setdefault(name, [event.at, event.at])[1] = event.at
            state[name] = event.kind.removeprefix("step_")
        elif event.kind in names:
            name = names[event.kind]
            spans.setdefault(name, [event.at, event.at])[1] = event.at
            start = event.at.timestamp() - detail["seconds"]
            spans[name][0] = min(spans[name][0], datetime.fromtimestamp(start, event.at.tzinfo))
            state.setdefault(name, "finished")
    report.steps = [
        {"step": name, "state": state[name], "seconds": round((end - begin).total_seconds(), 2)}
        for name, (begin, end) in spans.items()
    ]


def _tables(report: Report, by_kind: Mapping[str, list[Event]]) -> None:
    tables: dict[str, TableReport] = {}
    names: dict[str, str] = {}
    if by_kind["planned"]:
        plan = Plan.from_json(by_kind["planned"][-1].detail["plan"])
        report.digest, report.notes = plan.digest, [str(note) for note in plan.notes]
        finished = by_kind["step_finished"]
        report.objects = inventory(plan, _told(finished, "not_validated"), _told(finished, "left_out"))
        report.losses = [f"{loss.object}: {loss.reason}" for loss in plan.losses]
        for planned in plan.tables:
            tables[planned.route.source] = TableReport(planned.route.source)
            names[planned.name] = planned.route.source
        for chunk in plan.chunks:
            tables[chunk.table].planned += chunk.rows
            tables[chunk.table].chunks += 1
    # A chunk that was loaded or verified twice, after a crash, counts once: its last event holds.
    for event in {e.detail["chunk"]: e for e in by_kind["loaded"]}.values():
        table, detail = tables[event.detail["table"]], event.detail
        table.chunks_loaded += 1
        table.rows_read += detail["rows_read"]
        table.rows += detail["rows"]
        table.refused += detail["rejected"]
        table.bytes += detail["bytes"]
        table.seconds += detail["seconds"]
    for event in {e.detail["chunk"]: e for e in by_kind["verified"]}.values():
        table, detail = tables[event.detail["table"]], event.detail
        table.verified += detail["rows"]
        table.lost += detail["lost"]
        table.extra += detail["extra"]
        table.changed += detail["changed"]
        report.differences += detail["differences"]
    for event in by_kind["rejects"][-1:]:
        for row in event.detail["summary"]:
            table = tables[names.get(row["table_name"], row["table_name"])]
            if row["set_aside"]:
                table.set_aside += row["rows"]
                table.rows -= row["rows"]
            elif row["kind"] == "rule":
                table.set_aside += row["rows"]
                table.refused -= row["rows"]
    report.tables = list(tables.values())


def _told(finished: Iterable[Event], key: str) -> dict[str, str]:
    """What only the run showed of objects, by their kind and name."""
    return {what: why for event in finished for what, why in event.detail.get(key, ())}


def _losses(report: Report, by_kind: Mapping[str, list[Event]]) -> None:
    altered: dict[tuple[str, str, str, bool], int] = defaultdict(int)
    for event in {e.detail["chunk"]: e for e in by_kind["loaded"]}.values():
        for entry in event.detail["altered"]:
            altered[event.detail["table"], entry["column"], entry["what"], entry.get("rule", False)] += entry["values"]
    for (table, column, what, by_rule), n in sorted(altered.items()):
        (report.rule if by_rule else report.losses).append(f"{table}.{column}: {n} {what}")
    for event in by_kind["rejects"][-1:]:
        for row in event.detail["summary"]:
            line = (
                f"{row['table_name']}: {row['rows']} rows set aside, {row['reason']}; "
                f"keys {', '.join(row['keys'])}{' ...' if row['rows'] > len(row['keys']) else ''}"
            )
            (report.rule if row["kind"] == "rule" else report.losses).append(line)
    for event in {e.detail["step"]: e for e in by_kind["step_finished"]}.values():
        detail = event.detail
        for column in detail.get("not_null_relaxed", ()):
            report.losses.append(f"{column}: NOT NULL relaxed, because dates that are none became NULL")
        for table_name, column_name, n in detail.get("merged", ()):
            report.rule.append(f"{table_name}.{column_name}: {n} NULL took the value of a duplicate")
        report.notes += [f"{what}: {why}" for what, why in detail.get("not_validated", ())]
        report.losses += [f"{what}: {why}" for what, why in detail.get("left_out", ())]
        report.notes += detail.get("kept", ())
        if moved := detail.get("source_moved"):
            report.losses.append(moved)
        report.notes += [f"version {version} is applied" for version in detail.get("versions", ())]
        report.notes += [f"version {version} waits for cutover schema upgrade" for version in detail.get("waiting", ())]
        for view in detail.get("views", ()):
            if view["problem"]:
                line = f"view {view['view']}: {view['problem']}"
                (report.losses if view["differences"] else report.notes).append(line)
        for summary in detail.get("summaries", ()):
            report.notes.append(f"summary {summary['summary']}: {summary['rows']} rows; it {summary['against']}")
        if detail.get("step") == "backup":
            report.backup = detail.get("path")
    before = [event.detail for event in by_kind["examined"]]
    report.notes += [note for detail in before[-1:] for note in detail["notes"]]
    for event in by_kind["carried"][-1:]:
        report.rule += [line for table in event.detail["tables"] if (line := _stayed(table))]
    for event in by_kind["expectations"][-1:]:
        _expectations(report, event.detail["results"])
        report.notes += event.detail.get("unasked", ())


def _stayed(table: Mapping[str, Any]) -> str:
    """Say how many rows of a live table stay, and which rows gave way; nothing where it held none."""
    gave_way = table["replaced"] + table["yielded"]
    if not table["kept"] + gave_way:
        return ""
    line = f"{table['table']}: {table['kept']} rows that were there are kept"
    if gave_way:
        what = "rows of the source set aside for them" if table["yielded"] else "others replaced by the source's"
        line += f", {gave_way} {what}; keys {', '.join(table['keys'])}{' ...' if gave_way > len(table['keys']) else ''}"
    return line


def _expectations(report: Report, results: list[dict[str, Any]]) -> None:
    failed = [r for r in results if not r["success"]]
    report.expectations = {"run": len(results), "failed": len(failed), "failures": failed}


def _outcome(report: Report, by_kind: Mapping[str, list[Event]]) -> None:
    for event in by_kind["cut_over"][-1:]:
        report.locked_ms = event.detail["locked_ms"]
        report.notes += [
            f"{what}: an earlier run brought it, the source has it no longer" for what in event.detail["gone"]
        ]
    back = [event.kind for event in sorted([*by_kind["rolled_back"], *by_kind["went_forth"]], key=lambda e: e.number)]
    if by_kind["completed"] and back[-1:] == ["rolled_back"]:
        report.status = UNDONE
    elif by_kind["completed"]:
        report.status = WITH_LOSSES if report.losses else COMPLETED
        if report.mode == "dry_run":
            report.status = PLANNED
    elif back[-1:] == ["rolled_back"]:
        report.status = ROLLED_BACK
    elif by_kind["failed"]:
        report.status = FAILED
    if report.status in (FAILED, ROLLED_BACK, RUNNING):
        _cause(report, by_kind["step_failed"])


def _cause(report: Report, failures: list[Event]) -> None:
    """Name what the run failed of: the last failure before the way back, and that of the way back itself.

    Earlier ones were tried again. A failure in a run that goes on may be, too.
    """
    back = [e for e in failures if e.detail["step"] in ("rollback", "validate_rollback")]
    forth = [e for e in failures if e not in back]
    if forth:
        report.failed_step, report.cause = forth[-1].detail["step"], forth[-1].detail["cause"]
    if back and report.status != ROLLED_BACK:
        report.failed_step = report.failed_step or back[-1].detail["step"]
        report.cause = "; ".join(filter(None, [report.cause, f"the way back failed too: {back[-1].detail['cause']}"]))
