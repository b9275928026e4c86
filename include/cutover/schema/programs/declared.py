"""What a variable's, parameter's or result's declared type is in the target."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from cutover.schema.rewrite.scope import Attribute, UntranslatableError

TypeOf: TypeAlias = Callable[[str], Attribute]

# The words that MySQL puts another type's for (MySQL manual, Using Data Types from Other Database Engines).
_SYNONYMS = (
    (r"bool(ean)?\b", "tinyint(1)"),
    (r"(integer|int4)\b", "int"),
    (r"(middleint|int3)\b", "mediumint"),
    (r"int1\b", "tinyint"),
    (r"int2\b", "smallint"),
    (r"int8\b", "bigint"),
    (r"(dec|fixed|numeric)\b", "decimal"),
    (r"(double precision|real|float8)\b", "double"),
    (r"float4\b", "float"),
    (r"(national )?(char(acter)? varying|varcharacter)\b", "varchar"),
    (r"national varchar\b|nvarchar\b", "varchar"),
    (r"(national )?character\b|national char\b|nchar\b", "char"),
    (r"long( varchar)?\b(?! *varbinary)", "mediumtext"),
)
_CHARACTER_SET = re.compile(r"\s(?:character set|charset)\s*=?\s*(?P<set>\w+)|\s(?:ascii|unicode)\b")
_COLLATION = re.compile(r"\scollate\s*=?\s*(?P<name>\w+)")
_BINARY = re.compile(r"(?<=[\s)])binary\b")
_SIZE = re.compile(r"\([^()]*\)")
_LABELS = re.compile(r"\(.*\)", re.DOTALL)
_WIDEST = {"smallint": "bigint", "integer": "bigint", "real": "double precision"}
# Types whose range is not that of any type of PostgreSQL.
_NARROWER = re.compile(r"tinyint|mediumint|year|.*\bunsigned|enum|set")


@dataclass(frozen=True)
class Declared:
    """A declared type.

    Attributes:
        attribute: what it is in the target; it has no name.
        trimmed: whether the source takes the spaces at a value's end away, as it does from a CHAR.
        note: what the target's type lets in that the source's does not, if anything.
    """

    attribute: Attribute
    trimmed: bool = False
    note: str | None = None

    @property
    def sized(self) -> bool:
        """Whether a value may have to be made fit, which PostgreSQL does not do for a parameter or a result."""
        return self.trimmed or self.attribute.type != self.bare

    def passed(self, mode: str) -> str:
        """Return the type of a parameter of that mode: as wide as what may be passed for it.

        PostgreSQL has no function of a smallint for the 1 in ``f(1)``, nor one of an integer for a sum.
        """
        return _WIDEST.get(self.bare, self.bare) if mode == "IN" else self.bare

    @property
    def bare(self) -> str:
        """The target's type as a parameter has it: PostgreSQL leaves its size out of account there."""
        return unsized(self.attribute.type)


def unsized(type_: str) -> str:
    """Return a PostgreSQL type without its size."""
    return type_ if type_.startswith('"') else _SIZE.sub("", type_)


def declared(written: str, type_of: TypeOf) -> Declared:
    """Return what a type is in the target, as it stands in DECLARE or in the server's catalogue.

    Raises:
        UntranslatableError: there is none.
    """
    type_ = " ".join(written.split())
    labels = _LABELS.search(type_)
    lowered = type_.lower()
    if labels and "'" in labels[0]:
        # Labels keep their case.
        lowered = lowered[: labels.start()] + labels[0] + lowered[labels.end() :]
    for pattern, name in _SYNONYMS:
        lowered = re.sub(rf"^{pattern}", name, lowered)
    character_set, collation = _CHARACTER_SET.search(lowered), _COLLATION.search(lowered)
    if character_set and character_set["set"] == "binary":
        raise UntranslatableError(f"type {type_}")
    binary = _BINARY.search(lowered)
    plain = _BINARY.sub("", _COLLATION.sub("", _CHARACTER_SET.sub("", lowered))).strip()
    try:
        attribute = type_of(plain)
    except (KeyError, ValueError):
        raise UntranslatableError(f"type {type_}") from None
    if collation or binary:
        sensitive = binary is not None or (collation is not None and not collation["name"].endswith("_ci"))
        attribute = replace(attribute, ignores_case=not sensitive)
    note = None
    if _NARROWER.match(plain):
        note = f"a variable of type {plain} is {attribute.type}, which takes values that the source refuses"
    return Declared(attribute, plain.startswith("char"), note)
