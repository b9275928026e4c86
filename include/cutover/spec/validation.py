"""Which values must be what their column says: e-mail addresses, phone numbers, dates and numbers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from cutover.spec.base import ColumnName, Many, Part, SwitchOr, refusal

Bounds = Annotated[
    dict[Literal["min", "max"], Annotated[int | float, Field(allow_inf_nan=False)]],
    Field(min_length=1, description="the lowest and the highest number, either of which may be left out"),
]
Choice = SwitchOr[Annotated[Many[ColumnName], Field(min_length=1)]]
"""Columns by their kind or name where true; those that are listed, and no others, where it is a list."""


def _day(value: object) -> object:
    if type(value) is date:
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise refusal(("", f"{value!r} is no date; write one such as 1970-01-01")) from None


Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]


class DateRange(Part):
    """The first and the last day that a date may be.

    What lies outside is a slip of the pen or a stand-in more often than a date: year 202, 9999-12-31.
    """

    from_: Day = date(1900, 1, 1)
    to: Day = date(2100, 12, 31)

    @model_validator(mode="after")
    def _in_order(self) -> DateRange:
        if self.from_ > self.to:
            raise refusal(("to", f"{self.to} is before from, {self.from_}"))
        return self


class DataValidation(Part):
    """Which values are checked on the way; a row with one that is none is refused and noted, NULL passes.

    emailValidation: RFC 5321 and 5322, no look-up; true is each text column with email in its name.
    phoneValidation: a number that exists by the plan of its country, written with ``+`` and the country's code,
        or as within the country that data.transformation.phoneRegion names; true is each text column with
        phone in its name.
    dateValidation: true is each date, datetime and timestamp, which must lie in dateRange; a text column that is
        listed must hold YYYY-MM-DD, with or without a time, within the same range.
    numericValidation: a text column that is listed must hold a decimal number such as -1.5 or 2e6; true is the
        columns of numericRange, whose numbers, as numbers or as text, must lie between their bounds.
    """

    enabled: bool = True
    email_validation: Choice = True
    phone_validation: Choice = False
    date_validation: Choice = False
    date_range: DateRange | None = None
    numeric_validation: Choice = False
    numeric_range: dict[ColumnName, Bounds] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _ranges_have_a_use(self) -> DataValidation:
        problems = list(self._problems()) if self.enabled else []
        if problems:
            raise refusal(*problems)
        return self

    def _problems(self) -> Iterator[tuple[str, str]]:
        if self.date_range is not None and self.date_validation is False:
            yield "dateRange", "has no effect without dateValidation"
        if self.numeric_range and self.numeric_validation is False:
            yield "numericRange", "has no effect without numericValidation"
        if self.numeric_validation is True and not self.numeric_range:
            yield (
                "numericValidation",
                "a numericRange is needed beside true, such as {orders.total: {min: 0}}, or a list of text columns",
            )
        for column, bounds in self.numeric_range.items():
            if bounds.get("min", 0) > bounds.get("max", bounds.get("min", 0)):
                yield "numericRange", f"{column}: min {bounds['min']} is above max {bounds['max']}"

    @property
    def dates(self) -> DateRange:
        """The days between which dates must lie."""
        return self.date_range or DateRange()

    def choices(self) -> dict[str, bool | tuple[str, ...]]:
        """Return which columns are checked, by what their values have to be."""
        return {
            "e-mail addresses": self.email_validation,
            "phone numbers": self.phone_validation,
            "dates": self.date_validation,
            "numbers": self.numeric_validation,
        }

    def named(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield each key that names columns, and the columns."""
        for key, choice in (
            ("emailValidation", self.email_validation),
            ("phoneValidation", self.phone_validation),
            ("dateValidation", self.date_validation),
            ("numericValidation", self.numeric_validation),
        ):
            if not isinstance(choice, bool):
                yield key, choice
        yield "numericRange", tuple(self.numeric_range)
