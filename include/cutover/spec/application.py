"""What the application asks of its database: queries, endpoints of its own, how much slower it may become."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from cutover.spec.base import Count, Milliseconds, Name, Part
from cutover.spec.http import HttpRequest


class HttpCheck(HttpRequest):
    """An endpoint of the application's, asked after the cutover; url and headers may hold ${NAME} of the environment.

    The answer must have the status, and the text of contains in its first megabyte. It is asked up to attempts times,
    a second apart, for what the application knew of the old tables it has to learn anew.
    """

    method: Literal["GET", "HEAD", "OPTIONS"] = "GET"
    contains: Name | None = None
    attempts: Count = 3

    def _problems(self) -> Iterator[tuple[str, str]]:
        yield from super()._problems()
        if self.method == "HEAD" and self.contains is not None:
            yield "contains", "asks for text, and an answer to HEAD has none; say method: GET"


class PerformanceRules(Part):
    """How the target's speed is compared with the source's.

    threshold is the share that a query may become slower by: 0.5 is half again as long. slowest takes as many of the
    source's slowest SELECTs from its statement digest; runs says how often each query is measured on either side.
    """

    enabled: bool = True
    query_performance: bool = True
    index_performance: bool = True
    storage_performance: bool = True
    connection_performance: bool = True
    threshold: Annotated[float, Field(ge=0)] = 0.5
    on_degradation: Literal["warn", "fail"] = "warn"
    slowest: Annotated[int, Field(ge=0)] = 0
    runs: Count = 3
    timeout: Milliseconds = 30_000

    @property
    def any(self) -> bool:
        """Whether anything at all is measured."""
        measured = (self.query_performance, self.index_performance, self.storage_performance)
        return self.enabled and (any(measured) or self.connection_performance)

    @property
    def asks_queries(self) -> bool:
        """Whether queries are measured, so that there must be some."""
        return self.enabled and self.query_performance

    @property
    def reads_queries(self) -> bool:
        """Whether queries are measured, or their plans looked at."""
        return self.enabled and (self.query_performance or self.index_performance)


class ApplicationCompatibility(Part):
    """What of the application is tried on the new tables."""

    enabled: bool = True
    api_compatibility: bool = True
    query_compatibility: bool = True
    data_type_compatibility: bool = True
    function_compatibility: bool = True

    @property
    def reads(self) -> bool:
        """Whether anything is asked of the database."""
        return self.enabled and (
            self.query_compatibility or self.data_type_compatibility or self.function_compatibility
        )

    @property
    def calls(self) -> bool:
        """Whether the application's own endpoints are asked."""
        return self.enabled and self.api_compatibility
