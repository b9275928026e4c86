"""How a column that the source does not have is written: an expression, with its type where that cannot be told."""

from __future__ import annotations

from typing import Annotated, NotRequired

from pydantic import ConfigDict, Discriminator, Field, Tag, with_config
from typing_extensions import TypedDict

from cutover.spec.base import Name

TypeName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9 ]+(\(\d+( *, *\d+)?\)[A-Za-z ]*)?$",
        description="a type of PostgreSQL, such as bigint, text or numeric(12,2)",
    ),
]


@with_config(ConfigDict(extra="forbid", strict=True))
class TypedExpression(TypedDict):
    """An expression in the source's dialect over the columns of its table, and the type that it has in the target."""

    expression: Name
    type: NotRequired[TypeName]


def _text_or_table(value: object) -> str:
    return "<text>" if isinstance(value, str) else "<table>"


Expression = Annotated[
    Annotated[Name, Tag("<text>")] | Annotated[TypedExpression, Tag("<table>")],
    Discriminator(_text_or_table),
]
"""An expression as text, where its type can be told from its columns' types; otherwise with its type."""


def whole(written: str | TypedExpression) -> TypedExpression:
    """Return an expression however it is written as a table."""
    return {"expression": written} if isinstance(written, str) else written
