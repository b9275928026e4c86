"""One number for a range of rows, which both servers make by themselves: no row travels.

Each value has an image, a whole number that both servers work out alike. Those of a row are added up, each times a
number of its column's, and the rows, each times a factor that its key gives: one value that changes gives another sum,
and so do two that change places, but for rows whose factors are the same, of which there are one in a million. Several
changes can make up for each other, so equal sums are no proof.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import sqlalchemy as sa

from cutover.dialects import mysql, mysql_ranges, mysql_types, postgresql, postgresql_found, postgresql_ranges
from cutover.errors import PreflightError, RefusedRowsError
from cutover.route import Chunk, ColumnRoute, TableRoute
from cutover.verify.rows import Sides

# Terms of a row that are added up at once.
_AT_ONCE = 7
# Primes: what is left of a division by the first gives a row its factor, by the second a large value its image. Their
# product has less than 63 bits. The keys of a dense range of 500,000 rows have factors of their own.
_FACTORS, _PRIME, _MIX = 1_048_573, 1_099_511_627_689, 715_827
_WORDS = ("string", "enum", "citext", "uuid", "json", "set")


@dataclass(frozen=True)
class Image:
    """A whole number made of a column's value, in the words of both sides; below 2**41, NULL for NULL.

    ``never_null`` says that the source has no NULL there, and ``integer`` that it has signed integers.
    """

    source: str
    target: str
    never_null: bool = False
    integer: bool = False

    def times(self, number: int) -> tuple[str, str]:
        """Return an odd multiple for each image, by a number of the column's, and 0 for NULL.

        Where the source has no NULL the number times the image will do: a term that is NULL at the target only makes
        another sum. What a server does ten million times is worth leaving out.
        """
        mine = self.source if self.integer else f"CAST({self.source} AS SIGNED)"
        theirs = f"({self.target})::bigint"
        if self.never_null:
            return f"{mine} * {number}", f"{theirs} * {number}"
        return tuple(f"COALESCE({each} * {2 * number} + {number}, 0)" for each in (mine, theirs))  # type: ignore[return-value]


def alike(sides: Sides, route: TableRoute, chunk: Chunk) -> int | None:
    """Return how many rows a chunk has, where both sides make the same of them; None where they do not, or cannot.

    The table is one of which :func:`can` is true.

    Raises:
        TransientError: a server was lost.
    """
    statements = _statements(sides, route, chunk)
    if statements is None:
        return None
    try:
        with ThreadPoolExecutor(1) as beside:
            mine = beside.submit(_of_source, sides, statements[0])
            theirs = _of_target(sides, statements[1])
            return mine.result()[0] if mine.result() == theirs else None
    except (PreflightError, RefusedRowsError):
        # Of a value that has no number, such as infinity.
        return None


def _of_source(sides: Sides, statement: str) -> list[int]:
    with mysql.session(sides.source) as connection:
        row = connection.execution_options(no_parameters=True).exec_driver_sql(statement).one()
    return [int(each or 0) for each in row]


def _of_target(sides: Sides, statement: str) -> list[int]:
    with postgresql.session(sides.target) as connection:
        row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return [int(each or 0) for each in row]


def can(route: TableRoute) -> bool:
    """Whether all of a table's columns have images, and its rows arrive as they are."""
    plain = route.ordered and route.function is None and route.sample is None and route.limit is None
    return plain and not route.merge and _factor(route) is not None and _images(route) is not None


