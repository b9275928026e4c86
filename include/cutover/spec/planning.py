"""The ``strategy.planning`` part: what is assessed before a run, when it may run, and how risky it may be."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from croniter import croniter
from pydantic import AfterValidator, Field, model_validator

from cutover.spec.base import Many, Milliseconds, Part, refusal

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
Risk = Literal["low", "medium", "high"]

_CRON_NAMES = re.compile(r"\b(mon|tue|wed|thu|fri|sat|sun|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\b")


def _cron(value: str) -> str:
    plain = _CRON_NAMES.sub("", value.lower())  # what is left may not be croniter's random or hashed fields
    if len(value.split()) != 5 or re.search(r"[^\d\s*/,-]", plain) or not croniter.is_valid(value):
        raise refusal(("", f"{value!r} is not a cron schedule of five fields (minute hour day month weekday)"))
    return value


def _timezone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise refusal(("", f"{value!r} is not a time zone; use an IANA name such as UTC or Asia/Ho_Chi_Minh")) from None
    return value


TimeOfDay = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="HH:MM")]
Timezone = Annotated[str, AfterValidator(_timezone), Field(description="IANA name")]
Cron = Annotated[str, AfterValidator(_cron), Field(description="cron, five fields")]


class Analysis(Part):
    """What an assessment holds: that of ``cutover assess``, and that of a run whose risk is bounded.

    schemaAnalysis: what becomes of every object, and the servers' versions and settings.
    dataAnalysis: values that do not fit and rows that break constraints; it reads every table.
    impactAnalysis: what the cutover replaces, and who uses both databases.
    performanceAnalysis: duration, connections, memory and disk.
    """

    enabled: bool = True
    schema_analysis: bool = True
    data_analysis: bool = True
    impact_analysis: bool = True
    performance_analysis: bool = True


class MaintenanceWindow(Part):
    """When a run may work; an end before the start is past midnight."""

    enabled: bool = True
    start_time: TimeOfDay = "02:00"
    end_time: TimeOfDay = "06:00"
    timezone: Timezone = "UTC"
    days: Annotated[Many[Weekday], Field(min_length=1)] = ("saturday", "sunday")

    @model_validator(mode="after")
    def _has_length(self) -> MaintenanceWindow:
        if self.start_time == self.end_time:
            raise refusal(("endTime", f"equals startTime ({self.start_time}): the window is never open"))
        return self


class Automated(Part):
    """Runs that start by themselves."""

    enabled: bool = True
    schedule: Cron = "0 2 * * 0"
    max_duration: Milliseconds = 7_200_000
    auto_rollback: bool = True


class Scheduling(Part):
    """When runs start, and when they must not."""

    enabled: bool = True
    maintenance_window: MaintenanceWindow = Field(default_factory=MaintenanceWindow)
    automated: Automated = Field(default_factory=Automated)


class RiskAssessment(Part):
    """The highest level of each risk that a run goes on with; one above it is refused before anything changes."""

    enabled: bool = False
    data_loss_risk: Risk = "high"
    downtime_risk: Risk = "high"
    performance_risk: Risk = "high"
    rollback_risk: Risk = "high"

    @model_validator(mode="after")
    def _says_whether(self) -> RiskAssessment:
        if self.model_fields_set and "enabled" not in self.model_fields_set:
            raise refusal(("enabled", "is needed: true refuses a run above these levels, false does not"))
        return self

    @property
    def allowed(self) -> dict[str, Risk]:
        """The highest level of each risk, by the risk's name."""
        return {
            "data loss": self.data_loss_risk,
            "downtime": self.downtime_risk,
            "performance": self.performance_risk,
            "rollback": self.rollback_risk,
        }


class Planning(Part):
    """What happens before a run."""

    analysis: Analysis = Field(default_factory=Analysis)
    scheduling: Scheduling = Field(default_factory=Scheduling)
    risk_assessment: RiskAssessment = Field(default_factory=RiskAssessment)

    @model_validator(mode="after")
    def _judges_what_is_looked_at(self) -> Planning:
        if self.risk_assessment.enabled and not self.analysis.enabled:
            raise refusal(("riskAssessment.enabled", "is true, and analysis.enabled false: risk is judged by it"))
        return self
