CREATE TABLE boxes (
  id INT PRIMARY KEY, w INT NOT NULL, h INT, name VARCHAR(20), area INT AS (w * h) STORED, half DECIMAL(10,2) AS (w / 2) VIRTUAL,
  label VARCHAR(50) AS (CONCAT(name, ': ', w, 'x', h)) STORED COMMENT 'as printed', big BOOLEAN AS (w > 10 AND h > 10) VIRTUAL,
  letter CHAR(1) AS (LEFT(UPPER(name), 1)) STORED, size VARCHAR(5) AS (CASE WHEN w > 10 THEN 'big' ELSE 'small' END) VIRTUAL,
  twice INT AS (area * 2) VIRTUAL, KEY by_area (area), UNIQUE KEY by_label (label), KEY by_twice (twice)
);
INSERT INTO boxes (id, w, h, name) VALUES (1, 3, 4, 'ana'), (2, 11, 12, NULL), (3, 7, NULL, 'Ünal'), (4, -5, 2, '');
CREATE TABLE docs (id INT PRIMARY KEY, doc JSON, name VARCHAR(50) AS (JSON_UNQUOTE(JSON_EXTRACT(doc, '$.name'))) VIRTUAL, y INT AS (YEAR(made)) STORED, made DATE, KEY by_name (name));
INSERT INTO docs (id, doc, made) VALUES (1, '{"name": "x"}', '2024-05-06'), (2, NULL, NULL);
