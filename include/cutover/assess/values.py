"""Which values of the source do not fit their column of the target."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from cutover.assess.becoming import base, cleaned, code, coded, is_text, letters
from cutover.assess.facts import ALTERED, FAILS, REFUSED, STAYS
from cutover.assess.questions import Measure, Question
from cutover.dialects import mysql, mysql_types
from cutover.route import ColumnRoute, TableRoute
from cutover.schema.model import Table
from cutover.verify.outcome import DATA

_SIZED = re.compile(r"(?:varchar|character varying)\s*\(\s*(\d+)\s*\)", re.IGNORECASE)
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")
_BITS = {"int16": 15, "int32": 31, "int64": 63}
_WIDTHS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "integer": 32, "bigint": 64}
_TRUTHS = ("1", "t", "true", "y", "yes", "0", "f", "false", "n", "no")
_WHOLE, _NUMBER, _UUID = r"^[+-]?[0-9]+$", r"^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)$", "^[0-9a-fA-F]{32}$"
_LARGE = ("text", "mediumtext", "longtext", "json", "blob", "mediumblob", "longblob", *mysql_types.SHAPES)


def questions(route: TableRoute, table: Table, mariadb: bool) -> Iterator[Question]:
    """Yield what is asked of the values that travel.

    Args:
        route: the table's way.
        table: the table as inspected.
        mariadb: whether the source is MariaDB, whose JSON is text.
    """
    plain = keeps_rows(route)
    for column in route.columns:
        if column.added is not None or column.computed is not None:
            continue
        for text, fate, condition, certain in (
            *_dates(column),
            *_nul(column),
            *_labels(column, table),
            *_unmapped(column),
            *_fitting(column, mariadb),
            *_bounds(column),
        ):
            what = f"column {route.source}.{column.source}"
            yield Question(DATA, what, text, fate, condition, certain and plain)


def keeps_rows(route: TableRoute) -> bool:
    """Whether no rule takes rows out before their values are judged, and all that the filter lets through travel."""
    by_rule = any(column.required or column.among is not None for column in route.columns)
    return route.function is None and route.limit is None and route.sample is None and not by_rule


def measures(route: TableRoute) -> list[Measure]:
    """Return the columns that may hold large values."""
    columns = (c for c in route.columns if c.added is None and c.computed is None)
    return [Measure(c.source) for c in columns if base(c) in _LARGE]


def unasked(route: TableRoute) -> Iterator[str]:
    """Name what only the load itself can judge."""
    for column in route.columns:
        where = f"column {route.source}.{column.source}"
        if column.added is not None:
            if column.computed is None:
                yield f"{where}: whether what {column.added} gives fits {column.target_type} is seen while it is loaded"
            continue
        for said, what in ((column.email, "e-mail addresses"), (column.phone, "phone numbers")):
            if said:
                yield f"{where}: {what} are judged while they are loaded"
        if column.standard in ("e164", "email"):
            yield f"{where}: what {column.standard} has no form for is seen while it is loaded"
        if column.values and column.unmapped != "keep" and coded(column) is None:
            yield f"{where}: what valueMapping does not name is seen while it is loaded"
        if is_text(column) and (column.dates or column.numbers):
            yield f"{where}: text that must be a date or a number is judged while it is loaded"
        if not column.values and _foreign(column):
            yield f"{where}: whether each {column.source_type} fits {column.target_type} is seen while it is loaded"


_Asked = tuple[str, str, str, bool]


def _dates(column: ColumnRoute) -> Iterator[_Asked]:
    if not column.may_lose:
        return
    # A zero date in a column that forbids NULL IS NULL to the server (MySQL manual, Comparison Functions).
    given = f"{mysql.quoted(column.source)} IS NOT NULL AND " if column.source_nullable else ""
    condition = f"{given}({column.read}) IS NULL"
    none = "hold a date that is none, such as 0000-00-00"
    if column.no_date == "fail":
        yield f"{none}, and zeroDates is fail: the run ends there", FAILS, condition, True
    elif column.no_date is not None:
        yield f"{none}; it becomes {column.no_date}", ALTERED, condition, True
    elif column.default is not None:
        # The load makes it NULL, and then the default of NULL.
        yield f"{none}; it becomes {column.default}", ALTERED, condition, True
    elif column.nullable:
        yield f"{none}; it becomes NULL", ALTERED, condition, True
    else:
        yield f"{none}, and the target forbids NULL: they are refused", REFUSED, condition, True


def _nul(column: ColumnRoute) -> Iterator[_Asked]:
    if is_text(column) and column.wire == "string":
        yield "hold a NUL character, which is taken out", ALTERED, f"INSTR({letters(column.read)}, X'00') > 0", True


def _labels(column: ColumnRoute, table: Table) -> Iterator[_Asked]:
    if column.source in table.statistics.unlabelled and not column.values:
        condition = f"({mysql.quoted(column.source)} + 0) = 0"
        yield (
            "hold no label of the enum, MySQL's mark for a value that was not valid; they arrive as ''",
            STAYS,
            condition,
            True,
        )


def _unmapped(column: ColumnRoute) -> Iterator[_Asked]:
    looked_up = coded(column)
    if not column.values or column.unmapped == "keep" or looked_up is None:
        return
    condition = f"{looked_up} NOT IN ({', '.join(code(value) for value, _ in column.values)})"
    unknown = "hold a value that valueMapping does not name"
    if column.unmapped == "nullify":
        becomes = "NULL" if column.default is None else column.default
        yield f"{unknown}; it becomes {becomes}", ALTERED, condition, column.nullable or column.default is not None
    elif column.unmapped == "default":
        yield f"{unknown}; it becomes {column.unmapped_default}", ALTERED, condition, True
    else:
        yield f"{unknown}: they are refused", REFUSED, condition, True


def _fitting(column: ColumnRoute, mariadb: bool) -> Iterator[_Asked]:
    if column.values:
        return
    refused = f"hold a value that does not fit {column.target_type}: they are refused"
    read = f"({column.read})"
    text, as_read = is_text(column), not column.rewritten
    sized = _SIZED.fullmatch(column.target_type)
    if sized and text and _longest(column) > int(sized[1]):
        yield f"hold more than {sized[1]} characters: they are refused", REFUSED, _longer(column, sized[1]), as_read
    elif column.arrow == "json" and (base(column) != "json" or mariadb):
        yield "hold what is no JSON: they are refused", REFUSED, f"NOT JSON_VALID({read})", False
    elif column.arrow == "uuid" and text:
        digits = f"REPLACE({cleaned(column)}, '-', '')"
        yield refused, REFUSED, f"NOT {digits} REGEXP {mysql.literal(_UUID)}", False
    elif column.arrow == "bool" and text:
        known = ", ".join(code(word) for word in _TRUTHS)
        yield refused, REFUSED, f"{letters(f'LOWER({cleaned(column)})')} NOT IN ({known})", as_read
    elif column.arrow == "bool" and base(column) in (*_WIDTHS, "bit"):
        yield refused, REFUSED, f"{read} NOT IN (0, 1)", True
    elif (bounds := _beyond(column)) is not None:
        yield refused, REFUSED, bounds, not text


def _longest(column: ColumnRoute) -> int:
    """Return how many characters the source's type lets in."""
    return mysql_types.parse(column.source_type).number(0, 1) if base(column) in ("char", "varchar") else 2**32


