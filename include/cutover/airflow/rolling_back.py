"""The DAGs that take a run back: because somebody asks for it, or because it is judged at fixed times."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import DAG, Param, TriggerRule, chain, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from cutover.airflow.connections import in_earlier_run, in_run
from cutover.airflow.following import shared
from cutover.errors import PreflightError
from cutover.spec import MigrationSpec

_APPROVE, _REJECT = "Approve", "Reject"
_SHOWN_AGAIN = 3
# What is done once the request stands, each a task.
_STEPS = (
    "steps.hooks.stop_applications",
    "taking_back.go_back",
    "steps.back.validate_rollback",
    "steps.hooks.restart_applications",
)


def rollback_dag(spec: MigrationSpec, folder: Path) -> DAG:
    """Build the DAG that takes a run back when somebody asks for it; it connects to nothing."""
    ways = list(spec.rollback.types.ways)

    @dag(
        dag_id=f"{spec.name}__rollback",
        description=f"Take a run of {spec.name} back",
        doc_md=f"# {spec.name}\n\nPuts the target back as it was before a run. {_approval(spec)}"
        "What would be lost is counted and shown before anything changes.",
        schedule=None,
        params={
            "reason": Param(type="string", minLength=3, description="why; the report has it"),
            "run": Param(
                None,
                type=["null", "string"],
                description="a run as the ledger names it: DAG/run id; the latest where it is not given",
            ),
            "moment": Param(
                None,
                type=["null", "string"],
                format="date-time",
                description="with point_in_time: what to go back to; the cutover where it is not given",
            ),
            "strategy": Param(None, enum=[None, *ways], description="the spec's own where it is not given"),
        },
        **_shared(spec),
    )
    def rolling_back() -> None:
        # Whoever asks is told why not by the task; nobody else needs to be.
        @task(retries=0, on_failure_callback=None)
        def ask() -> dict[str, str]:
            from cutover.ledger import Ledger
            from cutover.steps import history

            context = get_current_context()
            params = context["params"]
            chosen = params["run"] or history.latest_change(Ledger(), spec.name)
            return _asked(spec, chosen, params["reason"], _who(context), params["strategy"], params["moment"])

        _wire(spec, ask())

    return rolling_back()


def scheduled_dag(spec: MigrationSpec, folder: Path) -> DAG:
    """Build the DAG that judges the run in place at fixed times, and takes it back where a condition fails."""
    scheduled = spec.rollback.triggers.scheduled

    @dag(
        dag_id=f"{spec.name}__rollback_check",
        description=f"Judge what {spec.name} has put in place, and take it back where it fails",
        doc_md=f"# {spec.name}\n\nJudges {', '.join(scheduled.conditions)} of the run in place, and takes it back "
        f"where one fails, within the rollback window. {_approval(spec)}",
        schedule=scheduled.schedule,
        **_shared(spec),
    )
    def judging() -> None:
        @task(retries=0)
        def judge() -> dict[str, str]:
            from cutover import judging, verifying

            with in_run(folder, get_current_context()) as run:
                found = judging.judge(run, verifying.verify_here)
            if found is None:
                raise AirflowSkipException("no run is in place that could be taken back now")
            if not found.reasons:
                raise AirflowSkipException(f"run {found.run} stands: {', '.join(scheduled.conditions)} are in order")
            return _asked(spec, found.run, "; ".join(found.reasons), "schedule")

        _wire(spec, judge())

    return judging()


def _wire(spec: MigrationSpec, request: Any) -> None:
    @task(retries=0)
    def approved(request: dict[str, str], answer: Any) -> None:
        user = ((answer or {}).get("responded_by_user") or {}).get("name")
        if answer is None or user is None:
            problem = "nobody has answered in time"
        elif answer["chosen_options"] != [_APPROVE]:
            problem = f"{user} has rejected it"
        elif user == request["by"] and not spec.rollback.triggers.manual.self_approval:
            problem = f"{user} asked for it and must not approve it"
        else:
            problem = None
        with in_earlier_run(request["run"]) as run:
            if problem is None:
                run.record("rollback_approved", by=user)
                return
            run.record("rollback_refused", by=user, why=problem)
        raise AirflowFailException(f"run {request['run']} is not taken back: {problem}; nothing was changed")

    @task
    def begin(request: dict[str, str]) -> None:
        from cutover.airflow import alerts

        with in_earlier_run(request["run"]) as run:
            if run.spec.rollback.execution.pre_rollback.notify_stakeholders:
                alerts.rolling_back(run, get_current_context(), request["told"])

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def document(request: dict[str, str] | None) -> None:
        from cutover import taking_back
        from cutover.airflow import alerts
        from cutover.steps import history

        if request is None:
            raise AirflowSkipException("no run was to be taken back")
        with in_earlier_run(request["run"]) as run:
            taking_back.count_lost(run)
            taking_back.document(run)
            if history.taken_back(run.ledger, run.id):
                alerts.rolled_back(run, get_current_context())

    before = []
    if _approves(spec):
        approve = HITLOperator(
            task_id="approve",
            subject=f"Take a run of {spec.name} back?",
            body="{{ ti.xcom_pull(task_ids='" + request.operator.task_id + "')['told'] }}",
            options=[_APPROVE, _REJECT],
            # Where nobody answers in time, this does; it has no author then.
            defaults=_REJECT,
            response_timeout=timedelta(milliseconds=spec.rollback.triggers.manual.approval_timeout),
            # An answer that comes while the task is still being parked can fail it; it is put once more then.
            retries=_SHOWN_AGAIN,
        )
        before = [approve, approved(request, approve.output)]
    steps = [_step(where)(request) for where in _STEPS]
    chain(request, *before, begin(request), *steps)
    told = document(request)
    steps[-1] >> told
    # The only leaf: the report is written either way, and the run succeeds only when the rollback did.
    [steps[-1], told] >> EmptyOperator(task_id="end")


def _step(where: str) -> Any:
    module, _, name = where.rpartition(".")

    @task(task_id=name)
    def call(request: dict[str, str]) -> None:
        with in_earlier_run(request["run"]) as run:
            getattr(import_module(f"cutover.{module}"), name)(run)

    return call


def _asked(
    spec: MigrationSpec, run_id: str, reason: str, by: str, way: str | None = None, moment: str | None = None
) -> dict[str, str]:
    from cutover import taking_back

    with in_earlier_run(run_id) as run:
        if run.spec.name != spec.name:
            # Another migration may want an approval that this one does not.
            raise PreflightError([f"run {run_id} is of {run.spec.name}: trigger the DAG {run.spec.name}__rollback"])
        request = taking_back.ask(run, way, reason, by, moment)
    # On one line: whoever asks must not write what looks like the lines below.
    lines = [f"**{by}** asks: {' '.join(reason.split())}", *request.told()]
    return {"run": run_id, "by": by, "told": "\n".join(f"* {line}" for line in lines)}


def _approval(spec: MigrationSpec) -> str:
    return "Somebody else approves first, under Required Actions. " if _approves(spec) else ""


def _approves(spec: MigrationSpec) -> bool:
    return spec.rollback.triggers.manual.approval_required


def _who(context: Any) -> str:
    return context["dag_run"].triggering_user_name or "nobody known"


def _shared(spec: MigrationSpec) -> dict[str, Any]:
    return shared(spec, on_failure_callback=_on_failure) | {"tags": ["cutover", "rollback"]}


def _on_failure(context: Any) -> None:
    from cutover.airflow import alerts

    alerts.on_rollback_failure(context)
