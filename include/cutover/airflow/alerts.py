"""Send alerts to Slack; an alert that cannot be sent never breaks a run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook

from cutover import report
from cutover.airflow.connections import resolve, run_id
from cutover.alerts.message import Alert, compose
from cutover.ledger import Ledger
from cutover.spec.monitoring import Rule
from cutover.steps.context import Run, resume

log = logging.getLogger(__name__)
SLACK_TIMEOUT = 10


def on_task_failure(context: Mapping[str, Any]) -> None:
    """Tell Slack that a task failed for good; Airflow calls this in the worker."""
    try:
        ledger = Ledger()
        run = resume(run_id(context), ledger, resolve)
    except Exception as error:
        log.warning("no alert could be sent: %s", error)
        return
    rule = run.spec.monitoring.alerting.rules.migration_failure
    cause = str(context.get("exception") or "the task died without a word")
    # A way back that fails is news of its own: the cooldown of the first failure must not swallow it.
    what = "rollback failed" if context["ti"].task_id in ("rollback", "validate_rollback") else "failed"
    send(run, what, rule, context["ti"].task_id, cause, context["ti"].log_url)


def on_rollback_failure(context: Mapping[str, Any]) -> None:
    """Tell Slack that a run was not judged, not approved or not taken back; Airflow calls this in the worker."""
    ti = context["ti"]
    try:
        asked = ti.xcom_pull(task_ids="ask") or ti.xcom_pull(task_ids="judge")
        # A judgement that fails is a run of its own, and has named none to be taken back.
        run = resume(asked["run"] if asked else run_id(context), Ledger(), resolve)
    except Exception as error:
        log.warning("no alert could be sent: %s", error)
        return
    cause = str(context.get("exception") or "the task died without a word")
    what = {
        "judge": "rollback check failed",
        "approve": "rollback not approved",
        "approved": "rollback not approved",
    }.get(ti.task_id, "rollback failed")
    send(run, what, run.spec.monitoring.alerting.rules.rollback_triggered, ti.task_id, cause, ti.log_url)


def rolling_back(run: Run, context: Mapping[str, Any], told: str) -> None:
    """Tell Slack that a run is about to be taken back, and what that loses."""
    rule = run.spec.monitoring.alerting.rules.rollback_triggered
    send(run, "rollback begins", rule, "rollback", told, context["ti"].log_url)


def rolled_back(run: Run, context: Mapping[str, Any]) -> None:
    """Tell Slack that a run was rolled back, if the spec wants stakeholders to know."""
    if run.spec.rollback.execution.post_rollback.notify_stakeholders:
        rule = run.spec.monitoring.alerting.rules.rollback_triggered
        asked = run.ledger.last(run.id, "rollback_asked")
        reason = asked.detail["reason"] if asked is not None else "a task died without a word"
        cause = report.build(run.ledger, run.id).cause or reason
        send(run, "rolled back", rule, "rollback", cause, context["ti"].log_url)


def succeeded(run: Run, context: Mapping[str, Any]) -> None:
    """Tell Slack that a run succeeded, if the spec asks for it."""
    if run.spec.monitoring.alerting.on_success:
        send(run, "succeeded", None, "report", "", context["ti"].log_url)


def send(run: Run, what: str, rule: Rule | None, step: str, cause: str, link: str) -> None:
    """Send one alert, unless its rule is off or was sent within the rule's cooldown."""
    try:
        if not run.spec.strategy.execution.monitoring.alerting or (rule is not None and not rule.enabled):
            return
        if rule is not None and _cooling(run, what, rule.cooldown):
            return
        folded = report.build(run.ledger, run.id)
        severity = rule.severity if rule is not None else "info"
        text = compose(Alert(run.spec.name, run.id, what, severity, step, cause, folded.rows, link))
        connection = run.spec.monitoring.alerting.slack_connection
        SlackWebhookHook(slack_webhook_conn_id=connection, timeout=SLACK_TIMEOUT).send_text(text)
        run.record("alert_sent", what=what, channel="slack", step=step)
    except Exception as error:
        log.warning("the alert could not be sent: %s", error)
        try:
            run.record("alert_failed", what=what, channel="slack", cause=type(error).__name__)
        except Exception as second:
            log.warning("nor could the ledger note it: %s", second)


def _cooling(run: Run, what: str, cooldown_ms: int) -> bool:
    since = datetime.now(UTC) - timedelta(milliseconds=cooldown_ms)
    return any(
        event.detail["what"] == what and event.at > since
        for known, _, _ in run.ledger.runs(run.spec.name)[:20]
        for event in run.ledger.events(known, "alert_sent")
    )