def _statements(sides: Sides, route: TableRoute, chunk: Chunk) -> tuple[str, str] | None:
    images, factor = _images(route), _factor(route)
    if images is None or factor is None:
        return None
    mine, theirs = [("COUNT(*)", "n")], [("count(*)", "n")]
    for number, group in enumerate(_batched(images)):
        one, other = (" + ".join(terms) for terms in zip(*(image.times(n) for n, image in group), strict=True))
        mine.append((f"SUM(({one}) % {_PRIME} * (({factor.source} + {number}) * 2 + 1))", f"x{number}"))
        theirs.append((f"sum(({other}) % {_PRIME} * (({factor.target} + {number}) * 2 + 1))", f"x{number}"))
    source = mysql.select(
        route.source, mine, route.condition, (), mysql_ranges.within(route.cut_by, chunk.lower, chunk.upper)
    )
    key = [(name, route.column(name).arrow) for name in route.key]
    within = postgresql_ranges.within(key, chunk.lower, chunk.upper)
    return source, postgresql.summed(sides.schema, route.target, theirs, within)


def _batched(images: Sequence[Image]) -> Iterator[list[tuple[int, Image]]]:
    """Yield images with the numbers of their columns, as many at a time as add up below 2**63."""
    numbered = [(131_071 + 2 * (place * 7_919 % 65_521), image) for place, image in enumerate(images)]
    for start in range(0, len(numbered), _AT_ONCE):
        yield numbered[start : start + _AT_ONCE]


def _factor(route: TableRoute) -> Image | None:
    """Return a number below _FACTORS that all columns of a row's key give."""
    found: Image | None = None
    for name in route.key:
        for image in _of(route.column(name)):
            mine = image.source if image.integer else f"CAST({image.source} AS SIGNED)"
            part = Image(f"{mine} % {_FACTORS}", f"({image.target})::bigint % {_FACTORS}")
            found = _mixed(part if found is None else _joined(found, part))
    whole = all(any(True for _ in _of(route.column(name))) for name in route.key)
    return found if whole else None


def _joined(one: Image, other: Image) -> Image:
    return Image(f"({one.source} + {other.source})", f"({one.target} + {other.target})")


def _mixed(part: Image) -> Image:
    """Spread factors of keys that follow each other."""
    return Image(f"({part.source}) * {_MIX} % {_FACTORS}", f"({part.target}) * {_MIX} % {_FACTORS}")


def _images(route: TableRoute) -> list[Image] | None:
    """Return the images of all columns, or None where one has none."""
    found: list[Image] = []
    for column in route.columns:
        own = [] if column.changes_rows or column.added is not None else list(_of(column))
        if not own:
            return None
        found += own
    return found


def _found(column: ColumnRoute) -> str:
    read = postgresql_found.read_expression(column.arrow, column.target_type)
    return f"({read.replace('{c}', postgresql.quoted(column.target))})"


def _of(column: ColumnRoute) -> Iterator[Image]:
    read, found, arrow = column.read, _found(column), column.arrow
    if arrow in ("int16", "int32", "bool"):
        yield Image(read, f"{found}::int", not column.source_nullable, _signed(column))
    elif arrow == "int64":
        yield Image(f"{read} % {_PRIME}", f"{found} % {_PRIME}", not column.source_nullable, _signed(column))
    elif arrow.startswith("decimal"):
        yield from _decimal(column)
    elif arrow == "float32":
        # Whole numbers of 2**-40, of which a float of this size has none in part.
        yield _scaled(read, f"{found}::float8", 40, "1.52587890625e-05", "2097152")
    elif arrow == "float64":
        yield from _double(read, f"{found}::float8")
    elif arrow == "date32":
        yield Image(f"DATEDIFF({read}, '1970-01-01')", f"({found} - DATE '1970-01-01')")
    elif arrow in ("timestamp", "timestamptz"):
        yield from _moment(column)
    elif arrow == "binary":
        yield _digest(read, found)
    elif arrow in _WORDS and column.source_type.startswith("enum(") and not column.values:
        labels = ", ".join(_literal(label) for label in column.labels)
        place = f"coalesce(array_position(ARRAY[{labels}]::text[], {found}::text), -1)"
        yield Image(f"({mysql.quoted(column.source)} + 0)", f"CASE WHEN {found} IS NOT NULL THEN {place} END")
    elif arrow in _WORDS:
        yield _digest(f"CONVERT({read} USING utf8mb4)", f"{found}::text")


