"""A request to the application, which holds no secret: url and headers name variables of the environment."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated
from urllib.parse import unquote

from pydantic import Field, model_validator

from cutover.spec.base import Milliseconds, Name, Part, refusal

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


class HttpRequest(Part):
    """What every request says; url and headers may hold ${NAME} of the environment."""

    url: Name
    status: Annotated[int, Field(ge=100, le=599)] = 200
    timeout: Milliseconds = 10_000
    headers: dict[Name, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _can_be_asked(self) -> HttpRequest:
        problems = list(self._problems())
        if problems:
            raise refusal(*problems)
        return self

    def _problems(self) -> Iterator[tuple[str, str]]:
        if _URL.match(self.url) is None:
            yield "url", "must begin with http:// or https:// and a host, or with ${NAME} of the environment"
        elif _LOGIN.search(self.url):
            yield "url", "holds a login; give it in headers, as ${NAME} of the environment"
        for name, value in _PARAMETER.findall(self.url):
            if _SECRET.search(unquote(name)) and not _REFERENCE.search(value):
                yield "url", f"holds a value of {name}, which may be a secret; {_CURE}"
        for name, value in self.headers.items():
            if "\n" in value or "\r" in value:
                yield f"headers.{name}", "holds the end of a line"
            elif name.lower() not in _PUBLIC and not _REFERENCE.search(value):
                yield f"headers.{name}", f"may be a secret; {_CURE}"
