"""What happens to rows on the way: new names, types and values, and what is repaired."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from cutover.spec.base import ColumnName, Many, Name, Part, Scalar, SwitchOr, refusal
from cutover.spec.enrichment import Enrichment
from cutover.spec.function import Function, FunctionCall, whole
from cutover.spec.validation import DataValidation

Unmapped = Literal["refuse", "nullify", "keep", "default"]


class Mapping(Part):
    """New names, types and values; each key is a table of them, or a switch.

    unmappedValues says what becomes of a value that valueMapping does not name, for each column of it: refuse
    (where nothing is said) takes the row out and notes it; nullify makes it NULL; keep leaves it as it is,
    where what the others become is text; default puts the column's value of unmappedDefaults in its place.
    """

    enabled: bool = True
    field_mapping: SwitchOr[dict[Name, dict[Name, Name]]] = Field(default_factory=dict)
    type_mapping: SwitchOr[dict[Name, Name]] = Field(default_factory=dict)
    value_mapping: SwitchOr[dict[ColumnName, dict[str, Scalar]]] = Field(default_factory=dict)
    unmapped_values: dict[ColumnName, Unmapped] = Field(default_factory=dict)
    unmapped_defaults: dict[ColumnName, Scalar] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _unmapped_have_a_use(self) -> Mapping:
        problems = list(self._problems()) if self.values else []
        if self.enabled and not self.values:
            unused = {"unmappedValues": self.unmapped_values, "unmappedDefaults": self.unmapped_defaults}
            problems = [(key, "has no effect without valueMapping") for key, table in unused.items() if table]
        if problems:
            raise refusal(*problems)
        return self

    def _problems(self) -> Iterator[tuple[str, str]]:
        for column, what in self.unmapped_values.items():
            if column not in self.values:
                yield "unmappedValues", f"{column}: valueMapping has no such column; write it as it is written there"
            if what == "default" and self.unmapped_defaults.get(column) is None:
                yield "unmappedDefaults", f"a value for {column} is needed, which unmappedValues says is default"
        for column in self.unmapped_defaults:
            if self.unmapped_values.get(column) != "default":
                yield "unmappedDefaults", f"{column}: has no effect unless unmappedValues says default for it"

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


def _one_or_several(value: object) -> str:
    return "<several>" if isinstance(value, list | tuple) else "<one>"


KeyField = Annotated[
    Annotated[Name, Tag("<one>")] | Annotated[Many[Name], Field(min_length=2), Tag("<several>")],
    Discriminator(_one_or_several),
]


class DuplicateRemoval(Part):
    """Which of several rows with the same key fields stays: the first in the order of the primary key, or the last.

    With merge the first stays, and each of its columns that is NULL takes the first value that one of the others
    has. The others are set aside in any case.

    Each entry of keyFields is a key by itself, 'field' or 'table.field'; a list in the list is one key of several
    fields together, such as [orders.customer, orders.day]. A row with NULL in a key is no duplicate by it.
    """

    enabled: bool = True
    strategy: Literal["keep_first", "keep_last", "merge"] = "keep_first"
    key_fields: Many[KeyField] = ()

    @model_validator(mode="after")
    def _has_key(self) -> DuplicateRemoval:
        if self.enabled and not self.key_fields:
            raise refusal(("keyFields", "is needed: the fields that make two rows duplicates"))
        for key in self.keys:
            if len({field.rpartition(".")[0] for field in key}) > 1:
                raise refusal(("keyFields", f"{' and '.join(key)}: the fields of one key are of one table"))
        return self

    @property
    def keys(self) -> tuple[tuple[str, ...], ...]:
        """The fields of each key."""
        return tuple((field,) if isinstance(field, str) else field for field in self.key_fields)


class NullHandling(Part):
    """What becomes of NULL: it stays, a column's default value takes its place, or its row is left out.

    remove leaves out the rows that would arrive with NULL in one of ``columns``, and notes each with its key.
    """

    enabled: bool = True
    strategy: Literal["preserve", "default", "remove"] = "preserve"
    default_values: dict[ColumnName, Scalar] = Field(default_factory=dict)
    columns: Many[ColumnName] = ()

    @model_validator(mode="after")
    def _tables_match_strategy(self) -> NullHandling:
        for key, strategy, given in (
            ("defaultValues", "default", self.default_values),
            ("columns", "remove", self.columns),
        ):
            if self.strategy != strategy and given:
                raise refusal((key, f"has no effect with strategy {self.strategy}; say strategy: {strategy}"))
            if self.strategy == strategy and not given:
                raise refusal((key, f"is needed with strategy {strategy}"))
        return self


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


class Transformation(Part):
    """What happens to rows between source and target.

    phoneRegion is the country, as ISO 3166-1 has it (alpha-2), whose phone numbers may be written as within it;
    without it a number begins with ``+`` and its country's code.

    functions are the user's own, by table: module.function, the module a file beside migration.yaml; or
    {call: module.function, adds: {column: type}} where it adds columns. A function takes a pandas DataFrame of some
    rows and returns one, with the same index, columns and key: it may change values, fill the columns that it adds,
    and leave rows out. It comes after mapping, cleaning and enrichment have changed values, and before they are
    checked; it must return the same for the same row, whatever rows it is called with.
    """

    mapping: Mapping = Field(default_factory=Mapping)
    cleaning: Cleaning = Field(default_factory=Cleaning)
    enrichment: Enrichment = Field(default_factory=Enrichment)
    functions: dict[Name, Function] = Field(default_factory=dict)
    phone_region: Annotated[str, Field(pattern="^[A-Z]{2}$")] | None = None

    @model_validator(mode="after")
    def _region_has_a_use(self) -> Transformation:
        validation = self.cleaning.validation
        checked = validation is not None and validation.phone_validation is not False
        if self.phone_region and not checked and "e164" not in self.enrichment.standard.values():
            raise refusal(("phoneRegion", "has no effect without phoneValidation, or dataStandardization's e164"))
        return self

    @property
    def called(self) -> dict[str, FunctionCall]:
        """Source table to the user's own function that its rows pass through."""
        return {table: whole(written) for table, written in self.functions.items()}

    @property
    def named(self) -> dict[str, tuple[str, ...]]:
        """Every 'table.column' that a key names, by the key below ``data.transformation``."""
        nulls, duplicates, validation = self.cleaning.nulls, self.cleaning.duplicates, self.cleaning.validation
        found = {
            "mapping.valueMapping": tuple(self.mapping.values),
            "cleaning.nullHandling.defaultValues": tuple(nulls.default_values) if nulls else (),
            "cleaning.nullHandling.columns": nulls.columns if nulls else (),
            "cleaning.duplicateRemoval.keyFields": tuple(
                field for key in (duplicates.keys if duplicates else ()) for field in key if "." in field
            ),
        }
        if validation:
            found |= {f"cleaning.dataValidation.{key}": columns for key, columns in validation.named()}
        return found | {f"enrichment.{key}": columns for key, columns in self.enrichment.named()}
