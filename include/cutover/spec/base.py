"""The kinds of field a spec is made of: built, fixed to what is built, or not built yet.

* An ordinary field is built: every value its type allows does what it says.
* ``Annotated[Literal["bulk"], NotYet("incremental")]`` is fixed: the Literal is what is built, ``NotYet``
  names what the requirement knows besides it. ``AlwaysTrue`` and ``AlwaysFalse`` are its short forms.
* ``UnbuiltSwitch`` and ``Annotated[int | None, NotYet()]`` are not built; a switch may say false, which
  asks for nothing. ``UnbuiltPart`` is a whole sub-tree of that kind; it may say ``enabled: false``.

The markers are all there is: checks, JSON Schema and documentation are read from them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

NOT_BUILT = "not built yet"
T = TypeVar("T")


def refusal(*problems: tuple[str, str]) -> PydanticCustomError:
    """Make one error of several (key below the value being checked, message) pairs; key "" is the value."""
    return PydanticCustomError("refused", "{text}", {"text": problems[0][1], "problems": problems})


class Part(BaseModel):
    """A mapping of the spec: frozen, with known keys only, camelCase or snake_case."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        alias_generator=lambda name: to_camel(name.rstrip("_")),
        populate_by_name=True,
    )


class UnbuiltPart(Part):
    """A sub-tree whose feature is not built: refused unless empty or saying ``enabled: false``."""

    @model_validator(mode="before")
    @classmethod
    def _refuse(cls, data: object) -> object:
        if not isinstance(data, Mapping) or not data:
            return data
        if "enabled" in cls.model_fields and data.get("enabled") is False:
            return data
        given = list(_leaves(data))
        shown = ", ".join(given[:5]) + (f" and {len(given) - 5} more" if len(given) > 5 else "")
        cure = ", or say enabled: false" if "enabled" in cls.model_fields else ""
        raise refusal(("", f"{NOT_BUILT} (given: {shown}). Remove it{cure}."))

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        made = handler.resolve_ref_schema(handler(schema))
        made["description"] = f"{made.get('description', '')} ({NOT_BUILT})".strip()
        if "enabled" in cls.model_fields:
            made["properties"]["enabled"]["const"] = False
            made["anyOf"] = [{"maxProperties": 0}, {"required": ["enabled"]}]
        else:
            made["maxProperties"] = 0
        return made


def _leaves(data: Mapping[Any, Any], prefix: str = "") -> list[str]:
    found: list[str] = []
    for key, value in data.items():
        name = f"{prefix}{key}"
        found += _leaves(value, f"{name}.") if isinstance(value, Mapping) and value else [name]
    return found


@dataclass(frozen=True)
class NotYet:
    """Marks what a field cannot do yet: the named values, or every value its Literal does not hold."""

    values: tuple[object, ...] = ()

    def __init__(self, *values: object) -> None:
        object.__setattr__(self, "values", values)

    def built(self, annotation: object) -> tuple[object, ...]:
        """Return the values that work: those of the Literal; false where only true is unbuilt."""
        if get_origin(annotation) is Literal:
            return get_args(annotation)
        return (False,) if self.values == (True,) else ()

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        built = self.built(source)
        return core_schema.no_info_before_validator_function(lambda v: self._check(v, built), handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        made = handler(schema)
        if made.get("anyOf"):  # an unbuilt key: nothing but false, or nothing at all
            return {"const": False, "description": NOT_BUILT} if self.values else {"not": {}} | _SAYS_SO
        made["description"] = f"{NOT_BUILT}: {', '.join(map(_shown, self.values)) or 'any other value'}"
        return made

    def _check(self, value: object, built: tuple[object, ...]) -> object:
        if value is None:
            raise refusal(("", "is empty; give it a value or remove the key"))
        if _among(value, built):
            return value
        choice = ", ".join(x if isinstance(x, str) else _shown(x) for x in built)
        if not built:
            raise refusal(("", f"{NOT_BUILT}. Remove the key."))
        same_type = type(value) in {type(x) for x in built}
        if _among(value, self.values) or (same_type and not self.values):
            raise refusal(("", f"{_shown(value)} is {NOT_BUILT}; built: {choice}. Remove the key or use that."))
        raise refusal(("", f"should be {choice}"))


_SAYS_SO = {"description": NOT_BUILT}


def _among(value: object, known: tuple[object, ...]) -> bool:
    return any(type(value) is type(x) and value == x for x in known)  # True == 1, but not in a spec


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _switch_or_table(value: object) -> str:
    return "<switch>" if isinstance(value, bool) else "<table>"


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")


def milliseconds(value: object) -> object:
    """Turn "1h30m", "90s" or "250ms" into milliseconds; leave anything but text alone."""
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value)
    if not value or not match:
        raise refusal(("", f"{value!r} is not a duration; write milliseconds, or 250ms, 90s, 30m, 1h, 1h30m"))
    return sum(int(n) * _UNITS[u] for n, u in zip(match.groups(), ("h", "m", "s", "ms"), strict=True) if n)


def _duration_schema(least: int) -> WithJsonSchema:
    pattern = "^(?=.)(\\d+h)?(\\d+m)?(\\d+s)?(\\d+ms)?$"
    return WithJsonSchema(
        {
            "anyOf": [{"type": "integer", "minimum": least}, {"type": "string", "pattern": pattern}],
            "description": "milliseconds, or 250ms, 90s, 30m, 1h, 1h30m",
        }
    )


AlwaysTrue = Annotated[Literal[True], NotYet()]
AlwaysFalse = Annotated[Literal[False], NotYet()]
UnbuiltSwitch = Annotated[bool | None, NotYet(True)]

Milliseconds = Annotated[int, Field(gt=0), BeforeValidator(milliseconds), _duration_schema(1)]
"""A duration above zero, in milliseconds."""
MillisecondsOrNone = Annotated[int, Field(ge=0), BeforeValidator(milliseconds), _duration_schema(0)]
"""A duration in milliseconds; 0 is none at all."""
Count = Annotated[int, Field(gt=0)]
"""A whole number above zero: rows in a batch, workers."""
Share = Annotated[float, Field(ge=0, le=1)]
"""A share of the whole, 0 to 1."""
Name = Annotated[str, Field(min_length=1)]
Identifier = Annotated[str, Field(min_length=1, max_length=63)]
"""A name that the target takes as it is: at most 63 characters."""
Scalar = str | bool | int | float | None

Many = Annotated[tuple[T, ...], BeforeValidator(_as_tuple)]
"""A YAML list, kept as a tuple."""

SwitchOr = Annotated[
    Annotated[bool, Tag("<switch>")] | Annotated[T, Tag("<table>")],
    Discriminator(_switch_or_table),
]
"""The requirement writes a switch and a table under one name; YAML holds either."""

UnbuiltOr = Annotated[
    Annotated[Literal[False], NotYet(True), Tag("<switch>")] | Annotated[T, Tag("<table>")],
    Discriminator(_switch_or_table),
]
"""Like SwitchOr, of an UnbuiltPart: the switch may say false."""

ColumnName = Annotated[str, Field(pattern=r"^[^.]+\.[^.]+$", description="table.column")]
