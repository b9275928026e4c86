"""Ranges of a table in the order of its key, where PostgreSQL sorts as the source does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

import sqlalchemy as sa


def within(
    key: Sequence[tuple[str, str]], lower: Sequence[str] | None, upper: Sequence[str] | None
) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of ``lower <= row < upper``; None is open.

    Args:
        key: the columns, each with the Arrow type that carries it.
        lower: a value for each, as :class:`cutover.route.CutColumn` writes it.
        upper: likewise.
    """
    row = sa.tuple_(*(sa.column(name) for name, _ in key))
    conditions: list[sa.ColumnElement[bool]] = []
    if lower is not None:
        conditions.append(row >= _values(key, lower))
    if upper is not None:
        conditions.append(row < _values(key, upper))
    return conditions


def _values(key: Sequence[tuple[str, str]], edge: Sequence[str]) -> sa.Tuple:
    return sa.tuple_(*(_literal(arrow, value) for (_, arrow), value in zip(key, edge, strict=True)))


def _literal(arrow: str, value: str) -> sa.ColumnElement[object]:
    if arrow == "binary":
        return sa.literal_column(f"decode('{bytes.fromhex(value).hex()}', 'hex')")
    if arrow == "date32":
        return sa.literal_column(f"DATE '{date.fromisoformat(value)}'")
    if arrow == "timestamp":
        return sa.literal_column(f"TIMESTAMP '{_moment(value)}'")
    if arrow == "timestamptz":
        return sa.literal_column(f"TIMESTAMPTZ '{_moment(value)}+00'")
    return sa.literal_column(f"{Decimal(value):f}")


def _moment(value: str) -> str:
    return datetime.fromisoformat(value).isoformat(" ", "microseconds")
