"""The step that writes the report and, beside it, what is left for a person to translate."""

from __future__ import annotations

from cutover import render, report
from cutover.schema.target import commented
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
    write_left_out(run)
    return folded.status


def write_left_out(run: Run) -> None:
    """Write the text of what a person may translate by hand: each object that stays behind, with the reason."""
    if run.ledger.last(run.id, "planned") is None:
        return
    texts = [
        commented(f"{loss.object}: {loss.reason}") + f"\n{loss.source.strip()}\n"
        for loss in run.plan.losses
        if loss.source
    ]
    if texts:
        (run.folder / "left_out.sql").write_text("\n".join(texts))
