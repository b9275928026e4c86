CREATE TABLE places (id INT PRIMARY KEY, p POINT NOT NULL, a POLYGON NOT NULL, SPATIAL KEY by_place (p), SPATIAL KEY by_area (a));
INSERT INTO places VALUES (1, ST_GeomFromText('POINT(1 2)'), ST_GeomFromText('POLYGON((0 0,4 0,4 4,0 0))'));
