"""Values brought to one form, and what is summed up of them; other values the source lacks are not built yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from cutover.spec.aggregation import DataAggregation, Metric, Metrics, Summary
from cutover.spec.base import ColumnName, Many, Name, Part, SwitchOr, refusal
from cutover.spec.expression import Expression, TypedExpression, whole
from cutover.spec.geocoding import OFFLINE, Geocoding, columns

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

    geocoding takes tables, and for each the column with a place's name, or that and its country's, and the two
    columns that it adds: {from: [city, country], latitude: lat, longitude: lon}, in degrees. The gazetteer is
    GeoNames' cities of 15,000 people or more, without a network; of several with one name it is the largest.
    service names one of the package geopy in its place, options what it takes (user_agent, api_key: ${NAME} ...), and
    delay the time between two requests, of all processes together. A place is asked for once, and remembered.
    """

    enabled: bool = True
    geocoding: SwitchOr[dict[Name, Geocoding]] = False
    data_normalization: SwitchOr[dict[ColumnName, Annotated[Many[Normal], Field(min_length=1)]]] = False
    data_standardization: SwitchOr[dict[ColumnName, Standard]] = False


class DataCalculation(_MayBeOff):
    """Values that the source does not have, made of its columns by an expression in its dialect.

    derivedFields: a plain column; the source evaluates the expression while its rows are read.
    computedColumns: GENERATED ALWAYS AS (...) STORED; the target evaluates the expression, translated, whenever a
    row is written, and the proof compares it with what the source makes of it.
    calculatedMetrics: a table of values over all rows of a table, {NAME: {table: TABLE, expression: EXPRESSION}}.

    Each field or column is 'table.column' to an expression, or to {expression, type} where its type cannot be told
    from its columns' types. It names columns as the source does, and gives the same whenever it is asked.
    """

    enabled: bool = True
    derived_fields: SwitchOr[dict[ColumnName, Expression]] = False
    computed_columns: SwitchOr[dict[ColumnName, Expression]] = False
    calculated_metrics: SwitchOr[Metrics] = False

    @model_validator(mode="after")
    def _is_of_something(self) -> DataCalculation:
        typed = "orders.total: {expression: price * quantity, type: numeric(12,2)}"
        problems = [
            (key, f"a table is needed: write {{{example}}} in place of true")
            for key, table, example in (
                ("derivedFields", self.derived_fields, typed),
                ("computedColumns", self.computed_columns, typed),
                ("calculatedMetrics", self.calculated_metrics, "NAME: {table: TABLE, expression: SUM(COLUMN)}"),
            )
            if self.enabled and table is True
        ]
        if problems:
            raise refusal(*problems)
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
            problems.append(("dataEnrichment", "one of its keys is needed in place of true"))
        elif part and not part.data_normalization and not part.data_standardization and not part.geocoding:
            problems.append(("dataEnrichment", "dataNormalization, dataStandardization or geocoding is needed"))
        for key, table, example in (
            ("dataNormalization", part and part.data_normalization, "customers.name: [nfc, trim]"),
            ("dataStandardization", part and part.data_standardization, "customers.phone: e164"),
            ("geocoding", part and part.geocoding, "customers: {from: city, latitude: lat, longitude: lon}"),
        ):
            if table is True:
                problems.append((f"dataEnrichment.{key}", f"a table is needed: write {{{example}}} in place of true"))
        for table_name, written in self.places.items():
            idle = [key for key in ("options", "delay") if key in written]
            if idle and written.get("service", OFFLINE) == OFFLINE:
                problems.append((f"dataEnrichment.geocoding.{table_name}", f"{idle[0]} has no effect without service"))
        problems += self._uncalculated()
        if problems:
            raise refusal(*problems)
        return self

    def _uncalculated(self) -> Iterator[tuple[str, str]]:
        part, needed = self._calculation, "derivedFields, computedColumns or calculatedMetrics is needed"
        if self.enabled and self.data_calculation is True:
            yield "dataCalculation", f"{needed} in place of true"
        elif part and not (part.derived_fields or part.computed_columns or part.calculated_metrics):
            yield "dataCalculation", needed
        if self.enabled and self.data_aggregation is True:
            yield "dataAggregation", "summaries is needed in place of true"

    @property
    def _calculation(self) -> DataCalculation | None:
        part = self.data_calculation
        return part if self.enabled and isinstance(part, DataCalculation) and part.enabled else None

    @property
    def derived(self) -> dict[str, TypedExpression]:
        """'table.column' to what the source makes it of; empty when switched off."""
        table = self._calculation.derived_fields if self._calculation else {}
        return {} if isinstance(table, bool) else {name: whole(written) for name, written in table.items()}

    @property
    def computed(self) -> dict[str, TypedExpression]:
        """'table.column' to what the target makes it of; empty when switched off."""
        table = self._calculation.computed_columns if self._calculation else {}
        return {} if isinstance(table, bool) else {name: whole(written) for name, written in table.items()}

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
        table = self._calculation.calculated_metrics if self._calculation else {}
        return table if not isinstance(table, bool) else {}

    @property
    def places(self) -> dict[str, Geocoding]:
        """Source table to where its places are named; empty when switched off."""
        table = self._part.geocoding if self._part else {}
        return table if not isinstance(table, bool) else {}

    def named(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield each key that names columns, and the columns."""
        yield "dataEnrichment.dataNormalization", tuple(self.normal)
        yield "dataEnrichment.dataStandardization", tuple(self.standard)
        geocoded = (f"{table}.{column}" for table, written in self.places.items() for column in columns(written))
        yield "dataEnrichment.geocoding", tuple(geocoded)
