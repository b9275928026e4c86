"""The ``schema.validation`` part: what is checked before a run changes anything, and before its tables go live."""

from __future__ import annotations

from pydantic import Field

from cutover.spec.base import Part, UnbuiltPart, UnbuiltSwitch


class PreMigration(Part):
    """What a run's plan step looks at before anything is written; what surely fails the run refuses it there.

    Without these a plan still refuses what it cannot do.

    schemaValidation: what stays behind, the servers' versions and settings.
    dataValidation: values that do not fit, in one pass over each table.
    constraintValidation: rows that break a constraint, by one query for each.
    performanceValidation: connections, memory, staging, tables without a key.
    """

    enabled: bool = True
    schema_validation: bool = True
    data_validation: bool = False
    constraint_validation: bool = False
    performance_validation: bool = False

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of validation that are asked for, in the words of :data:`cutover.verify.outcome.KINDS`."""
        asked = {
            "schema": self.schema_validation,
            "data": self.data_validation,
            "constraint": self.constraint_validation,
            "performance": self.performance_validation,
        }
        return tuple(kind for kind, on in asked.items() if on and self.enabled)


class PostMigration(Part):
    """Checks before the new tables go live."""

    enabled: bool = True
    schema_validation: bool = True
    data_validation: bool = True
    constraint_validation: bool = True
    performance_validation: UnbuiltSwitch = None
    application_validation: UnbuiltSwitch = None


class DataIntegrity(Part):
    """Which constraints the target's rows must keep; whether its columns hold what the source's do, at a glance."""

    enabled: bool = True
    check_foreign_keys: bool = True
    check_unique_constraints: bool = True
    check_not_null_constraints: bool = True
    check_check_constraints: bool = True
    check_ranges: bool = False


class PerformanceRules(UnbuiltPart):
    """Speed of the target against the source."""

    enabled: bool = False
    query_performance: bool | None = None
    index_performance: bool | None = None
    storage_performance: bool | None = None
    connection_performance: bool | None = None


class ApplicationCompatibility(UnbuiltPart):
    """Whether the application's queries and calls still work."""

    enabled: bool = False
    api_compatibility: bool | None = None
    query_compatibility: bool | None = None
    data_type_compatibility: bool | None = None
    function_compatibility: bool | None = None


class Rules(Part):
    """What the checks look at."""

    data_integrity: DataIntegrity = Field(default_factory=DataIntegrity)
    performance: PerformanceRules | None = None
    application_compatibility: ApplicationCompatibility | None = None


class Validation(Part):
    """When the schema is checked, and for what."""

    pre_migration: PreMigration = Field(default_factory=PreMigration)
    post_migration: PostMigration = Field(default_factory=PostMigration)
    rules: Rules = Field(default_factory=Rules)
