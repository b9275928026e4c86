"""Which geometries PostGIS takes: asked of PostGIS 3.3 itself, value by value."""

from __future__ import annotations

import struct

import pyarrow as pa
import pytest

from cutover.data.transforms import shapes
from cutover.route import ColumnRoute

ROUTE = ColumnRoute("g", "geometry", "g", "binary", "g", "public.geometry", "geometry")


def points(*pairs: tuple[float, float]) -> bytes:
    return struct.pack("<I", len(pairs)) + b"".join(struct.pack("<dd", *pair) for pair in pairs)


def shape(kind: int, body: bytes, srid: int | None = None) -> bytes:
    if srid is None:
        return struct.pack("<BI", 1, kind) + body
    return struct.pack("<BII", 1, kind | 0x20000000, srid) + body


def several(*parts: bytes) -> bytes:
    return struct.pack("<I", len(parts)) + b"".join(parts)


POINT = struct.pack("<dd", 1.0, float("nan"))
SQUARE = points((0, 0), (1, 0), (1, 1), (0, 0))


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        (None, True),
        (shape(1, POINT), True),
        (shape(1, POINT, 999_999), True),
        (shape(1, POINT, 1_000_000), False),
        (shape(1, POINT) + b"x", False),
        (shape(1, POINT)[:-1], False),
        (b"\0" + shape(1, POINT)[1:], False),
        (shape(2, points()), True),
        (shape(2, points((0, 0))), False),
        (shape(2, points((0, 0), (0, 0))), True),
        (shape(3, several()), True),
        (shape(3, several(SQUARE, SQUARE)), True),
        (shape(3, several(points())), False),
        (shape(3, several(points((0, 0), (1, 0), (0, 0)))), False),
        (shape(3, several(points((0, 0), (1, 0), (1, 1), (0, 1)))), False),
        (shape(3, several(points((0, 0), (1, 0), (1, 1), (-0.0, 0)))), False),
        (shape(4, several(shape(1, POINT))), True),
        (shape(4, several(shape(2, points((0, 0), (1, 1))))), False),
        (shape(6, several(shape(3, several(SQUARE)))), True),
        (shape(7, several(), 4326), True),
        (shape(7, several(shape(7, several()), shape(1, POINT))), True),
        (shape(7, several(shape(2, points((0, 0))))), False),
        (shape(9, several()), False),
        (b"", False),
    ],
)
def test_what_postgis_takes(value: bytes | None, taken: bool) -> None:
    outcome = shapes.apply(ROUTE, pa.array([value, shape(1, POINT)], pa.binary()))
    refused = [False, False] if outcome.refused is None else outcome.refused.to_pylist()
    assert refused == [not taken, False]
