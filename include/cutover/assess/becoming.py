"""What a column's value becomes on its way, as an expression that the source evaluates."""

from __future__ import annotations

import re

from cutover.dialects import mysql, mysql_types
from cutover.route import ColumnRoute

TEXTS = ("char", "varchar", "tinytext", "text", "mediumtext", "longtext")
_NUMBERS = ("tinyint", "smallint", "mediumint", "int", "integer", "bigint", "decimal", "numeric", "bit", "year")
# What is done to text that MySQL has a function for, near enough to tell which texts become alike.
_WRITTEN = {"trim": "TRIM({x})", "lower": "LOWER({x})", "upper": "UPPER({x})"}
_DECIMALS = re.compile(r"int\d+|bool|decimal\(\d+,\d+\)")
# Compares as the ICU collations of the target do but for a few letters: neither accents nor case.
_FOLDED = "CONVERT({x} USING utf8mb4) COLLATE utf8mb4_unicode_520_ci"


def base(column: ColumnRoute) -> str:
    """Return the name of a column's type in the source, without size or sign."""
    return mysql_types.parse(column.source_type).base


def is_text(column: ColumnRoute) -> bool:
    """Whether the source holds text of any letters in it."""
    return column.added is None and base(column) in TEXTS


def letters(text: str) -> str:
    """Return an expression's text as bytes of UTF-8, which are alike letter by letter alone."""
    return f"CAST(CONVERT({text} USING utf8mb4) AS BINARY)"


def cleaned(column: ColumnRoute) -> str:
    """Return the expression of a text without the NUL characters that the target cannot hold."""
    return f"CONVERT(REPLACE({letters(column.read)}, X'00', '') USING utf8mb4)"


def coded(column: ColumnRoute) -> str | None:
    """Return the bytes that valueMapping looks up; None where only the load writes them so."""
    if column.rewritten or column.added is not None:
        return None
    if is_text(column):
        return letters(cleaned(column))
    if base(column) in (*_NUMBERS, "enum", "set"):
        return letters(f"CAST({column.read} AS CHAR)")
    return None


def code(text: str) -> str:
    """Return the literal of one of valueMapping's values, as :func:`coded` has them."""
    return letters(mysql.literal(text))


def arriving(column: ColumnRoute) -> str | None:
    """Return the expression of the value that arrives, NULL where its row is refused; None where none is known.

    What it is compared by is not in it: see :func:`compared`.
    """
    if column.added is not None:
        return None
    if column.values:
        return _defaulted(column, _mapped(column))
    if is_text(column):
        made = cleaned(column)
        for rule in (*column.normal, *([column.standard] if column.standard else [])):
            if rule not in _WRITTEN:
                return None
            made = _WRITTEN[rule].format(x=made)
        return _defaulted(column, made)
    made = column.read
    if column.may_lose and column.no_date not in (None, "fail"):
        date = mysql.literal(str(column.no_date))
        dated = f"COALESCE({made}, {date})"
        made = f"IF({mysql.quoted(column.source)} IS NULL, NULL, {dated})" if column.source_nullable else dated
    return _defaulted(column, made)


def _mapped(column: ColumnRoute) -> str | None:
    looked_up = coded(column)
    if looked_up is None:
        return None
    cases = " ".join(f"WHEN {code(value)} THEN {_literal(meaning)}" for value, meaning in column.values)
    other = {"keep": looked_up, "default": _literal(column.unmapped_default)}.get(column.unmapped, "NULL")
    return f"(CASE {looked_up} {cases} ELSE {other} END)"


def _defaulted(column: ColumnRoute, made: str | None) -> str | None:
    if made is None or column.default is None:
        return made
    return f"COALESCE({made}, {_literal(column.default)})"


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    return mysql.literal(str(int(value)) if isinstance(value, bool) else str(value))


def compared(column: ColumnRoute) -> str | None:
    """Return the expression by which the target tells a column's values apart, near enough where it folds letters."""
    made = arriving(column)
    if made is None or not (column.values or is_text(column)):
        return made
    if column.collation is not None:
        return _FOLDED.format(x=made)
    return letters(f"LOWER({made})" if column.arrow == "citext" else made)


def referring(column: ColumnRoute) -> str | None:
    """Return the expression by which the target's foreign keys compare a column; None where none is known.

    Made values are of one type and of few bytes: MariaDB joins by an index of its own then, and row by row otherwise.
    """
    made = compared(column)
    if made is None:
        return None
    if _DECIMALS.fullmatch(column.arrow):
        return f"CAST({made} AS DECIMAL(65,30))"
    if column.values or is_text(column):
        return f"MD5({made if column.collation is None else f'WEIGHT_STRING({made})'})"
    return made


def replaced(column: ColumnRoute) -> bool:
    """Whether the spec may give the values of a key's column others in their place; it rewrites no text of a key."""
    return (
        bool(column.values) or column.default is not None or (column.may_lose and column.no_date not in (None, "fail"))
    )


def changed(column: ColumnRoute) -> str:
    """Return the condition of a value that may become another's, where the source's own key tells all apart."""
    if column.values or column.default is not None or column.collation is not None or not is_text(column):
        return "TRUE" if merges(column) else "FALSE"
    made = arriving(column)
    return "TRUE" if made is None else f"{letters(made)} <> {letters(column.read)}"


def merges(column: ColumnRoute) -> bool:
    """Whether two values that the source tells apart may become one."""
    written = column.rewritten or column.values or column.default is not None or column.collation is not None
    return bool(written) or is_text(column) or column.no_date not in (None, "fail")
