"""docker-compose.yaml cannot be run everywhere; what can be known of it without Docker is tested here."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yaml"
AIRFLOW = ("apiserver", "scheduler", "dag-processor", "worker", "triggerer", "init")
# What compose does with a dollar sign: $$ is one, ${NAME} and ${NAME:?why} are a variable, all else stops it.
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Z_]+)(?P<required>:\?[^}]*)?\}")
_SECRET = re.compile(r"PASSWORD$|SECRET|_KEY$")
_LOGIN = re.compile(r"://[^/@:]*:(?P<password>[^/@]*)@")


def _validate(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(FILE.read_text())
    return loaded


def _settings(compose: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name, service in compose["services"].items():
        for variable, value in service.get("environment", {}).items():
            yield name, variable, str(value)


def test_it_follows_the_compose_specification(tmp_path: Path) -> None:
    done = _validate(FILE)
    assert done.returncode == 0, done.stdout + done.stderr

    wrong = tmp_path / "docker-compose.yaml"
    wrong.write_text(FILE.read_text().replace("    expose:", "    exposes:"))
    assert "exposes" in _validate(wrong).stdout


def test_every_dollar_sign_means_something_to_compose() -> None:
    lines = (line for line in FILE.read_text().splitlines() if not line.lstrip().startswith("#"))
    left = {line for line in lines if "$" in _VARIABLE.sub("", line.replace("$$", ""))}
    assert not left


def test_every_variable_is_required_and_explained() -> None:
    text = FILE.read_text()
    explained = set(re.findall(r"^#   ([A-Z_]+) ", text, re.MULTILINE))
    found = list(_VARIABLE.finditer(text.replace("$$", "")))
    assert {match["name"] for match in found} == explained
    assert all(match["required"] for match in found)


def test_no_secret_is_written_down(compose: dict[str, Any]) -> None:
    secrets = [(service, name, value) for service, name, value in _settings(compose) if _SECRET.search(name)]
    passwords = [
        (service, name, match["password"])
        for service, name, value in _settings(compose)
        for match in _LOGIN.finditer(value)
    ]
    assert secrets
    assert passwords
    literal = [(service, name) for service, name, value in secrets + passwords if not _VARIABLE.fullmatch(value)]
    assert not literal


def test_airflow_runs_with_celery_and_a_ledger_of_its_own(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) == {"postgres", "ledger", "redis", *(f"airflow-{part}" for part in AIRFLOW)}
    for part in AIRFLOW:
        environment = services[f"airflow-{part}"]["environment"]
        assert environment["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"
        assert environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].endswith("@postgres/airflow")
        assert environment["AIRFLOW__CELERY__BROKER_URL"].endswith("@redis:6379/0")
        assert environment["CUTOVER_LEDGER"].endswith("@ledger/cutover")
        folder = environment["CUTOVER_HOME"]
        assert f"cutover:{folder}" in services[f"airflow-{part}"]["volumes"]


def test_what_is_mounted_and_copied_is_there(compose: dict[str, Any]) -> None:
    mounted = {
        volume.split(":")[0] for service in compose["services"].values() for volume in service.get("volumes", [])
    }
    folders = {name for name in mounted if name.startswith("./")}
    assert folders == {"./dags", "./plugins", "./include"}
    assert all((ROOT / name).is_dir() for name in folders)
    assert mounted - folders == set(compose["volumes"])

    dockerfile = compose["x-airflow"]["build"]["dockerfile_inline"]
    copied = [name for line in re.findall(r"^COPY \S+ (.*) \S+$", dockerfile, re.MULTILINE) for name in line.split()]
    assert {"pyproject.toml", "requirements.lock", "include"} <= set(copied)
    assert all((ROOT / name).exists() for name in copied)


def test_the_image_has_the_airflow_that_the_lock_names(compose: dict[str, Any]) -> None:
    locked = re.search(r"^apache-airflow==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert locked is not None
    airflow = compose["x-airflow"]
    assert f"FROM apache/airflow:slim-{locked[1]}-python3.11\n" in airflow["build"]["dockerfile_inline"]
    assert airflow["image"].endswith(f":{locked[1]}")
