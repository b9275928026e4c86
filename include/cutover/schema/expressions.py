"""Translate SQL expressions: column defaults and row filters, with a parser."""

from __future__ import annotations

from collections.abc import Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from cutover.errors import SpecError
from cutover.route import ColumnRoute
from cutover.schema.model import Table
from cutover.schema.rewrite import rewrite_expression
from cutover.schema.rewrite.scope import Scope, UntranslatableError

_SELECT_PARTS = ("expressions", "from", "from_", "where", "kind")
_NOW = ("current_timestamp", "now", "localtime", "localtimestamp")


def translate_default(default: str, route: ColumnRoute, scope: Scope) -> str | None:
    """Return a MySQL default as PostgreSQL SQL for the column's new type, or None where there is no way.

    ``scope`` holds no names but those of sequences: a default of PostgreSQL may not refer to other columns
    (manual, CREATE TABLE).
    """
    try:
        parsed = sqlglot.parse_one(default, read="mysql")
    except SqlglotError:
        return None
    if isinstance(parsed, exp.CurrentTimestamp) or default.lower().split("(")[0].strip() in _NOW:
        return "CURRENT_TIMESTAMP"
    value = _constant(parsed)
    if isinstance(value, bytes):
        if route.arrow == "binary":
            return _bytes(value)
        value = _meant(value, route.arrow)
        if value is None:
            return None
    if value is None:
        return None if route.values else _expression(default, route, scope)
    if route.values:
        mapping = dict(route.values)
        others = {"keep": value, "default": route.unmapped_default}
        mapped = mapping[value] if value in mapping else others.get(route.unmapped)
        if mapped is None:
            return None
        return _literal("true" if mapped is True else "false" if mapped is False else str(mapped), route.arrow)
    if route.may_lose and (value.startswith("0000") or "-00" in value):
        return None
    if route.arrow == "bool":
        return {"0": "false", "1": "true"}.get(value)
    return _literal(value, route.arrow)


def _constant(parsed: exp.Expr) -> str | bytes | None:
    """Return the value of a literal as text; bits are a number, and a hexadecimal one is bytes."""
    if isinstance(parsed, exp.Neg) and isinstance(parsed.this, exp.Literal):
        return f"-{parsed.this.this}"
    if isinstance(parsed, exp.Introducer):
        return _constant(parsed.expression)
    if isinstance(parsed, exp.BitString):
        return str(int(parsed.this, 2))
    if isinstance(parsed, exp.HexString):
        return bytes.fromhex(parsed.this.zfill(len(parsed.this) + len(parsed.this) % 2))
    return str(parsed.this) if isinstance(parsed, exp.Literal) else None


def _meant(value: bytes, arrow: str) -> str | None:
    """Return what the bytes are to a column that holds none, or None where they are no text."""
    if arrow == "bool" or arrow.startswith(("int", "float", "decimal")):
        return str(int.from_bytes(value))
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _expression(default: str, route: ColumnRoute, scope: Scope) -> str | None:
    try:
        made = rewrite_expression(default, scope, condition=route.arrow == "bool").sql
        # What is text to MySQL needs to be told for these.
        return f"({made})::{route.target_type}" if route.arrow in ("uuid", "json", "enum") else made
    except UntranslatableError:
        return None


def implicit_default(route: ColumnRoute) -> str | None:
    """Return what MySQL puts into a NOT NULL column without a default outside strict mode, or None for a date.

    Source: MySQL manual, Data Type Default Values: 0, '', the first label of an enum.
    """
    if route.values or route.computed is not None:
        return None
    if route.arrow == "bool":
        return "false"
    if route.arrow.startswith(("int", "float", "decimal")):
        return "0"
    if route.arrow == "enum":
        return exp.Literal.string(route.labels[0]).sql(dialect="postgres")
    return {"string": "''", "citext": "''", "binary": "''", "set": "'{}'"}.get(route.arrow)


def _literal(value: str, arrow: str) -> str:
    if arrow == "bool":
        return value
    if arrow == "set":
        labels = ", ".join(exp.Literal.string(label).sql(dialect="postgres") for label in value.split(",") if value)
        return f"ARRAY[{labels}]::text[]"
    if arrow == "binary":
        return _bytes(value.encode())
    if arrow.startswith(("int", "float", "decimal")):
        return (
            exp.Literal.number(value).sql(dialect="postgres")
            if value.lstrip("-").replace(".", "", 1).isdigit()
            else (exp.Literal.string(value).sql(dialect="postgres"))
        )
    return exp.Literal.string(value).sql(dialect="postgres")


def _bytes(value: bytes) -> str:
    return exp.Literal.string(f"\\x{value.hex()}").sql(dialect="postgres")


def row_filter(written: str, table: Table, routes: Sequence[ColumnRoute]) -> str:
    """Parse a row filter and return it in terms of the source's columns.

    A column may be written by its source or its target name. Where a value mapping stands between
    the two, the target's name means the mapped value: ``status = "active"`` finds the rows that
    hold ``A``.

    Args:
        written: a MySQL condition, such as ``created_at >= "2024-01-01"``.
        table: the table it filters.
        routes: the columns that travel.

    Raises:
        SpecError: it is not one condition, has a subquery or names an unknown column.
    """
    where = f"data.extraction.filtering.rowFilters.{table.name}"
    try:
        # Parsed, never run: what comes out is printed anew from the tree.
        parsed = sqlglot.parse_one(f"SELECT 1 FROM t WHERE {written}", read="mysql")  # noqa: S608
    except SqlglotError as error:
        raise SpecError([f"{where}: not a condition: {written!r} ({str(error).splitlines()[0]})"]) from None
    clause = parsed.args.get("where")
    extra = [key for key, value in parsed.args.items() if value and key not in _SELECT_PARTS]
    if not isinstance(parsed, exp.Select) or clause is None or extra:
        raise SpecError([f"{where}: must be one condition, nothing after it: {written!r}"])
    if clause.find(exp.Select, exp.Subquery, exp.Command):
        raise SpecError([f"{where}: subqueries are not allowed: {written!r}"])
    known = {column.name for column in table.columns}
    by_target = {route.target: route for route in routes}
    for column in list(clause.find_all(exp.Column)):
        name = column.name
        route = by_target.get(name)
        if route is not None and route.values and route.rewritten:
            raise SpecError([f"{where}: {name!r} is brought to one form before it is mapped; name another column"])
        if route is not None and route.values:
            column.replace(_mapped(route))
        elif name in known or route is not None:
            column.replace(exp.column(name if name in known or route is None else route.source, quoted=True))
        else:
            raise SpecError([f"{where}: {table.name} has no column {name!r}; it has {', '.join(sorted(known))}"])
    return str(clause.this.sql(dialect="mysql", identify=True, comments=False))


def _mapped(route: ColumnRoute) -> exp.Case | exp.Func:
    case = exp.Case(this=exp.column(route.source, quoted=True))
    for value, mapped in route.values:
        case = case.when(exp.Literal.string(value), exp.convert(mapped))
    if route.unmapped == "keep":
        case = case.else_(exp.column(route.source, quoted=True))
    elif route.unmapped == "default":
        known = exp.column(route.source, quoted=True).is_(exp.null())
        case = case.else_(exp.If(this=known, true=exp.null(), false=exp.convert(route.unmapped_default)))
    if route.default is None:
        return case
    return exp.func("COALESCE", case, exp.convert(route.default))
