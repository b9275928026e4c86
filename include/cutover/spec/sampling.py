"""Only some rows of each table leave, for a trial on a smaller copy."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cutover.spec.base import Count, Many, Name, Part, refusal


class Sampling(Part):
    """A sample of each table leaves, and with it every row that a foreign key of such a row refers to.

    sampleSize is how many rows of each table are drawn, samplePercentage how large a part of them; one of the two
    is said. random draws each row with the same chance, systematic every so-manieth in the order of the primary
    key, stratified at random from each value of the table's column in stratifyBy, as many as are its share and one
    at the least; tables that stratifyBy does not name are drawn from at random. The same seed draws the same rows.
    tables are those that are drawn from, all where it is not said; the others travel whole.
    """

    enabled: bool = True
    sample_size: Count | None = None
    sample_method: Literal["random", "systematic", "stratified"] = "random"
    sample_percentage: Annotated[int | float, Field(gt=0, le=100)] | None = None
    stratify_by: dict[Name, Name] = Field(default_factory=dict)
    tables: Annotated[Many[Name], Field(min_length=1)] | None = None
    seed: int = 0

    @model_validator(mode="after")
    def _says_one_thing(self) -> Sampling:
        if not self.enabled:
            return self
        if self.sample_size is None and self.sample_percentage is None:
            raise refusal(("sampleSize", "is needed, or samplePercentage"))
        if self.sample_size is not None and self.sample_percentage is not None:
            raise refusal(("samplePercentage", "says a second time how many rows are drawn; keep this or sampleSize"))
        if self.sample_method == "stratified" and not self.stratify_by:
            raise refusal(("stratifyBy", "is needed with sampleMethod stratified: {table: column}"))
        if self.sample_method != "stratified" and self.stratify_by:
            raise refusal(("stratifyBy", f"has no effect with sampleMethod {self.sample_method}; say stratified"))
        spared = [] if self.tables is None else sorted(self.stratify_by.keys() - set(self.tables))
        if spared:
            raise refusal(("stratifyBy", f"has no effect on {', '.join(spared)}; name it among tables, too"))
        return self
