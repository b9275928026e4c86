"""The step that writes the report."""

from __future__ import annotations

from cutover import render, report
from cutover.steps.context import Run


def publish(run: Run) -> str:
    """Write the report as JSON and Markdown into the run's folder, and return the run's status."""
    ended = run.ledger.last(run.id, "completed") or run.ledger.last(run.id, "rolled_back")
    if ended is None and run.ledger.last(run.id, "failed") is None:
        run.record("failed", changed_nothing=run.ledger.last(run.id, "planned") is None)
    folded = report.build(run.ledger, run.id)
    run.folder.mkdir(parents=True, exist_ok=True)
    (run.folder / "report.json").write_text(folded.to_json())
    (run.folder / "report.md").write_text(render.markdown(folded))
    return folded.status
