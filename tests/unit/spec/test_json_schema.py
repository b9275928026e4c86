"""The JSON Schema is valid, in camelCase, and says what is not built."""

from __future__ import annotations

import json

import jsonschema

from cutover.spec import json_schema

EXAMPLE = {
    "name": "camera_counting",
    "source": {"env": "SOURCE_DB", "tls": "off"},
    "target": {"connection": "postgres_new", "schema": "live"},
    "strategy": {"types": {"data": {"bulk": {"timeout": "1h30m"}, "streaming": {"enabled": False}}}},
    "data": {"transformation": {"cleaning": {"duplicateRemoval": {"keyFields": ["email"]}}}},
}


def valid(spec: object) -> bool:
    return jsonschema.Draft202012Validator(json_schema()).is_valid(spec)


def test_schema_is_valid_and_accepts_the_example() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    assert json_schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert valid(EXAMPLE)


def test_schema_refuses_unknown_keys_and_bad_durations() -> None:
    assert not valid(EXAMPLE | {"sauce": {}})
    assert not valid(EXAMPLE | {"strategy": {"types": {"data": {"bulk": {"timeout": "soon"}}}}})


def test_schema_says_what_is_not_built() -> None:
    definitions = json_schema()["$defs"]
    assert definitions["TargetLogin"]["properties"]["type"] == {
        "const": "postgresql",
        "default": "postgresql",
        "description": "not built yet: 'mysql', 'oracle', 'sqlserver'",
        "title": "Type",
        "type": "string",
    }
    assert definitions["ExecutionMonitoring"]["properties"]["performanceMonitoring"]["description"] == "not built yet"
    assert definitions["Production"]["description"].endswith("(not built yet)")


def test_schema_is_plain_json_without_snake_case_keys() -> None:
    definitions = json_schema()["$defs"].values()
    assert json.loads(json.dumps(json_schema())) == json_schema()
    assert not [key for d in definitions for key in d["properties"] if "_" in key]
