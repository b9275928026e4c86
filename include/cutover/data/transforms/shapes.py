"""Refuse geometries that the source takes and PostGIS does not, or not as they are."""

from __future__ import annotations

import struct

import pyarrow as pa
import pyarrow.compute as pc

from cutover.data.transforms.result import Outcome
from cutover.route import ColumnRoute

# What PostGIS holds (its source, liblwgeom.h, SRID_MAXIMUM); a greater one it replaces by another.
_MOST_SRID = 999_999
_WITH_SRID = 0x20000000
_POINT, _LINE, _POLYGON = 1, 2, 3
# Of what kind the parts of the others are.
_PARTS = {4: (_POINT,), 5: (_LINE,), 6: (_POLYGON,), 7: range(1, 8)}
_HEAD, _NUMBER, _PAIR = struct.Struct("<BI"), struct.Struct("<I"), 16
_PLAIN_POINT = _HEAD.pack(1, _POINT)


def applies(route: ColumnRoute) -> bool:
    """Columns that PostGIS holds."""
    return route.arrow == "geometry"


def apply(route: ColumnRoute, array: pa.Array) -> Outcome:
    """Refuse lines of one point, rings that are open or have less than four points, and SRIDs beyond PostGIS's."""
    # Points without an SRID, of which there are most, need no closer look.
    plain = pc.and_(
        pc.equal(pc.binary_length(array), len(_PLAIN_POINT) + _PAIR), pc.starts_with(array, pattern=_PLAIN_POINT)
    )
    suspect = pc.fill_null(pc.invert(plain), False)
    if not pc.any(suspect).as_py():
        return Outcome(array)
    refused = [found and not _fits(value) for found, value in zip(suspect.to_pylist(), array.to_pylist(), strict=True)]
    return Outcome(array, pa.array(refused), f"{route.target} is a geometry that PostGIS does not take")


def _fits(value: bytes) -> bool:
    """Whether PostGIS takes EWKB as it is (its source, lwin_wkb.c, LW_PARSER_CHECK_ALL)."""
    try:
        order, kind = _HEAD.unpack_from(value)
        place = _HEAD.size
        if kind & _WITH_SRID:
            if _number(value, place) > _MOST_SRID:
                return False
            place += _NUMBER.size
        return order == 1 and _end(value, place, kind & ~_WITH_SRID) == len(value)
    except (struct.error, RecursionError):
        return False


def _number(value: bytes, place: int) -> int:
    (number,) = _NUMBER.unpack_from(value, place)
    return int(number)


def _end(value: bytes, start: int, kind: int) -> int | None:
    """Return where the geometry ends whose body begins at ``start``, or None where it is not sound."""
    if kind == _POINT:
        return start + _PAIR
    count = _number(value, start)
    place: int | None = start + _NUMBER.size
    if kind not in (_LINE, _POLYGON, *_PARTS):
        return None
    if kind == _LINE:
        return None if count == 1 else start + _NUMBER.size + count * _PAIR
    for _ in range(count):
        if place is None:
            return None
        place = _end_of_ring(value, place) if kind == _POLYGON else _end_of_part(value, place, kind)
    return place


def _end_of_part(value: bytes, start: int, whole: int) -> int | None:
    order, kind = _HEAD.unpack_from(value, start)
    return _end(value, start + _HEAD.size, kind) if order == 1 and kind in _PARTS.get(whole, ()) else None


def _end_of_ring(value: bytes, start: int) -> int | None:
    count = _number(value, start)
    first, last = start + _NUMBER.size, start + _NUMBER.size + (count - 1) * _PAIR
    if count < 4 or value[first : first + _PAIR] != value[last : last + _PAIR]:
        return None
    return last + _PAIR
