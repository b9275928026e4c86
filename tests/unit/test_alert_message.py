"""The text that arrives in Slack."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cutover.alerts.message import Alert, compose

ALERT = Alert(
    migration="museum",
    run="museum/manual__2026",
    what="failed",
    severity="critical",
    step="chunks.load",
    cause="loading visits-00001: check no_13 violated",
    rows=1_234_567,
    link="http://localhost:8080/dags/museum/runs/1",
)


def test_a_message_says_what_where_why_how_far_and_where_to_look() -> None:
    assert compose(ALERT).splitlines() == [
        ":red_circle: *Migration museum failed*",
        "Run: museum/manual__2026",
        "Step: chunks.load",
        "Cause: loading visits-00001: check no_13 violated",
        "Rows done: 1,234,567",
        "<http://localhost:8080/dags/museum/runs/1|Log>",
    ]


def test_without_a_cause_there_is_no_line_for_it() -> None:
    text = compose(replace(ALERT, what="succeeded", severity="info", cause=""))
    assert text.startswith(":large_green_circle: *Migration museum succeeded*")
    assert "Cause" not in text


@pytest.mark.parametrize("severity", ["info", "warning", "critical"])
def test_each_severity_has_a_mark_of_its_own(severity: str) -> None:
    others = {compose(replace(ALERT, severity=s)) for s in ("info", "warning", "critical") if s != severity}
    assert compose(replace(ALERT, severity=severity)) not in others


def test_slacks_mark_up_in_a_cause_stays_text() -> None:
    text = compose(replace(ALERT, cause="<!channel> a < b & <http://evil|click>"))
    assert "&lt;!channel&gt; a &lt; b &amp; &lt;http://evil|click&gt;" in text
    assert "<!channel>" not in text


def test_a_long_cause_is_cut_and_the_link_survives() -> None:
    text = compose(replace(ALERT, cause="x" * 100_000))
    assert len(text) < 2_000
    assert "xxx ...\n" in text
    assert text.endswith("|Log>")
