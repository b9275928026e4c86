"""Summary tables and metrics: what the target counts, sums and averages of the rows that arrive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Discriminator, Field, Tag, model_validator

from cutover.spec.base import Identifier, Many, Name, Part, refusal


def _column_or_expression(value: object) -> str:
    return "<expression>" if isinstance(value, dict) else "<column>"


Term = Annotated[
    Annotated[Name, Tag("<column>")]
    | Annotated[dict[Identifier, Name], Field(min_length=1, max_length=1), Tag("<expression>")],
    Discriminator(_column_or_expression),
]
"""A column, or {name: expression} in the source's dialect."""


class Summary(Part):
    """A table of the target with one row for each group of another table's rows.

    groupBy, sum and average take columns, by their source or target name, or {name: expression} in the source's
    dialect, such as {day: DATE(recorded_at)}. The columns of the summary are called as the groups are, and count,
    sum_NAME, average_NAME. Text is grouped letter by letter; for groups without regard to case write LOWER(column).
    """

    table: Name
    group_by: Annotated[Many[Term], Field(min_length=1)]
    count: bool = False
    sum: Many[Term] = ()
    average: Many[Term] = ()

    @model_validator(mode="after")
    def _measures_something(self) -> Summary:
        if not self.count and not self.sum and not self.average:
            raise refusal(("", "count, sum or average is needed: what is known of each group"))
        return self


class DataAggregation(Part):
    """Summary tables, made of the rows that have arrived and proven before the cutover.

    The switches say which kinds of measure the summaries may have; one that is not written follows them.
    """

    enabled: bool = True
    count_aggregation: bool | None = None
    sum_aggregation: bool | None = None
    average_aggregation: bool | None = None
    summaries: dict[Identifier, Summary] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _switches_fit_summaries(self) -> DataAggregation:
        problems = list(self._problems()) if self.enabled else []
        if problems:
            raise refusal(*problems)
        return self

    def _problems(self) -> Iterator[tuple[str, str]]:
        if not self.summaries:
            yield "summaries", "is needed: write {NAME: {table: TABLE, groupBy: [COLUMN], count: true}}"
        for key, switch, measure in (
            ("countAggregation", self.count_aggregation, "count"),
            ("sumAggregation", self.sum_aggregation, "sum"),
            ("averageAggregation", self.average_aggregation, "average"),
        ):
            using = [name for name, summary in self.summaries.items() if getattr(summary, measure)]
            if switch is False and using:
                yield (
                    key,
                    f"is false, and {measure} is asked for by summaries.{using[0]}; say true, or take it out there",
                )
            if switch and self.summaries and not using:
                yield key, f"is true, and no summary asks for it; give one a {measure}, or take the switch out"


class Metric(Part):
    """One number made of all rows of a table: an expression of aggregates, in the source's dialect."""

    table: Name
    expression: Name


Metrics = Annotated[dict[Name, Metric], Field(min_length=1)]
"""Metrics by name; each is a row of the target's table ``calculated_metrics``, with its name and its value."""
