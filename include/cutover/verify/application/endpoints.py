"""Whether the application answers on its own endpoints."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

# What an answer must hold is looked for in so many bytes.
_READ = 1_000_000
_PAUSE = 1.0
# They tell whole URLs and headers, at INFO and at DEBUG; a task's log keeps both.
_TALKATIVE = ("httpx", "httpcore")


@dataclass(frozen=True)
class Request:
    """What is asked of the application.

    Attributes:
        name: what the spec calls the endpoint.
        shown: its URL as the spec has it, with the names of secrets and not their values.
        url: its URL.
        method: GET, HEAD or OPTIONS.
        status: the status that the answer must have.
        contains: text that it must hold, if any.
        timeout: seconds that the whole answer may take.
        attempts: how often it is asked before its answer counts.
        headers: what is sent beside it.
    """

    name: str
    shown: str
    url: str = field(repr=False)
    method: str = "GET"
    status: int = 200
    contains: str | None = None
    timeout: float = 10.0
    attempts: int = 1
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Answer:
    """What came: the status where there was one, milliseconds, and what is wrong with it; None where nothing is."""

    name: str
    status: int | None
    milliseconds: float
    problem: str | None


def ask(request: Request) -> Answer:
    """Ask an endpoint until it answers as it must, or as often as it may be asked; redirects are not followed."""
    answer = _once(request)
    for _ in range(request.attempts - 1):
        if answer.problem is None:
            break
        time.sleep(_PAUSE)
        answer = _once(request)
    return answer


def _once(request: Request) -> Answer:
    started = time.monotonic()
    status = None
    try:
        asked = httpx.stream(request.method, request.url, headers=dict(request.headers), timeout=request.timeout)
        with _quietly(), asked as response:
            status = response.status_code
            body = _body(response, started + request.timeout)
        problem = _problem(request, status, body)
    except TimeoutError:
        problem = f"its answer was not whole after {request.timeout:g} s"
    except httpx.TimeoutException:
        problem = f"no answer came in {request.timeout:g} s"
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, UnicodeError) as error:
        # Its words may hold the URL, and that a secret.
        problem = f"no answer came ({_kind(error)})"
    if problem is not None:
        problem = f"endpoint {request.name}: {request.method} {request.shown}: {problem}"
    return Answer(request.name, status, round((time.monotonic() - started) * 1000, 1), problem)


@contextmanager
def _quietly() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _kind(error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__


def _body(response: httpx.Response, deadline: float) -> str:
    read = b""
    for piece in response.iter_bytes():
        read += piece
        if len(read) >= _READ:
            break
        if time.monotonic() > deadline:
            raise TimeoutError
    return read[:_READ].decode(response.encoding or "utf-8", errors="replace")


def _problem(request: Request, status: int, body: str) -> str | None:
    if status != request.status:
        return f"status {status} came, and not {request.status}"
    if request.contains is not None and request.contains not in body:
        return f"status {status} came, but {request.contains!r} is not in the answer"
    return None
