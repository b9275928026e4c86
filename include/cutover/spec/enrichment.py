"""Values brought to one form, and what is summed up of them; other values the source lacks are not built yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from cutover.spec.aggregation import DataAggregation, Metric, Metrics, Summary
from cutover.spec.base import ColumnName, Many, Part, SwitchOr, UnbuiltSwitch, refusal

Normal = Literal["nfc", "trim", "squeeze"]
Standard = Literal["e164", "email", "upper", "lower", "title"]


def _without_switches(data: object) -> object:
    """Leave out what is switched on within a part that is off: it asks for nothing, built or not.

    What a summary counts is no switch of a part.
    """
    if not isinstance(data, Mapping):
        return data
    below = ((key, value) for key, value in data.items() if value is not True)
    return {key: value if key == "summaries" else _without_switches(value) for key, value in below}


class _MayBeOff(Part):
    """A part that may keep its keys when it is off, those that are not built among them."""

    @model_validator(mode="before")
    @classmethod
    def _keep_what_is_off(cls, data: object) -> object:
        return _without_switches(data) if isinstance(data, Mapping) and data.get("enabled") is False else data


class DataEnrichment(_MayBeOff):
    """Text brought to one form, before anything else is done to it; each value that changes is counted.

    dataNormalization takes the columns, and what is done to each: nfc (one way to write each letter, Unicode's
    form C), trim (no white space at either end), squeeze (each run of white space becomes one space).

    dataStandardization takes the columns and one rule for each, after normalization: e164 (a phone number as
    +4930123456; a row whose value is none is refused), email (the domain in lower case), upper, lower, title
    (the first letter of each word in upper case, the others in lower case).
    """

    enabled: bool = True
    geocoding: UnbuiltSwitch = None
    data_normalization: SwitchOr[dict[ColumnName, Annotated[Many[Normal], Field(min_length=1)]]] = False
    data_standardization: SwitchOr[dict[ColumnName, Standard]] = False


class DataCalculation(_MayBeOff):
    """Values computed from others; calculatedMetrics is a table {NAME: {table: TABLE, expression: EXPRESSION}}."""

    enabled: bool = True
    derived_fields: UnbuiltSwitch = None
    computed_columns: UnbuiltSwitch = None
    calculated_metrics: SwitchOr[Metrics] = False

    @model_validator(mode="after")
    def _names_metrics(self) -> DataCalculation:
        if self.calculated_metrics is True:
            example = "{NAME: {table: TABLE, expression: SUM(COLUMN)}}"
            raise refusal(("calculatedMetrics", f"a table is needed: write {example} in place of true"))
        return self


class Enrichment(_MayBeOff):
    """What is made of values beyond mapping and cleaning.

    It is on where it is written, where the requirement's default is off: a key that is accepted does what it says.
    """

    enabled: bool = True
    data_enrichment: SwitchOr[DataEnrichment] = False
    data_aggregation: SwitchOr[DataAggregation] = False
    data_calculation: SwitchOr[DataCalculation] = False

    @model_validator(mode="after")
    def _names_columns(self) -> Enrichment:
        part = self._part
        problems = []
        if self.enabled and self.data_enrichment is True:
            problems.append(("dataEnrichment", "dataNormalization or dataStandardization is needed in place of true"))
        elif part and not part.data_normalization and not part.data_standardization:
            problems.append(("dataEnrichment", "dataNormalization or dataStandardization is needed"))
        for key, table, example in (
            ("dataNormalization", part and part.data_normalization, "customers.name: [nfc, trim]"),
            ("dataStandardization", part and part.data_standardization, "customers.phone: e164"),
        ):
            if table is True:
                problems.append((f"dataEnrichment.{key}", f"a table is needed: write {{{example}}} in place of true"))
        if self.enabled and self.data_aggregation is True:
            problems.append(("dataAggregation", "summaries is needed in place of true"))
        calculation = self.data_calculation
        if self.enabled and calculation is True:
            problems.append(("dataCalculation", "calculatedMetrics is needed in place of true"))
        if self.enabled and isinstance(calculation, DataCalculation) and calculation.enabled and not self.metrics:
            problems.append(("dataCalculation", "calculatedMetrics is needed"))
        if problems:
            raise refusal(*problems)
        return self

    @property
    def _part(self) -> DataEnrichment | None:
        part = self.data_enrichment
        return part if self.enabled and isinstance(part, DataEnrichment) and part.enabled else None

    @property
    def normal(self) -> dict[str, tuple[Normal, ...]]:
        """'table.column' to what is done to its text; empty when switched off."""
        table = self._part.data_normalization if self._part else {}
        return table if not isinstance(table, bool) else {}

    @property
    def standard(self) -> dict[str, Standard]:
        """'table.column' to the rule for its text; empty when switched off."""
        table = self._part.data_standardization if self._part else {}
        return table if not isinstance(table, bool) else {}

    @property
    def summaries(self) -> dict[str, Summary]:
        """The summary tables by name; empty when switched off."""
        part = self.data_aggregation
        return part.summaries if self.enabled and isinstance(part, DataAggregation) and part.enabled else {}

    @property
    def metrics(self) -> dict[str, Metric]:
        """The metrics by name; empty when switched off."""
        part = self.data_calculation
        table = part.calculated_metrics if self.enabled and isinstance(part, DataCalculation) and part.enabled else {}
        return table if not isinstance(table, bool) else {}

    def named(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield each key that names columns, and the columns."""
        yield "dataEnrichment.dataNormalization", tuple(self.normal)
        yield "dataEnrichment.dataStandardization", tuple(self.standard)
