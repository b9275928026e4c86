"""What a spec may ask of the application, and what it must give for that."""

from __future__ import annotations

from typing import Any

import pytest

from cutover.errors import SpecError
from cutover.spec import MigrationSpec
from cutover.spec.checks import Validation
from cutover.spec.load import parse_spec

HEAD = "name: x\nsource: {connection: s}\ntarget: {connection: t}\nschema:\n  validation:\n    "
QUERY = "queries: {all: SELECT 1}"
STORAGE = "rules: {performance: {queryPerformance: false, indexPerformance: false}}"
ENDPOINT = "endpoints: {home: {url: 'https://app.example/'}}"


def load(*lines: str) -> MigrationSpec:
    return parse_spec(HEAD + "\n    ".join(lines) + "\n", "x.yaml")


def validation(*lines: str) -> Validation:
    return load(*lines).schema_.validation


def asked(found: Validation) -> tuple[bool, bool, bool]:
    return found.measures, found.tries, found.calls


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((), (False, False, False)),
        (("postMigration: {performanceValidation: true}", QUERY), (True, False, False)),
        (("postMigration: {performanceValidation: true}", "rules: {performance: {slowest: 3}}"), (True, False, False)),
        (
            ("postMigration: {performanceValidation: true}", "rules: {performance: {queryPerformance: false}}"),
            (True, False, False),
        ),
        (("postMigration: {applicationValidation: true}", QUERY), (False, True, False)),
        (("postMigration: {applicationValidation: true}", ENDPOINT), (False, True, True)),
        (
            (
                "postMigration: {applicationValidation: true}",
                QUERY,
                "rules: {applicationCompatibility: {apiCompatibility: false}, performance: {timeout: 5s}}",
            ),
            (False, True, False),
        ),
        (
            ("rules: {applicationCompatibility: {enabled: false}, performance: {enabled: false}}",),
            (False, False, False),
        ),
        (
            (
                "postMigration: {performanceValidation: false}",
                "rules: {performance: {slowest: 3, runs: 2, threshold: 1, onDegradation: fail, timeout: 5s}}",
            ),
            (False, False, False),
        ),
        (
            ("postMigration: {enabled: false, performanceValidation: true, applicationValidation: true}",),
            (False, False, False),
        ),
        (
            ("postMigration: {performanceValidation: false, applicationValidation: false}", QUERY, ENDPOINT),
            (False, False, False),
        ),
    ],
)
def test_switches_say_what_is_tried(lines: tuple[str, ...], expected: tuple[bool, bool, bool]) -> None:
    assert asked(validation(*lines) if lines else Validation()) == expected


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (
            ("postMigration: {performanceValidation: true}",),
            "schema.validation.postMigration.performanceValidation: is true, and schema.validation.queries is needed: "
            "{NAME: SQL}; or let rules.performance.slowest: 10 take the source's slowest, or say queryPerformance: "
            "false",
        ),
        (
            ("postMigration: {applicationValidation: true}",),
            "schema.validation.postMigration.applicationValidation: is true, and schema.validation.queries is needed: "
            "{NAME: SQL}, or endpoints: {NAME: {url: URL}}",
        ),
        (
            (
                "postMigration: {applicationValidation: true}",
                QUERY,
                "rules: {applicationCompatibility: {apiCompatibility: true}}",
            ),
            "schema.validation.rules.applicationCompatibility.apiCompatibility: is true, and "
            "schema.validation.endpoints is needed",
        ),
        (
            (
                "postMigration: {applicationValidation: true}",
                ENDPOINT,
                "rules: {applicationCompatibility: {functionCompatibility: true}}",
            ),
            "schema.validation.rules.applicationCompatibility.functionCompatibility: is true, and "
            "schema.validation.queries is needed",
        ),
        ((QUERY,), "schema.validation.queries: are asked by nothing; say postMigration.performanceValidation: true"),
        (
            ("postMigration: {performanceValidation: true}", QUERY, STORAGE),
            "schema.validation.queries: are asked by nothing",
        ),
        (
            ("postMigration: {performanceValidation: true}", QUERY, "rules: {performance: {enabled: false}}"),
            "postMigration.performanceValidation: is true, and rules.performance switches all of it off",
        ),
        (
            (
                "postMigration: {applicationValidation: true}",
                QUERY,
                "rules: {applicationCompatibility: {enabled: false}}",
            ),
            "postMigration.applicationValidation: is true, and rules.applicationCompatibility switches all of it off",
        ),
        (
            (
                "postMigration: {applicationValidation: true}",
                QUERY,
                ENDPOINT,
                "rules: {applicationCompatibility: {apiCompatibility: false}}",
            ),
            "schema.validation.endpoints: are asked by nothing",
        ),
        (
            ("postMigration: {performanceValidation: true}", STORAGE.replace("}}", ", runs: 2}}")),
            "rules.performance.runs: does nothing: its switches leave nothing that asks for it",
        ),
        (
            ("postMigration: {performanceValidation: true}", STORAGE.replace("}}", ", slowest: 2}}")),
            "rules.performance.slowest: does nothing: its switches leave nothing that asks for it",
        ),
        (
            ("rules: {performance: {slowest: 2}}",),
            "rules.performance.slowest: does nothing: performanceValidation is not true; leave it out",
        ),
        ((ENDPOINT,), "schema.validation.endpoints: are asked by nothing; say postMigration.applicationValidation"),
        (
            ("postMigration: {performanceValidation: true}", QUERY, "rules: {performance: {threshold: -0.1}}"),
            "schema.validation.rules.performance.threshold: should be greater than or equal to 0",
        ),
        (
            ("postMigration: {performanceValidation: true}", QUERY, "rules: {performance: {onDegradation: stop}}"),
            "schema.validation.rules.performance.onDegradation: should be 'warn' or 'fail'",
        ),
        (
            ("postMigration: {performanceValidation: true}", QUERY, "rules: {performance: {runs: 0}}"),
            "schema.validation.rules.performance.runs: should be greater than 0",
        ),
        (
            ("postMigration: {performanceValidation: true}", "queries: {all: ''}"),
            "schema.validation.queries.all: string should have at least 1 character",
        ),
    ],
)
def test_what_is_missing_or_idle_is_named(lines: tuple[str, ...], problem: str) -> None:
    with pytest.raises(SpecError) as refused:
        load(*lines)
    (told,) = refused.value.problems
    assert problem in told


