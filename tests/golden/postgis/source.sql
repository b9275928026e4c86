-- MariaDB alone writes an SRID as REF_SYSTEM_ID.
CREATE TABLE places (
  id INT PRIMARY KEY, g GEOMETRY, p POINT NOT NULL, l LINESTRING, a POLYGON NOT NULL, mp MULTIPOINT, ml MULTILINESTRING, ma MULTIPOLYGON, c GEOMETRYCOLLECTION,
  SPATIAL KEY by_place (p), SPATIAL KEY by_area (a), KEY first_bytes (g(8))
);
INSERT INTO places VALUES (1, ST_GeomFromText('POINT(1 2)'), ST_GeomFromText('POINT(-1.5 2.25)'), ST_GeomFromText('LINESTRING(0 0,1 1,2 0)'),
  ST_GeomFromText('POLYGON((0 0,4 0,4 4,0 4,0 0),(1 1,2 1,2 2,1 2,1 1))'), ST_GeomFromText('MULTIPOINT(0 0,1 1)'),
  ST_GeomFromText('MULTILINESTRING((0 0,1 1),(2 2,3 3))'), ST_GeomFromText('MULTIPOLYGON(((0 0,1 0,1 1,0 0)),((5 5,6 5,6 6,5 5)))'),
  ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))')),
  (2, NULL, ST_GeomFromText('POINT(13 52)', 3857), NULL, ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))', 3857), NULL, NULL, NULL, ST_GeomFromText('GEOMETRYCOLLECTION EMPTY')),
  (3, ST_GeomFromText('LINESTRING(1 1,2 2)', 3857), ST_GeomFromText('POINT(180 90)'), NULL, ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))'), NULL, NULL, NULL, NULL);
CREATE TABLE without_key (p POINT, at TIMESTAMP NULL DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP, twice INT AS (n * 2) STORED, n INT);
INSERT INTO without_key (p, n) VALUES (ST_GeomFromText('POINT(1 2)', 3857), 1), (ST_GeomFromText('POINT(1 2)', 3857), 1), (NULL, 2);
CREATE VIEW corners AS SELECT id, p FROM places WHERE p IS NOT NULL;
CREATE VIEW measured AS SELECT id, ST_X(p) AS x FROM places;
-- What the source takes and PostGIS does not: a line of one point, a ring of three.
CREATE TABLE odd (id INT PRIMARY KEY, g GEOMETRY);
INSERT INTO odd VALUES (1, ST_GeomFromText('LINESTRING(0 0)')), (2, ST_GeomFromText('POLYGON((0 0,1 0,0 0))')),
  (4, ST_GeomFromText('POINT(1 1)', 999999)), (5, ST_GeomFromText('LINESTRING(0 0,1 1)'));
