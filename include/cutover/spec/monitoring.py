"""The ``monitoring`` part: who is told what, and when."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cutover.spec.base import Many, Milliseconds, MillisecondsOrNone, Name, NotYet, Part, UnbuiltPart

Metric = Literal["histogram", "gauge", "counter"] | None
Severity = Literal["info", "warning", "critical"]
LogLevel = Literal["debug", "info", "warn", "error"] | None
Channel = Annotated[Literal["slack"], NotYet("email", "pagerduty")]


class SchemaMetrics(Part):
    """Metrics of a schema migration."""

    migration_duration: Metric = None
    table_count: Metric = None
    index_count: Metric = None
    constraint_count: Metric = None
    error_count: Metric = None


class DataMetrics(Part):
    """Metrics of a data migration."""

    migration_duration: Metric = None
    record_count: Metric = None
    data_size: Metric = None
    throughput: Metric = None
    error_count: Metric = None


class RollbackMetrics(Part):
    """Metrics of a rollback."""

    rollback_duration: Metric = None
    rollback_count: Metric = None
    rollback_success: Metric = None
    rollback_errors: Metric = None


class Metrics(Part):
    """What is measured."""

    schema_: SchemaMetrics | None = None
    data: DataMetrics | None = None
    rollback: RollbackMetrics | None = None


class SchemaThresholds(Part):
    """Limits of a schema migration."""

    migration_duration: Milliseconds | None = None
    table_count: int | None = None
    index_count: int | None = None
    error_rate: float | None = None


class DataThresholds(Part):
    """Limits of a data migration; dataSize in bytes, throughput in records per second."""

    migration_duration: Milliseconds | None = None
    record_count: int | None = None
    data_size: int | None = None
    throughput: int | None = None
    error_rate: float | None = None


class RollbackThresholds(Part):
    """Limits of a rollback."""

    rollback_duration: Milliseconds | None = None
    rollback_success: float | None = None
    error_rate: float | None = None


class Thresholds(Part):
    """Where measurements become alerts."""

    schema_: SchemaThresholds | None = None
    data: DataThresholds | None = None
    rollback: RollbackThresholds | None = None


class PerformanceMonitoring(UnbuiltPart):
    """Metrics and their limits."""

    metrics: Metrics | None = None
    thresholds: Thresholds | None = None


class Rule(Part):
    """An alert: how severe, to whom, and how long until it may be sent again."""

    enabled: bool = True
    severity: Severity = "critical"
    channels: Annotated[Many[Channel], Field(min_length=1)] = ("slack",)
    threshold: Annotated[Literal[1], NotYet()] = 1
    cooldown: MillisecondsOrNone = 300_000


class UnbuiltRule(UnbuiltPart):
    """An alert on a measurement."""

    enabled: bool = False
    severity: Severity | None = None
    channels: Many[Literal["email", "slack", "pagerduty"]] | None = None
    threshold: float | None = None
    cooldown: Milliseconds | None = None


class Rules(Part):
    """The alerts there are."""

    migration_failure: Rule = Field(default_factory=Rule)
    migration_timeout: UnbuiltRule | None = None
    high_error_rate: UnbuiltRule | None = None
    performance_degradation: UnbuiltRule | None = None
    rollback_triggered: Rule = Field(default_factory=Rule)


class Alerting(Part):
    """Who is told; onSuccess and slackConnection (an Airflow connection id) are Cutover's own keys."""

    rules: Rules = Field(default_factory=Rules)
    on_success: bool = False
    slack_connection: Name = "slack_default"


class Levels(Part):
    """Log levels."""

    migration: LogLevel = None
    rollback: LogLevel = None
    error: LogLevel = None
    performance: LogLevel = None


class Format(Part):
    """What a log line holds."""

    timestamp: bool | None = None
    migration_id: bool | None = None
    operation: bool | None = None
    duration: bool | None = None
    status: bool | None = None
    details: bool | None = None


class Storage(Part):
    """Where logs are kept."""

    type: str | None = None
    index: str | None = None
    retention: Milliseconds | None = None
    compression: bool | None = None


class Logging(UnbuiltPart):
    """A log store of its own; Airflow's task logs are used meanwhile."""

    levels: Levels | None = None
    format: Format | None = None
    storage: Storage | None = None


class Monitoring(Part):
    """MigrationMonitoringConfig of the requirement."""

    performance: PerformanceMonitoring | None = None
    alerting: Alerting = Field(default_factory=Alerting)
    logging: Logging | None = None