def endpoint(**given: Any) -> str:
    written = ", ".join(f"{key}: {value}" for key, value in ({"url": "'http://app/'"} | given).items())
    return f"endpoints: {{home: {{{written}}}}}"


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"url": "ftp://app/"}, ".url: must begin with http:// or https:// and a host, or with ${NAME}"),
        ({"url": "'http:///path'"}, ".url: must begin with http:// or https:// and a host"),
        ({"url": "'http://me:word@app/'"}, ".url: holds a login; give it in headers"),
        ({"method": "POST"}, ".method: should be 'GET', 'HEAD' or 'OPTIONS'"),
        ({"method": "HEAD", "contains": "ok"}, ".contains: asks for text, and an answer to HEAD has none"),
        ({"status": 99}, ".status: should be greater than or equal to 100"),
        ({"url": "'https://me:wo/word@app/'"}, ".url: holds a login; give it in headers"),
        ({"url": "'${APP}me:word@app/'"}, ".url: holds a login; give it in headers"),
        ({"url": "'https://app/health?deep=1&api_key=abc'"}, ".url: holds a value of api_key, which may be a secret"),
        ({"url": "'${APP}?tok%65n=abc'"}, ".url: holds a value of tok%65n, which may be a secret; write ${NAME}"),
        ({"headers": "{Authorization: Bearer abc}"}, ".headers.Authorization: may be a secret; write ${NAME}"),
        ({"headers": "{X-Session: abc}"}, ".headers.X-Session: may be a secret; write ${NAME}"),
        ({"headers": "{Private-Key: abc}"}, ".headers.Private-Key: may be a secret; write ${NAME}"),
        ({"headers": '{X-Trace: "a\\nb"}'}, ".headers.X-Trace: holds the end of a line"),
        ({"timeout": "soon"}, ".timeout: 'soon' is not a duration"),
        ({"tiemout": 5}, ".tiemout: unknown key 'tiemout'"),
    ],
)
def test_an_endpoint_that_cannot_be_asked_is_refused(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(SpecError) as refused:
        load("postMigration: {applicationValidation: true}", endpoint(**given))
    (told,) = refused.value.problems
    assert f"schema.validation.endpoints.home{problem}" in told
    assert "abc" not in told
    assert "word" not in told


def test_an_endpoint_may_name_variables() -> None:
    headers = "{Authorization: 'Bearer ${TOKEN}', accept: text/html, X-Trace: '${TRACE}'}"
    given = {"url": "'${APP}/health?key=${KEY}&deep=1&to=@me'", "headers": headers, "timeout": "5s"}
    (check,) = validation("postMigration: {applicationValidation: true}", endpoint(**given)).endpoints.values()
    assert (check.timeout, check.attempts) == (5_000, 3)
    (check,) = validation(
        "postMigration: {applicationValidation: true}", endpoint(url="'http://app:80/@me'")
    ).endpoints.values()
    assert check.url == "http://app:80/@me"
