"""Geometries and SPATIAL indexes in a target that has PostGIS, whose own objects are nobody's to move."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from helpers import access, begin, migrations, mysql, one, postgres, rows, schemas, spec
from program import cutover

from cutover import report
from cutover.local.servers import Server
from cutover.run import NotStartedError, run_migration
from cutover.steps import back

SQUARES = (
    "CREATE TABLE squares (id INT AUTO_INCREMENT PRIMARY KEY, area POLYGON NOT NULL, corner POINT, "
    "SPATIAL KEY by_area (area))",
    "INSERT INTO squares (area, corner) SELECT ST_GeomFromText(CONCAT('POLYGON((', x, ' ', y, ',', x + 1, ' ', y, ',', "
    "x + 1, ' ', y + 1, ',', x, ' ', y + 1, ',', x, ' ', y, '))'), 3857), ST_GeomFromText(CONCAT('POINT(', x, ' ', y, "
    "')'), IF(x % 2, 3857, 0)) FROM (SELECT seq DIV 50 AS x, seq % 50 AS y FROM seq_0_to_2499) AS grid",
)
FOUND = "SELECT id FROM squares WHERE ST_Contains(area, ST_SetSRID(ST_MakePoint(10.5, 7.5), 3857))"


@pytest.fixture(params=["public", pytest.param("gis", marks=pytest.mark.slow)])
def within(request: pytest.FixtureRequest, target_db: Server) -> str:
    """The schema that holds PostGIS."""
    where = str(request.param)
    postgres(target_db, f"CREATE SCHEMA IF NOT EXISTS {where}", f"CREATE EXTENSION postgis SCHEMA {where}")
    return where


def seen(target: Server, query: str, within: str) -> list[tuple[object, ...]]:
    with psycopg.connect(target.url(), options=f"-c search_path=public,{within}") as connection:
        connection.execute("SET enable_seqscan = off")
        return connection.execute(query.encode()).fetchall()


def test_its_own_objects_are_in_nobodys_way(source_db: Server, target_db: Server, within: str, tmp_path: Path) -> None:
    mysql(source_db, *SQUARES)
    told = run_migration(begin(source_db, target_db))
    assert told.status == report.COMPLETED, (told.cause, told.losses)
    wanted = [(10 * 50 + 7 + 1,)]
    assert seen(target_db, FOUND, within) == wanted
    assert "Index Scan on by_area" in str(seen(target_db, f"EXPLAIN {FOUND}", within))
    assert seen(target_db, "SELECT ST_SRID(corner), count(*) FROM squares GROUP BY 1 ORDER BY 1", within) == [
        (0, 1250),
        (3857, 1250),
    ]
    # Over what is there: it is backed up, exchanged and taken back, and the extension stays where it is.
    mysql(source_db, "DELETE FROM squares WHERE id = 1")
    second = begin(source_db, target_db)
    told = run_migration(second)
    assert told.status == report.COMPLETED, (told.cause, told.losses)
    assert one(target_db, "SELECT count(*) FROM squares") == 2499
    assert any((second.folder / "backup").iterdir())
    back.rollback(second)
    back.validate_rollback(second)
    assert one(target_db, "SELECT count(*) FROM squares") == 2500
    assert seen(target_db, FOUND, within) == wanted
    assert schemas(target_db) == {"public", within}
    folder = migrations(tmp_path, spec())
    shown = cutover(["schema", "diff", "shop", "--migrations", str(folder)], access(source_db, target_db))
    assert shown.stdout == "no differences\n"


def test_what_postgis_does_not_take_is_refused_and_named(source_db: Server, target_db: Server, within: str) -> None:
    mysql(
        source_db,
        "CREATE TABLE t (id INT PRIMARY KEY, g GEOMETRY)",
        "INSERT INTO t VALUES (1, ST_GeomFromText('POINT(1 1)', 4294967295))",
        "INSERT INTO t VALUES (2, ST_GeomFromText('POINT(1 1)', 999999))",
        "INSERT INTO t VALUES (3, ST_GeomFromText('GEOMETRYCOLLECTION(LINESTRING(0 0))')), (4, NULL)",
    )
    lenient = {"loading": {"options": {"errorHandling": {"maxErrors": 9, "errorThreshold": 1.0}}}}
    told = run_migration(begin(source_db, target_db, spec(data=lenient)))
    assert told.status == report.WITH_LOSSES, told.cause
    (loss,) = told.losses
    assert loss.startswith("t: 2 rows set aside, g is a geometry that PostGIS does not take; keys")
    assert seen(target_db, "SELECT id, ST_SRID(g) FROM t ORDER BY id", within) == [(2, 999999), (4, None)]
    # As bytes they are whole.
    mapping = {"settings": {"tables": {"columns": {"typeMapping": {"geometry": "bytea"}}}}}
    told = run_migration(begin(source_db, target_db, spec(schema=mapping, into="plain")))
    assert told.status == report.COMPLETED, (told.cause, told.losses)
    assert one(target_db, "SELECT count(*) FROM plain.t") == 4


def test_a_name_that_it_has_taken_is_named(source_db: Server, target_db: Server) -> None:
    postgres(target_db, "CREATE EXTENSION postgis")
    mysql(
        source_db,
        "CREATE TABLE spatial_ref_sys (id INT)",
        "CREATE TABLE geometry (id INT)",
        "CREATE FUNCTION find_srid(a TEXT, b TEXT, c TEXT) RETURNS INT DETERMINISTIC RETURN 1",
    )
    with pytest.raises(NotStartedError) as refused:
        run_migration(begin(source_db, target_db))
    for named in ("table spatial_ref_sys", "type geometry", "an extension's function find_srid"):
        assert f"{named} of public has the name of one to be made" in str(refused.value)
    assert rows(target_db, "SELECT count(*) > 1000 FROM spatial_ref_sys") == [(True,)]


def test_no_program_reads_a_geometry_as_bytes(source_db: Server, target_db: Server) -> None:
    postgres(target_db, "CREATE EXTENSION postgis")
    mysql(
        source_db,
        *SQUARES,
        "CREATE VIEW corners AS SELECT id, corner FROM squares WHERE corner IS NOT NULL",
        "CREATE VIEW lengths AS SELECT id, LENGTH(corner) AS n FROM squares",
        "CREATE VIEW alike AS SELECT a.id FROM squares a JOIN squares b ON a.corner = b.corner",
        "CREATE PROCEDURE put(IN p POINT) INSERT INTO squares (area, corner) SELECT area, p FROM squares WHERE id = 1",
    )
    told = run_migration(begin(source_db, target_db))
    assert told.cause is None
    assert [loss.partition(":")[0] for loss in told.losses] == ["view alike", "view lengths", "procedure put"]
    assert rows(target_db, "SELECT count(*), pg_typeof(min(corner::text)) IS NOT NULL FROM corners") == [(2500, True)]
