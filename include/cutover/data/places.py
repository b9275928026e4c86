"""The coordinates of places, by the gazetteer or a service on the net."""

from __future__ import annotations

from importlib.util import find_spec

import pyarrow as pa

from cutover.data import gazetteer, geocoders
from cutover.errors import SpecError
from cutover.route import Service, TableRoute

_KEY = "data.transformation.enrichment.dataEnrichment.geocoding"


def refuse_unknown(routes: list[TableRoute]) -> None:
    """Refuse places where what is to be asked for them is not there, or not as the spec says.

    Raises:
        SpecError: with the cure.
    """
    problems = []
    for route in routes:
        if route.places is None:
            continue
        service = route.places.service
        package = gazetteer.PACKAGE if service is None else geocoders.PACKAGE
        if find_spec(package) is None:
            problems.append(f"{_KEY}.{route.source}: it needs the package {package}; install cutover[geocoding]")
        elif service is not None and (why := geocoders.unfit(service)):
            problems.append(f"{_KEY}.{route.source}: {why}")
    if problems:
        raise SpecError(problems)


def coordinates(service: Service | None, places: pa.Array, countries: pa.Array | None) -> tuple[pa.Array, pa.Array]:
    """Return the latitude and the longitude of each place in degrees, as float64; NULL where it is not known.

    Args:
        service: what is asked; the gazetteer where it is None.
        places: names of places.
        countries: the country of each; one that is NULL may be any.

    Raises:
        TransientError: the service cannot be reached now, or has had enough of us.
        DataError: it refuses to answer.
    """
    named = places.to_pylist()
    of = [None] * len(named) if countries is None else countries.to_pylist()
    pairs = list(zip(named, of, strict=True))
    asked = {pair for pair in pairs if pair[0] is not None}
    known = {pair: gazetteer.locate(*pair) for pair in asked} if service is None else geocoders.locate(service, asked)
    found = [known.get(pair) for pair in pairs]
    latitudes = pa.array([None if each is None else each[0] for each in found], pa.float64())
    return latitudes, pa.array([None if each is None else each[1] for each in found], pa.float64())
