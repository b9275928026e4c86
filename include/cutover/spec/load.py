"""From a YAML file to a MigrationSpec, with the line of every problem."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.scalarbool import ScalarBoolean

from cutover.errors import SpecError
from cutover.spec.base import Part
from cutover.spec.describe import part_in
from cutover.spec.migration import MigrationSpec, ways_in

Key = tuple[str, ...]

_QUOTED = re.compile(r"""(['"])(?![<\\]).{2,}\1""")  # in a parser's message: the file's own text
_WORDING = {
    "missing": "is required",
    "model_type": "should be a mapping of keys",
    "dict_type": "should be a mapping of keys",
    "tuple_type": "should be a list",
}


def load_spec(path: str | Path) -> MigrationSpec:
    """Read a migration.yaml; raises SpecError with every problem found, as "FILE:LINE: key: message"."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SpecError([f"{path}: no such file"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError([f"{path}: cannot be read as UTF-8 text ({type(error).__name__})"]) from None
    return parse_spec(text, str(path))


def parse_spec(text: str, file: str) -> MigrationSpec:
    """Like load_spec, for text that came from ``file``."""
    document = _Document(_yaml(text, file))
    found = document.problems
    spec = None
    try:
        spec = MigrationSpec.model_validate(document.data)
    except ValidationError as error:
        for details in error.errors(include_url=False, include_input=False):
            found += _problems(details)
        found += [((*key.split("."),), message) for key, message in ways_in(document.data)]
    if spec is None or found:
        placed = {(document.line(key), f"{_dotted(key)}{message}") for key, message in found}
        raise SpecError([f"{file}:{line}: {message}" for line, message in sorted(placed)])
    return spec


def _yaml(text: str, file: str) -> dict[Any, Any]:
    """Parse; errors never quote the file's values, which may be secrets."""
    try:
        data = YAML(typ="rt").load(text)
    except DuplicateKeyError as error:
        name = re.match(r'found duplicate key "(.*?)" with value', error.problem or "")
        key = f" {name[1]!r}" if name else ""
        raise SpecError([f"{file}:{_line(error)}: duplicate key{key}; it is already said above"]) from None
    except MarkedYAMLError as error:
        problem = _QUOTED.sub("...", error.problem or error.context or "")
        raise SpecError([f"{file}:{_line(error)}: not YAML: {problem}"]) from None
    except (YAMLError, ValueError):
        raise SpecError([f"{file}:1: not YAML: a character or date in it does not exist"]) from None
    if not isinstance(data, dict):
        raise SpecError([f"{file}:1: should be a mapping of keys, beginning with name:"])
    return data


def _line(error: MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return mark.line + 1 if mark else 1


class _Document:
    """Plain values of a YAML document, and the line of every key."""

    def __init__(self, root: dict[Any, Any]) -> None:
        self.lines: dict[Key, int] = {}
        self.problems: list[tuple[Key, str]] = []
        self.data: dict[str, Any] = self._plain(root, ())

    def line(self, key: Key) -> int:
        """Return the line of a key, or of the nearest one above it."""
        for end in range(len(key), 0, -1):
            if found := self.lines.get(_camel(key[:end])):
                return found
        return 1

    def _plain(self, node: Any, at: Key) -> Any:
        if isinstance(node, dict):
            return {
                name: self._plain(value, self._place(node, key, (*at, name)))
                for key, value in node.items()
                if (name := self._name(node, key, at)) is not None
            }
        if isinstance(node, list):
            return [self._plain(x, self._place(node, i, (*at, str(i)))) for i, x in enumerate(node)]
        if isinstance(node, ScalarBoolean):  # an int to Python
            return bool(node)
        plain = next((kind for kind in (bool, int, float, str) if isinstance(node, kind)), None)
        return plain(node) if plain else node  # ruamel's own scalars remember how they were written

    def _place(self, node: Any, key: Any, at: Key) -> Key:
        place = (getattr(getattr(node, "lc", None), "data", None) or {}).get(key)
        if place:
            self.lines[_camel(at)] = place[0] + 1
        return at

    def _name(self, node: Any, key: Any, at: Key) -> str | None:
        if isinstance(key, str):
            return str(key)
        if type(key) is int:
            return str(key)
        shown = str(key).lower() if isinstance(key, bool) else str(key)
        self._place(node, key, (*at, shown))
        self.problems.append(((*at, shown), 'is not text as a key; put it in quotes, such as "yes" or "007"'))
        return None


def _problems(details: ErrorDetails) -> list[tuple[Key, str]]:
    key = tuple(str(x) for x in details["loc"] if not re.fullmatch(r"<\w+>|\[key\]", str(x)))
    if details["type"] == "extra_forbidden":
        return [(key, _unknown(key))]
    if details["type"] == "refused":
        pairs = details["ctx"]["problems"]
        return [((*key, *below.split(".")) if below else key, message) for below, message in pairs]
    message = _WORDING.get(details["type"], details["msg"].removeprefix("Input "))
    return [(key, message[:1].lower() + message[1:])]


def _unknown(key: Key) -> str:
    part: type[Part] | None = MigrationSpec
    for name in key[:-1]:
        field = next((f for f in part.model_fields.values() if f.alias == _camel((name,))[0]), None) if part else None
        part = part_in(field.annotation) if field else None
    known = [str(f.alias) for f in part.model_fields.values()] if part else []
    near = get_close_matches(_camel(key[-1:])[0], known, n=1)
    return f"unknown key {key[-1]!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def _camel(key: Key) -> Key:
    return tuple(re.sub(r"_([a-z0-9])", lambda m: m[1].upper(), name) for name in key)


def _dotted(key: Key) -> str:
    text = "".join(f"[{name}]" if name.isdigit() else f".{name}" for name in key).removeprefix(".")
    return f"{text}: " if text else ""
