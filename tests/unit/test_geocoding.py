"""Where places are: what the gazetteer knows, what it does not, and what the plan and the spec say of it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
import pytest
from pydantic import ValidationError

from cutover.data import gazetteer, geocoders
from cutover.data.places import refuse_unknown
from cutover.data.transform import Tally, transform
from cutover.errors import SpecError, TransientError
from cutover.route import Places, TableRoute
from cutover.schema.model import Column, Schema, Table
from cutover.schema.translate import translate
from cutover.spec import MigrationSpec

PEOPLE = Table(
    "people",
    (
        Column("id", "int", False),
        Column("Town", "varchar(40)", True),
        Column("land", "varchar(40)", True),
        Column("age", "int", True),
    ),
    ("id",),
)
ENDS: dict[str, Any] = {"name": "x", "source": {"env": "S"}, "target": {"env": "T"}}
KEY = "data.transformation.enrichment.dataEnrichment.geocoding"


def spec(geocoding: Any) -> MigrationSpec:
    transformation = {
        "enrichment": {"dataEnrichment": {"geocoding": geocoding}},
        "mapping": {"fieldMapping": {"people": {"Town": "city"}}},
    }
    return MigrationSpec.model_validate(ENDS | {"data": {"transformation": transformation}})


def route(**geocoding: Any) -> TableRoute:
    written = {"people": {"from": "city", "latitude": "lat", "longitude": "lon"} | geocoding}
    (table,) = translate(Schema("old", (PEOPLE,)), spec(written)).tables
    return table.route


def test_a_plan_has_two_columns_of_degrees() -> None:
    made = route(**{"from": ["Town", "land"]})
    assert made.places == Places("city", "land", "lat", "lon")
    assert [(c.target, c.target_type, c.added) for c in made.columns[4:]] == [
        ("lat", "double precision", "where the gazetteer has Town in land"),
        ("lon", "double precision", "where the gazetteer has Town in land"),
    ]


@pytest.mark.parametrize(
    ("geocoding", "why"),
    [
        ({"from": "nowhere"}, rf"{KEY}: old has no column 'people\.nowhere'"),
        ({"from": "age"}, rf"{KEY}\.people\.from: age is integer, and not text"),
        ({"latitude": "age"}, rf"{KEY}\.people\.age: the table has a column of this name"),
        ({"latitude": "x", "longitude": "x"}, rf"{KEY}\.people\.x: .* adds a column of this name too"),
    ],
)
def test_what_cannot_be_placed_is_refused(geocoding: dict[str, Any], why: str) -> None:
    with pytest.raises(SpecError, match=why):
        route(**geocoding)


@pytest.mark.parametrize(
    ("geocoding", "why"),
    [
        ({"delay": 5}, "delay has no effect without service"),
        ({"from": ["a", "b", "c"]}, "at most 2"),
        ({"from": []}, "at least 1"),
        ({"radius": 5}, "Extra inputs"),
    ],
)
def test_what_is_not_built_is_refused_by_name(geocoding: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        route(**geocoding)


def test_a_package_that_is_not_here_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (gazetteer, geocoders):
        monkeypatch.setattr(module, "PACKAGE", "nothing_such")
    for service in ("offline", "nominatim"):
        with pytest.raises(SpecError, match=f"{KEY}.people: it needs the package nothing_such; install cutover"):
            refuse_unknown([route(service=service)])
    refuse_unknown([TableRoute("t", "t", ())])


def placed(names: list[str | None], lands: list[str | None], **service: Any) -> tuple[list[Any], Tally]:
    made = route(**{"from": ["city", "land"]} | service)
    texts = [pa.array(names, pa.string()), pa.array(lands, pa.string()), pa.array([None] * len(names), pa.int32())]
    nothing = [pa.nulls(len(names), pa.float64())] * 2
    arrays = [pa.array(range(len(names)), pa.int32()), *texts, *nothing]
    batch = pa.RecordBatch.from_arrays(arrays, names=[f"c{n}" for n in range(len(arrays))])
    tally = Tally()
    (done,) = transform(made, [batch], tally)
    return [(row["lat"], row["lon"]) for row in done.to_pylist()], tally


def test_places_get_their_coordinates_and_unknown_ones_are_counted() -> None:
    found, tally = placed(
        ["Berlin", " münchen", "MUNICH", "Paris", "Paris", "Paris", "Nowhere at all", None, "Berlin", ""],
        ["DE", "Germany", None, None, "FR", "US", None, "DE", "ZZ", None],
    )
    berlin, munich, munich_again, paris, french, american, *unknown = found
    assert [round(degrees) for degrees in berlin] == [53, 13]
    assert munich == munich_again
    assert [round(degrees) for degrees in munich] == [48, 12]
    assert paris == french
    assert [round(degrees) for degrees in american] == [34, -96]
    assert unknown == [(None, None)] * 4
    assert tally.altered == {("lat", "places that are not known became NULL", False): 3}
    assert not tally.rejects


def test_a_refused_row_is_not_counted_as_unknown() -> None:
    made = route()
    made = replace(made, columns=(made.columns[0], replace(made.columns[1], nullable=False), *made.columns[2:]))
    nothing = [pa.nulls(2, kind) for kind in (pa.string(), pa.int32(), pa.float64(), pa.float64())]
    arrays = [pa.array([0, 1], pa.int32()), pa.array([None, "Oslo"]), *nothing]
    tally = Tally()
    (done,) = transform(made, [pa.RecordBatch.from_arrays(arrays, names=list("abcdef"))], tally)
    assert done.num_rows == 1
    assert not tally.altered
    assert len(tally.rejects) == 1


class Nominatim:
    """A service as geopy knows it, on this machine; it knows one place, and has enough when it is asked for another."""

    def __init__(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = parse_qs(urlsplit(self.path).query)["q"][0]
                outer.asked.append((time.monotonic(), asked))
                known = [{"lat": "52.5", "lon": "13.25", "display_name": "Berlin"}] if "Berlin" in asked else []
                body = json.dumps(known).encode()
                self.send_response(429 if "enough" in asked else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self.asked: list[tuple[float, str]] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def described(self) -> dict[str, Any]:
        where = f"127.0.0.1:{self.server.server_port}"
        return {
            "service": "nominatim",
            "options": {"domain": where, "scheme": "http", "user_agent": "${WHO}"},
            "delay": 50,
        }


@pytest.fixture
def nominatim(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Nominatim]:
    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path))
    monkeypatch.setenv("WHO", "cutover-tests")
    server = Nominatim()
    yield server
    server.server.shutdown()
    server.server.server_close()


def test_a_service_is_asked_once_for_each_place_and_not_too_often(nominatim: Nominatim) -> None:
    names: list[str | None] = ["Berlin", "Berlin", "Nowhere", None, "Berlin"]
    lands: list[str | None] = [None, "DE", None, "DE", None]
    for _ in range(2):
        found, tally = placed(names, lands, **nominatim.described)
        assert found == [(52.5, 13.25), (52.5, 13.25), (None, None), (None, None), (52.5, 13.25)]
        assert tally.altered == {("lat", "places that are not known became NULL", False): 1}
    times = [at for at, _ in nominatim.asked]
    assert sorted(asked for _, asked in nominatim.asked) == ["Berlin", "Berlin, DE", "Nowhere"]
    assert all(later - earlier >= 0.05 for earlier, later in pairwise(times))


def test_a_service_that_has_enough_is_asked_again_later(nominatim: Nominatim) -> None:
    for _ in range(2):
        with pytest.raises(TransientError, match="geocoding: the service does not answer"):
            placed(["Berlin", "enough"], [None, None], **nominatim.described)
    assert [asked for _, asked in nominatim.asked] == ["Berlin", "enough", "enough"]


@pytest.mark.parametrize(
    ("described", "why"),
    [
        ({"service": "nominatm"}, "there is no service 'nominatm'; there are offline, arcgis"),
        ({"service": "nominatim"}, "options: nominatim says: Using Nominatim with default or sample"),
        ({"service": "google", "options": {"key": "x"}}, "options: google says: .*unexpected keyword argument 'key'"),
        ({"service": "google", "options": {"api_key": "${NOT_SET}"}}, "the environment variable NOT_SET is not set"),
    ],
)
def test_a_service_that_cannot_be_asked_is_refused(described: dict[str, Any], why: str) -> None:
    with pytest.raises(SpecError, match=why):
        refuse_unknown([route(**described)])
