"""What the documents name has to be there."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.core import TyperGroup

from cutover.cli import app
from cutover.dialects.mysql_types import travel
from cutover.errors import SpecError
from cutover.spec import key_states, load_spec
from cutover.steps.context import Params

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
# Great Expectations is told the target's address by this name; nobody sets it.
INTERNAL = {"CUTOVER_TARGET_URL"}
PARTS = ("strategy.", "schema.", "data.", "rollback.", "monitoring.")


def _fenced(text: str, language: str) -> list[str]:
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)


def _inline(text: str) -> list[str]:
    prose = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`]+)`", prose)


def _commands(program: str) -> Iterator[tuple[str, list[str]]]:
    """Yield (document, words) for every command line of ``program`` in the documents."""
    for path in DOCUMENTS:
        text = path.read_text()
        lines = [line for block in _fenced(text, "sh") for line in block.splitlines()]
        for line in [*lines, *_inline(text)]:
            words = shlex.split(line.split(" > ")[0], comments=True)
            if words[:1] == [program] and len(words) > 1:
                yield path.name, words[1:]


def _known_options() -> dict[str, set[str]]:
    """Return the options of every command of ``cutover``."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    return {name: _options(command) for name, command in group.commands.items()}


def _options(command: Any) -> set[str]:
    below = [_options(each) for each in command.commands.values()] if isinstance(command, TyperGroup) else []
    return {option for p in command.params for option in p.opts}.union(*below)


def test_every_command_and_option_is_there() -> None:
    known = _known_options()
    found = list(_commands("cutover"))
    assert len(found) > 10
    for document, words in found:
        assert words[0] in known, f"{document}: cutover {words[0]}"
        unknown = {word.split("=")[0] for word in words if word.startswith("--")} - known[words[0]]
        assert not unknown, f"{document}: cutover {' '.join(words)}"


def test_every_command_is_in_the_readme() -> None:
    named = {words[0] for document, words in _commands("cutover") if document == "README.md"}
    assert named == set(_known_options())


def test_every_make_target_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {words[0] for _, words in _commands("make")}
    assert {"demo", "test"} <= named <= targets


def test_the_example_spec_loads(tmp_path: Path) -> None:
    (example,) = _fenced(README, "yaml")
    path = tmp_path / "migration.yaml"
    path.write_text(example)
    spec = load_spec(path)
    assert spec.data.transformation.mapping.fields == {"customers": {"mail": "email"}}
    assert spec.strategy.planning.scheduling.automated.max_duration == 19_800_000


def test_the_example_mistakes_are_shown_as_the_readme_says(tmp_path: Path) -> None:
    (example,) = _fenced(README, "yaml")
    wrong = example.replace("      bulk: {batchSize", "      bulk: {batchsize", 1)
    wrong = wrong.replace("  execution:\n", "  execution:\n    monitoring: {performanceMonitoring: true}\n", 1)
    path = tmp_path / "migration.yaml"
    path.write_text(wrong)
    with pytest.raises(SpecError) as refused:
        load_spec(path)
    shown = str(refused.value).replace(str(tmp_path), "include/migrations/shop")
    (block,) = _fenced(README, "text")
    assert [line.strip() for line in block.splitlines()] == shown.splitlines()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_keys_named_in_full_are_keys_of_the_spec(path: Path) -> None:
    known = key_states()
    for word in _inline(path.read_text()):
        if word.startswith(PARTS) and re.fullmatch(r"[\w.]+", word):
            assert word in known or any(key.startswith(f"{word}.") for key in known), word


def test_settings_are_those_that_the_code_reads() -> None:
    code = "".join(path.read_text() for path in (ROOT / "include" / "cutover").rglob("*.py"))
    read = set(re.findall(r"""["'](CUTOVER_[A-Z_]+)["']""", code))
    named = set(re.findall(r"^\| (`CUTOVER_.*?) \|", README, re.MULTILINE))
    assert {name for cell in named for name in re.findall(r"CUTOVER_[A-Z_]+", cell)} == read - INTERNAL


def test_run_parameters_are_those_of_a_run() -> None:
    assert set(re.findall(r"^\| `(\w+)` \| `--[\w-]+` \|", README, re.MULTILINE)) == set(Params.__dataclass_fields__)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_files_are_there(path: Path) -> None:
    text = path.read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if not link.startswith("https://")]
    files = [word for word in _inline(text) if word.startswith(("include/cutover/", "docs/")) and "*" not in word]
    missing = [link for link in links if not (path.parent / link).exists()]
    missing += [file for file in files if not (ROOT / file).exists()]
    assert not missing


def test_types_are_those_of_the_dialect() -> None:
    rows = re.findall(r"^\| `(.+?)` \| `(.+?)` \|", (ROOT / "docs" / "types.md").read_text(), re.MULTILINE)
    assert len(rows) > 40
    for mysql, postgresql in rows:
        found = travel(mysql)
        assert found is not None, mysql
        assert found.target_type == postgresql, mysql