def _signed(column: ColumnRoute) -> bool:
    """Whether the source reads a column as it is, and has signed integers in it."""
    declared = mysql_types.parse(column.source_type)
    return declared.base.endswith("int") and not declared.unsigned and column.read == mysql.quoted(column.source)


def _literal(text: str) -> str:
    return str(sa.literal(text).compile(dialect=postgresql.DIALECT, compile_kwargs={"literal_binds": True}))


def _digest(source: str, target: str) -> Image:
    # Forty bits of it.
    return Image(
        f"CAST(CONV(LEFT(MD5({source}), 10), 16, 10) AS SIGNED)", f"('x' || left(md5({target}), 10))::bit(40)::bigint"
    )


def _decimal(column: ColumnRoute) -> Iterator[Image]:
    digits, scale = (int(part) for part in column.arrow[len("decimal(") : -1].split(","))
    if digits <= 18 and mysql_types.parse(column.source_type).base == "decimal":
        name, other, unit = mysql.quoted(column.source), postgresql.quoted(column.target), 10**scale
        yield Image(f"CAST({name} * {unit} AS SIGNED) % {_PRIME}", f"({other}::numeric * {unit})::bigint % {_PRIME}")


def _scaled(source: str, target: str, bits: int, least: str, most: str) -> Image:
    unit = 2**bits
    return _within(
        source,
        target,
        Image(f"CAST({source} * {unit} AS SIGNED) % {_PRIME}", f"({target} * {unit})::bigint % {_PRIME}"),
        least,
        most,
    )


def _within(source: str, target: str, image: Image, least: str, most: str) -> Image:
    """Take the image of numbers whose size is between two bounds, or 0; the others are told by their text.

    The servers need not write it alike: then the rows are read.
    """
    words = _digest(f"CAST({source} AS CHAR)", f"({target})::text")
    return Image(
        f"CASE WHEN {source} = 0 THEN 0 WHEN ABS({source}) BETWEEN {least} AND {most} THEN {image.source} "
        f"ELSE {words.source} END",
        f"CASE WHEN {target} = 0 THEN 0 WHEN abs({target}) BETWEEN {least} AND {most} THEN {image.target} "
        f"ELSE {words.target} END",
    )


def _double(source: str, target: str) -> Iterator[Image]:
    """Yield two images: the whole numbers of 2**-30, and what is left of them, in whole numbers of 2**-82.

    Both are exact in a double of at least 2**-30 (Sterbenz).
    """
    whole, rest = "{1}({0} * 1073741824)", "({0} * 1073741824 - {1}({0} * 1073741824)) * 4503599627370496"
    for part in (whole, rest):
        mine, theirs = part.format(source, "FLOOR"), part.format(target, "floor")
        image = Image(f"CAST({mine} AS SIGNED) % {_PRIME}", f"({theirs})::bigint % {_PRIME}")
        yield _within(source, target, image, "9.313225746154785e-10", "4294967296")


def _moment(column: ColumnRoute) -> Iterator[Image]:
    name, found = mysql.quoted(column.source), _found(column)
    declared = mysql_types.parse(column.source_type)
    if declared.base == "timestamp":
        # Of a date that is none it would be 0.
        whole = "FLOOR(UNIX_TIMESTAMP({}))" if declared.number(0, 0) else "UNIX_TIMESTAMP({})"
        seconds = f"NULLIF({whole.format(name)}, 0)"
    else:
        # What is no date has no number, or one that the target's NULL has not.
        seconds = f"(TO_SECONDS({name}) - 62167219200)"
    yield Image(seconds, f"floor(date_part('epoch', {found}))")
    if declared.number(0, 0) or "(0)" not in column.target_type:
        yield Image(f"MICROSECOND({name})", f"date_part('microseconds', {found})::bigint % 1000000")
