"""What the models say about themselves: the JSON Schema for editors, and the state of every key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args

from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from cutover.spec.base import NotYet, Part, UnbuiltPart
from cutover.spec.migration import MigrationSpec

State = Literal["built", "fixed", "unbuilt"]


def key_states() -> dict[str, State]:
    """Return the state of every key: built, fixed to the one value that is built, or unbuilt."""
    return dict(_states(MigrationSpec, "", unbuilt=False))


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a migration.yaml, in camelCase."""
    schema = MigrationSpec.model_json_schema(by_alias=True, schema_generator=_Generator)
    return {"$schema": _Generator.schema_dialect, **schema}


def part_in(annotation: Any) -> type[Part] | None:
    """Return the model an annotation holds, within whatever unions and markers, or None."""
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return annotation
    return next((part for inner in get_args(annotation) if (part := part_in(inner))), None)


def _has_switch(annotation: Any) -> bool:
    return annotation is bool or isinstance(annotation, bool) or any(map(_has_switch, get_args(annotation)))


def _states(part: type[Part], prefix: str, *, unbuilt: bool) -> Iterator[tuple[str, State]]:
    for field in part.model_fields.values():
        key = f"{prefix}{field.alias}"
        below = part_in(field.annotation)
        within = unbuilt or (below is not None and issubclass(below, UnbuiltPart))
        if below is None or _has_switch(field.annotation):
            yield key, "unbuilt" if within else _state(field)
        if below is not None:
            yield from _states(below, f"{key}.", unbuilt=within)


def _state(field: FieldInfo) -> State:
    marker = next((m for m in field.metadata if isinstance(m, NotYet)), None)
    if marker is None:
        return "built"
    built = marker.built(field.annotation)
    if not built or marker.values == (True,):
        return "unbuilt"
    return "fixed" if len(built) == 1 else "built"


class _Generator(GenerateJsonSchema):
    """Leaves out defaults that are whole parts, or that only mean "not said"."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default") is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)
