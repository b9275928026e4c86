"""What a user sees when a spec is wrong: file, line, key, cure; and what the loader understands."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from cutover.errors import SpecError
from cutover.spec import MigrationSpec, load_spec
from cutover.spec.load import parse_spec

HEAD = "name: x\nsource: {connection: s}\ntarget: {connection: t}\n"


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(SpecError) as caught:
        parse_spec(text, "m.yaml")
    return caught.value.problems


def load(body: str) -> MigrationSpec:
    return parse_spec(HEAD + body, "m.yaml")


def test_smallest_spec(tmp_path: Path) -> None:
    file = tmp_path / "migration.yaml"
    file.write_text(HEAD)
    spec = load_spec(file)
    assert spec.name == "x"
    assert spec.target_schema == "public"
    assert spec.source_access is spec.source
    with pytest.raises(ValidationError):
        spec.name = "y"


def test_unknown_key_suggests() -> None:
    body = "strategy:\n  types:\n    data:\n      bulk:\n        batchsize: 1\n"
    assert problems(HEAD + body) == (
        "m.yaml:8: strategy.types.data.bulk.batchsize: unknown key 'batchsize'; did you mean 'batchSize'?",
    )
    assert problems(HEAD + "sauce: 1\n") == ("m.yaml:4: sauce: unknown key 'sauce'; did you mean 'source'?",)
    assert problems(HEAD + "zzz: 1\n") == ("m.yaml:4: zzz: unknown key 'zzz'",)
    table = "data: {transformation: {cleaning: {duplicateRemoval: {keyFeilds: [id], keyFields: [id]}}}}\n"
    assert "did you mean 'keyFields'?" in problems(HEAD + table)[0]


def test_refused_value_names_file_line_key_and_cure() -> None:
    body = "schema:\n  database:\n    source:\n      type: oracle\n"
    assert problems(HEAD + body) == (
        "m.yaml:7: schema.database.source.type: 'oracle' is not built yet; built: mysql. Remove the key or use that.",
    )


def test_all_problems_at_once_in_the_order_of_the_file() -> None:
    text = (
        "name: X\n"
        "strategy:\n"
        "  planning:\n"
        "    scheduling:\n"
        "      maintenanceWindow:\n"
        "        startTime: '25:00'\n"
        "        timezone: Mars/Base\n"
        "        days: [saturday, someday]\n"
        "      automated: {schedule: 'every day'}\n"
        "data:\n"
        "  loading: {options: {errorHandling: {errorThreshold: 2}}}\n"
        "  transformation:\n"
        "    mapping: {valueMapping: {status: {A: b}}}\n"
    )
    found = problems(text)
    assert [int(p.split(":")[1]) for p in found] == [1, 1, 1, 6, 7, 8, 9, 11, 13]
    assert any("source: is required" in p for p in found)
    assert any("target: is required" in p for p in found)
    assert any("days[1]: should be 'monday'" in p for p in found)


def test_snake_case_is_understood() -> None:
    spec = load("data: {loading: {options: {error_handling: {max_errors: 3}}}}")
    assert spec.data.loading.options.error_handling.max_errors == 3
    (problem,) = problems(HEAD + "data: {loading: {options: {\n  error_handling: {\n    max_errors: x}}}}\n")
    assert problem.startswith("m.yaml:6: data.loading.options.error_handling.max_errors:")
    both = "data: {loading: {options: {errorHandling: {maxErrors: 1, max_errors: 2}}}}\n"
    assert "unknown key 'max_errors'; did you mean 'maxErrors'?" in problems(HEAD + both)[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *[
            ("1h", 3_600_000),
            ("30m", 1_800_000),
            ("90s", 90_000),
            ("250ms", 250),
            ("1h30m", 5_400_000),
            ("7", 7),
        ],
        *[("5000", 5000), ("''", None), ("1 hour", None), ("30m1h", None), ("0", None), ("-1", None)],
        *[("true", None), ("1.5", None), ("0s", None)],
    ],
)
def test_durations(text: str, expected: int | None) -> None:
    body = f"strategy: {{types: {{data: {{bulk: {{timeout: {text}}}}}}}}}"
    if expected is None:
        assert "strategy.types.data.bulk.timeout: " in problems(HEAD + body)[0]
    else:
        assert load(body).strategy.types.data.bulk.timeout == expected


@pytest.mark.parametrize("password", ["geheim", "12345", "'${A}geheim'", "[geheim]", "''", "true"])
def test_literal_password_is_refused_and_not_echoed(password: str) -> None:
    login = f"{{host: h, database: d, username: u, password: {password}}}"
    text = f"name: x\ntarget: {{connection: t}}\nschema: {{database: {{source: {login}}}}}\n"
    (problem,) = problems(text)
    assert problem.startswith("m.yaml:3: schema.database.source.password: a password is not written")
    assert "geheim" not in problem
    assert "12345" not in problem


@pytest.mark.parametrize(
    "body",
    [
        "password: geheim1\npassword: geheim2\n",
        "password: 'geheim\n",
        "password: geheim: x\n",
        "password: *geheim\n",
        "password: !geheim!x y\n",
    ],
)
def test_yaml_errors_quote_no_values(body: str) -> None:
    (problem,) = problems(HEAD + body)
    assert problem.startswith("m.yaml:")
    assert "geheim" not in problem


def test_logins() -> None:
    login = "{host: '${H}', port: 3307, database: d, username: u, password: '${P}'}"
    text = f"name: x\ntarget: {{env: TARGET_DB}}\nschema: {{database: {{source: {login}}}}}\n"
    spec = parse_spec(text, "m.yaml")
    assert spec.source_access is spec.schema_.database.source
    assert spec.schema_.database.source.password == "${P}"
    assert "says a second time where the source is" in problems(text + "source: {connection: s}\n")[0]
    assert "username: is required beside" in problems(text.replace(" username: u,", ""))[0]
    assert "port: should be a port" in problems(text.replace("3307", "x"))[0]
    assert "stands alone" in problems(text.replace("'${H}'", "'${H}.example'"))[0]
    assert load("schema: {database: {source: {type: mysql}}}").source is not None


@pytest.mark.parametrize(
    ("end", "message"),
    [
        ("{}", "needs exactly one of connection"),
        ("{connection: a, env: B}", "needs exactly one of connection"),
        ("{connection: a, tlsCa: /ca.pem}", "source.tlsCa: has no effect without tls: verify"),
        ("{connection: a, schema: b}", "unknown key 'schema'"),
        ("text", "source: should be a mapping of keys"),
    ],
)
def test_endpoints(end: str, message: str) -> None:
    assert message in problems(f"name: x\ntarget: {{connection: t, tls: off}}\nsource: {end}\n")[0]


def test_duplicate_key() -> None:
    assert problems(HEAD + "name: y\n") == ("m.yaml:4: duplicate key 'name'; it is already said above",)


@pytest.mark.parametrize("text", ["", "- a\n", "text\n"])
def test_not_a_mapping(text: str) -> None:
    assert problems(text) == ("m.yaml:1: should be a mapping of keys, beginning with name:",)


def test_yaml_syntax_error_has_its_line() -> None:
    assert problems(HEAD + "data: [\n")[0].startswith("m.yaml:5: not YAML: ")
    assert problems(HEAD + "description: 2024-13-45\n")[0].startswith("m.yaml:1: not YAML: ")


def test_missing_and_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no such file"):
        load_spec(tmp_path / "none.yaml")
    with pytest.raises(SpecError, match="cannot be read"):
        load_spec(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe9\n")
    with pytest.raises(SpecError, match="cannot be read"):
        load_spec(tmp_path / "latin.yaml")


def test_anchors_and_merge_keys() -> None:
    spec = load("monitoring: {alerting: {rules: {migrationFailure: &r {severity: info}, rollbackTriggered: *r}}}")
    assert spec.monitoring.alerting.rules.rollback_triggered.severity == "info"


@pytest.mark.parametrize("key", ["true", "null", "1.50", "007", "2024-01-01"])
def test_keys_that_are_not_text_must_be_quoted(key: str) -> None:
    body = f"data:\n  transformation:\n    mapping:\n      valueMapping:\n        u.s:\n          {key}: a\n"
    (problem,) = problems(HEAD + body)
    assert problem.startswith("m.yaml:9: data.transformation.mapping.valueMapping.u.s")
    assert "put it in quotes" in problem


def test_yaml_1_2_keys_and_values() -> None:
    spec = load("data: {transformation: {mapping: {valueMapping: {u.s: {Y: true, N: no, 1: 2, '007': 1.5}}}}}")
    assert spec.data.transformation.mapping.values == {"u.s": {"Y": True, "N": "no", "1": 2, "007": 1.5}}


@pytest.mark.parametrize(
    "cron", ["61 2 * * *", "@weekly", "0 2 * *", "0 2 * * * *", "R 2 * * *", "H 2 * * *", "0 2 * * funday"]
)
def test_bad_cron(cron: str) -> None:
    (problem,) = problems(HEAD + f"strategy: {{planning: {{scheduling: {{automated: {{schedule: '{cron}'}}}}}}}}")
    assert "is not a cron schedule of five fields" in problem


def test_window_past_midnight_and_never_open() -> None:
    window = "strategy: {{planning: {{scheduling: {{maintenanceWindow: {{startTime: '22:00', endTime: '{}'}}}}}}}}"
    end = load(window.format("04:00")).strategy.planning.scheduling.maintenance_window.end_time
    assert end == "04:00"
    (problem,) = problems(HEAD + window.format("22:00"))
    assert "maintenanceWindow.endTime: equals startTime" in problem


def test_booleans_and_numbers_are_not_mistaken_for_each_other() -> None:
    assert "should be true" in problems(HEAD + "strategy: {types: {data: {enabled: 1}}}")[0]
    rule = "monitoring: {{alerting: {{rules: {{migrationFailure: {{threshold: {}}}}}}}}}"
    assert "should be 1" in problems(HEAD + rule.format("true"))[0]
    assert "2 is not built yet; built: 1" in problems(HEAD + rule.format("2"))[0]
    assert "should be a valid integer" in problems(HEAD + "data: {extraction: {strategy: {full: {chunkSize: '9'}}}}")[0]


def test_switched_off_tables_are_empty() -> None:
    body = (
        "data:\n"
        "  extraction: {filtering: {rowFiltering: false, rowFilters: {u: a = 1}, columnFilters: {u: [a]}}}\n"
        "  transformation:\n"
        "    mapping: {enabled: false, fieldMapping: {u: {a: b}}}\n"
        "    cleaning:\n"
        "      duplicateRemoval: {enabled: false, keyFields: [a]}\n"
        "      nullHandling: true\n"
        "      dataValidation: {emailValidation: false}\n"
    )
    data = load(body).data
    assert (data.extraction.filtering.rows, data.extraction.filtering.columns) == ({}, {"u": ("a",)})
    mapping, cleaning = data.transformation.mapping, data.transformation.cleaning
    assert (mapping.fields, mapping.types, mapping.values) == ({}, {}, {})
    assert cleaning.duplicates is None
    assert cleaning.nulls is not None
    assert cleaning.nulls.strategy == "preserve"
    assert cleaning.validation is not None
    assert not cleaning.validation.email_validation
    assert load("").data.transformation.cleaning.validation is None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("duplicateRemoval: {strategy: keep_last}", "duplicateRemoval.keyFields: is needed"),
        ("nullHandling: {defaultValues: {u.s: 1}}", "defaultValues: has no effect with strategy preserve"),
        ("nullHandling: {strategy: default, defaultValues: {s: 1}}", "defaultValues.s: "),
        ("duplicateRemoval: text", "duplicateRemoval: should be a mapping of keys"),
    ],
)
def test_cleaning_tables_are_whole(body: str, message: str) -> None:
    (problem,) = problems(HEAD + f"data: {{transformation: {{cleaning: {{{body}}}}}}}")
    assert message in problem


def pools(source: str = "{}", target: str = "{}") -> str:
    return f"schema: {{database: {{source: {{pool: {source}}}, target: {{pool: {target}}}}}}}\n"


def test_a_pool_beside_a_connection_has_the_requirements_defaults() -> None:
    spec = load(pools("{idle: 5s}", "{max: 4}"))
    assert spec.source_access is spec.source
    assert spec.source_pool is not None
    assert spec.target_pool is not None
    pool = spec.source_pool
    assert (pool.kept, pool.max, pool.acquire, pool.idle) == (5, 20, 60_000, 5_000)
    assert (spec.target_pool.kept, spec.target_pool.max) == (4, 4)
    assert (load("").source_pool, load("").target_pool) == (None, None)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (pools("{min: 3, max: 2}"), "schema.database.source.pool.min: is 3, which is more than max, 2"),
        (pools("{min: 21}"), "schema.database.source.pool.min: is 21, which is more than max, 20"),
        (pools(target="{max: 1}"), "schema.database.target.pool.max: is too small; 2 is the least"),
        (pools("{max: 0}"), "schema.database.source.pool.max: should be greater than 0"),
        (pools("{acquire: 0}"), "schema.database.source.pool.acquire: should be greater than 0"),
    ],
)
def test_pools_that_cannot_be(body: str, message: str) -> None:
    (problem,) = problems(HEAD + body)
    assert problem.startswith(f"m.yaml:4: {message}")


@pytest.mark.parametrize(
    ("body", "workers", "together"),
    [
        ("", (5, 5, 5), True),
        (pools(), (5, 5, 5), True),
        (pools("{max: 3}"), (3, 5, 3), False),
        (pools(target="{max: 2}"), (5, 2, 2), False),
        (pools("{max: 6}", "{max: 8}"), (5, 5, 5), True),
        (pools("{max: 5}", "{max: 8}"), (5, 5, 5), False),
        (pools("{max: 6}", "{max: 7}"), (5, 5, 5), False),
    ],
)
def test_workers_hold_no_more_connections_than_the_pools(
    body: str, workers: tuple[int, int, int], together: bool
) -> None:
    spec = load(body)
    assert (spec.extract_workers, spec.load_workers, spec.compare_workers) == workers
    assert spec.proves_side_by_side is together


def test_ranges_take_one_connection_to_the_source_more() -> None:
    switched = "validation: {rules: {dataIntegrity: {checkRanges: %s}}}}\n"
    both = pools("{max: 6}").rstrip("}\n") + "}}}, " + switched
    assert load(both % "false").proves_side_by_side
    assert not load(both % "true").proves_side_by_side


LOADING = "data: {loading: {strategy: {%s}}}\n"
STREAMING = "strategy: {types: {data: {strategy: streaming, streaming: {%s}}}}\n"


@pytest.mark.parametrize(
    ("body", "place", "why"),
    [
        (LOADING % "stream: {bufferSize: 5}", "stream", "has no effect with strategy bulk"),
        (LOADING % "stream: {enabled: true}", "stream.enabled", "is true, and strategy.types.data says bulk"),
        (
            STREAMING % "" + LOADING % "stream: {enabled: false}",
            "stream.enabled",
            "is false, and strategy.types.data says streaming",
        ),
        (LOADING % "stream: {backpressure: false}", "stream.backpressure", "not built yet"),
        (STREAMING % "" + LOADING % "upsert: {enabled: true}", "upsert.enabled", "use strategy bulk"),
        (LOADING % "upsert: {conflictColumns: [id]}", "upsert.enabled", "is needed"),
        (
            LOADING % "upsert: {enabled: true, conflictColumns: [[a.x, b.y]]}",
            "upsert.conflictColumns",
            "a.x and b.y: the fields of one key are of one table",
        ),
    ],
)
def test_a_way_of_loading_that_cannot_be(body: str, place: str, why: str) -> None:
    (problem,) = problems(HEAD + body)
    assert f" data.loading.strategy.{place}: " in problem
    assert why in problem


@pytest.mark.parametrize(
    ("streaming", "loading", "settings"),
    [
        ("", "enabled: false", (1_000, 5_000)),
        ("", "enabled: true, bufferSize: 7000, flushInterval: 1m", (7_000, 60_000)),
        ("bufferSize: 20, flushInterval: 2s", "bufferSize: 10, flushInterval: 3s", (10, 2_000)),
        ("bufferSize: 9000", "flushInterval: 9s", (9_000, 9_000)),
    ],
)
def test_the_smaller_setting_of_a_stream_holds(streaming: str, loading: str, settings: tuple[int, int]) -> None:
    bulk = loading == "enabled: false"
    spec = load(("" if bulk else STREAMING % streaming) + LOADING % f"stream: {{{loading}}}")
    assert (spec.stream_buffer_size, spec.stream_flush_interval) == settings


def test_what_is_switched_off_may_keep_its_keys() -> None:
    spec = load(LOADING % "upsert: {enabled: false, conflictColumns: [id]}, stream: {enabled: false, bufferSize: 2}")
    assert not spec.data.loading.strategy.upsert.enabled


def test_a_level_of_risk_says_whether_it_is_judged() -> None:
    planning = "strategy:\n  planning:\n"
    (problem,) = problems(HEAD + planning + "    riskAssessment: {dataLossRisk: low}\n")
    assert problem.endswith("riskAssessment.enabled: is needed: true refuses a run above these levels, false does not")
    (problem,) = problems(HEAD + planning + "    analysis: {enabled: false}\n    riskAssessment: {enabled: true}\n")
    assert "riskAssessment.enabled: is true, and analysis.enabled false: risk is judged by it" in problem
    spec = load(planning + "    riskAssessment: {enabled: true, dataLossRisk: low}\n")
    assert spec.strategy.planning.risk_assessment.allowed == {
        "data loss": "low",
        "downtime": "high",
        "performance": "high",
        "rollback": "high",
    }


def test_what_is_validated_before_a_run_is_what_is_switched_on() -> None:
    switches = (
        "schema:\n  validation:\n    preMigration: {{enabled: {}, dataValidation: true, schemaValidation: false}}\n"
    )
    assert load("").schema_.validation.pre_migration.kinds == ("schema",)
    assert load(switches.format("true")).schema_.validation.pre_migration.kinds == ("data",)
    assert load(switches.format("false")).schema_.validation.pre_migration.kinds == ()
