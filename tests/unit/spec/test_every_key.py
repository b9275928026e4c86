"""Every key of the requirement does what it says, or is refused by name."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from cutover.errors import SpecError
from cutover.spec import MigrationSpec, json_schema, key_states
from cutover.spec.load import parse_spec

OWN_KEYS = {  # Cutover's, not the requirement's
    *("name", "description", "monitoring.alerting.onSuccess", "monitoring.alerting.slackConnection"),
    *(f"{side}.{key}" for side in ("source", "target") for key in ("connection", "env", "tls", "tlsCa")),
    "target.schema",
    *("schema.settings.allowLosses", "schema.settings.tables.columns.generatedColumns"),
    *("data.transformation.cleaning.zeroDates", "schema.settings.tables.columns.ignoreCase"),
    *("schema.settings.tables.identifiers", "schema.validation.rules.dataIntegrity.checkRanges"),
    *("data.transformation.phoneRegion", "data.transformation.functions"),
    *(
        f"data.extraction.strategy.{feed}.{key}"
        for feed in ("incremental", "delta")
        for key in ("overlap", "compareKeys")
    ),
    "data.extraction.filtering.dataFilters",
    "schema.validation.queries",
    *(
        f"schema.validation.endpoints.{key}"
        for key in ("url", "method", "status", "contains", "timeout", "attempts", "headers")
    ),
    *(
        f"schema.validation.rules.performance.{key}"
        for key in ("threshold", "onDegradation", "slowest", "runs", "timeout")
    ),
    *(f"data.extraction.sampling.{key}" for key in ("stratifyBy", "tables", "seed")),
    *(f"data.transformation.mapping.{key}" for key in ("unmappedValues", "unmappedDefaults")),
    "data.transformation.cleaning.nullHandling.columns",
    *(f"data.transformation.cleaning.dataValidation.{key}" for key in ("dateRange.from", "dateRange.to")),
    "data.transformation.cleaning.dataValidation.numericRange",
    *(
        f"data.transformation.enrichment.dataAggregation.summaries.{key}"
        for key in ("table", "groupBy", "count", "sum", "average")
    ),
    *(f"rollback.triggers.manual.{key}" for key in ("approvalTimeout", "selfApproval")),
    *("rollback.types.data.pointInTime.archiveLocation", "rollback.drill.enabled", "rollback.drill.schedule"),
    *(f"rollback.types.schema.backupRestore.{key}" for key in ("encryptionKey", "keep")),
    *(
        f"rollback.applications.{when}.{key}"
        for when in ("stop", "restart")
        for key in (
            "sql",
            *(f"http.{part}" for part in ("url", "method", "status", "timeout", "headers")),
            "dag.id",
            "dag.timeout",
        )
    ),
    *(f"data.transformation.enrichment.dataCalculation.calculatedMetrics.{key}" for key in ("table", "expression")),
}
STATES = ("built", "fixed", "unbuilt")


def _requirement() -> dict[str, dict[str, Any]]:
    text = Path(__file__).with_name("requirement_keys.yaml").read_text(encoding="utf-8")
    parts = YAML(typ="safe").load(text)
    return {f"{prefix}.{key}": entry for prefix, keys in parts.items() for key, entry in keys.items()}


REQUIREMENT = _requirement()
VALIDATOR = jsonschema.Draft202012Validator(json_schema())


def _state(entry: dict[str, Any]) -> str:
    return next(state for state in STATES if state in entry)


def _cases(kind: str) -> Iterator[Any]:
    for key, entry in REQUIREMENT.items():
        values = entry[_state(entry)] if kind == "accepted" else entry.get(kind, [])
        for value in values:
            yield pytest.param(key, value, id=f"{key}={value}"[:120])


def _set(spec: dict[str, Any], key: str, value: Any) -> None:
    *above, last = key.split(".")
    for name in above:
        spec = spec.setdefault(name, {})
    if isinstance(value, dict) and isinstance(spec.get(last), dict):
        spec[last] |= value
    else:
        spec[last] = value


def _spec(key: str, value: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {"name": "x", "source": {"connection": "s"}, "target": {"connection": "t"}}
    for beside, it in REQUIREMENT[key].get("beside", {}).items():
        _set(spec, beside, dict(it))
        if beside.startswith("schema.database."):
            del spec[beside.rsplit(".", 1)[1]]
    _set(spec, key, value)
    return spec


def _load(spec: dict[str, Any]) -> MigrationSpec:
    out = io.StringIO()
    YAML(typ="safe").dump(spec, out)
    return parse_spec(out.getvalue(), "x.yaml")


def _attribute(spec: MigrationSpec, key: str) -> Any:
    found: Any = spec
    for name in key.split("."):
        snake = re.sub(r"([A-Z])", lambda m: f"_{m[1].lower()}", name)
        found = getattr(found, "schema_" if snake == "schema" else snake)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(x) for x in value] if isinstance(value, list | tuple) else value


def test_the_requirement_has_347_keys() -> None:
    assert len(REQUIREMENT) == 347


def test_states_are_those_of_the_table() -> None:
    states = {key: state for key, state in key_states().items() if key not in OWN_KEYS}
    assert states == {key: _state(entry) for key, entry in REQUIREMENT.items()}


def test_own_keys_are_built() -> None:
    states = key_states()
    assert {states[key] for key in OWN_KEYS} == {"built"}


@pytest.mark.parametrize(("key", "value"), [*_cases("accepted")])
def test_accepted_value_is_the_attribute(key: str, value: Any) -> None:
    found = _plain(_attribute(_load(_spec(key, value)), key))
    assert type(found) is type(value)
    assert found == value


@pytest.mark.parametrize(("key", "value"), [*_cases("refused")])
def test_unbuilt_value_is_refused_by_name(key: str, value: Any) -> None:
    with pytest.raises(SpecError) as caught:
        _load(_spec(key, value))
    for problem in caught.value.problems:
        match = re.fullmatch(r"x\.yaml:\d+: ([\w.]+)(?:\[\d\])?: (.*not built yet.*)", problem)
        assert match, problem
        place, rest = match.groups()
        below = key.removeprefix(place).removeprefix(".")  # a sub-tree's message lists the keys given below it
        assert key.startswith(place)
        assert not below or f"(given: {below})" in rest


@pytest.mark.parametrize(("key", "value"), [*_cases("incomplete")])
def test_incomplete_value_says_what_it_needs(key: str, value: Any) -> None:
    with pytest.raises(SpecError, match=r"is needed|needs keyFields"):
        _load(_spec(key, value))


@pytest.mark.parametrize(("key", "value"), [*_cases("accepted"), *_cases("refused")])
def test_json_schema_and_loader_agree(key: str, value: Any) -> None:
    spec = _spec(key, value)
    try:
        _load(spec)
        loads = True
    except SpecError:
        loads = False
    assert VALIDATOR.is_valid(spec) is loads


def _switches() -> list[str]:
    unbuilt = [key for key, entry in REQUIREMENT.items() if entry == {"unbuilt": [], "refused": [True]}]
    return [key for key in unbuilt if not key.startswith("monitoring.logging.")]  # has no enabled: all refused


@pytest.mark.parametrize("key", _switches())
def test_saying_no_to_what_is_unbuilt_is_accepted(key: str) -> None:
    spec = _spec(key, False)
    above = key.rsplit(".", 1)[0]
    if f"{above}.enabled" in key_states() and key_states()[f"{above}.enabled"] == "unbuilt":
        _set(spec, above, {"enabled": False})
    if key.startswith("data.transformation.enrichment."):
        _set(spec, "data.transformation.enrichment.enabled", False)
    assert _attribute(_load(spec), key) is False


def test_a_switched_off_unbuilt_part_may_keep_its_keys() -> None:
    off = {"enabled": False, "zeroDowntime": True, "monitoring": False}
    spec = _spec("strategy.execution.modes.production.enabled", False)
    _set(spec, "strategy.execution.modes.production", off)
    assert _load(spec).strategy.execution.modes.production is not None
    _set(spec, "strategy.execution.modes.production", {"zeroDowntme": True, "monitoring": "much"})
    with pytest.raises(SpecError) as caught:
        _load(spec)
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("outer", [True, False])
def test_enrichment_that_is_off_may_keep_its_keys(outer: bool) -> None:
    switches = {"geocoding": True, "dataNormalization": True, "dataStandardization": True}
    spec = _spec("data.transformation.enrichment.enabled", False)
    if outer:
        below = {"dataEnrichment": switches, "dataAggregation": True, "dataCalculation": True}
    else:
        below = {"enabled": True, "dataEnrichment": {"enabled": False} | switches}
    _set(spec, "data.transformation.enrichment", below)
    made = _load(spec).data.transformation.enrichment
    assert (made.normal, made.standard) == ({}, {})


def test_defaults_claim_nothing_unbuilt() -> None:
    spec = _load({"name": "x", "source": {"connection": "s"}, "target": {"connection": "t"}})
    for key, state in key_states().items():
        if state == "unbuilt":
            assert not _reached(spec, key), key


def _reached(spec: MigrationSpec, key: str) -> Any:
    """Return the attribute, or what stands above it where the way ends early."""
    try:
        return _attribute(spec, key)
    except AttributeError as error:
        return error.obj


def test_defaults_are_the_requirements() -> None:
    spec = _load({"name": "x", "source": {"connection": "s"}, "target": {"connection": "t"}})
    differ = set()
    for key, entry in REQUIREMENT.items():
        state = _state(entry)
        if state == "unbuilt" or not entry[state] or isinstance(entry[state][-1], dict):
            continue
        if key.startswith(("schema.database.", "data.extraction.sampling.", "data.transformation.cleaning.")):
            continue
        if key.startswith("data.transformation.enrichment."):
            continue
        if _plain(_attribute(spec, key)) not in entry[state]:
            differ.add(key)
    # The spec's own documentation says why.
    assert differ == {
        "schema.settings.constraints.deferrableConstraints",
        "schema.settings.indexes.optimizeIndexes",
        *(f"rollback.triggers.automatic.{kind}Threshold" for kind in ("error", "timeout", "performance")),
        "rollback.triggers.manual.rollbackWindow",
        "rollback.types.schema.backupRestore.backupLocation",
        "rollback.types.schema.snapshotRestore.snapshotLocation",
        "rollback.types.data.dataRestore.backupLocation",
    }
