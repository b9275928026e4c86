"""Where places are: what the gazetteer knows, what it does not, and what the plan and the spec say of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from cutover.data import gazetteer
from cutover.data.transform import Tally, transform
from cutover.errors import SpecError
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
        ({"service": "nominatim"}, "'nominatim' is not built yet; built: offline"),
        ({"from": ["a", "b", "c"]}, "at most 2"),
        ({"from": []}, "at least 1"),
        ({"radius": 5}, "Extra inputs"),
    ],
)
def test_what_is_not_built_is_refused_by_name(geocoding: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        route(**geocoding)


def test_a_gazetteer_that_is_not_here_is_named() -> None:
    written = spec({"people": {"from": "city", "latitude": "lat", "longitude": "lon"}})
    with pytest.raises(SpecError, match=f"{KEY}: the gazetteer is the package nothing_such, which is not here"):
        gazetteer.refuse_missing(written, "nothing_such")
    gazetteer.refuse_missing(MigrationSpec.model_validate(ENDS), "nothing_such")


def placed(names: list[str | None], lands: list[str | None]) -> tuple[list[Any], Tally]:
    made = route(**{"from": ["city", "land"]})
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
    assert tally.altered == {("lat", "places that the gazetteer does not know became NULL", False): 3}
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
