"""What the application asks of its database: queries, endpoints of its own, how much slower it may become."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal
from urllib.parse import unquote

from pydantic import Field, model_validator

from cutover.spec.base import Count, Milliseconds, Name, Part, refusal

# Headers that no login travels in. Any other may, whatever it is called: its value is not written into a spec.
_PUBLIC = frozenset({"accept", "accept-language", "content-type", "host", "user-agent"})
# Names of parameters that a login travels in.
_SECRET = re.compile(r"auth|bearer|cookie|cred|jwt|key$|login|passw|pwd|secret|session|^sid$|^sig|token", re.IGNORECASE)
_PARAMETER = re.compile(r"[?&;]([^=&;#]+)=([^&;#]+)")
# Before the host, or with a slash in it; what is all digits behind the colon is a port.
_LOGIN = re.compile(r"^(?:https?://)?[^/?#]*@|//[^/?#@:]*:(?!\d*(?:[/?#]|$))[^@]*@")
_CURE = "write ${NAME}, and set NAME in the environment"
_REFERENCE = re.compile(r"\$\{\w+\}")
_URL = re.compile(r"(?:https?://[^/?#\s]+|\$\{\w+\})")


class HttpCheck(Part):
    """An endpoint of the application's, asked after the cutover; url and headers may hold ${NAME} of the environment.

    The answer must have the status, and the text of contains in its first megabyte. It is asked up to attempts times,
    a second apart, for what the application knew of the old tables it has to learn anew.
    """

    url: Name
    method: Literal["GET", "HEAD", "OPTIONS"] = "GET"
    status: Annotated[int, Field(ge=100, le=599)] = 200
    contains: Name | None = None
    timeout: Milliseconds = 10_000
    attempts: Count = 3
    headers: dict[Name, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _can_be_asked(self) -> HttpCheck:
        problems = list(self._problems())
        if problems:
            raise refusal(*problems)
        return self

    def _problems(self) -> Iterator[tuple[str, str]]:
        if _URL.match(self.url) is None:
            yield "url", "must begin with http:// or https:// and a host, or with ${NAME} of the environment"
        elif _LOGIN.search(self.url):
            yield "url", "holds a login; give it in headers, as ${NAME} of the environment"
        if self.method == "HEAD" and self.contains is not None:
            yield "contains", "asks for text, and an answer to HEAD has none; say method: GET"
        for name, value in _PARAMETER.findall(self.url):
            if _SECRET.search(unquote(name)) and not _REFERENCE.search(value):
                yield "url", f"holds a value of {name}, which may be a secret; {_CURE}"
        for name, value in self.headers.items():
            if "\n" in value or "\r" in value:
                yield f"headers.{name}", "holds the end of a line"
            elif name.lower() not in _PUBLIC and not _REFERENCE.search(value):
                yield f"headers.{name}", f"may be a secret; {_CURE}"


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
