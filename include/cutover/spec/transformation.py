"""What happens to rows on the way: new names, types and values, and what is repaired."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from cutover.spec.base import (
    ColumnName,
    Many,
    Name,
    NotYet,
    Part,
    Scalar,
    SwitchOr,
    UnbuiltPart,
    UnbuiltSwitch,
    refusal,
)


class Mapping(Part):
    """New names, types and values; each key is a table of them, or a switch."""

    enabled: bool = True
    field_mapping: SwitchOr[dict[Name, dict[Name, Name]]] = Field(default_factory=dict)
    type_mapping: SwitchOr[dict[Name, Name]] = Field(default_factory=dict)
    value_mapping: SwitchOr[dict[ColumnName, dict[str, Scalar]]] = Field(default_factory=dict)

    @property
    def fields(self) -> dict[str, dict[str, str]]:
        """Source table to {source column: target column}; empty when switched off."""
        table = self.field_mapping
        return table if self.enabled and not isinstance(table, bool) else {}

    @property
    def types(self) -> dict[str, str]:
        """Source type to target type; empty when switched off."""
        table = self.type_mapping
        return table if self.enabled and not isinstance(table, bool) else {}

    @property
    def values(self) -> dict[str, dict[str, Scalar]]:
        """'table.column' to {source value as text: target value}; empty when switched off."""
        table = self.value_mapping
        return table if self.enabled and not isinstance(table, bool) else {}


class DuplicateRemoval(Part):
    """Which of several rows with the same key fields ('field' or 'table.field') stays."""

    enabled: bool = True
    strategy: Annotated[Literal["keep_first", "keep_last"], NotYet("merge")] = "keep_first"
    key_fields: Many[Name] = ()

    @model_validator(mode="after")
    def _has_key(self) -> DuplicateRemoval:
        if self.enabled and not self.key_fields:
            raise refusal(("keyFields", "is needed: the fields that make two rows duplicates"))
        return self


class NullHandling(Part):
    """What becomes of NULL: it stays, or a column's default value takes its place."""

    enabled: bool = True
    strategy: Annotated[Literal["preserve", "default"], NotYet("remove")] = "preserve"
    default_values: dict[ColumnName, Scalar] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _table_matches_strategy(self) -> NullHandling:
        if self.strategy == "preserve" and self.default_values:
            raise refusal(("defaultValues", "has no effect with strategy preserve; say strategy: default"))
        if self.strategy == "default" and not self.default_values:
            raise refusal(("defaultValues", "is needed with strategy default"))
        return self


class DataValidation(Part):
    """Which values are checked on the way."""

    enabled: bool = True
    email_validation: bool = True
    phone_validation: UnbuiltSwitch = None
    date_validation: UnbuiltSwitch = None
    numeric_validation: UnbuiltSwitch = None


def _zero_dates(value: object) -> object:
    if type(value) is date:
        return value.isoformat()
    if value not in ("nullify", "fail"):
        try:
            date.fromisoformat(str(value))
        except ValueError:
            raise refusal(("", "should be nullify, fail, or a date such as 1970-01-01 to put in their place")) from None
    return value


class Cleaning(Part):
    """What is repaired on the way; nothing is, unless a key asks for it.

    zeroDates says what becomes of dates that PostgreSQL cannot hold (0000-00-00, 2024-00-15, 2023-02-31):
    nullify makes them NULL, relaxes NOT NULL where it must and reports both; a date takes their place; fail
    ends the run at the first one.
    """

    enabled: bool = True
    duplicate_removal: SwitchOr[DuplicateRemoval] = False
    null_handling: SwitchOr[NullHandling] = False
    zero_dates: Annotated[str, BeforeValidator(_zero_dates)] = "nullify"
    data_validation: SwitchOr[DataValidation] = False

    @model_validator(mode="after")
    def _duplicates_have_key(self) -> Cleaning:
        if self.duplicate_removal is True:
            raise refusal(("duplicateRemoval", "needs keyFields: write {keyFields: [...]} instead of true"))
        return self

    @property
    def duplicates(self) -> DuplicateRemoval | None:
        """The duplicate removal in force, or None when switched off."""
        table = self.duplicate_removal
        return table if self.enabled and isinstance(table, DuplicateRemoval) and table.enabled else None

    @property
    def nulls(self) -> NullHandling | None:
        """The null handling in force, or None when switched off."""
        table = NullHandling() if self.null_handling is True else self.null_handling
        return table if self.enabled and isinstance(table, NullHandling) and table.enabled else None

    @property
    def validation(self) -> DataValidation | None:
        """The value checks in force, or None when switched off."""
        table = DataValidation() if self.data_validation is True else self.data_validation
        return table if self.enabled and isinstance(table, DataValidation) and table.enabled else None


class DataEnrichment(Part):
    """Values looked up or brought to one form."""

    enabled: bool = False
    geocoding: bool | None = None
    data_normalization: bool | None = None
    data_standardization: bool | None = None


class DataAggregation(Part):
    """Values summed up over rows."""

    enabled: bool = False
    count_aggregation: bool | None = None
    sum_aggregation: bool | None = None
    average_aggregation: bool | None = None


class DataCalculation(Part):
    """Values computed from other columns."""

    enabled: bool = False
    derived_fields: bool | None = None
    computed_columns: bool | None = None
    calculated_metrics: bool | None = None


class Enrichment(UnbuiltPart):
    """Values the source does not hold."""

    enabled: bool = False
    data_enrichment: SwitchOr[DataEnrichment] | None = None
    data_aggregation: SwitchOr[DataAggregation] | None = None
    data_calculation: SwitchOr[DataCalculation] | None = None


class Transformation(Part):
    """What happens to rows between source and target."""

    mapping: Mapping = Field(default_factory=Mapping)
    cleaning: Cleaning = Field(default_factory=Cleaning)
    enrichment: Enrichment | None = None
