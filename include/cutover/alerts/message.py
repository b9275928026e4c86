"""The text of an alert, written for the person on call."""

from __future__ import annotations

from dataclasses import dataclass

_MARKS = {"critical": ":red_circle:", "warning": ":large_orange_circle:", "info": ":large_green_circle:"}
# Slack cuts a message at 40,000 characters; nobody reads so much at night.
_LONGEST_CAUSE = 1500


@dataclass(frozen=True)
class Alert:
    """Something to tell: which migration and run, what happened in which step, and why."""

    migration: str
    run: str
    what: str
    severity: str
    step: str
    cause: str
    rows: int
    link: str


def compose(alert: Alert) -> str:
    """Return the alert in Slack's mark-up."""
    lines = [
        f"{_MARKS[alert.severity]} *Migration {_plain(alert.migration)} {alert.what}*",
        f"Run: {_plain(alert.run)}",
        f"Step: {_plain(alert.step)}",
        f"Rows done: {alert.rows:,}",
    ]
    if alert.cause:
        cause = alert.cause if len(alert.cause) <= _LONGEST_CAUSE else alert.cause[:_LONGEST_CAUSE] + " ..."
        lines.insert(3, f"Cause: {_plain(cause)}")
    return "\n".join([*lines, f"<{alert.link}|Log>"])


def _plain(text: str) -> str:
    # Slack's own escapes (Slack manual, Formatting text): nothing else has a meaning to it.
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
