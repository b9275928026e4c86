"""The ``schema.validation`` part: what is checked before a run changes anything, and before its tables go live."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field, model_validator
from pydantic.alias_generators import to_camel

from cutover.spec.application import ApplicationCompatibility, HttpCheck, PerformanceRules
from cutover.spec.base import Name, Part, refusal


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
    performance_validation: bool = False
    application_validation: bool = False


class DataIntegrity(Part):
    """Which constraints the target's rows must keep; whether its columns hold what the source's do, at a glance."""

    enabled: bool = True
    check_foreign_keys: bool = True
    check_unique_constraints: bool = True
    check_not_null_constraints: bool = True
    check_check_constraints: bool = True
    check_ranges: bool = False


class Rules(Part):
    """What the checks look at."""

    data_integrity: DataIntegrity = Field(default_factory=DataIntegrity)
    performance: PerformanceRules = Field(default_factory=PerformanceRules)
    application_compatibility: ApplicationCompatibility = Field(default_factory=ApplicationCompatibility)


class Validation(Part):
    """When the schema is checked, and for what.

    queries are the application's own, in the source's words: {NAME: SQL}. Its endpoints are asked after the cutover.
    """

    pre_migration: PreMigration = Field(default_factory=PreMigration)
    post_migration: PostMigration = Field(default_factory=PostMigration)
    rules: Rules = Field(default_factory=Rules)
    queries: dict[Name, Name] = Field(default_factory=dict)
    endpoints: dict[Name, HttpCheck] = Field(default_factory=dict)

    @property
    def measures(self) -> bool:
        """Whether the target's speed is compared with the source's."""
        return self.post_migration.enabled and self.post_migration.performance_validation and self.rules.performance.any

    @property
    def tries(self) -> bool:
        """Whether the application's queries, types and functions are tried on the target."""
        return self._applies and self.rules.application_compatibility.reads

    @property
    def calls(self) -> bool:
        """Whether the application's endpoints are asked after the cutover."""
        return self._applies and self.rules.application_compatibility.calls and bool(self.endpoints)

    @property
    def _applies(self) -> bool:
        return self.post_migration.enabled and self.post_migration.application_validation

    @model_validator(mode="after")
    def _has_what_it_asks(self) -> Validation:
        problems = [*self._missing(), *self._idle()]
        if problems:
            raise refusal(*problems)
        return self

    def _missing(self) -> Iterator[tuple[str, str]]:
        performance, application = self.rules.performance, self.rules.application_compatibility
        if self.measures and performance.asks_queries and not self.queries and not performance.slowest:
            yield (
                "postMigration.performanceValidation",
                "is true, and schema.validation.queries is needed: {NAME: SQL}; or let "
                "rules.performance.slowest: 10 take the source's slowest, or say queryPerformance: false",
            )
        if not self._applies or not application.enabled:
            return
        if not self.queries and not self.endpoints:
            yield (
                "postMigration.applicationValidation",
                "is true, and schema.validation.queries is needed: {NAME: SQL}, or endpoints: {NAME: {url: URL}}",
            )
            return
        said = application.model_fields_set
        if "api_compatibility" in said and application.api_compatibility and not self.endpoints:
            yield (
                "rules.applicationCompatibility.apiCompatibility",
                "is true, and schema.validation.endpoints is needed: {NAME: {url: URL}}",
            )
        for key, name in (
            ("queryCompatibility", "query_compatibility"),
            ("functionCompatibility", "function_compatibility"),
        ):
            if name in said and getattr(application, name) and not self.queries:
                yield (
                    f"rules.applicationCompatibility.{key}",
                    "is true, and schema.validation.queries is needed: {NAME: SQL}",
                )

    def _idle(self) -> Iterator[tuple[str, str]]:
        """Name what is given and nothing asks for; a switch of postMigration that is said to be false may keep it."""
        post, rules = self.post_migration, self.rules
        if not post.enabled:
            return
        empty = [*self._empty()]
        yield from empty
        if empty:
            return
        kept = {name for name in post.model_fields_set if not getattr(post, name)}
        reads = self.tries or (self.measures and rules.performance.reads_queries)
        if self.queries and not reads and not kept & {"performance_validation", "application_validation"}:
            text = "are asked by nothing; say postMigration.performanceValidation: true, or applicationValidation: true"
            yield "queries", f"{text}, and a rule that asks them"
        if self.endpoints and not self.calls and "application_validation" not in kept:
            text = "are asked by nothing; say postMigration.applicationValidation: true"
            yield "endpoints", f"{text}, and no apiCompatibility: false"
        if "performance_validation" not in kept:
            yield from self._idle_numbers()

    def _empty(self) -> Iterator[tuple[str, str]]:
        post, rules = self.post_migration, self.rules
        for key, on, does in (
            ("performance", post.performance_validation, rules.performance.any),
            ("application", post.application_validation, self.tries or rules.application_compatibility.calls),
        ):
            if on and not does:
                rule = {"performance": "performance", "application": "applicationCompatibility"}[key]
                text = f"is true, and rules.{rule} switches all of it off; say true to a part of that, or false here"
                yield f"postMigration.{key}Validation", text

    def _idle_numbers(self) -> Iterator[tuple[str, str]]:
        performance = self.rules.performance
        reads = {
            "slowest": self.measures and performance.reads_queries,
            "runs": self.measures and performance.query_performance,
            "threshold": self.measures,
            "on_degradation": self.measures,
            "timeout": self.measures or self.tries,
        }
        for name in sorted(performance.model_fields_set & {name for name, read in reads.items() if not read}):
            cure = (
                "its switches leave nothing that asks for it" if self.measures else "performanceValidation is not true"
            )
            yield f"rules.performance.{to_camel(name)}", f"does nothing: {cure}; leave it out"