def _longer(column: ColumnRoute, size: str) -> str:
    return f"CHAR_LENGTH({cleaned(column)}) > {int(size)}"


def _beyond(column: ColumnRoute) -> str | None:
    """Return the condition of a number that a narrower type has no room for; None where each fits or nobody knows."""
    read, kind = f"({column.read})", base(column)
    text = is_text(column)
    numeric = kind in (*_WIDTHS, "decimal", "numeric", "float", "double", "real", "bit")
    if not numeric and not text:
        return None
    number = f"CAST({cleaned(column)} AS DECIMAL(65,30))" if text else read
    shape = (
        f"NOT {cleaned(column)} REGEXP {mysql.literal(_WHOLE if column.arrow in _BITS else _NUMBER)} OR "
        if text
        else ""
    )
    if column.arrow in _BITS and not _within(column, _BITS[column.arrow]):
        most = 2 ** _BITS[column.arrow]
        broken = "" if kind in (*_WIDTHS, "bit") else f" OR {number} <> FLOOR({number})"
        return f"{shape}{number} < {-most} OR {number} > {most - 1}{broken}"
    found = _DECIMAL.fullmatch(column.arrow)
    if found and not _same_decimal(column, int(found[1]), int(found[2])):
        precision, scale = int(found[1]), int(found[2])
        finer = (
            ""
            if kind in (*_WIDTHS, "bit", "float", "double", "real")
            else f" OR {number} <> TRUNCATE({number}, {scale})"
        )
        return f"{shape}ABS({number}) >= {10 ** (precision - scale)}{finer}"
    return None


def _within(column: ColumnRoute, bits: int) -> bool:
    """Whether every whole number of the source's type has at most so many bits beside its sign."""
    parsed = mysql_types.parse(column.source_type)
    if parsed.base == "bit":
        return parsed.number(0, 1) <= bits
    width = _WIDTHS.get(parsed.base)
    return width is not None and (width if parsed.unsigned else width - 1) <= bits


def _same_decimal(column: ColumnRoute, precision: int, scale: int) -> bool:
    parsed = mysql_types.parse(column.source_type)
    if parsed.base in ("decimal", "numeric"):
        whole, digits = parsed.number(0, 10) - parsed.number(1, 0), parsed.number(1, 0)
        return whole <= precision - scale and digits <= scale
    return parsed.base in _WIDTHS and 10 ** (precision - scale) > 2 ** _WIDTHS[parsed.base]


def _bounds(column: ColumnRoute) -> Iterator[_Asked]:
    if is_text(column) or column.values:
        return
    read = f"({column.read})"
    if column.dates is not None:
        first, last = map(mysql.literal, column.dates)
        text = f"hold no date from {column.dates[0]} to {column.dates[1]}: they are refused"
        yield text, REFUSED, f"DATE({read}) < {first} OR DATE({read}) > {last}", True
    if column.numbers is not None:
        ends = zip(("<", ">"), ("from", "to"), column.numbers, strict=True)
        given = [(sign, word, bound) for sign, word, bound in ends if bound is not None]
        words = " ".join(f"{word} {bound}" for _, word, bound in given)
        condition = " OR ".join(f"{read} {sign} {Decimal(bound):f}" for sign, _, bound in given)
        if given:
            yield f"hold no number {words}: they are refused", REFUSED, condition, base(column) in (*_WIDTHS, "decimal")


def _foreign(column: ColumnRoute) -> bool:
    """Whether the spec gives a column another type, and no question here tells which values fit that."""
    travel = mysql_types.travel(column.source_type)
    if (
        travel is None
        or travel.arrow == column.arrow
        or column.arrow in ("string", "citext", "enum", "set", "geometry")
    ):
        return False
    if is_text(column) or base(column) in (*_WIDTHS, "decimal", "numeric", "bit"):
        return column.arrow not in (*_BITS, "bool", "json", "uuid") and _DECIMAL.fullmatch(column.arrow) is None
    return column.arrow not in _BITS or base(column) not in ("float", "double", "real")
