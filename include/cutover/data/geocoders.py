"""Where a place is, by a geocoding service on the net; what it has answered is kept and not asked for again.

The answers of a service are in one file for all runs and processes, so the proof finds what the load has found. The
one who asks holds the file's lock: so no two processes ask at once, and the delay is between any two requests.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import time
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from typing import Any

from cutover import ledger
from cutover.errors import DataError, TransientError
from cutover.route import Scalar, Service

PACKAGE = "geopy"
Place = tuple[str, str | None]
Coordinates = tuple[float, float]

_BOOK = (
    "CREATE TABLE IF NOT EXISTS answers (service text, place text, country text, latitude real, longitude real, "
    "PRIMARY KEY (service, place, country))",
    "CREATE TABLE IF NOT EXISTS requests (service text PRIMARY KEY, at real)",
)
# Whoever asks may wait for the net, and others for him.
_PATIENCE = 3600.0
_VARIABLE = re.compile(r"\$\{(\w+)\}")


def unfit(service: Service) -> str | None:
    """Say why a service cannot be asked as it is described; nothing is sent anywhere."""
    import geopy

    try:
        _geocoder(service)
    except geopy.exc.GeocoderNotFound:
        known = ", ".join(sorted(geopy.geocoders.SERVICE_TO_GEOCODER))
        return f"there is no service {service.name!r}; there are offline, {known}"
    except (geopy.exc.ConfigurationError, TypeError, ValueError) as error:
        return f"options: {service.name} says: {error}"
    except KeyError as error:
        return f"options: the environment variable {error.args[0]} is not set"
    return None


def locate(service: Service, asked: Collection[Place]) -> dict[Place, Coordinates | None]:
    """Return where the places are, None for one that the service does not know.

    Raises:
        TransientError: the service cannot be reached now, or has had enough of us.
        DataError: it refuses to answer.
    """
    name = json.dumps([service.name, service.options])
    folder = ledger.home()
    folder.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(folder / "places.db", timeout=_PATIENCE, isolation_level=None)) as book:
        for statement in _BOOK:
            book.execute(statement)
        found = {place: _remembered(book, name, place) for place in asked}
        missing = sorted((place for place, answer in found.items() if answer is None), key=repr)
        geocoder = _geocoder(service) if missing else None
        for place in missing:
            with _alone(book):
                # Another process may have asked meanwhile.
                found[place] = _remembered(book, name, place) or _ask(book, name, geocoder, place, service.delay)
    return {place: answer[0] for place, answer in found.items() if answer is not None}


@contextmanager
def _alone(book: sqlite3.Connection) -> Iterator[None]:
    book.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        book.execute("COMMIT")


def _remembered(book: sqlite3.Connection, service: str, place: Place) -> tuple[Coordinates | None] | None:
    row = book.execute(
        "SELECT latitude, longitude FROM answers WHERE service = ? AND place = ? AND country = ?",
        (service, place[0], place[1] or ""),
    ).fetchone()
    return None if row is None else (None if row[0] is None else (row[0], row[1]),)


def _ask(book: sqlite3.Connection, service: str, geocoder: Any, place: Place, delay: int) -> tuple[Coordinates | None]:
    import geopy

    last = book.execute("SELECT at FROM requests WHERE service = ?", (service,)).fetchone()
    if last is not None:
        time.sleep(min(max(0.0, last[0] + delay / 1000 - time.time()), delay / 1000))
    try:
        answer = geocoder.geocode(", ".join(part for part in place if part))
    except (geopy.exc.GeocoderAuthenticationFailure, geopy.exc.GeocoderQueryError) as error:
        raise DataError(f"geocoding: the service refuses to answer: {error}") from None
    except geopy.exc.GeocoderServiceError as error:
        raise TransientError(f"geocoding: the service does not answer: {error}") from None
    finally:
        book.execute("INSERT OR REPLACE INTO requests VALUES (?, ?)", (service, time.time()))
    found = None if answer is None else (float(answer.latitude), float(answer.longitude))
    book.execute(
        "INSERT INTO answers VALUES (?, ?, ?, ?, ?)", (service, place[0], place[1] or "", *(found or (None, None)))
    )
    return (found,)


def _geocoder(service: Service) -> Any:
    from geopy.geocoders import get_geocoder_for_service

    options = {name: _substituted(value) for name, value in service.options}
    return get_geocoder_for_service(service.name)(**options)


def _substituted(value: Scalar) -> Scalar:
    """Put environment variables in place of ``${NAME}``; raises KeyError for one that is not set."""
    return _VARIABLE.sub(lambda found: os.environ[found[1]], value) if isinstance(value, str) else value
